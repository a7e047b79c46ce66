//! Everything the console remembers: the rollout, and how the operator looks at it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::arrange::{Arrangement, candidates};
use super::dialog::{Dialog, Question};
use super::events::Events;
use super::filter::{Filter, Labels, Subject};
use super::grace::Grace;
use super::io::{Key, LastScreen, Progress};
use super::keymap::Keymap;
use super::marks;
use super::popup::Popup;
use super::prompt::{Histories, Prompt};
use super::retold::recall;
use super::view::Names;
use crate::base::Instant;
use crate::inventory::HostId;
use crate::journal::Retold;
use crate::rollout::{HostRecord, Rollout, Stage, StateName};

/// What the middle of the screen shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum View {
    /// The fleet as a map.
    Grid,
    /// The fleet as a list, worst first.
    Table,
    /// Failures by cause.
    Failures,
    /// What happened.
    Events,
    /// One host.
    Host,
    /// What was heard of that host, and from it.
    Log,
}

impl View {
    /// Every view, in the order of its key.
    pub const ALL: [Self; 6] = [Self::Grid, Self::Table, Self::Failures, Self::Events, Self::Host, Self::Log];

    /// Its name on the screen.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Grid => "grid",
            Self::Table => "table",
            Self::Failures => "failures",
            Self::Events => "events",
            Self::Host => "host",
            Self::Log => "log",
        }
    }
}

/// The order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// What needs the operator first.
    Worst,
    /// As the inventory has them.
    Inventory,
    /// Least complete first.
    Completion,
    /// Fastest first.
    Rate,
    /// Longest without a new piece first.
    Age,
}

impl Sort {
    /// Every order, as `s` goes through them.
    pub const ALL: [Self; 5] = [Self::Worst, Self::Inventory, Self::Completion, Self::Rate, Self::Age];

    /// Its word in a command.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Worst => "worst",
            Self::Inventory => "inventory",
            Self::Completion => "completion",
            Self::Rate => "rate",
            Self::Age => "age",
        }
    }

    /// The next one.
    pub const fn next(self) -> Self {
        match self {
            Self::Worst => Self::Inventory,
            Self::Inventory => Self::Completion,
            Self::Completion => Self::Rate,
            Self::Rate => Self::Age,
            Self::Age => Self::Worst,
        }
    }

    /// Its name on the screen.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Worst => "worst first",
            Self::Inventory => "inventory order",
            Self::Completion => "least complete first",
            Self::Rate => "fastest first",
            Self::Age => "longest without a piece first",
        }
    }
}

/// How much of a host the grid shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Density {
    /// A line.
    Card,
    /// A glyph and a share, and a name where it fits.
    Tile,
    /// A glyph.
    Cell,
    /// A glyph for several hosts, the worst of them.
    Aggregate,
}

impl Density {
    /// Its name on the screen.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Card => "cards",
            Self::Tile => "tiles",
            Self::Cell => "cells",
            Self::Aggregate => "aggregate",
        }
    }

    /// The one that `T` shows after this; `None` is as much as fits.
    pub const fn after(chosen: Option<Self>) -> Option<Self> {
        match chosen {
            None => Some(Self::Card),
            Some(Self::Card) => Some(Self::Tile),
            Some(Self::Tile) => Some(Self::Cell),
            Some(Self::Cell) => Some(Self::Aggregate),
            Some(Self::Aggregate) => None,
        }
    }
}

/// How urgent a toast is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    Info,
    Warning,
    /// Why a key did nothing: no longer of interest when another one does something.
    Refusal,
}

/// A short answer to the operator, shown for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Toast {
    pub(super) urgency: Urgency,
    pub(super) text: String,
    pub(super) until: Instant,
}

/// The run as it was when the display was frozen.
#[derive(Debug, Clone)]
pub(super) struct Frozen {
    pub(super) rollout: Rollout,
    pub(super) at: Instant,
}

/// Who is at the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// Somebody who runs it.
    #[default]
    Operator,
    /// Somebody who watches: no key changes anything.
    Watcher,
}

/// What the console starts with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The labels of the hosts, for filters.
    pub labels: Labels,
    /// The theme in use.
    pub theme: String,
    /// The themes `t` goes round.
    pub themes: Vec<String>,
    /// The keys.
    pub keymap: Keymap,
    /// Who is at the keys.
    pub access: Access,
    /// Who started the run; empty when nobody knows.
    pub operator: String,
    /// What happened before this console took the run up.
    pub earlier: Retold,
    /// The terminal's width.
    pub columns: u16,
    /// The terminal's height.
    pub rows: u16,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            labels: Labels::default(),
            theme: "ansi".to_owned(),
            themes: super::theme::BUILTIN.map(|(name, _)| name.to_owned()).to_vec(),
            keymap: Keymap::default(),
            access: Access::default(),
            operator: String::new(),
            earlier: Retold::default(),
            columns: 80,
            rows: 24,
        }
    }
}

/// Everything the console remembers. What is true about a host is in the rollout only.
#[derive(Debug)]
pub struct Model {
    pub(super) rollout: Rollout,
    pub(super) setup: Setup,
    pub(super) now: Instant,
    pub(super) view: View,
    /// Where `esc` goes from a host.
    pub(super) back: View,
    /// Where `esc` goes from a log.
    pub(super) log_back: View,
    pub(super) cursor: Option<HostId>,
    pub(super) marks: BTreeSet<HostId>,
    /// The marks before each change of them, the newest last.
    pub(super) past: Vec<BTreeSet<HostId>>,
    /// The abort that can still be taken back.
    pub(super) grace: Option<Grace>,
    /// Where the range that is being marked began.
    pub(super) anchor: Option<HostId>,
    pub(super) filter: Filter,
    /// The line that is being typed.
    pub(super) prompt: Option<Prompt>,
    pub(super) histories: Histories,
    pub(super) sort: Sort,
    pub(super) reversed: bool,
    pub(super) density: Option<Density>,
    pub(super) map: Arrangement,
    /// The labels the map can be grouped by.
    pub(super) parting: Vec<String>,
    pub(super) names: Names,
    pub(super) dialog: Option<Dialog>,
    /// The wave and the question that was asked last by itself: it is asked once.
    pub(super) offered: Option<(usize, Question)>,
    pub(super) popup: Option<Popup>,
    /// The first line of the help, while it is shown.
    pub(super) help: Option<usize>,
    /// What is looked for in the help, in small letters.
    pub(super) sought: String,
    /// The first line of a view that has no hosts to move between.
    pub(super) scroll: usize,
    /// The cause under the cursor of the failures.
    pub(super) cause: Option<&'static str>,
    pub(super) events: Events,
    pub(super) toast: Option<Toast>,
    pub(super) frozen: Option<Box<Frozen>>,
    /// Keys of a sequence that is not complete.
    pub(super) pending: Vec<Key>,
    /// The host whose peers are asked for.
    pub(super) watched: Option<HostId>,
    /// The operator wants to go as soon as the run is over.
    pub(super) leaving: bool,
    pub(super) settled: bool,
    pub(super) title: String,
    pub(super) progress: Progress,
    pub(super) last_screen: LastScreen,
    pub(super) rung: Option<Instant>,
}

impl Model {
    /// A console that looks at this rollout.
    pub fn new(rollout: Rollout, mut setup: Setup) -> Self {
        setup.labels.number_waves(&rollout);
        let cursor = rollout.hosts().first().map(|host| host.id);
        let hosts = &rollout.plan().hosts;
        let (map, names) = (Arrangement::plain(hosts.len()), Names::of(hosts));
        let parting = candidates(&setup.labels, hosts);
        let events = recall(&rollout, std::mem::take(&mut setup.earlier));
        Self {
            map,
            parting,
            names,
            rollout,
            setup,
            now: Instant::ZERO,
            view: View::Grid,
            back: View::Grid,
            log_back: View::Grid,
            cursor,
            marks: BTreeSet::new(),
            past: Vec::new(),
            grace: None,
            anchor: None,
            filter: Filter::default(),
            prompt: None,
            histories: Histories::default(),
            sort: Sort::Worst,
            reversed: false,
            density: None,
            dialog: None,
            offered: None,
            popup: None,
            help: None,
            sought: String::new(),
            scroll: 0,
            cause: None,
            events,
            toast: None,
            frozen: None,
            pending: Vec::new(),
            watched: None,
            leaving: false,
            settled: false,
            title: String::new(),
            progress: Progress::None,
            last_screen: LastScreen::Goes,
            rung: None,
        }
    }

    /// The rollout, as it is.
    pub const fn rollout(&self) -> &Rollout {
        &self.rollout
    }

    /// The rollout, for a driver that does without the console from now on.
    pub fn into_rollout(self) -> Rollout {
        self.rollout
    }

    /// When [`Msg::Tick`](super::Msg::Tick) is due: the rollout's deadline, and a clock that moves once a second.
    pub fn deadline(&self) -> Option<Instant> {
        let second = self.now + Duration::from_micros(1_000_000 - self.now.as_micros() % 1_000_000);
        let live = !matches!(self.rollout.stage(), Stage::Ended(_));
        let clock = (live || self.toast.is_some()).then_some(second);
        let toast = self.toast.as_ref().map(|toast| toast.until);
        let grace = self.grace.as_ref().map(|grace| grace.until);
        [self.rollout.deadline(), clock, toast, grace].into_iter().flatten().min()
    }

    /// What is on the screen.
    pub const fn view(&self) -> View {
        self.view
    }

    /// The host under the cursor.
    pub const fn cursor(&self) -> Option<HostId> {
        self.cursor
    }

    /// What becomes of the last screen when the console leaves.
    pub const fn last_screen(&self) -> LastScreen {
        self.last_screen
    }

    /// The hosts that are marked.
    pub const fn marks(&self) -> &BTreeSet<HostId> {
        &self.marks
    }

    /// Whether a question waits for an answer.
    pub const fn is_asking(&self) -> bool {
        self.dialog.is_some()
    }

    /// The rollout as it is displayed: as it is, or as it was when the display was frozen.
    pub(super) fn shown(&self) -> &Rollout {
        self.frozen.as_ref().map_or(&self.rollout, |frozen| &frozen.rollout)
    }

    /// The time of what is displayed.
    pub(super) fn shown_now(&self) -> Instant {
        self.frozen.as_ref().map_or(self.now, |frozen| frozen.at)
    }

    /// Whether the filter shows a host.
    pub(super) fn passes(&self, record: &HostRecord) -> bool {
        self.meets(&self.filter, record)
    }

    /// Whether a host is among those that a filter means.
    pub(super) fn meets(&self, filter: &Filter, record: &HostRecord) -> bool {
        filter.is_empty() || filter.matches(&self.subject(record))
    }

    /// A host, as filters look at it.
    pub(super) fn subject<'a>(&'a self, record: &'a HostRecord) -> Subject<'a> {
        Subject {
            record,
            name: self.rollout.name(record.id),
            labels: self.setup.labels.of(record.id),
            marked: self.marks.contains(&record.id),
        }
    }

    /// What must be typed when the whole run is meant.
    pub(super) fn release(&self) -> String {
        let run = || self.rollout.plan().run.as_str().to_owned();
        self.rollout.tag().map_or_else(run, |tag| tag.as_str().to_owned())
    }

    pub(super) fn say(&mut self, urgency: Urgency, text: impl Into<String>) {
        let shown = match urgency {
            Urgency::Info => Duration::from_secs(4),
            Urgency::Warning | Urgency::Refusal => Duration::from_secs(8),
        };
        self.toast = Some(Toast { urgency, text: text.into(), until: self.now + shown });
    }

    /// A key did something: why another one did not is over.
    pub(super) fn forget_refusal(&mut self) {
        self.toast = self.toast.take().filter(|toast| toast.urgency != Urgency::Refusal);
    }

    /// The hosts between the anchor and the cursor, in the order of the view; empty without an anchor. Only those that can
    /// be marked.
    pub(super) fn range(&self) -> BTreeSet<HostId> {
        let (Some(anchor), Some(cursor)) = (self.anchor, self.cursor) else { return BTreeSet::new() };
        let order = super::order::hosts(self);
        let at = |host| order.iter().position(|other| *other == host);
        match (at(anchor), at(cursor)) {
            (Some(one), Some(other)) => {
                let all = order[one.min(other)..=one.max(other)].iter().copied();
                all.filter(|host| marks::can_mark(self, *host)).collect()
            }
            _ => BTreeSet::new(),
        }
    }

    /// The hosts a key acts on: the marked ones and the range, or what the cursor is on: a host, or all of a cause.
    /// Never a host that is not to be seen.
    pub(super) fn targets(&self) -> Vec<HostId> {
        let mut chosen = self.range();
        match self.view {
            View::Grid | View::Table | View::Events => chosen.extend(&self.marks),
            View::Failures => return self.of_cause(),
            View::Host | View::Log => {}
        }
        if chosen.is_empty() && self.view != View::Events {
            chosen.extend(self.cursor);
        }
        chosen.into_iter().collect()
    }

    /// The hosts of the cause under the cursor of the failures.
    fn of_cause(&self) -> Vec<HostId> {
        let groups = self.shown().failures();
        let chosen = groups.iter().find(|group| Some(group.cause) == self.cause).or_else(|| groups.first());
        chosen.map(|group| group.hosts.clone()).unwrap_or_default()
    }
}

/// How much a state needs the operator: the worst wins where several hosts share a cell.
pub(super) const fn severity(state: StateName) -> u8 {
    match state {
        StateName::Failed => 11,
        StateName::Unreachable => 10,
        StateName::Stalled => 9,
        StateName::Aborted => 8,
        StateName::Skipped => 7,
        StateName::Waiting => 6,
        StateName::Connecting => 5,
        StateName::Bootstrapping => 4,
        StateName::Fetching => 3,
        StateName::Verifying => 2,
        StateName::Unpacking => 1,
        StateName::Done => 0,
    }
}

/// Whether a host may be retried.
pub(super) const fn can_retry(state: StateName) -> bool {
    state.is_settled() && !matches!(state, StateName::Done)
}

/// Whether the state is a failure.
pub(super) const fn is_failure(state: StateName) -> bool {
    matches!(state, StateName::Failed | StateName::Unreachable)
}
