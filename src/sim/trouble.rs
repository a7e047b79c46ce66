//! Trouble: what can be wrong with a host, and with the network between hosts.

use std::time::Duration;

use serde::Deserialize;

use super::scenario::{rate, some_time, time};
use crate::base::{ByteRate, Instant};

/// Something wrong with one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Fault {
    /// The host.
    pub host: u32,
    /// What is wrong with it.
    #[serde(flatten)]
    pub trouble: Trouble,
}

/// What can be wrong with a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "trouble", rename_all = "kebab-case")]
pub enum Trouble {
    /// It sends and receives no more than this.
    Slow {
        /// Both ways.
        #[serde(deserialize_with = "rate")]
        rate: ByteRate,
    },
    /// Blocks it sends are wrong.
    Corrupt {
        /// Every so many; all of them unless said.
        #[serde(default = "every")]
        one_in: u32,
    },
    /// It takes and never gives: nobody hears what it has.
    Selfish,
    /// It never starts.
    Absent,
    /// Its process dies; connections are closed.
    Killed {
        /// When it has that many pieces.
        pieces: u32,
        /// It starts again after this, with what it had.
        #[serde(default, deserialize_with = "some_time")]
        restart_after: Option<Duration>,
    },
    /// It dies when every piece is on another host as well.
    KilledAfterOneCopy,
    /// It stops answering without a word; connections stay open.
    Frozen {
        /// When it has that many pieces.
        pieces: u32,
    },
    /// It does nothing for a while, then goes on: a stopped process, or a virtual machine that is moved.
    Suspended {
        /// When it has that many pieces.
        pieces: u32,
        /// For so long.
        #[serde(deserialize_with = "time")]
        lasts: Duration,
    },
    /// Its clock jumps ahead.
    ClockJumps {
        /// When it has that many pieces.
        pieces: u32,
        /// By so much.
        #[serde(deserialize_with = "time")]
        by: Duration,
    },
    /// Its disk is full: a write fails, which ends its part in the run.
    DiskFull {
        /// When it has that many pieces.
        pieces: u32,
    },
    /// It has these pieces from the start: the first so many.
    Resumed {
        /// How many.
        pieces: u32,
    },
    /// No machine of ours: it connects to everybody, shakes hands and says nothing more.
    Mute,
    /// No machine of ours: it connects to everybody, many times over, and its handshakes never end.
    SlowLoris,
    /// No machine of ours: it is in the swarm of something else.
    OtherRun,
    /// No machine of ours: it claims to have everything, and its address is not one of the run.
    Stranger,
}

impl Trouble {
    /// Whether what sits there is none of our machines.
    pub(super) const fn is_impostor(self) -> bool {
        matches!(self, Self::Mute | Self::SlowLoris | Self::OtherRun | Self::Stranger)
    }

    /// How fast the host is, if that is the trouble.
    pub(super) const fn rate(self) -> Option<ByteRate> {
        match self {
            Self::Slow { rate } => Some(rate),
            Self::Corrupt { .. }
            | Self::Selfish
            | Self::Absent
            | Self::Killed { .. }
            | Self::KilledAfterOneCopy
            | Self::Frozen { .. }
            | Self::Suspended { .. }
            | Self::ClockJumps { .. }
            | Self::DiskFull { .. }
            | Self::Resumed { .. }
            | Self::Mute
            | Self::SlowLoris
            | Self::OtherRun
            | Self::Stranger => None,
        }
    }
}

/// The fleet cut in two for a while. Connections across do not end: nothing comes over them, ever again. No new ones
/// come about before it heals. The tracker is where host 0 is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// The hosts before this one are on one side, the others on the other.
    pub first: u32,
    /// When it begins.
    #[serde(deserialize_with = "time")]
    pub at: Duration,
    /// How long it lasts.
    #[serde(deserialize_with = "time")]
    pub lasts: Duration,
}

impl Partition {
    /// Whether it stands between two hosts.
    pub(super) const fn divides(&self, one: usize, other: usize) -> bool {
        let first = self.first as usize;
        (one < first) != (other < first)
    }

    /// Whether it stands at a moment.
    pub(super) fn is_at(&self, now: Instant) -> bool {
        Instant::after(self.at) <= now && now < Instant::after(self.at + self.lasts)
    }
}

/// When the tracker goes for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackerEnd {
    /// Then.
    After(Duration),
    /// As soon as it has answered every host once.
    FirstAnnounces,
}

const fn every() -> u32 {
    1
}
