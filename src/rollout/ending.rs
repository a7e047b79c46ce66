//! The end of a run: agents are stopped, what they left is removed, and what cannot be proved gone is named.

use std::collections::{BTreeMap, BTreeSet};

use super::machine::Rollout;
use super::session::{Link, Purpose, Slot};
use super::{Failure, HostRecord, HostState, Outcome, Output, Stage, StateName, Summary};
use crate::base::{ByteCount, Instant};
use crate::control::Order;
use crate::inventory::HostId;

/// Most things left behind that are named for one place.
const LEFT_BEHIND_MAX: usize = 32;

/// Slowest hosts that a summary names.
const SLOWEST_MAX: usize = 5;

/// What is left to do before a run is over.
#[derive(Debug, Clone, Default)]
pub(super) struct Ending {
    /// The operator ended the run.
    pub(super) aborted: bool,
    /// Places that are not closed yet.
    open: BTreeSet<Slot>,
    /// Places of these that get a cleaning attempt when there is room.
    to_clean: BTreeSet<Slot>,
    cleaning: usize,
    left_behind: BTreeMap<Slot, Vec<String>>,
}

impl Rollout {
    /// Settles every host, and begins to clean up.
    pub(super) fn begin_finish(&mut self) {
        match &self.stage {
            Stage::Finishing { .. } | Stage::Ended(_) => return,
            Stage::Preparing { .. } | Stage::Distributing | Stage::Settled => {}
        }
        for slot in (0..self.plan.hosts.len()).map(Slot) {
            let record = &self.records[slot.0];
            if !record.state.name().is_settled() {
                let launched = record.attempt.number > 0;
                let state = if launched { HostState::Aborted } else { HostState::Skipped };
                self.enter(slot, state, None);
            }
        }
        self.launcher.clear();
        self.waiting.clear();
        self.schedule.clear();
        self.stage = Stage::Finishing { left: 0 };
        for slot in (0..self.sessions.len()).map(Slot) {
            self.sessions[slot.0].retry_at = None;
            self.close(slot);
            let session = &self.sessions[slot.0];
            if session.link != Link::Off {
                self.ending.open.insert(slot);
                self.rearm(slot);
            } else if session.dirty {
                self.ending.open.insert(slot);
                self.ending.to_clean.insert(slot);
            }
        }
        self.clean_more();
    }

    /// Stops the agent if there is one, and the attempt otherwise.
    pub(super) fn close(&mut self, slot: Slot) {
        match self.sessions[slot.0].link {
            Link::Attached => self.order_stop(slot),
            Link::Dialing | Link::Lost => self.hang_up(slot),
            Link::Off | Link::Stopping | Link::Hanging => {}
        }
    }

    /// Tells an agent to clean up and stop.
    pub(super) fn order_stop(&mut self, slot: Slot) {
        self.leave_run(slot);
        self.release(slot);
        self.sessions[slot.0].link = Link::Stopping;
        self.sessions[slot.0].since = self.now;
        self.order(slot, Order::Stop { discard_partial: true });
        self.rearm(slot);
    }

    /// An agent cleaned up.
    pub(super) fn handle_stopped(&mut self, slot: Slot, left_behind: Vec<String>) {
        match self.sessions[slot.0].link {
            Link::Stopping | Link::Attached | Link::Hanging => {}
            Link::Off | Link::Dialing | Link::Lost => return,
        }
        let asked = self.sessions[slot.0].link != Link::Attached;
        if asked {
            self.ending.left_behind.remove(&slot);
            self.sessions[slot.0].dirty = false;
            self.hang_up(slot);
        }
        self.keep_left_behind(slot, left_behind);
    }

    /// Remembers what could not be proved gone.
    pub(super) fn keep_left_behind(&mut self, slot: Slot, left_behind: Vec<String>) {
        if !left_behind.is_empty() {
            let named = self.ending.left_behind.entry(slot).or_default();
            named.extend(left_behind);
            named.truncate(LEFT_BEHIND_MAX);
        }
    }

    /// A connection ended while the run is being finished.
    pub(super) fn closed(&mut self, slot: Slot, failure: Option<Failure>) {
        let session = &mut self.sessions[slot.0];
        if session.purpose == Purpose::Clean {
            self.ending.cleaning = self.ending.cleaning.saturating_sub(1);
        }
        if session.dirty && !session.cleaned {
            self.ending.to_clean.insert(slot);
        } else {
            if session.dirty {
                let why = failure.map_or_else(|| "no answer in time".to_owned(), |failure| failure.to_string());
                let what = format!("agent and partial payload of run {} not proved gone: {why}", self.plan.run);
                self.keep_left_behind(slot, vec![what]);
            }
            self.ending.open.remove(&slot);
        }
        self.schedule.set(super::schedule::Timer::Slot(slot), None);
        self.clean_more();
    }

    fn clean_more(&mut self) {
        while self.ending.cleaning < self.config.fanout.max(1)
            && let Some(slot) = self.ending.to_clean.pop_first()
        {
            self.ending.cleaning += 1;
            self.sessions[slot.0].cleaned = true;
            self.sessions[slot.0].purpose = Purpose::Clean;
            self.dial(slot);
        }
        let left = self.ending.open.len();
        if left == 0 {
            self.end();
        } else {
            self.stage = Stage::Finishing { left };
        }
    }

    fn end(&mut self) {
        let summary = self.summary();
        self.schedule.clear();
        self.launcher.clear();
        self.stage = Stage::Ended(summary.clone());
        self.outputs.push_back(Output::Ended(summary));
    }

    fn summary(&self) -> Summary {
        let (done, fleet) = (self.counts.of(StateName::Done), self.plan.hosts.len() as u32);
        let outcome = match done {
            _ if done == fleet && fleet > 0 => Outcome::Complete,
            _ if self.ending.aborted => Outcome::Aborted,
            0 => Outcome::Failed,
            _ => Outcome::Partial,
        };
        let from_seeder = self.seeder.bytes_up;
        let is_done = |record: &&HostRecord| record.state.name() == StateName::Done;
        let failed = |record: &HostRecord| Some((record.id, record.state.failure()?.clone()));
        let healed = self.hosts().iter().zip(&self.sessions).filter(|(record, _)| is_done(record));
        let named = self.ending.left_behind.iter();
        let left_behind = named
            .flat_map(|(slot, what)| what.iter().map(|what| (self.sessions[slot.0].place, what.clone())))
            .collect();
        Summary {
            outcome,
            counts: self.counts,
            elapsed: self.now.since(self.started.unwrap_or(Instant::ZERO)),
            bytes_from_seeder: from_seeder,
            bytes_from_peers: ByteCount(self.totals.bytes_up.0.saturating_sub(from_seeder.0)),
            slowest: self.slowest(),
            left_behind,
            healed: healed.filter(|(_, session)| session.failed_once).map(|(record, _)| record.id).collect(),
            failed: self.hosts().iter().filter_map(failed).collect(),
        }
    }

    fn slowest(&self) -> Vec<(HostId, std::time::Duration)> {
        let took = |record: &HostRecord| {
            let done = record.state.name() == StateName::Done;
            let attempt = record.attempt;
            done.then(|| Some((record.id, attempt.settled?.since(attempt.launched?)))).flatten()
        };
        let mut slowest: Vec<_> = self.hosts().iter().filter_map(took).collect();
        slowest.sort_by_key(|(host, took)| (std::cmp::Reverse(*took), *host));
        slowest.truncate(SLOWEST_MAX);
        slowest
    }
}
