//! One host of the run: a state that holds exactly what that state knows, and its history.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{BootStep, Failure};
use crate::base::{Bitfield, ByteCount, Instant};
use crate::control::{PeerSummary, Progress};
use crate::inventory::HostId;

/// The contract's states, by name. They sum to the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StateName {
    /// Not launched yet.
    Waiting,
    /// SSH is being set up.
    Connecting,
    /// The agent is on its way, or the swarm is not ready yet.
    Bootstrapping,
    /// Pieces arrive.
    Fetching,
    /// No new piece for a while.
    Stalled,
    /// Every piece is there; the whole is checked.
    Verifying,
    /// The release is being unpacked beside its place.
    Unpacking,
    /// The release is in place, verified.
    Done,
    /// It failed, for a reason.
    Failed,
    /// SSH did not get there.
    Unreachable,
    /// The operator gave it up.
    Aborted,
    /// It was never launched: the run ended first.
    Skipped,
}

impl StateName {
    /// Every state, in the order of a host's life.
    pub const ALL: [Self; 12] = [
        Self::Waiting,
        Self::Connecting,
        Self::Bootstrapping,
        Self::Fetching,
        Self::Stalled,
        Self::Verifying,
        Self::Unpacking,
        Self::Done,
        Self::Failed,
        Self::Unreachable,
        Self::Aborted,
        Self::Skipped,
    ];

    /// The contract's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Connecting => "connecting",
            Self::Bootstrapping => "bootstrapping",
            Self::Fetching => "fetching",
            Self::Stalled => "stalled",
            Self::Verifying => "verifying",
            Self::Unpacking => "unpacking",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Unreachable => "unreachable",
            Self::Aborted => "aborted",
            Self::Skipped => "skipped",
        }
    }

    /// Whether nothing more happens to the host by itself.
    pub const fn is_settled(self) -> bool {
        match self {
            Self::Done | Self::Failed | Self::Unreachable | Self::Aborted | Self::Skipped => true,
            Self::Waiting
            | Self::Connecting
            | Self::Bootstrapping
            | Self::Fetching
            | Self::Stalled
            | Self::Verifying
            | Self::Unpacking => false,
        }
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a host is doing.
#[derive(Debug, Clone, PartialEq)]
pub enum HostState {
    /// Not launched yet; `not_before` is the backoff of a retry.
    Waiting {
        /// When it may be launched again.
        not_before: Option<Instant>,
    },
    /// SSH is being set up.
    Connecting,
    /// The agent is on its way, starting, hashing what it has, or waiting for the swarm to be ready.
    Bootstrapping {
        /// The last step heard of.
        step: BootStep,
    },
    /// Pieces arrive.
    Fetching,
    /// No new piece for a while.
    Stalled {
        /// Since when.
        since: Instant,
        /// Why, as far as one can tell.
        reason: Stall,
    },
    /// Every piece is there; the whole is checked.
    Verifying,
    /// The release is being unpacked.
    Unpacking,
    /// The release is in place, verified.
    Done {
        /// It had been there before.
        already: bool,
    },
    /// It failed.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// SSH did not get there.
    Unreachable {
        /// Why.
        failure: Failure,
    },
    /// The operator gave it up.
    Aborted,
    /// It was never launched.
    Skipped,
}

impl HostState {
    /// The contract's word for it.
    pub const fn name(&self) -> StateName {
        match self {
            Self::Waiting { .. } => StateName::Waiting,
            Self::Connecting => StateName::Connecting,
            Self::Bootstrapping { .. } => StateName::Bootstrapping,
            Self::Fetching => StateName::Fetching,
            Self::Stalled { .. } => StateName::Stalled,
            Self::Verifying => StateName::Verifying,
            Self::Unpacking => StateName::Unpacking,
            Self::Done { .. } => StateName::Done,
            Self::Failed { .. } => StateName::Failed,
            Self::Unreachable { .. } => StateName::Unreachable,
            Self::Aborted => StateName::Aborted,
            Self::Skipped => StateName::Skipped,
        }
    }

    /// Why the host is not done, if it failed or cannot be reached.
    pub const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed { failure } | Self::Unreachable { failure } => Some(failure),
            Self::Waiting { .. }
            | Self::Connecting
            | Self::Bootstrapping { .. }
            | Self::Fetching
            | Self::Stalled { .. }
            | Self::Verifying
            | Self::Unpacking
            | Self::Done { .. }
            | Self::Aborted
            | Self::Skipped => None,
        }
    }
}

/// What a host does within its state, where the state's name does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// What the state says.
    #[default]
    None,
    /// Unpacking: the release is verified and lies aside, and waits for the host's turn.
    Staged,
    /// Unpacking: the release is being put in its place.
    Switching,
    /// Verifying: the release is in place, and the health command runs.
    Checking {
        /// How often it was run, this time included.
        attempt: u32,
    },
    /// Verifying: the health command said no, and is run again later.
    Unwell {
        /// How often it was run.
        attempt: u32,
        /// When it is run again.
        again: Instant,
    },
}

/// Why no piece arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stall {
    /// It has no peers.
    NoPeers,
    /// It has peers, but none lets it ask.
    Choked,
    /// It has no peers, and the tracker does not answer.
    TrackerSilent,
    /// Its agent says nothing.
    AgentSilent,
    /// Peers let it ask, yet nothing comes.
    NoPieces,
    /// Bytes come, but no piece is whole: its line is slow.
    Unfinished,
    /// Bytes came, and its disk does not take them.
    Disk,
}

impl Stall {
    /// What the operator can do about it. A stall ends by itself when a piece comes, and is a failure when none does.
    pub const fn next_step(self) -> &'static str {
        match self {
            Self::NoPeers => "it waits for others; if it stays alone, see whether its port can be reached",
            Self::Choked => "others serve it in turn: it goes on by itself",
            Self::TrackerSilent => "it reaches nobody: look at its network and its firewall",
            Self::AgentSilent => "its agent or the host stands still: look at the host",
            Self::NoPieces => "others answer and send nothing: look at the network between them",
            Self::Unfinished => "its line is slow: it goes on by itself",
            Self::Disk => "its disk takes nothing: look at the host",
        }
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NoPeers => "no peers",
            Self::Choked => "choked by every peer",
            Self::TrackerSilent => "no peers, tracker silent",
            Self::AgentSilent => "agent silent",
            Self::NoPieces => "no piece arrives",
            Self::Unfinished => "slow: bytes arrive, no piece is whole",
            Self::Disk => "its disk takes nothing",
        })
    }
}

/// A change of state, for the host's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// When.
    pub at: Instant,
    /// To what.
    pub state: StateName,
    /// In which attempt.
    pub attempt: u32,
    /// Why, for states that have a reason.
    pub reason: Option<String>,
}

/// A line of the agent's stderr, or of the SSH exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// When it was heard.
    pub at: Instant,
    /// The line.
    pub line: String,
}

/// The attempt under way, or the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attempt {
    /// Its number; 0 before the first launch.
    pub number: u32,
    /// When it was launched.
    pub launched: Option<Instant>,
    /// When the host was settled.
    pub settled: Option<Instant>,
}

/// Everything the console knows about one host.
#[derive(Debug, Clone, PartialEq)]
pub struct HostRecord {
    /// Which host.
    pub id: HostId,
    /// Its state.
    pub state: HostState,
    /// What it does within that.
    pub detail: Detail,
    /// Its attempt.
    pub attempt: Attempt,
    /// Its agent's last progress (`completed` is left empty).
    pub progress: Progress,
    /// The pieces it has, once the payload is known.
    pub pieces: Option<Bitfield>,
    /// When a new piece was last heard of.
    pub advanced: Option<Instant>,
    /// When anything was last heard of it.
    pub heard: Option<Instant>,
    /// Why its SSH connection is lost while its agent goes on, if it is.
    pub ssh_lost: Option<String>,
    /// Where its agent listens, while it does.
    pub listening: Option<SocketAddr>,
    /// Its peers, while it is watched.
    pub peers: Vec<PeerSummary>,
    /// For the seeder: bytes pushed to it over SSH.
    pub pushed: ByteCount,
    /// State changes, oldest first; at most [`HostRecord::HISTORY_MAX`].
    pub history: VecDeque<Transition>,
    /// Last lines of the agent's stderr and of the SSH exchange; at most [`HostRecord::TRANSCRIPT_MAX`].
    pub transcript: VecDeque<Said>,
}

impl HostRecord {
    /// State changes kept.
    pub const HISTORY_MAX: usize = 64;
    /// Lines kept.
    pub const TRANSCRIPT_MAX: usize = 100;

    /// A host that was not launched yet.
    pub fn new(id: HostId) -> Self {
        Self {
            id,
            state: HostState::Waiting { not_before: None },
            detail: Detail::None,
            attempt: Attempt::default(),
            progress: Progress::default(),
            pieces: None,
            advanced: None,
            heard: None,
            ssh_lost: None,
            listening: None,
            peers: Vec::new(),
            pushed: ByteCount(0),
            history: VecDeque::new(),
            transcript: VecDeque::new(),
        }
    }

    /// Verified share of the payload, 0.0 to 1.0.
    pub fn completion(&self) -> f64 {
        match (&self.state, &self.pieces) {
            (HostState::Done { .. }, _) => 1.0,
            (_, Some(pieces)) if pieces.capacity() > 0 => f64::from(pieces.count()) / f64::from(pieces.capacity()),
            _ => 0.0,
        }
    }
}
