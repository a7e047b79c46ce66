//! One event: the contract's names and fields.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::base::{ByteCount, ByteRate, InfoHash, Sha256Digest};
use crate::control::{RunId, Tag};
use crate::rollout::{Outcome, StateName};

/// The version of the lines.
pub const SCHEMA: u32 = 1;

/// The role of who has the payload first.
pub(super) const SEEDER: &str = "seeder";

/// The role of who tells peers of each other.
pub(super) const TRACKER: &str = "tracker";

/// What happened, when, in which run. One line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Counts up by one, from 1.
    pub seq: u64,
    /// When, RFC 3339 in UTC, to the millisecond.
    #[serde(serialize_with = "write_time", deserialize_with = "read_time")]
    pub time: Timestamp,
    /// The run.
    pub run: RunId,
    /// What.
    #[serde(flatten)]
    pub what: Happening,
}

/// What happened. Readers skip what they do not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum Happening {
    /// A run began.
    #[serde(rename = "run.start")]
    RunStart {
        /// The release's name, when it is known beforehand.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        tag: Option<Tag>,
        /// What is distributed, as the operator named it.
        source: String,
        /// The fleet, in its order.
        hosts: Vec<String>,
        /// Who seeds: a host, or `console`.
        seeder: String,
        /// Who tracks.
        tracker: String,
        /// The payload, when it is known beforehand; otherwise a `payload` event follows.
        #[serde(flatten)]
        payload: Option<PayloadFields>,
        /// Who started it.
        operator: String,
    },
    /// The console left, and the agents go on.
    #[serde(rename = "run.left")]
    RunLeft {
        /// Why.
        reason: String,
    },
    /// Another console took the run up.
    #[serde(rename = "run.resume")]
    RunResume {
        /// Who.
        operator: String,
    },
    /// The payload became known.
    #[serde(rename = "payload")]
    Payload {
        /// The release's name.
        tag: Option<Tag>,
        /// What it is.
        #[serde(flatten)]
        payload: PayloadFields,
    },
    /// A host changed state.
    #[serde(rename = "host.state")]
    HostState {
        /// The host.
        host: String,
        /// Its state now.
        state: StateName,
        /// Its state before.
        from: StateName,
        /// The attempt.
        attempt: u32,
        /// Why, for states that have a reason.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<String>,
        /// The cause that groups it with others, for failures.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        cause: Option<String>,
    },
    /// A host's progress, at most once a second a host.
    #[serde(rename = "host.progress")]
    HostProgress {
        /// The host.
        host: String,
        /// Pieces verified.
        pieces: u32,
        /// Pieces of the payload.
        pieces_total: u32,
        /// Payload bytes received from peers.
        bytes_down: ByteCount,
        /// Payload bytes sent to peers.
        bytes_up: ByteCount,
        /// Receiving, bytes a second.
        rate_down: ByteRate,
        /// Sending, bytes a second.
        rate_up: ByteRate,
        /// Peers connected.
        peers: u16,
    },
    /// The swarm as a whole.
    #[serde(rename = "swarm")]
    Swarm {
        /// The tracker answers.
        tracker: bool,
        /// The seeder is alive.
        seeder: bool,
        /// Copies of the rarest piece.
        rarest: u32,
    },
    /// Something that changes no state.
    #[serde(rename = "note")]
    Note {
        /// A host, or `console`.
        place: String,
        /// What.
        text: String,
    },
    /// Another place has a role from now on.
    #[serde(rename = "role")]
    Role {
        /// A host, or `console`.
        place: String,
        /// `seeder`, `tracker`.
        roles: Vec<String>,
        /// Why.
        reason: String,
    },
    /// Every host was looked at, or had its time to answer.
    #[serde(rename = "preflight")]
    Preflight {
        /// How many there are.
        hosts: u32,
        /// How many nothing is wrong with.
        ready: u32,
        /// How long it took, in milliseconds.
        elapsed_ms: u64,
        /// What was found at the others, by cause.
        faults: Vec<FaultGroup>,
    },
    /// A wave has its turn, is over, or is the last for now.
    #[serde(rename = "wave")]
    Wave {
        /// Which, from 1.
        wave: usize,
        /// How many there are.
        waves: usize,
        /// `opened`, `gate` or `stopped`.
        step: String,
        /// How many hosts, or why.
        detail: String,
    },
    /// The operator did something.
    #[serde(rename = "action")]
    Action {
        /// Who.
        operator: String,
        /// What.
        verb: String,
        /// On these hosts; empty for the whole run.
        hosts: Vec<String>,
        /// What it amounted to.
        detail: String,
        /// The new caps of every host, where it was about these.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        caps: Option<CapFields>,
    },
    /// The run is over.
    #[serde(rename = "run.end")]
    RunEnd {
        /// How it ended.
        outcome: Outcome,
        /// Hosts by state; states without hosts are left out.
        counts: BTreeMap<StateName, u32>,
        /// From the first to the last, in milliseconds.
        elapsed_ms: u64,
        /// Payload bytes the seeder sent.
        bytes_from_seeder: ByteCount,
        /// Payload bytes peers sent to each other.
        bytes_from_peers: ByteCount,
        /// The hosts that took longest.
        slowest: Vec<SlowHost>,
        /// What could not be proved gone.
        left_behind: Vec<LeftBehind>,
        /// Hosts that failed first and were done later.
        healed: Vec<String>,
        /// Hosts that failed or could not be reached.
        failed: Vec<FailedHost>,
    },
    /// An event of a later version.
    #[serde(other)]
    Unknown,
}

/// What a payload is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadFields {
    /// Its bytes as they travel.
    pub payload_bytes: u64,
    /// Its SHA-256.
    pub sha256: Sha256Digest,
    /// Its pieces.
    pub pieces: u32,
    /// Bytes of a piece.
    pub piece_length: u32,
    /// The swarm's name.
    pub info_hash: InfoHash,
}

/// Rate caps of a host, bytes a second; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapFields {
    /// Sending.
    pub upload: ByteRate,
    /// Receiving.
    pub download: ByteRate,
}

/// Hosts of which the first look found the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultGroup {
    /// The cause that groups them.
    pub cause: String,
    /// What the operator can do about it.
    pub next_step: String,
    /// The hosts, and what was found at each.
    pub hosts: BTreeMap<String, String>,
}

/// A host that took long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowHost {
    /// The host.
    pub host: String,
    /// From its launch until it was done, in milliseconds.
    pub elapsed_ms: u64,
}

/// Something that could not be proved gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftBehind {
    /// A host, or `console`.
    pub place: String,
    /// What, and why.
    pub what: String,
}

/// A host that is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedHost {
    /// The host.
    pub host: String,
    /// The cause that groups it with others.
    pub cause: String,
    /// Why.
    pub reason: String,
}

impl Event {
    /// Whether it must be on disk before anything else happens; progress may wait.
    pub const fn is_urgent(&self) -> bool {
        match self.what {
            Happening::HostProgress { .. } | Happening::Swarm { .. } | Happening::Unknown => false,
            Happening::RunStart { .. }
            | Happening::RunLeft { .. }
            | Happening::RunResume { .. }
            | Happening::Payload { .. }
            | Happening::HostState { .. }
            | Happening::Note { .. }
            | Happening::Role { .. }
            | Happening::Preflight { .. }
            | Happening::Wave { .. }
            | Happening::Action { .. }
            | Happening::RunEnd { .. } => true,
        }
    }

    /// The event as one line, its line feed included.
    pub fn to_line(&self) -> String {
        let mut line = serde_json::to_string(self).expect("events hold no map with keys other than names of states");
        line.push('\n');
        line
    }
}

fn write_time<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.3}"))
}

fn read_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}
