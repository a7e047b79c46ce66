//! The deadlines of a host and of the run, whatever their phases are allowed.

use std::time::Duration;

use super::failure::Whole;
use super::machine::Rollout;
use super::schedule::Timer;
use super::session::Slot;
use super::{Failure, HostState, Stage};
use crate::base::Instant;

impl Rollout {
    /// The run's time begins.
    pub(super) fn arm_run_deadline(&mut self) {
        let due = self.plan.policy.run_max.map(|max| self.began() + max);
        self.schedule.set(Timer::RunDeadline, due);
    }

    /// When the run began, for whichever console.
    pub(super) fn began(&self) -> Instant {
        self.started.unwrap_or(self.now)
    }

    /// How long its agents have left from now on. One that is needed when the run's time is over has that of a lease.
    pub(super) fn agent_deadline(&self) -> Duration {
        self.plan.deadline.saturating_sub(self.now.since(self.began())).max(self.plan.lease)
    }

    /// The host's time begins, unless it runs already: trying again gives no more of it.
    pub(super) fn arm_host_deadline(&mut self, slot: Slot) {
        let Some(max) = self.plan.policy.host_max.filter(|_| self.in_fleet(slot)) else { return };
        if !self.schedule.is_set(Timer::HostDeadline(slot)) {
            let begun = self.sessions[slot.0].begun.take().unwrap_or(self.now);
            self.schedule.set(Timer::HostDeadline(slot), Some(begun + max));
        }
    }

    /// The host needs no more time.
    pub(super) fn clear_host_deadline(&mut self, slot: Slot) {
        self.schedule.set(Timer::HostDeadline(slot), None);
    }

    /// The host's time is up.
    pub(super) fn overdue(&mut self, slot: Slot) {
        let Some(after) = self.plan.policy.host_max else { return };
        if !self.is_at_rest(slot) {
            self.drop_and_fail(slot, Failure::Overdue { whole: Whole::Host, after });
        }
    }

    /// The run's time is up: what is under way fails, and what was never launched is skipped.
    pub(super) fn overdue_run(&mut self) {
        let Some(after) = self.plan.policy.run_max else { return };
        match &self.stage {
            Stage::Finishing { .. } | Stage::Ended(_) => return,
            Stage::Preparing { .. } | Stage::Distributing | Stage::Settled => {}
        }
        for slot in (0..self.plan.hosts.len()).map(Slot).filter(|slot| !self.is_at_rest(*slot)).collect::<Vec<_>>() {
            let failure = Failure::Overdue { whole: Whole::Run, after };
            if self.records[slot.0].attempt.number > 0 {
                self.drop_and_fail(slot, failure);
            } else {
                self.launcher.withdraw(slot);
                self.enter(slot, HostState::Skipped, Some(failure.to_string()));
            }
        }
    }
}
