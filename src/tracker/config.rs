//! Whom a tracker serves, and its limits.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use crate::base::InfoHash;

/// Whom a tracker serves, every limit and interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackerConfig {
    /// The swarms it serves; any, when absent.
    pub info_hashes: Option<BTreeSet<InfoHash>>,
    /// Who may ask; anybody, when absent.
    pub allow: Option<BTreeSet<IpAddr>>,
    /// How often incomplete peers announce: new peers are found within seconds.
    pub interval_incomplete: Duration,
    /// How often complete peers announce: they need nobody, others find them all the same.
    pub interval_complete: Duration,
    /// Announces a second that one swarm should make at most; larger swarms get longer intervals.
    pub announces_per_second_max: u32,
    /// A peer silent for longer is forgotten, and in any case only after three of its intervals.
    pub silent_after: Duration,
    /// Peers in one answer at most: enough to be connected, small enough for one packet.
    pub handout_max: u32,
    /// Swarms at most, where any is served.
    pub swarms_max: usize,
    /// Peers of all swarms at most.
    pub peers_max: usize,
}

impl TrackerConfig {
    /// The tracker of one run: one swarm, and only the run's own addresses. Dead hosts are forgotten within a minute.
    pub fn of_run(info_hash: InfoHash, allow: impl IntoIterator<Item = IpAddr>) -> Self {
        Self {
            info_hashes: Some(BTreeSet::from([info_hash])),
            allow: Some(allow.into_iter().map(|ip| ip.to_canonical()).collect()),
            silent_after: Duration::from_mins(1),
            ..Self::open()
        }
    }

    /// A tracker for any swarm and anybody. It is patient: some clients do not announce more than once in five minutes
    /// whatever they are told.
    pub const fn open() -> Self {
        Self {
            info_hashes: None,
            allow: None,
            interval_incomplete: Duration::from_secs(5),
            interval_complete: Duration::from_secs(15),
            announces_per_second_max: 500,
            silent_after: Duration::from_mins(6),
            handout_max: 50,
            swarms_max: 1024,
            peers_max: 100_000,
        }
    }
}
