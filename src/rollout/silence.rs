//! Agents of which nothing is heard any more: what they told last is no longer so.

use std::time::Duration;

use super::StateName;
use super::machine::Rollout;
use super::schedule::Timer;
use super::session::{Link, Slot};
use crate::base::Instant;

/// Between two looks: a rate that is over is shown so much longer at most.
const LOOK_EVERY: Duration = Duration::from_secs(2);

impl Rollout {
    /// Since when nothing is heard of an agent, if that is so long that it counts as silent.
    pub(super) fn silent_since(&self, slot: Slot) -> Option<Instant> {
        let session = &self.sessions[slot.0];
        let heard = match session.link {
            Link::Lost => session.lost_at,
            Link::Off | Link::Dialing | Link::Attached | Link::Stopping | Link::Hanging => self.records[slot.0].heard,
        };
        let since = heard.unwrap_or(session.since);
        (self.now.since(since) >= self.config.silent_after).then_some(since)
    }

    /// Looks for silent agents again soon, while something is shown that they may have told.
    pub(super) fn listen(&mut self) {
        let shown = self.totals.rate_down.0 + self.totals.rate_up.0 > 0 || self.counts.of(StateName::Stalled) > 0;
        if shown && !self.schedule.is_set(Timer::Silence) {
            self.schedule.set(Timer::Silence, Some(self.now + LOOK_EVERY));
        }
    }

    /// Ends the rates of silent agents, and says of stalled hosts that this is why.
    pub(super) fn hush(&mut self) {
        for slot in (0..self.records.len()).map(Slot) {
            if self.silent_since(slot).is_some() {
                self.stop_rates(slot);
                self.review_stall(slot);
            }
        }
    }
}
