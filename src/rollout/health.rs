//! Whether a host is well with the release in place: a command of the operator's says so, several times if need be.

use std::time::Duration;

use super::machine::Rollout;
use super::retry::backoff;
use super::session::Slot;
use super::{Detail, Failure, HostState, Phase};
use crate::control::{CheckOrder, Order};

/// What the console waits beyond the time the agent gives the command: the answer has to come, too.
const ANSWER_MAX: Duration = Duration::from_secs(10);

impl Rollout {
    /// The release is in place: the host is done, or its health is looked at first.
    pub(super) fn settle_placed(&mut self, slot: Slot, already: bool) {
        self.sessions[slot.0].placed = Some(already);
        if self.plan.policy.health.is_some() {
            self.check(slot, 1);
        } else {
            self.enter(slot, HostState::Done { already }, None);
        }
    }

    /// Runs the health command.
    pub(super) fn check(&mut self, slot: Slot, attempt: u32) {
        let (Some(health), Some(tag)) = (self.plan.policy.health.clone(), self.tag.clone()) else { return };
        let reason = if health.tries > 1 { format!(", try {attempt} of {}", health.tries) } else { String::new() };
        self.enter(slot, HostState::Verifying, Some(format!("health check{reason}")));
        self.records[slot.0].detail = Detail::Checking { attempt };
        let order = CheckOrder { command: health.command, timeout: health.timeout, tag, number: attempt };
        self.order(slot, Order::Check(order));
        self.rearm(slot);
    }

    /// The health command ended, or could not be run: `why` not well.
    pub(super) fn handle_checked(&mut self, slot: Slot, number: u32, why: Option<String>) {
        let Detail::Checking { attempt } = self.records[slot.0].detail else { return };
        if attempt != number {
            return;
        }
        match why {
            None => {
                let already = self.sessions[slot.0].placed.unwrap_or_default();
                self.enter(slot, HostState::Done { already }, None);
            }
            Some(why) => self.unwell(slot, attempt, why),
        }
    }

    fn unwell(&mut self, slot: Slot, attempt: u32, why: String) {
        let tries = self.plan.policy.health.as_ref().map_or(1, |health| health.tries);
        self.remember(slot, format!("health check, try {attempt}: {why}"));
        if attempt >= tries {
            return self.fail(slot, Failure::Unhealthy { why }, super::lifecycle::Reached::Agent);
        }
        let again = self.now + backoff(&self.config, attempt, &mut self.random);
        self.records[slot.0].detail = Detail::Unwell { attempt, again };
        self.rearm(slot);
    }

    /// How long an answer of the health command is waited for.
    pub(super) fn check_max(&self) -> Duration {
        self.plan.policy.health.as_ref().map_or(ANSWER_MAX, |health| health.timeout + ANSWER_MAX)
    }

    /// A delivery's time is up.
    pub(super) fn expire_delivery(&mut self, slot: Slot) {
        match self.records[slot.0].detail {
            Detail::None => self.time_out(slot, Phase::Deliver),
            Detail::Switching => self.time_out(slot, Phase::Switch),
            Detail::Staged => {}
            Detail::Checking { attempt } => self.unwell(slot, attempt, "the agent did not answer in time".to_owned()),
            Detail::Unwell { attempt, .. } => self.check(slot, attempt + 1),
        }
    }
}
