//! A run, rebuilt from its journal.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::event::{CapFields, Event, Happening, LeftBehind, PayloadFields, SEEDER, TRACKER};
use super::journal_path;
use crate::base::Instant;
use crate::control::{RunId, Tag};
use crate::rollout::{Accepted, HostRecord, Outcome, STAGED, StateName, Transition, WaveStep};

/// Longest line that is read; the first names every host.
const LINE_MAX: u64 = 16 << 20;

/// Why there is no run to be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("cannot read the journal {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        error: io::Error,
    },
    /// The folder of runs cannot be listed.
    #[error("failed to list the runs in {path}: {error}", path = .path.display())]
    List {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// No line of it says that a run began.
    #[error("the journal {0} holds no run; `rookery runs` lists those that can be read")]
    Empty(PathBuf),
}

/// What is last known of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastState {
    /// Its state.
    pub state: StateName,
    /// Its attempt.
    pub attempt: u32,
    /// Why, for states that have a reason.
    pub reason: Option<String>,
    /// The cause that groups it with others, for failures.
    pub cause: Option<String>,
    /// Since when.
    pub since: Timestamp,
}

/// A run as its journal tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// The run.
    pub run: RunId,
    /// The release's name.
    pub tag: Option<Tag>,
    /// What was distributed.
    pub source: String,
    /// Who started it.
    pub operator: String,
    /// The fleet, in its order.
    pub hosts: Vec<String>,
    /// What is last known of each.
    pub states: BTreeMap<String, LastState>,
    /// What each went through, oldest first; at most [`HostRecord::HISTORY_MAX`] changes.
    pub histories: BTreeMap<String, VecDeque<Transition>>,
    /// When hosts that are under way were launched: what their deadlines count from.
    pub launched: BTreeMap<String, Timestamp>,
    /// Hosts at which an agent has been at work with the payload.
    pub served: BTreeSet<String>,
    /// Who seeds: a host, or `console`.
    pub seeder: String,
    /// Who tracks.
    pub tracker: String,
    /// How many waves have had their turn.
    pub waves: usize,
    /// What the operator accepted when going on the last time.
    pub accepted: Accepted,
    /// Whether the operator has paused it.
    pub paused: bool,
    /// The caps that the operator set.
    pub caps: Option<CapFields>,
    /// The payload.
    pub payload: Option<PayloadFields>,
    /// When it began.
    pub started: Timestamp,
    /// When something was last heard of it.
    pub last: Timestamp,
    /// How it ended; `None` when its console ended before it did, or has not ended yet.
    pub outcome: Option<Outcome>,
    /// Whether its operator ended it.
    pub aborted: bool,
    /// What could not be proved gone.
    pub left_behind: Vec<LeftBehind>,
    /// The last event's number.
    pub seq: u64,
    /// Lines that could not be read: one that a crash cut off is not unusual.
    pub damaged: usize,
}

impl Story {
    /// The hosts in one of `states`, in fleet order.
    pub fn hosts_in<'a>(&'a self, states: &'a [StateName]) -> impl Iterator<Item = &'a str> {
        self.hosts.iter().map(String::as_str).filter(|host| states.contains(&self.state(host)))
    }

    /// The selector `@failed`: hosts that failed or could not be reached.
    pub fn failed(&self) -> impl Iterator<Item = &str> {
        self.hosts_in(&[StateName::Failed, StateName::Unreachable])
    }

    /// The selector `@unreachable`.
    pub fn unreachable(&self) -> impl Iterator<Item = &str> {
        self.hosts_in(&[StateName::Unreachable])
    }

    /// Hosts that are not done: what a resumed run has to carry on with.
    pub fn pending(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(String::as_str).filter(|host| self.state(host) != StateName::Done)
    }

    /// Hosts by state; states without hosts are left out.
    pub fn counts(&self) -> BTreeMap<StateName, u32> {
        let mut counts = BTreeMap::new();
        for host in &self.hosts {
            *counts.entry(self.state(host)).or_default() += 1;
        }
        counts
    }

    /// A moment on the clock of the run, which begins with it.
    pub fn moment(&self, time: Timestamp) -> Instant {
        Instant::after(Duration::try_from(time.duration_since(self.started)).unwrap_or_default())
    }

    /// A host's last state.
    pub fn state(&self, host: &str) -> StateName {
        self.states.get(host).map_or(StateName::Waiting, |last| last.state)
    }

    fn begin(event: Event) -> Option<Self> {
        let Happening::RunStart { tag, source, hosts, seeder, tracker, payload, operator } = event.what else {
            return None;
        };
        Some(Self {
            run: event.run,
            tag,
            source,
            operator,
            hosts,
            states: BTreeMap::new(),
            histories: BTreeMap::new(),
            launched: BTreeMap::new(),
            served: BTreeSet::new(),
            seeder,
            tracker,
            waves: 0,
            accepted: Accepted::default(),
            paused: false,
            caps: None,
            payload,
            started: event.time,
            last: event.time,
            outcome: None,
            aborted: false,
            left_behind: Vec::new(),
            seq: event.seq,
            damaged: 0,
        })
    }

    fn act(&mut self, verb: &str) {
        match verb {
            "abort-run" => self.aborted = true,
            "pause" => self.paused = true,
            "resume" => self.paused = false,
            "proceed" => {
                let count = |state| self.hosts_in(&[state]).count() as u32;
                self.accepted = Accepted {
                    failed: count(StateName::Failed),
                    unreachable: count(StateName::Unreachable),
                    waves: self.waves.max(1),
                };
            }
            _ => {}
        }
    }

    fn take(&mut self, event: Event) {
        self.seq = self.seq.max(event.seq);
        self.last = event.time;
        match event.what {
            Happening::HostState { host, state, attempt, reason, cause, .. } => {
                if is_served(state) {
                    self.served.insert(host.clone());
                }
                if state == StateName::Connecting {
                    self.launched.entry(host.clone()).or_insert(event.time);
                } else if state.is_settled() || is_staged(state, reason.as_deref()) {
                    self.launched.remove(&host);
                }
                let step = Transition { at: self.moment(event.time), state, attempt, reason: reason.clone() };
                let history = self.histories.entry(host.clone()).or_default();
                if history.len() >= HostRecord::HISTORY_MAX {
                    history.pop_front();
                }
                history.push_back(step);
                self.states.insert(host, LastState { state, attempt, reason, cause, since: event.time });
            }
            Happening::Payload { tag, payload } => {
                self.tag = tag.or_else(|| self.tag.take());
                self.payload = Some(payload);
            }
            Happening::RunEnd { outcome, left_behind, .. } => {
                self.outcome = Some(outcome);
                self.left_behind = left_behind;
            }
            Happening::RunStart { .. } | Happening::RunResume { .. } => self.outcome = None,
            Happening::Action { verb, caps, .. } => {
                self.act(&verb);
                self.caps = caps.or(self.caps);
            }
            Happening::Role { place, roles, .. } => {
                for role in roles {
                    match role.as_str() {
                        SEEDER => self.seeder.clone_from(&place),
                        TRACKER => self.tracker.clone_from(&place),
                        _ => {}
                    }
                }
            }
            Happening::Wave { wave, step, .. } if step == WaveStep::Opened.as_str() => self.waves = wave,
            Happening::RunLeft { .. }
            | Happening::HostProgress { .. }
            | Happening::Swarm { .. }
            | Happening::Note { .. }
            | Happening::Preflight { .. }
            | Happening::Wave { .. }
            | Happening::Unknown => {}
        }
    }
}

/// Whether a host in this state has an agent that is at work with the payload, or was.
const fn is_served(state: StateName) -> bool {
    match state {
        StateName::Fetching | StateName::Stalled | StateName::Verifying | StateName::Unpacking | StateName::Done => {
            true
        }
        StateName::Waiting
        | StateName::Connecting
        | StateName::Bootstrapping
        | StateName::Failed
        | StateName::Unreachable
        | StateName::Aborted
        | StateName::Skipped => false,
    }
}

/// Whether a host waits for its turn with everything ready: that takes none of its time.
fn is_staged(state: StateName, reason: Option<&str>) -> bool {
    state == StateName::Unpacking && reason.is_some_and(|reason| reason.starts_with(STAGED))
}

/// Reads a journal; `None` when no line says that a run began. Lines that make no sense are counted and skipped.
///
/// # Errors
///
/// What the source says.
pub fn read(source: impl BufRead) -> io::Result<Option<Story>> {
    let (mut story, mut damaged) = (None::<Story>, 0);
    each_event(source, |event| match (event, &mut story) {
        (Some(event), Some(story)) => story.take(event),
        (Some(event), None) => story = Story::begin(event),
        (None, _) => damaged += 1,
    })?;
    Ok(story.map(|story| Story { damaged, ..story }))
}

/// Hands over each event of a journal; `None` for a line that makes no sense.
pub(super) fn each_event(mut source: impl BufRead, mut take: impl FnMut(Option<Event>)) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if source.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if !line.trim_ascii().is_empty() {
            take(serde_json::from_slice(&line).ok());
        }
    }
}

/// Reads the journal of a run.
///
/// # Errors
///
/// When the file cannot be read, or holds no run.
pub fn read_run(state: &Path, run: &RunId) -> Result<Story, ReadError> {
    let path = journal_path(state, run);
    let failed = |error| ReadError::Io { path: path.clone(), error };
    let story = File::open(&path).map_err(failed).and_then(|file| read(BufReader::new(file)).map_err(failed))?;
    story.ok_or(ReadError::Empty(path))
}

/// Every run with a journal, the one that was last written to first.
///
/// # Errors
///
/// When the folder of runs cannot be listed. That there is none is no error: there was no run yet.
pub fn runs(state: &Path) -> Result<Vec<RunId>, ReadError> {
    let path = state.join("runs");
    list(state, &path).map_err(|error| ReadError::List { path, error })
}

fn list(state: &Path, folder: &Path) -> io::Result<Vec<RunId>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let Some(run) = entry?.file_name().to_str().and_then(|name| name.parse::<RunId>().ok()) else { continue };
        if let Ok(written) = journal_path(state, &run).metadata().and_then(|file| file.modified()) {
            found.push((written, run));
        }
    }
    found.sort_unstable();
    Ok(found.into_iter().rev().map(|(_, run)| run).collect())
}

/// The newest run: the one that `@failed` and `@unreachable` mean.
///
/// # Errors
///
/// As [`runs`], and when that run cannot be read: an older one is not meant.
pub fn newest(state: &Path) -> Result<Option<Story>, ReadError> {
    runs(state)?.first().map(|run| read_run(state, run)).transpose()
}
