//! What is heard of a place: its connection, its agent's statuses.

use super::lifecycle::Reached;
use super::machine::Rollout;
use super::session::{Link, Purpose, Slot};
use super::{BootStep, Failure, HostFacts, HostRecord, HostState, Notice, Said, StateName};
use crate::base::{Bitfield, ByteCount, ByteRate, Instant, PieceIndex};
use crate::control::{AgentFailure, Order, PROTOCOL, PeerSummary, Progress, Status};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Between two notices of a host's progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Most peers of a host that are kept.
const PEERS_MAX: usize = 64;

/// Longest line of a transcript that is kept, in bytes.
const LINE_MAX: usize = 1000;

impl Rollout {
    /// The connection is up.
    pub(super) fn handle_connected(&mut self, slot: Slot, facts: HostFacts) {
        if self.sessions[slot.0].link != Link::Dialing {
            return;
        }
        self.heard(slot, &[]);
        if slot != self.console() {
            self.directory.allow(self.sessions[slot.0].planned_address.unwrap_or(facts.address));
            self.tell_soon();
        }
        self.sessions[slot.0].facts = Some(facts);
        if self.is_work(slot) && self.records[slot.0].state.name() == StateName::Connecting {
            self.enter(slot, HostState::Bootstrapping { step: BootStep::Probing }, None);
        }
    }

    /// The agent's way to its host goes on.
    pub(super) fn handle_step(&mut self, slot: Slot, step: BootStep) {
        if self.sessions[slot.0].link == Link::Dialing && self.is_work(slot) {
            self.bootstrap(slot, step);
        }
    }

    fn bootstrap(&mut self, slot: Slot, to: BootStep) {
        match &mut self.records[slot.0].state {
            HostState::Bootstrapping { step } => *step = to,
            HostState::Connecting => self.enter(slot, HostState::Bootstrapping { step: to }, None),
            HostState::Waiting { .. }
            | HostState::Fetching
            | HostState::Stalled { .. }
            | HostState::Verifying
            | HostState::Unpacking
            | HostState::Done { .. }
            | HostState::Failed { .. }
            | HostState::Unreachable { .. }
            | HostState::Aborted
            | HostState::Skipped => {}
        }
    }

    /// Orders may be sent.
    pub(super) fn handle_attached(&mut self, slot: Slot, work_dir: String) {
        if self.sessions[slot.0].link != Link::Dialing {
            return;
        }
        let session = &mut self.sessions[slot.0];
        session.link = Link::Attached;
        session.dirty = true;
        session.work_dir = work_dir;
        if self.is_work(slot) {
            self.bootstrap(slot, BootStep::Starting);
        }
        self.order_hello(slot);
        self.rearm(slot);
    }

    /// The agent said something.
    pub(super) fn handle_status(&mut self, slot: Slot, status: Status) {
        let link = self.sessions[slot.0].link;
        if let Status::Stopped { left_behind } = status {
            return self.handle_stopped(slot, left_behind);
        }
        if link != Link::Attached {
            if let (Link::Stopping, Status::Progress(last)) = (link, status) {
                self.count_last(slot, &last);
            }
            return;
        }
        match status {
            Status::Hello { protocol, .. } => self.handle_hello(slot, protocol),
            Status::Tracking { port } => self.handle_tracking(slot, port),
            Status::Packing { bytes } => self.handle_packing(slot, bytes),
            Status::Packed { payload, torrent } => self.handle_packed(slot, payload, torrent),
            Status::Serving { port, bitfield } => self.handle_serving(slot, port, &bitfield),
            Status::Progress(progress) => self.handle_progress(slot, progress),
            Status::Peers { peers } => self.handle_peers(slot, peers),
            Status::Verifying => self.deliver(slot, HostState::Verifying),
            Status::Unpacking => self.deliver(slot, HostState::Unpacking),
            Status::Staged => self.handle_staged(slot),
            Status::Delivered { already } => self.handle_delivered(slot, already),
            Status::Checked { number, why } => self.handle_checked(slot, number, why),
            Status::Knocked { why, fault } => self.handle_knocked(slot, why, fault),
            Status::Failed { failure } => self.handle_failed(slot, failure),
            Status::Note { text } => {
                self.remember(slot, text.clone());
                self.note(slot, text);
            }
            Status::Line { text } => self.remember(slot, text),
            // These are between agent and driver.
            Status::Attached(_) | Status::Taken { .. } | Status::Stopped { .. } => {}
        }
    }

    fn handle_hello(&mut self, slot: Slot, protocol: u32) {
        if self.sessions[slot.0].greeted {
            return;
        }
        self.release(slot);
        if self.sessions[slot.0].purpose == Purpose::Clean {
            self.sessions[slot.0].greeted = true;
            return self.order_stop(slot);
        }
        if protocol != PROTOCOL {
            return self.drop_and_fail(slot, Failure::Version { found: protocol, expected: PROTOCOL });
        }
        self.sessions[slot.0].greeted = true;
        self.try_ways(slot);
        self.advance(slot);
        self.rearm(slot);
    }

    fn handle_packing(&mut self, slot: Slot, bytes: ByteCount) {
        if self.sessions[slot.0].packing {
            self.seeder.packed = bytes;
        }
    }

    fn handle_serving(&mut self, slot: Slot, port: u16, bitfield: &[u8]) {
        let Some(layout) = self.payload.as_ref().map(|payload| payload.layout) else { return };
        if !self.sessions[slot.0].served {
            return;
        }
        let pieces = match Bitfield::from_bytes(bitfield, layout.piece_count()) {
            Ok(pieces) => pieces,
            Err(error) => {
                let why = format!("its bitfield: {error}");
                return self.drop_and_fail(slot, Failure::Agent(AgentFailure::Protocol { why }));
            }
        };
        let goes_on = self.sessions[slot.0].serving;
        if let (true, Some(before)) = (goes_on, &self.records[slot.0].pieces) {
            self.availability.remove_all(before);
        }
        self.availability.add_all(&pieces);
        self.supply_changed = true;
        let session = &mut self.sessions[slot.0];
        session.serving = true;
        session.speed = super::speed::Speed::default();
        session.speed.advance(self.now, 0);
        let address = SocketAddr::new(session.address().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), port);
        self.stop_rates(slot);
        let record = &mut self.records[slot.0];
        // An agent that was in the swarm all the time counts on.
        let before = if goes_on { std::mem::take(&mut record.progress) } else { Progress::default() };
        record.progress = Progress { pieces: pieces.count(), ..before };
        record.pieces = Some(pieces);
        record.advanced = Some(self.now);
        record.listening = Some(address);
        if slot != self.console() {
            let zone = self.zone(slot);
            self.directory.enter(slot, address, zone.as_ref(), &mut self.random);
            self.tell_soon();
        }
        if self.is_work(slot) && self.records[slot.0].state.name() == StateName::Bootstrapping {
            self.enter(slot, HostState::Fetching, None);
        }
        self.recount(slot);
        self.settle_helper(slot);
        if self.watched == Some(slot) {
            self.order(slot, Order::Watch { on: true });
        }
        if slot == self.seeder.slot && !(goes_on && self.seeder.pushed.is_some()) {
            self.open_seeder(slot);
        }
    }

    fn handle_progress(&mut self, slot: Slot, mut progress: Progress) {
        let completed = std::mem::take(&mut progress.completed);
        let (true, Some(pieces)) = (self.sessions[slot.0].serving, &mut self.records[slot.0].pieces) else { return };
        let runs = completed.into_iter().flat_map(|(first, count)| first..first.saturating_add(count));
        let mut new = 0;
        for piece in runs.take(pieces.capacity() as usize).map(PieceIndex) {
            if pieces.insert(piece) {
                self.availability.add(piece);
                new += 1;
            }
        }
        progress.pieces = pieces.count();
        self.count_traffic(slot, &progress);
        let before = std::mem::replace(&mut self.records[slot.0].progress, progress);
        let piece_length = self.payload.as_ref().map_or(0, |payload| payload.layout.nominal_piece_length());
        self.sessions[slot.0].speed.advance(self.now, new * u64::from(piece_length));
        let state = self.records[slot.0].state.name();
        if new > 0 {
            self.records[slot.0].advanced = Some(self.now);
            self.recount(slot);
        }
        match state {
            StateName::Stalled if new > 0 => self.enter(slot, HostState::Fetching, None),
            StateName::Stalled => self.review_stall(slot),
            StateName::Waiting
            | StateName::Connecting
            | StateName::Bootstrapping
            | StateName::Fetching
            | StateName::Verifying
            | StateName::Unpacking
            | StateName::Done
            | StateName::Failed
            | StateName::Unreachable
            | StateName::Aborted
            | StateName::Skipped => {}
        }
        self.settle_helper(slot);
        self.notice_progress(slot, &before);
    }

    /// Takes the difference to the last progress into the totals.
    fn count_traffic(&mut self, slot: Slot, progress: &Progress) {
        let before = &self.records[slot.0].progress;
        let totals = &mut self.totals;
        let replaced =
            |sum: ByteRate, old: ByteRate, new: ByteRate| ByteRate(sum.0.saturating_sub(old.0).saturating_add(new.0));
        totals.rate_down = replaced(totals.rate_down, before.rate_down, progress.rate_down);
        totals.rate_up = replaced(totals.rate_up, before.rate_up, progress.rate_up);
        totals.bytes_down += progress.bytes_down - before.bytes_down;
        let sent = progress.bytes_up - before.bytes_up;
        totals.bytes_up += sent;
        if slot == self.seeder.slot {
            self.seeder.bytes_up += sent;
        }
    }

    /// Takes what an agent that stops has sent and got since it was last heard into the totals.
    fn count_last(&mut self, slot: Slot, last: &Progress) {
        let progress = &self.records[slot.0].progress;
        let last = Progress { bytes_down: last.bytes_down, bytes_up: last.bytes_up, ..progress.clone() };
        self.count_traffic(slot, &last);
        self.records[slot.0].progress = last;
    }

    fn notice_progress(&mut self, slot: Slot, before: &Progress) {
        let due = self.sessions[slot.0].noticed.is_none_or(|at: Instant| self.now.since(at) >= PROGRESS_INTERVAL);
        let progress = &self.records[slot.0].progress;
        if !due || !self.in_fleet(slot) || progress == before {
            return;
        }
        self.sessions[slot.0].noticed = Some(self.now);
        let pieces_total = self.payload.as_ref().map_or(0, |payload| payload.layout.piece_count());
        let (host, progress) = (self.records[slot.0].id, progress.clone());
        self.notice(Notice::HostProgress { host, progress, pieces_total });
    }

    fn handle_peers(&mut self, slot: Slot, mut peers: Vec<PeerSummary>) {
        if self.watched == Some(slot) {
            peers.truncate(PEERS_MAX);
            self.records[slot.0].peers = peers;
        }
    }

    /// The last steps of a delivery.
    fn deliver(&mut self, slot: Slot, to: HostState) {
        let from = self.records[slot.0].state.name();
        let under_way = match from {
            StateName::Bootstrapping | StateName::Fetching | StateName::Stalled | StateName::Verifying => true,
            StateName::Waiting
            | StateName::Connecting
            | StateName::Unpacking
            | StateName::Done
            | StateName::Failed
            | StateName::Unreachable
            | StateName::Aborted
            | StateName::Skipped => false,
        };
        if under_way && from != to.name() && self.sessions[slot.0].served && self.in_fleet(slot) {
            self.enter(slot, to, None);
        }
    }

    /// The release is in place. A host that failed meanwhile for want of a seeder is done all the same.
    fn handle_delivered(&mut self, slot: Slot, already: bool) {
        let taken = match self.records[slot.0].state.name() {
            StateName::Bootstrapping
            | StateName::Fetching
            | StateName::Stalled
            | StateName::Verifying
            | StateName::Unpacking
            | StateName::Failed => true,
            StateName::Waiting
            | StateName::Connecting
            | StateName::Done
            | StateName::Unreachable
            | StateName::Aborted
            | StateName::Skipped => false,
        };
        let session = &self.sessions[slot.0];
        if taken && session.served && session.placed.is_none() && self.in_fleet(slot) {
            self.settle_placed(slot, already);
        }
    }

    /// The run cannot go on there: the agent has left the swarm, and stays to be told to serve again.
    fn handle_failed(&mut self, slot: Slot, failure: AgentFailure) {
        let tracks = slot == self.tracker.slot && self.tracker.asked && !self.tracker.alive;
        let session = &mut self.sessions[slot.0];
        let while_serving = session.serving && matches!(failure, AgentFailure::PortsInUse { .. });
        if tracks && !session.packing && (!session.served || while_serving) {
            self.tracker.asked = false;
            if self.only_tracks(slot) {
                return self.drop_and_fail(slot, Failure::Agent(failure));
            }
            return self.lose_station(slot, Failure::Agent(failure));
        }
        if !session.served && !session.packing {
            return self.note(slot, failure.to_string());
        }
        let could_seed = slot == self.seeder.slot && session.served && !session.seeds_only && self.payload.is_some();
        session.served = false;
        session.packing = false;
        self.leave_swarm(slot);
        if could_seed && self.in_fleet(slot) {
            return self.seed_only(slot, failure);
        }
        if self.in_fleet(slot) && self.records[slot.0].state.name().is_settled() {
            self.sessions[slot.0].work_failures += 1;
            self.note(slot, failure.to_string());
            return self.lose_station(slot, Failure::Agent(failure));
        }
        self.fail(slot, Failure::Agent(failure), Reached::Agent);
    }

    /// The seeder cannot have the release itself, which is its own failure alone: it is told to seed all the same.
    fn seed_only(&mut self, slot: Slot, failure: AgentFailure) {
        let session = &mut self.sessions[slot.0];
        session.seeds_only = true;
        session.failed_once = true;
        session.purpose = Purpose::Station;
        if !self.records[slot.0].state.name().is_settled() {
            self.launcher.withdraw(slot);
            let failure = Failure::Agent(failure);
            self.answered(slot, std::slice::from_ref(&failure));
            self.enter(slot, HostState::Failed { failure }, None);
        }
        self.advance(slot);
    }

    /// A helper is done when it does what it is there for.
    fn settle_helper(&mut self, slot: Slot) {
        let fetching = match self.records[slot.0].state.name() {
            StateName::Fetching | StateName::Stalled => true,
            StateName::Waiting
            | StateName::Connecting
            | StateName::Bootstrapping
            | StateName::Verifying
            | StateName::Unpacking
            | StateName::Done
            | StateName::Failed
            | StateName::Unreachable
            | StateName::Aborted
            | StateName::Skipped => false,
        };
        if fetching && !self.in_fleet(slot) && self.is_full(slot) {
            self.enter(slot, HostState::Done { already: false }, None);
        }
    }

    /// Keeps a line of what the host said.
    pub(super) fn remember(&mut self, slot: Slot, mut line: String) {
        let at = self.now;
        let transcript = &mut self.records[slot.0].transcript;
        if transcript.len() >= HostRecord::TRANSCRIPT_MAX {
            transcript.pop_front();
        }
        line.truncate(line.floor_char_boundary(LINE_MAX));
        transcript.push_back(Said { at, line });
    }

    /// Whether the attempt moves the place's own state.
    fn is_work(&self, slot: Slot) -> bool {
        self.sessions[slot.0].purpose == Purpose::Work
    }
}
