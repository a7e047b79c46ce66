//! Report: how a run went.

use std::collections::BTreeMap;

use crate::base::{ByteCount, Instant, Zone};
use crate::swarm::{Note, PeerFault, Totals};

/// Notes and faults kept, at most.
const KEPT_MAX: usize = 10_000;

/// How one host fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostReport {
    /// Whether it works at the end.
    pub alive: bool,
    /// Pieces on its disk, each verified.
    pub pieces: u32,
    /// When it had them all; `None` for those who had them from the start, too.
    pub complete_at: Option<Instant>,
    /// Payload received, sent and wasted, as its machine counts since it last started; nothing when it is dead.
    pub totals: Totals,
    /// Payload that came, in all its lives.
    pub fetched: ByteCount,
    /// What may be fetched twice of that: what its machines had no use for, and what lay there of pieces that were not
    /// whole when it died.
    pub fetched_in_vain: ByteCount,
    /// Wrong blocks that it took.
    pub fed_wrong: u32,
}

/// How a run went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// When it ended.
    pub ended: Instant,
    /// Events that happened.
    pub events: u64,
    /// Hosts alive at the end.
    pub alive: usize,
    /// Hosts alive and complete at the end.
    pub complete: usize,
    /// Payload that was put on its way, and that did not arrive.
    pub sent: ByteCount,
    /// Payload that was on its way to somebody who was gone.
    pub lost: ByteCount,
    /// Payload that came into each zone from outside.
    pub imported: BTreeMap<Zone, ByteCount>,
    /// Each host.
    pub hosts: Vec<HostReport>,
    /// What the machines had to say: who, when, what. The first 10,000.
    pub notes: Vec<(usize, Instant, Note)>,
    /// Connections ended by a machine: by whom, to whom, why. The first 10,000.
    pub faults: Vec<(usize, usize, PeerFault)>,
    /// A number that depends on everything that happened, and on the order of it.
    pub fingerprint: u64,
}

impl Report {
    pub(super) fn note(&mut self, host: usize, at: Instant, note: Note) {
        if self.notes.len() < KEPT_MAX {
            self.notes.push((host, at, note));
        }
    }

    pub(super) fn fault(&mut self, by: usize, to: usize, fault: PeerFault) {
        if self.faults.len() < KEPT_MAX {
            self.faults.push((by, to, fault));
        }
    }

    /// Stirs a number in (FNV-1a).
    pub(super) fn stir(&mut self, number: u64) {
        let seed = if self.fingerprint == 0 { 0xcbf2_9ce4_8422_2325 } else { self.fingerprint };
        self.fingerprint = (seed ^ number).wrapping_mul(0x0100_0000_01b3);
    }

    /// Whether every host that is alive has every piece.
    pub fn is_complete(&self) -> bool {
        self.complete == self.alive
    }

    /// When the last host was complete.
    pub fn last_complete(&self) -> Option<Instant> {
        self.hosts.iter().filter_map(|host| host.complete_at).max()
    }

    /// The connections that one host ended to another, for which reasons.
    pub fn faults_to(&self, host: usize) -> impl Iterator<Item = &PeerFault> {
        self.faults.iter().filter(move |(_, to, _)| *to == host).map(|(_, _, fault)| fault)
    }
}
