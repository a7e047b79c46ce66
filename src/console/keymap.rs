//! One table of keys: what they do is looked up here, and help and `docs/keys.md` are printed from it.

use std::fmt::Write as _;

use super::io::{Key, KeyError};
use super::model::View;

/// Where a key moves the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the table says what each does, in words for the operator")]
pub enum Motion {
    Up,
    Down,
    Left,
    Right,
    HalfUp,
    HalfDown,
    Top,
    Bottom,
}

/// What a key does to the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the table says what each does, in words for the operator")]
pub enum Act {
    Retry,
    RetryAll,
    Abort,
    AbortRun,
    Proceed,
    Pause,
    CapUp,
    CapDown,
}

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the table says what each does, in words for the operator")]
pub enum Verb {
    Move(Motion),
    Act(Act),
    Show(View),
    NextFailed,
    PreviousFailed,
    NextView,
    PreviousView,
    Open,
    Back,
    Filter,
    Density,
    Group,
    Sort,
    Reverse,
    Freeze,
    Theme,
    Mark,
    Range,
    Invert,
    Undo,
    Command,
    Report,
    Help,
    Redraw,
    Suspend,
    Quit,
    QuitKeep,
    Login,
    Copy,
    CopyReason,
}

/// Verbs that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// The cursor.
    Move,
    /// What is shown.
    Look,
    /// Which hosts.
    Select,
    /// What happens to them.
    Act,
    /// The program.
    Program,
}

impl Section {
    /// Every section, in the order of the help.
    pub const ALL: [Self; 5] = [Self::Act, Self::Select, Self::Move, Self::Look, Self::Program];

    /// Its heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Move => "Move",
            Self::Look => "Look",
            Self::Select => "Select",
            Self::Act => "Act",
            Self::Program => "Program",
        }
    }
}

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// What it does.
    pub verb: Verb,
    /// Its name in settings.
    pub name: &'static str,
    /// Where it belongs.
    pub section: Section,
    /// What it does, in words for the operator.
    pub does: &'static str,
    /// The keys, each a sequence of one or two.
    pub keys: Vec<Vec<Key>>,
}

/// What a key means after those that came before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// This.
    Verb(Verb),
    /// The beginning of a sequence.
    Prefix,
    /// Nothing.
    Nothing,
}

/// The keys in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keymap {
    bindings: Vec<Binding>,
}

type Row = (Verb, &'static str, Section, &'static [&'static str], &'static str);

const TABLE: [Row; 49] = [
    (Verb::Act(Act::Retry), "retry", Section::Act, &["r"], "retry the host, or the marked hosts, at once"),
    (
        Verb::Act(Act::RetryAll),
        "retry-all",
        Section::Act,
        &["R"],
        "retry every failed and unreachable host (in the filter)",
    ),
    (Verb::Act(Act::Abort), "abort", Section::Act, &["a"], "abort the host, or the marked hosts (asks)"),
    (Verb::Act(Act::AbortRun), "abort-run", Section::Act, &["A"], "abort the whole run (asks for the release's name)"),
    (
        Verb::Act(Act::Proceed),
        "proceed",
        Section::Act,
        &["o"],
        "open the next wave, or go on in spite of what stopped the run (asks)",
    ),
    (Verb::Act(Act::Pause), "pause", Section::Act, &["p"], "pause or resume: launch no more hosts"),
    (Verb::Act(Act::CapUp), "cap-up", Section::Act, &["+", "="], "raise the rate cap of every host"),
    (Verb::Act(Act::CapDown), "cap-down", Section::Act, &["-"], "lower the rate cap of every host"),
    (Verb::Command, "command", Section::Act, &[":"], "type a command: any action by name, hosts, rates; tab completes"),
    (Verb::Login, "login", Section::Act, &["!"], "ssh to the host in this terminal, and back; the run goes on"),
    (Verb::Report, "report", Section::Act, &["w"], "write a report of the run as it is"),
    (Verb::Filter, "filter", Section::Select, &["/"], "filter: state, label=value, host pattern; ! inverts"),
    (Verb::Mark, "mark", Section::Select, &["space"], "mark the host, or unmark it"),
    (Verb::Range, "range", Section::Select, &["v"], "begin a range; v again marks it"),
    (Verb::Invert, "invert", Section::Select, &["*"], "mark what is not marked, and the other way round"),
    (Verb::Undo, "undo", Section::Select, &["z"], "take back: an abort in its first 5 s, or the last change of marks"),
    (Verb::Copy, "copy", Section::Select, &["y"], "copy the name of the host, or of the marked hosts"),
    (Verb::CopyReason, "copy-reason", Section::Select, &["Y"], "copy what became of them, and what to do"),
    (Verb::NextFailed, "next-failed", Section::Move, &["n"], "next failed host"),
    (Verb::PreviousFailed, "previous-failed", Section::Move, &["N"], "previous failed host"),
    (Verb::Move(Motion::Up), "up", Section::Move, &["k", "up"], "up"),
    (Verb::Move(Motion::Down), "down", Section::Move, &["j", "down"], "down"),
    (Verb::Move(Motion::Left), "left", Section::Move, &["h", "left"], "left; on a host's page, the one before"),
    (Verb::Move(Motion::Right), "right", Section::Move, &["l", "right"], "right; on a host's page, the next host"),
    (Verb::Move(Motion::HalfUp), "half-up", Section::Move, &["ctrl-u", "pgup"], "half a page up"),
    (Verb::Move(Motion::HalfDown), "half-down", Section::Move, &["ctrl-d", "pgdn"], "half a page down"),
    (Verb::Move(Motion::Top), "top", Section::Move, &["g g", "home"], "first"),
    (Verb::Move(Motion::Bottom), "bottom", Section::Move, &["G", "end"], "last"),
    (Verb::Open, "open", Section::Look, &["enter"], "open the host; for a cause: its hosts"),
    (Verb::Back, "back", Section::Look, &["esc"], "back; then clear range, filter, marks (never quits)"),
    (Verb::NextView, "next-view", Section::Look, &["tab"], "next view"),
    (Verb::PreviousView, "previous-view", Section::Look, &["shift-tab"], "previous view"),
    (Verb::Show(View::Grid), "show-grid", Section::Look, &["1"], "grid: the fleet as a map"),
    (Verb::Show(View::Table), "show-table", Section::Look, &["2"], "table: worst first"),
    (Verb::Show(View::Failures), "show-failures", Section::Look, &["3"], "failures, by cause"),
    (Verb::Show(View::Events), "show-events", Section::Look, &["4"], "events"),
    (Verb::Show(View::Host), "show-host", Section::Look, &["5"], "the host under the cursor"),
    (
        Verb::Show(View::Log),
        "log",
        Section::Look,
        &["l", "L", "6"],
        "the log of the host; on the map, where l moves, it is L",
    ),
    (Verb::Density, "density", Section::Look, &["T"], "level of detail of the grid"),
    (Verb::Group, "group", Section::Look, &["b"], "group the grid by the next label: group, zone, rack, ..."),
    (Verb::Sort, "sort", Section::Look, &["s"], "sort the table by the next column"),
    (Verb::Reverse, "reverse", Section::Look, &["S"], "turn the order of the table round"),
    (Verb::Freeze, "freeze", Section::Look, &["f"], "freeze the display; the run goes on"),
    (Verb::Theme, "theme", Section::Look, &["t"], "next theme"),
    (Verb::Help, "help", Section::Program, &["?", "f1"], "these keys"),
    (Verb::Redraw, "redraw", Section::Program, &["ctrl-l"], "draw the screen again"),
    (
        Verb::Suspend,
        "suspend",
        Section::Program,
        &["ctrl-z"],
        "stop this program for a while (asks while the run is on)",
    ),
    (Verb::Quit, "quit", Section::Program, &["q", "ctrl-c"], "quit (asks while the run is on)"),
    (Verb::QuitKeep, "quit-keep", Section::Program, &["Q"], "quit, and leave the last screen on the terminal"),
];

impl Default for Keymap {
    fn default() -> Self {
        let binding = |(verb, name, section, keys, does): Row| Binding {
            verb,
            name,
            section,
            does,
            keys: keys.iter().map(|keys| sequence(keys).expect("the table holds keys: a test reads it")).collect(),
        };
        Self { bindings: TABLE.into_iter().map(binding).collect() }
    }
}

impl Keymap {
    /// Every line of the table.
    pub fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    /// Gives an action other keys, or none.
    pub(super) fn rebind(&mut self, name: &str, keys: Vec<Vec<Key>>) {
        if let Some(binding) = self.bindings.iter_mut().find(|binding| binding.name == name) {
            binding.keys = keys;
        }
    }

    /// The keys of a verb as the operator reads them: `g g`, or nothing when it has none.
    pub fn key_of(&self, verb: Verb) -> String {
        self.find(verb).and_then(|binding| binding.keys.first()).map_or_else(String::new, |keys| spell(keys))
    }

    /// The keys of a verb that mean it in this view.
    pub(super) fn key_in(&self, verb: Verb, view: View) -> String {
        let keys = self.find(verb).map_or(&[][..], |binding| binding.keys.as_slice());
        keys.iter()
            .find(|keys| self.lookup(keys, view) == Found::Verb(verb))
            .map_or_else(String::new, |keys| spell(keys))
    }

    /// The table as a page of the documentation.
    pub fn markdown(&self) -> String {
        let mut page = String::from(
            "# Keys\n\nPrinted by `rookery keys`. Esc never quits, and nothing is aborted without an answer to a question.\n\n\
             Other keys are given in `~/.config/rookery/config.toml`, or for a project in its `rookery.toml`: action, and the list\n\
             of its keys, which replaces the one below. `[]` takes an action's keys away; keys with spaces between them are\n\
             pressed one after the other. What is saved while the console runs is in use a second later.\n\n\
             `l` has two meanings, so that the fingers of vi and of other consoles are both right: on the map, where there is\n\
             something on the right, it moves; in every other view it opens the log. `L` opens the log anywhere.\n\n\
             ```toml\n[keys]\nretry = [\"r\", \"f5\"]\ntop = [\"g g\"]\nabort-run = []\n```\n",
        );
        for section in Section::ALL {
            let heading = section.title();
            let _ = write!(page, "\n## {heading}\n\n| key | does | action |\n| --- | --- | --- |\n");
            for binding in self.bindings.iter().filter(|binding| binding.section == section) {
                let keys: Vec<_> = binding.keys.iter().map(|keys| format!("`{}`", spell(keys))).collect();
                let _ = writeln!(page, "| {} | {} | `{}` |", keys.join(" "), binding.does, binding.name);
            }
        }
        page
    }

    /// What the keys pressed so far mean, the newest last.
    pub(super) fn lookup(&self, pressed: &[Key], view: View) -> Found {
        let sequences =
            || self.bindings.iter().flat_map(|binding| binding.keys.iter().map(move |keys| (keys, binding)));
        let meant = || sequences().filter(|(keys, _)| keys.as_slice() == pressed).map(|(_, binding)| binding);
        if let Some(binding) = meant().find(|binding| !gives_way(binding.verb, view)).or_else(|| meant().next()) {
            Found::Verb(binding.verb)
        } else if sequences().any(|(keys, _)| keys.starts_with(pressed)) {
            Found::Prefix
        } else {
            Found::Nothing
        }
    }

    fn find(&self, verb: Verb) -> Option<&Binding> {
        self.bindings.iter().find(|binding| binding.verb == verb)
    }
}

/// Whether two verbs may have one key. Fingers know `l` for two things: as in vi it moves right, as in other consoles it
/// opens the log. To move right there must be something on the right, which is on the map; everywhere else it is the log.
pub(super) const fn share(one: Verb, other: Verb) -> bool {
    (is_sideways(one) && is_log(other)) || (is_log(one) && is_sideways(other))
}

/// Whether a verb leaves a key that it shares to the other one in this view.
const fn gives_way(verb: Verb, view: View) -> bool {
    let on_map = matches!(view, View::Grid);
    (is_log(verb) && on_map) || (is_sideways(verb) && !on_map)
}

const fn is_sideways(verb: Verb) -> bool {
    matches!(verb, Verb::Move(Motion::Left | Motion::Right))
}

const fn is_log(verb: Verb) -> bool {
    matches!(verb, Verb::Show(View::Log))
}

fn sequence(text: &str) -> Result<Vec<Key>, KeyError> {
    text.split(' ').map(str::parse).collect()
}

/// A sequence as the operator reads it.
pub(super) fn spell(keys: &[Key]) -> String {
    keys.iter().map(Key::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_means_one_thing() {
        let map = Keymap::default();
        let sequences =
            |binding: &Binding| binding.keys.iter().map(|keys| (keys.clone(), binding.verb)).collect::<Vec<_>>();
        let all: Vec<_> = map.bindings().iter().flat_map(sequences).collect();
        for (keys, verb) in &all {
            let clashes = all.iter().filter(|(other, its)| other.starts_with(keys) && !share(*verb, *its)).count();
            assert_eq!(clashes, 1, "{} is also the beginning of something else", spell(keys));
        }
        let mut verbs: Vec<_> = map.bindings().iter().map(|binding| binding.verb).collect();
        verbs.sort_unstable();
        verbs.dedup();
        assert_eq!(verbs.len(), TABLE.len());
    }

    #[test]
    fn sequences_wait_for_their_second_key() {
        let map = Keymap::default();
        assert_eq!(map.lookup(&[Key::char('g')], View::Grid), Found::Prefix);
        assert_eq!(map.lookup(&[Key::char('g'), Key::char('g')], View::Grid), Found::Verb(Verb::Move(Motion::Top)));
        assert_eq!(map.lookup(&[Key::char('g'), Key::char('x')], View::Grid), Found::Nothing);
    }

    #[test]
    fn a_key_of_two_meanings_moves_on_the_map_and_opens_the_log_elsewhere() {
        let map = Keymap::default();
        let (right, log) = (Verb::Move(Motion::Right), Verb::Show(View::Log));
        for view in View::ALL {
            let expected = if view == View::Grid { right } else { log };
            assert_eq!(map.lookup(&[Key::char('l')], view), Found::Verb(expected), "{view:?}");
            assert_eq!(map.lookup(&[Key::char('L')], view), Found::Verb(log), "{view:?}");
        }
        assert_eq!((map.key_in(log, View::Grid), map.key_in(log, View::Host)), ("L".to_owned(), "l".to_owned()));
        assert_eq!(map.key_in(right, View::Host), "right");
    }

    #[test]
    fn the_page_of_keys_is_current() {
        let page = Keymap::default().markdown();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/keys.md");
        if std::env::var_os("INSTA_UPDATE").is_some_and(|value| value == "always") {
            std::fs::write(path, &page).expect("docs/keys.md can be written");
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == page, "docs/keys.md is not current: run `rookery keys > docs/keys.md`");
    }
}
