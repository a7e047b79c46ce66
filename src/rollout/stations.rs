//! Seeder and tracker: what the run needs beside its hosts, and what becomes of it when they are lost.

use super::machine::Rollout;
use super::schedule::Timer;
use super::session::{Link, Purpose, Slot};
use super::{Failure, HostState, Notice, Output, Payload, Pushed, Source};
use crate::base::ByteCount;
use crate::control::{AgentFailure, PayloadFacts};
use crate::metainfo::Metainfo;

impl Rollout {
    /// Whether the place is the seeder or the tracker.
    pub(super) fn is_station(&self, slot: Slot) -> bool {
        slot == self.seeder.slot || slot == self.tracker.slot
    }

    /// Whether the place is the tracker and nothing else.
    pub(super) fn only_tracks(&self, slot: Slot) -> bool {
        slot == self.tracker.slot && slot != self.seeder.slot && !self.in_fleet(slot)
    }

    /// Whether some piece has no copy in the swarm.
    pub(super) fn is_short(&self) -> bool {
        self.payload.is_none() || self.availability.rarest() == 0
    }

    /// The payload is known from now on.
    pub(super) fn learn(&mut self, payload: Payload) {
        if self.tag.is_none() {
            self.tag = Some(self.plan.tag_for(&payload.facts));
        }
        self.availability = super::availability::Availability::of(payload.layout.piece_count());
        self.notice(Notice::Payload { payload: payload.clone() });
        self.payload = Some(payload);
        self.release_waiting();
    }

    /// The seeder made the payload.
    pub(super) fn handle_packed(&mut self, slot: Slot, facts: PayloadFacts, torrent: bytes::Bytes) {
        if !std::mem::take(&mut self.sessions[slot.0].packing) {
            return;
        }
        let metainfo = match Metainfo::parse(&torrent) {
            Ok(metainfo) => metainfo,
            Err(error) => {
                let why = format!("the torrent it made: {error}");
                return self.drop_and_fail(slot, Failure::Agent(AgentFailure::Protocol { why }));
            }
        };
        let (info_hash, layout) = (metainfo.info_hash(), metainfo.layout());
        self.sessions[slot.0].packed = true;
        match (&self.payload, &self.plan.source) {
            (None, _) => self.learn(Payload { torrent, info_hash, layout, facts }),
            (Some(known), Source::OnSeeder(order)) if known.info_hash != info_hash => {
                let path = order.source.clone();
                return self.drop_and_fail(slot, Failure::Agent(AgentFailure::SourceChanged { path }));
            }
            (Some(_), Source::OnSeeder(_) | Source::Packed(_)) => {}
        }
        self.advance(slot);
    }

    /// The seeder is in the swarm: peers may start, and it gets what it lacks.
    pub(super) fn open_seeder(&mut self, slot: Slot) {
        self.seeder.lost = None;
        if self.preflight.holds() {
            return;
        }
        if self.pushes() && !self.is_full(slot) {
            let (Some(have), Some(payload)) = (self.records[slot.0].pieces.clone(), &self.payload) else { return };
            let total = payload.layout.total();
            let missing: u64 = have.missing().map(|piece| u64::from(payload.layout.piece_length(piece))).sum();
            self.seeder.pushed = Some(Pushed { sent: ByteCount(total - missing), total: ByteCount(total) });
            self.seeder.push_base = ByteCount(total - missing);
            let (at, attempt) = (self.sessions[slot.0].place, self.records[slot.0].attempt.number);
            self.outputs.push_back(Output::Push { at, attempt, have });
        }
        if !std::mem::replace(&mut self.seeder.opened, true) {
            self.release_waiting();
        }
    }

    /// Bytes reached the seeder over SSH.
    pub(super) fn handle_pushed(&mut self, slot: Slot, bytes: ByteCount) {
        let Some(pushed) = self.seeder.pushed.as_mut().filter(|_| slot == self.seeder.slot) else { return };
        let sent = (self.seeder.push_base + bytes).min(pushed.total);
        if sent > pushed.sent {
            pushed.sent = sent;
            self.records[slot.0].pushed = bytes;
            self.records[slot.0].advanced = Some(self.now);
            self.rearm(slot);
        }
    }

    /// Whether the seeder gets its data from this machine, over its control channel.
    pub(super) fn pushes(&self) -> bool {
        match (&self.plan.source, self.sessions[self.seeder.slot.0].place) {
            (Source::Packed(_), crate::inventory::Place::Host(_)) => true,
            (Source::Packed(_), crate::inventory::Place::Console) | (Source::OnSeeder(_), _) => false,
        }
    }

    /// The tracker answers.
    pub(super) fn handle_tracking(&mut self, slot: Slot, port: u16) {
        if slot != self.tracker.slot || !self.tracker.asked {
            return;
        }
        if self.tracker.port.is_some_and(|before| before != port) {
            self.note(slot, format!("the tracker moved to port {port}; hosts that know the old one go on without it"));
        }
        self.tracker.alive = true;
        self.tracker.lost = None;
        self.tracker.port = Some(port);
        if self.only_tracks(slot) {
            self.enter(slot, HostState::Done { already: false }, None);
        }
        self.release_waiting();
    }

    /// Whether hosts need not wait for the tracker.
    pub(super) const fn is_tracker_settled(&self) -> bool {
        self.tracker.alive || self.tracker.waited || self.tracker.lost.is_some()
    }

    /// Hosts begin to wait for the tracker.
    pub(super) fn await_tracker(&mut self) {
        if !self.schedule.is_set(Timer::TrackerWait) {
            let at = self.now + self.config.tracker_wait_max;
            self.schedule.set(Timer::TrackerWait, Some(at));
        }
    }

    /// Hosts waited for the tracker long enough.
    pub(super) fn go_on_without_tracker(&mut self) {
        if !self.tracker.alive {
            self.tracker.waited = true;
            self.note(self.tracker.slot, "the tracker does not answer: hosts go on without it".to_owned());
            self.release_waiting();
        }
    }

    /// A tracker or seeder is not tried again by itself.
    pub(super) fn lose_station(&mut self, slot: Slot, failure: Failure) {
        if slot == self.tracker.slot && !self.tracker.alive && self.tracker.lost.is_none() {
            self.note(slot, format!("the tracker is lost: {failure}; hosts go on without it"));
            self.tracker.lost = Some(failure.clone());
            self.release_waiting();
        }
        let still_gives = self.sessions[slot.0].serving && self.is_full(slot);
        if slot == self.seeder.slot && !still_gives {
            self.note(slot, format!("the seeder is lost: {failure}"));
            self.seeder.lost = Some(failure);
            self.supply_changed = true;
        }
    }

    /// When pieces cannot come any more, hosts that lack them fail instead of waiting for ever.
    pub(super) fn review_supply(&mut self) {
        if !std::mem::take(&mut self.supply_changed) || !self.is_short() {
            return;
        }
        let Some(failure) = self.seeder.lost.clone() else { return };
        let seeder = self.seeder.slot;
        let session = &self.sessions[seeder.0];
        let tries = session.work_failures.max(session.connect_failures);
        let waits = self.records.iter().any(|record| !record.state.name().is_settled());
        if waits && failure.is_retryable() && tries < self.config.connect_attempts.max(2) {
            return self.revive_seeder();
        }
        let why = failure.to_string();
        for slot in (0..self.plan.hosts.len()).map(Slot) {
            let hashing = self.sessions[slot.0].served && !self.sessions[slot.0].serving;
            let settled = self.records[slot.0].state.name().is_settled();
            if settled || hashing || self.is_full(slot) || slot == seeder {
                continue;
            }
            self.waiting.remove(&slot);
            if self.sessions[slot.0].link == Link::Dialing {
                self.hang_up(slot);
            }
            self.fail(slot, Failure::Seeder { why: why.clone() }, super::lifecycle::Reached::Agent);
        }
    }

    /// The seeder is tried again.
    pub(super) fn revive_seeder(&mut self) {
        let slot = self.seeder.slot;
        self.seeder.lost = None;
        match self.sessions[slot.0].link {
            Link::Off | Link::Attached | Link::Hanging => {}
            Link::Dialing | Link::Lost | Link::Stopping => return,
        }
        let keeps_state = match self.records[slot.0].state {
            HostState::Done { .. } => self.in_fleet(slot),
            HostState::Failed { .. } | HostState::Unreachable { .. } | HostState::Aborted | HostState::Skipped => false,
            HostState::Waiting { .. }
            | HostState::Connecting
            | HostState::Bootstrapping { .. }
            | HostState::Fetching
            | HostState::Stalled { .. }
            | HostState::Verifying
            | HostState::Unpacking => return,
        };
        if keeps_state {
            self.sessions[slot.0].purpose = Purpose::Station;
            if self.sessions[slot.0].link == Link::Attached {
                self.advance(slot);
            } else {
                self.sessions[slot.0].retry_at = Some(self.now);
                self.rearm(slot);
            }
        } else {
            self.sessions[slot.0].purpose = Purpose::Work;
            self.enter(slot, HostState::Waiting { not_before: None }, Some("the seeder is needed again".to_owned()));
            self.line_up(slot);
        }
    }
}
