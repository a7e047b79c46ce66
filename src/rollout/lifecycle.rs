//! What happens to one place: it is launched, changes state, fails, is tried again.
//!
//! One rule for every retry: a host whose agent is still attached is told to go on over the channel it has; any other
//! is dialled anew, which is a new attempt. Fetched pieces are kept either way.

use std::time::Duration;

use super::launcher::Rank;
use super::machine::Rollout;
use super::retry::rest;
use super::schedule::Timer;
use super::session::{Link, Purpose, Slot};
use super::turn::SWITCH_MAX;
use super::{BootStep, Detail, Failure, HostRecord, HostState, Notice, Output, Phase, Stage, StateName, Transition};
use crate::base::{ByteRate, Instant, PieceIndex};
use crate::control::Progress;

/// How far an attempt came before it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    /// No agent was attached yet.
    Host,
    /// The agent was.
    Agent,
}

impl Rollout {
    /// Changes a place's state: the one door through which counts, causes, history and notices go.
    pub(super) fn enter(&mut self, slot: Slot, state: HostState, reason: Option<String>) {
        let in_fleet = self.in_fleet(slot);
        let record = &mut self.records[slot.0];
        let (from, to) = (record.state.name(), state.name());
        let cause = state.failure().map(Failure::cause);
        let reason = reason.or_else(|| reason_of(&state));
        if in_fleet {
            self.counts.leave(from);
            self.counts.enter(to);
            if let Some(failure) = record.state.failure() {
                let emptied = self.causes.get_mut(failure.cause()).is_some_and(|slots| {
                    slots.remove(&slot);
                    slots.is_empty()
                });
                if emptied {
                    self.causes.remove(failure.cause());
                }
            }
            if let Some(cause) = cause {
                self.causes.entry(cause).or_default().insert(slot);
            }
        }
        record.state = state;
        record.detail = Detail::None;
        record.attempt.settled = to.is_settled().then_some(self.now);
        let attempt = record.attempt.number;
        if record.history.len() >= HostRecord::HISTORY_MAX {
            record.history.pop_front();
        }
        record.history.push_back(Transition { at: self.now, state: to, attempt, reason: reason.clone() });
        self.sessions[slot.0].since = self.now;
        if in_fleet {
            let host = record.id;
            self.notice(Notice::HostState { host, state: to, from, attempt, reason, cause });
        } else if let Some(reason) = reason {
            self.note(slot, reason);
        }
        self.recount(slot);
        self.rearm(slot);
        if to.is_settled() {
            self.clear_host_deadline(slot);
            self.launched(slot);
            self.answered(slot, &[]);
        }
        self.moved(slot, from, to);
    }

    /// Launches a place: dials it, or tells the agent that is still attached to go on.
    pub(super) fn dial(&mut self, slot: Slot) {
        match self.sessions[slot.0].link {
            Link::Off => {}
            Link::Attached => return self.go_on(slot),
            Link::Lost => return self.redial(slot),
            Link::Dialing | Link::Stopping | Link::Hanging => return,
        }
        let now = self.now;
        self.launched(slot);
        let session = &mut self.sessions[slot.0];
        session.link = Link::Dialing;
        session.admitted = true;
        session.since = now;
        session.retry_at = None;
        let (at, purpose) = (session.place, session.purpose);
        self.launcher.admit();
        let record = &mut self.records[slot.0];
        record.attempt.number += 1;
        record.progress = Progress::default();
        let attempt = record.attempt.number;
        if purpose == Purpose::Work {
            record.attempt.launched = Some(now);
            self.enter(slot, HostState::Connecting, None);
            self.arm_host_deadline(slot);
        }
        self.outputs.push_back(Output::Connect { at, attempt });
        self.rearm(slot);
    }

    fn go_on(&mut self, slot: Slot) {
        let session = &self.sessions[slot.0];
        if let Some(already) = session.placed {
            self.settle_placed(slot, already);
        } else if session.served && session.serving {
            self.records[slot.0].advanced = Some(self.now);
            self.enter(slot, HostState::Fetching, None);
        } else {
            self.enter(slot, HostState::Bootstrapping { step: BootStep::Starting }, None);
            self.advance(slot);
        }
    }

    /// Tells the driver to end the attempt.
    pub(super) fn hang_up(&mut self, slot: Slot) {
        let (at, attempt) = (self.sessions[slot.0].place, self.records[slot.0].attempt.number);
        match self.sessions[slot.0].link {
            Link::Off | Link::Hanging => return,
            Link::Dialing | Link::Attached | Link::Lost | Link::Stopping => {}
        }
        self.leave_run(slot);
        self.release(slot);
        self.sessions[slot.0].link = Link::Hanging;
        self.sessions[slot.0].since = self.now;
        self.outputs.push_back(Output::Disconnect { at, attempt });
        self.rearm(slot);
    }

    /// The place gives no more pieces, and its rates are over.
    pub(super) fn leave_swarm(&mut self, slot: Slot) {
        self.waiting.remove(&slot);
        self.directory.leave(slot, &mut self.random);
        self.records[slot.0].listening = None;
        self.records[slot.0].peers.clear();
        self.stop_rates(slot);
        if std::mem::take(&mut self.sessions[slot.0].serving) {
            self.supply_changed = true;
            if let Some(pieces) = &self.records[slot.0].pieces {
                self.availability.remove_all(pieces);
            }
        }
    }

    /// The agent does nothing more for the run.
    pub(super) fn leave_run(&mut self, slot: Slot) {
        self.leave_swarm(slot);
        if slot == self.tracker.slot {
            self.tracker.alive = false;
            self.tracker.asked = false;
        }
    }

    pub(super) fn stop_rates(&mut self, slot: Slot) {
        let progress = &mut self.records[slot.0].progress;
        self.totals.rate_down.0 = self.totals.rate_down.0.saturating_sub(progress.rate_down.0);
        self.totals.rate_up.0 = self.totals.rate_up.0.saturating_sub(progress.rate_up.0);
        progress.rate_down = ByteRate(0);
        progress.rate_up = ByteRate(0);
        progress.peers = 0;
        progress.unchoking = 0;
    }

    /// The place is no longer on its way: another may be launched.
    pub(super) fn release(&mut self, slot: Slot) {
        if std::mem::take(&mut self.sessions[slot.0].admitted) {
            self.launcher.release();
        }
    }

    /// The attempt is over, whether it was told to be or not.
    pub(super) fn handle_ended(&mut self, slot: Slot, failure: Option<Failure>, left_behind: Vec<String>) {
        let link = self.sessions[slot.0].link;
        self.keep_left_behind(slot, left_behind);
        self.leave_run(slot);
        self.release(slot);
        self.sessions[slot.0].unlink();
        self.records[slot.0].ssh_lost = None;
        self.rearm(slot);
        if matches!(self.stage, Stage::Finishing { .. }) {
            return self.closed(slot, failure);
        }
        let lost = || Failure::ConnectionLost { why: "it ended without a reason".to_owned() };
        match link {
            Link::Dialing => self.fail(slot, failure.unwrap_or_else(lost), Reached::Host),
            Link::Attached | Link::Lost => self.fail(slot, failure.unwrap_or_else(lost), Reached::Agent),
            Link::Stopping | Link::Hanging => self.line_up(slot),
            Link::Off => {}
        }
    }

    /// Lines a waiting host up, unless its backoff or its last connection is not over.
    pub(super) fn line_up(&mut self, slot: Slot) {
        match self.sessions[slot.0].link {
            Link::Off | Link::Attached => {}
            Link::Dialing | Link::Lost | Link::Stopping | Link::Hanging => return,
        }
        if let HostState::Waiting { not_before } = self.records[slot.0].state {
            if not_before.is_none_or(|at| at <= self.now) {
                let rank = self.rank(slot);
                if self.may_launch(slot, rank) {
                    self.launcher.push(rank, slot);
                }
            } else {
                self.rearm(slot);
            }
        }
    }

    fn rank(&self, slot: Slot) -> Rank {
        if slot == self.seeder.slot || slot == self.tracker.slot {
            Rank::Station
        } else if self.sessions[slot.0].by_operator {
            Rank::Operator
        } else if self.records[slot.0].attempt.number > 0 {
            Rank::Again
        } else {
            Rank::Fleet
        }
    }

    /// The attempt failed: the host is tried again by itself, or settled as failed or unreachable.
    pub(super) fn fail(&mut self, slot: Slot, failure: Failure, reached: Reached) {
        let settled = self.in_fleet(slot) && self.records[slot.0].state.name().is_settled();
        if self.in_fleet(slot) {
            self.answered(slot, std::slice::from_ref(&failure));
        }
        let session = &mut self.sessions[slot.0];
        let failures = match reached {
            Reached::Host => &mut session.connect_failures,
            Reached::Agent => &mut session.work_failures,
        };
        *failures = failures.saturating_add(1);
        let failures = *failures;
        let again = failure.is_retryable() && failures < self.attempts(slot, reached, settled);
        if settled {
            return self.fail_settled(slot, &failure, again.then_some(failures));
        }
        self.sessions[slot.0].failed_once = true;
        self.launcher.withdraw(slot);
        if again {
            let wait = rest(&self.config, &failure, failures, &mut self.random);
            let reason = format!("{failure}; again in {:.1} s", wait.as_secs_f64());
            self.enter(slot, HostState::Waiting { not_before: Some(self.now + wait) }, Some(reason));
            return;
        }
        let state = if failure.is_unreachable() {
            HostState::Unreachable { failure: failure.clone() }
        } else {
            HostState::Failed { failure: failure.clone() }
        };
        self.enter(slot, state, None);
        self.lose_station(slot, failure);
    }

    /// A host that is settled itself lost its connection: the release stays where it is, but a tracker or seeder may
    /// be missed.
    fn fail_settled(&mut self, slot: Slot, failure: &Failure, again: Option<u32>) {
        self.note(slot, failure.to_string());
        match again {
            Some(failures) if self.is_station(slot) => {
                let wait = rest(&self.config, failure, failures, &mut self.random);
                let session = &mut self.sessions[slot.0];
                session.purpose = Purpose::Station;
                session.retry_at = Some(self.now + wait);
                self.rearm(slot);
            }
            Some(_) | None => self.lose_station(slot, failure.clone()),
        }
    }

    /// How often a place is tried by itself.
    fn attempts(&self, slot: Slot, reached: Reached, settled: bool) -> u32 {
        let own = match reached {
            Reached::Host if settled => 0,
            Reached::Host => self.config.connect_attempts,
            Reached::Agent if settled || !self.in_fleet(slot) => 0,
            Reached::Agent => self.config.work_attempts,
        };
        let needed = slot == self.seeder.slot && self.is_short() && !self.has_heir();
        let seeder = if needed { self.config.connect_attempts.max(2) } else { 0 };
        let tracker = if slot == self.tracker.slot { 2 } else { 0 };
        own.max(seeder).max(tracker)
    }

    /// When the place's time is up.
    fn due(&self, slot: Slot) -> Option<Instant> {
        let (session, record) = (&self.sessions[slot.0], &self.records[slot.0]);
        if session.serving && session.link == Link::Attached && self.preflight.holds() {
            // The seeder waits like everybody else.
            return None;
        }
        let config = &self.config;
        let after = |duration: Duration| Some(session.since + duration);
        match (session.link, session.purpose) {
            (Link::Hanging, _) => return after(config.stop_max.saturating_mul(2)),
            (Link::Lost, _) => return self.lost_due(slot),
            (Link::Stopping, _) | (Link::Dialing | Link::Attached, Purpose::Clean) => return after(config.stop_max),
            (Link::Attached, _) if slot == self.seeder.slot && self.is_at_rest(slot) && session.greeted => {
                return self.seeder_due(slot);
            }
            (Link::Dialing, Purpose::Station) => return after(config.bootstrap_max),
            (Link::Attached, Purpose::Station) if !session.greeted => return after(config.bootstrap_max),
            (Link::Off, Purpose::Station) => return session.retry_at,
            (Link::Off, Purpose::Work | Purpose::Clean)
            | (Link::Dialing | Link::Attached, Purpose::Work)
            | (Link::Attached, Purpose::Station) => {}
        }
        match &record.state {
            HostState::Waiting { not_before } => *not_before,
            HostState::Connecting => after(config.bootstrap_max),
            HostState::Bootstrapping { .. } if !session.greeted => after(config.bootstrap_max),
            HostState::Bootstrapping { .. } if slot == self.seeder.slot => self.seeder_due(slot),
            HostState::Bootstrapping { .. } => {
                let told = session.served || (self.only_tracks(slot) && self.tracker.asked);
                told.then(|| session.since + config.serve_max)
            }
            HostState::Fetching => {
                Some(record.advanced.unwrap_or(session.since).max(session.since) + config.stalled_after)
            }
            HostState::Stalled { since, .. } => {
                let far = self.out_of_reach(slot).is_some();
                let most = if far { config.no_way_after } else { config.stall_failed_after };
                Some((*since + most).max(session.since + config.stalled_after))
            }
            HostState::Verifying | HostState::Unpacking => self.delivery_due(slot),
            HostState::Done { .. }
            | HostState::Failed { .. }
            | HostState::Unreachable { .. }
            | HostState::Aborted
            | HostState::Skipped => None,
        }
    }

    /// When the seeder's time is up to get ready, or to get its next piece from this machine.
    fn seeder_due(&self, slot: Slot) -> Option<Instant> {
        let (session, record) = (&self.sessions[slot.0], &self.records[slot.0]);
        let last = |at: Option<Instant>| at.unwrap_or(session.since).max(session.since);
        if session.packing {
            Some(last(record.heard) + self.config.serve_max)
        } else if session.served && !session.serving {
            Some(session.since + self.config.serve_max)
        } else if session.serving && !self.is_full(slot) {
            Some(last(record.advanced) + self.config.stall_failed_after)
        } else {
            None
        }
    }

    /// Whether the host is settled and only its agent has something to do.
    pub(super) fn is_at_rest(&self, slot: Slot) -> bool {
        self.records[slot.0].state.name().is_settled()
    }

    /// Sets the place's timer to where its deadline is now.
    pub(super) fn rearm(&mut self, slot: Slot) {
        let due = self.due(slot);
        self.schedule.set(Timer::Slot(slot), due);
    }

    /// The place's timer rang.
    pub(super) fn expire(&mut self, slot: Slot) {
        if self.due(slot).is_some_and(|at| at > self.now) {
            return self.rearm(slot);
        }
        let session = &self.sessions[slot.0];
        match (session.link, session.purpose) {
            (Link::Hanging, _) => {
                let named = "the connection did not end in time: the agent may still run".to_owned();
                self.handle_ended(slot, None, vec![named]);
            }
            (Link::Lost, _) => self.expire_lost(slot),
            (Link::Stopping, _) => {
                self.note(slot, "the agent did not confirm that it cleaned up".to_owned());
                self.hang_up(slot);
            }
            (Link::Dialing | Link::Attached, Purpose::Clean) => self.hang_up(slot),
            (Link::Dialing | Link::Attached, Purpose::Station) => self.time_out(slot, Phase::Start),
            (Link::Off, Purpose::Station) => {
                self.sessions[slot.0].retry_at = None;
                self.launcher.push(Rank::Station, slot);
            }
            (Link::Attached, Purpose::Work) if self.is_at_rest(slot) => self.time_out(slot, Phase::Serve),
            (Link::Off, Purpose::Work | Purpose::Clean) | (Link::Dialing | Link::Attached, Purpose::Work) => {
                self.expire_state(slot);
            }
        }
    }

    fn expire_state(&mut self, slot: Slot) {
        let greeted = self.sessions[slot.0].greeted;
        match self.records[slot.0].state.name() {
            StateName::Waiting => self.line_up(slot),
            StateName::Connecting => self.time_out(slot, Phase::Connect),
            StateName::Bootstrapping if greeted => self.time_out(slot, Phase::Serve),
            StateName::Bootstrapping => self.time_out(slot, Phase::Start),
            StateName::Fetching => self.stall(slot),
            StateName::Stalled => self.give_up_stalled(slot),
            StateName::Verifying | StateName::Unpacking => self.expire_delivery(slot),
            StateName::Done | StateName::Failed | StateName::Unreachable | StateName::Aborted | StateName::Skipped => {}
        }
    }

    pub(super) fn time_out(&mut self, slot: Slot, phase: Phase) {
        let after = match phase {
            Phase::Serve => self.config.serve_max,
            Phase::Deliver => self.config.deliver_max,
            Phase::Switch => SWITCH_MAX,
            Phase::Connect | Phase::KeyExchange | Phase::Authenticate | Phase::Exec | Phase::Push | Phase::Start => {
                self.config.bootstrap_max
            }
        };
        self.drop_and_fail(slot, Failure::Timeout { phase, after });
    }

    /// Ends the attempt for a failure that the console found.
    pub(super) fn drop_and_fail(&mut self, slot: Slot, failure: Failure) {
        let reached = match self.sessions[slot.0].link {
            Link::Attached | Link::Lost | Link::Stopping => Reached::Agent,
            Link::Off | Link::Dialing | Link::Hanging => Reached::Host,
        };
        self.hang_up(slot);
        self.fail(slot, failure, reached);
    }

    /// Counts the place's verified bytes anew.
    pub(super) fn recount(&mut self, slot: Slot) {
        let (Some(payload), true) = (&self.payload, self.in_fleet(slot)) else { return };
        let (record, layout) = (&self.records[slot.0], payload.layout);
        let bytes = match (&record.state, &record.pieces) {
            (HostState::Done { .. }, _) => layout.total(),
            (_, Some(pieces)) => {
                let last = PieceIndex(layout.piece_count() - 1);
                let whole = u64::from(pieces.count()) * u64::from(layout.nominal_piece_length());
                let spare = layout.nominal_piece_length() - layout.piece_length(last);
                whole - if pieces.contains(last) { u64::from(spare) } else { 0 }
            }
            (_, None) => 0,
        };
        let before = std::mem::replace(&mut self.sessions[slot.0].bytes_done, bytes);
        self.totals.bytes_done.0 = self.totals.bytes_done.0.saturating_sub(before) + bytes;
    }
}

fn reason_of(state: &HostState) -> Option<String> {
    match state {
        HostState::Failed { failure } | HostState::Unreachable { failure } => Some(failure.to_string()),
        HostState::Stalled { reason, .. } => Some(reason.to_string()),
        HostState::Waiting { .. }
        | HostState::Connecting
        | HostState::Bootstrapping { .. }
        | HostState::Fetching
        | HostState::Verifying
        | HostState::Unpacking
        | HostState::Done { .. }
        | HostState::Aborted
        | HostState::Skipped => None,
    }
}
