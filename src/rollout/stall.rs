//! Hosts to which no piece comes: found, explained, given up.

use super::machine::Rollout;
use super::session::{Link, Slot};
use super::{Failure, HostState, Stall, Station};
use crate::control::TrackerHealth;
use std::net::SocketAddr;

impl Rollout {
    /// No new piece for a while.
    pub(super) fn stall(&mut self, slot: Slot) {
        let since = self.records[slot.0].advanced.unwrap_or(self.sessions[slot.0].since);
        let reason = self.stall_reason(slot);
        self.enter(slot, HostState::Stalled { since, reason }, None);
    }

    /// The stall lasts too long, unless the host has all there is and the seeder is at work.
    pub(super) fn give_up_stalled(&mut self, slot: Slot) {
        let HostState::Stalled { since, .. } = self.records[slot.0].state else { return };
        if let Some(address) = self.out_of_reach(slot) {
            let why = format!("nor the tracker nor any other host, in {} s", self.now.since(since).as_secs());
            return self.drop_and_fail(slot, Failure::NoWay { station: Station::Seeder, address, why });
        }
        if self.waits_for_seeder(slot) {
            self.sessions[slot.0].since = self.now;
            return self.rearm(slot);
        }
        let (after, reason) = (self.now.since(since), self.stall_reason(slot).to_string());
        self.drop_and_fail(slot, Failure::Stalled { after, reason });
    }

    /// Something new was heard of a stalled host: the reason may be another.
    pub(super) fn review_stall(&mut self, slot: Slot) {
        let now_because = self.stall_reason(slot);
        if let HostState::Stalled { reason, .. } = &mut self.records[slot.0].state {
            *reason = now_because;
            self.rearm(slot);
        }
    }

    /// Where the seeder listens, as a host knows it that has met nobody at all: it, the tracker and this machine are at
    /// work, so that waiting longer brings nothing.
    pub(super) fn out_of_reach(&self, slot: Slot) -> Option<SocketAddr> {
        let (seeder, record) = (self.seeder.slot, &self.records[slot.0]);
        let met_nobody = self.stall_reason(slot) == Stall::TrackerSilent && record.progress.bytes_down.0 == 0;
        let at_work = self.tracker.alive && self.sessions[seeder.0].serving && slot != seeder;
        let port = self.records[seeder.0].listening.filter(|_| met_nobody && at_work)?.port();
        self.seen(slot, seeder).map(|address| SocketAddr::new(address, port))
    }

    fn waits_for_seeder(&self, slot: Slot) -> bool {
        let has_all_there_is =
            self.records[slot.0].pieces.as_ref().is_some_and(|pieces| pieces.count() == self.availability.covered());
        let seeder = self.seeder.slot;
        let more_to_come = !(self.sessions[seeder.0].serving && self.is_full(seeder));
        let session = &self.sessions[seeder.0];
        let idle = self.is_at_rest(seeder) && session.link == Link::Attached && !session.served && !session.packing;
        slot != seeder && has_all_there_is && more_to_come && !idle && self.seeder.lost.is_none()
    }

    fn stall_reason(&self, slot: Slot) -> Stall {
        let record = &self.records[slot.0];
        let progress = &record.progress;
        if self.silent_since(slot).is_some() {
            return Stall::AgentSilent;
        }
        if progress.unwritten.0 > 0 {
            return Stall::Disk;
        }
        match (progress.peers, progress.unchoking, progress.tracker) {
            (0, _, TrackerHealth::Silent) => Stall::TrackerSilent,
            (0, _, TrackerHealth::Unknown | TrackerHealth::Answering) => Stall::NoPeers,
            (_, 0, _) => Stall::Choked,
            (..) if progress.rate_down.0 > 0 => Stall::Unfinished,
            (..) => Stall::NoPieces,
        }
    }
}
