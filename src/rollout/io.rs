//! What goes into a rollout and what comes out of it.
//!
//! Every host (and this machine, when it seeds or tracks) is a [`Place`]. Each time a place is dialled it is a new
//! *attempt*; inputs of an older attempt are ignored, so a driver may report late without harm.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Counts, Failure, Fault, Post, StateName, WaveStep};
use crate::base::{Bitfield, ByteCount, ByteRate};
use crate::control::{Order, Progress, Status};
use crate::inventory::{HostId, Place};

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The deadline has passed.
    Elapsed,
    /// The operator wants something.
    Operator(Action),
    /// The connection is up and authenticated.
    Connected {
        /// Where.
        at: Place,
        /// Which attempt.
        attempt: u32,
        /// What the connection and the probe told.
        facts: HostFacts,
    },
    /// A host was looked at: after [`Output::Look`], or on its way after [`Output::Connect`], where that goes on.
    Looked {
        /// Where.
        at: Place,
        /// Everything that is wrong with it, the worst first.
        faults: Vec<Failure>,
    },
    /// Getting the agent there goes on.
    Bootstrapping {
        /// Where.
        at: Place,
        /// Which attempt.
        attempt: u32,
        /// How far.
        step: BootStep,
    },
    /// The control channel is open; orders may be sent.
    Attached {
        /// Where.
        at: Place,
        /// Which attempt.
        attempt: u32,
        /// The folder of the agent and its logs, as the probe resolved it.
        work_dir: String,
    },
    /// The agent said something.
    Status {
        /// Where.
        at: Place,
        /// Which attempt.
        attempt: u32,
        /// What.
        status: Status,
    },
    /// More of the payload reached the seeder over SSH.
    Pushed {
        /// Where.
        at: Place,
        /// Which attempt.
        attempt: u32,
        /// Bytes pushed since [`Output::Push`].
        bytes: ByteCount,
    },
    /// A line of the agent's stderr, or of the SSH exchange; control characters are already gone.
    Transcript {
        /// Where.
        at: Place,
        /// Which attempt.
        attempt: u32,
        /// The line.
        line: String,
    },
    /// The connection is lost; the agent goes on as far as anybody knows. Or it was dialled again in vain.
    Lost {
        /// Where.
        at: Place,
        /// Which attempt.
        attempt: u32,
        /// Why.
        failure: Failure,
    },
    /// The lost agent is attached again: what it said meanwhile comes, what it was told meanwhile is on its way.
    Rejoined {
        /// Where.
        at: Place,
        /// Which attempt.
        attempt: u32,
    },
    /// The attempt is over: nothing of it will be heard again. The agent's process is proved gone unless `left_behind`
    /// names it.
    Ended {
        /// Where.
        at: Place,
        /// Which attempt.
        attempt: u32,
        /// Why, when it was not told to.
        failure: Option<Failure>,
        /// What could not be proved gone by the driver.
        left_behind: Vec<String>,
    },
}

impl Input {
    /// Whether a host let hear of itself: that one is dialled in vain, and what the operator wants, comes from here.
    pub(super) const fn is_heard(&self) -> bool {
        !matches!(self, Self::Elapsed | Self::Operator(_) | Self::Transcript { .. } | Self::Lost { .. })
    }
}

/// What the driver learns when it connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFacts {
    /// The host's address as its peers should dial it.
    pub address: IpAddr,
    /// This machine's address as the host sees it.
    pub console: Option<IpAddr>,
    /// `uname -s -m`.
    pub system: String,
}

/// How far the agent's way to its host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootStep {
    /// Looking at the host.
    Probing,
    /// Sending the agent.
    Pushing {
        /// Bytes sent.
        sent: ByteCount,
        /// Bytes to send.
        total: ByteCount,
    },
    /// Checking and starting it.
    Starting,
}

/// What the operator can want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Try failed, unreachable, aborted or skipped hosts again, at once.
    Retry(Vec<HostId>),
    /// Give up on hosts, at once.
    Abort(Vec<HostId>),
    /// Give up on all that are not done, clean up and end.
    AbortRun,
    /// Launch no more hosts; those under way go on.
    Pause,
    /// Launch again.
    Resume,
    /// Open the next wave, or go on in spite of what stopped the run.
    Proceed,
    /// New caps for every host.
    Caps(Caps),
    /// Somebody looks at this host (or no longer at any): ask for its peers.
    Watch(Option<HostId>),
    /// Everything is settled, or the operator has seen enough: clean up and end. Hosts still under way are aborted.
    Finish,
}

/// Rate caps of one host, both ways; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Caps {
    /// Upload.
    pub upload: ByteRate,
    /// Download.
    pub download: ByteRate,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Dial, authenticate, probe, bring the agent, start it.
    Connect {
        /// Where.
        at: Place,
        /// The number of this attempt, from 1.
        attempt: u32,
    },
    /// Dial, authenticate, look at the host as a run does, hang up; nothing stays there. Answered by [`Input::Looked`].
    Look {
        /// Where.
        at: Place,
        /// Whom it has to reach.
        posts: Vec<Post>,
    },
    /// Send an order to the agent.
    Order {
        /// Where.
        at: Place,
        /// To the agent of this attempt.
        attempt: u32,
        /// The order.
        order: Order,
    },
    /// Send the pieces that are not in `have` as [`Order::Data`], first to last, as fast as the channel takes them.
    Push {
        /// Where.
        at: Place,
        /// To the agent of this attempt.
        attempt: u32,
        /// What the seeder has.
        have: Bitfield,
    },
    /// The connection of the attempt is lost: dial again and attach, once; start nothing. Answered by [`Input::Rejoined`] or
    /// [`Input::Lost`], or by [`Input::Ended`] when the agent is gone.
    Rejoin {
        /// Where.
        at: Place,
        /// Which attempt.
        attempt: u32,
    },
    /// End the attempt: stop the agent's process (it is told to leave; TERM; KILL), prove it, hang up, answer
    /// [`Input::Ended`].
    Disconnect {
        /// Where.
        at: Place,
        /// Which attempt.
        attempt: u32,
    },
    /// For the journal and for who watches.
    Notice(Notice),
    /// The last output: the run is over.
    Ended(Summary),
}

/// Something worth remembering. The journal gives it a time and a number.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// A host changed state.
    HostState {
        /// The host.
        host: HostId,
        /// Its state now.
        state: StateName,
        /// Its state before.
        from: StateName,
        /// The attempt.
        attempt: u32,
        /// Why, for states that have a reason.
        reason: Option<String>,
        /// The cause that groups it with others, for failures.
        cause: Option<&'static str>,
    },
    /// A host's progress, at most once a second a host.
    HostProgress {
        /// The host.
        host: HostId,
        /// How far it is; `completed` is left empty.
        progress: Progress,
        /// Pieces of the payload.
        pieces_total: u32,
    },
    /// The swarm as a whole, at most once a second, on change.
    Swarm {
        /// The tracker answers.
        tracker: bool,
        /// The seeder is alive.
        seeder: bool,
        /// Copies of the rarest piece among the hosts that are up, the seeder's included.
        rarest: u32,
    },
    /// The payload became known: from the start, or from the seeder that made it.
    Payload {
        /// The payload.
        payload: super::Payload,
    },
    /// Tracker, seeder or a host said something that changes no state.
    Note {
        /// Where.
        at: Place,
        /// What.
        text: String,
    },
    /// Another place seeds or tracks from now on.
    Role {
        /// Where.
        at: Place,
        /// What it does.
        duty: Duty,
        /// Why, in words.
        reason: String,
    },
    /// Every host was looked at, or had its time to answer; the payload moves next.
    Preflight {
        /// How many there are.
        hosts: u32,
        /// How many nothing is wrong with.
        ready: u32,
        /// How long it took.
        after: Duration,
        /// What was found at the others, by cause, the most hosts first.
        faults: Vec<Fault>,
    },
    /// A wave has its turn, is over, or is the last for now.
    Wave {
        /// Which, from 1.
        wave: usize,
        /// How many there are.
        waves: usize,
        /// What happened to it.
        step: WaveStep,
        /// How many hosts, or why.
        detail: String,
    },
    /// The operator did something.
    Action {
        /// The verb: `retry`, `abort`, `abort-run`, `pause`, `resume`, `proceed`, `force`, `caps`, `finish`.
        verb: &'static str,
        /// On these hosts; empty for the whole run.
        hosts: Vec<HostId>,
        /// What it amounted to, in words.
        detail: String,
    },
}

/// What a place does for all the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// It has the payload first.
    Seeds,
    /// It tells peers of each other.
    Tracks,
    /// Both.
    Both,
}

impl std::fmt::Display for Duty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Seeds => "seeds",
            Self::Tracks => "tracks",
            Self::Both => "seeds and tracks",
        })
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Every host is done.
    Complete,
    /// Some hosts are done.
    Partial,
    /// The operator ended it.
    Aborted,
    /// No host is done.
    Failed,
}

/// A run, looked back on.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// How it ended.
    pub outcome: Outcome,
    /// Hosts by state; they sum to the fleet.
    pub counts: Counts,
    /// From the run's beginning to its end.
    pub elapsed: Duration,
    /// Payload bytes the seeder sent to peers.
    pub bytes_from_seeder: ByteCount,
    /// Payload bytes peers sent to peers.
    pub bytes_from_peers: ByteCount,
    /// The hosts that took longest, slowest first, at most 5, with the time from launch to done.
    pub slowest: Vec<(HostId, Duration)>,
    /// What could not be proved gone, by place.
    pub left_behind: Vec<(Place, String)>,
    /// Hosts that failed first and were done after a retry by the operator or by themselves.
    pub healed: Vec<HostId>,
    /// Hosts that are not done, with the reason.
    pub failed: Vec<(HostId, Failure)>,
}
