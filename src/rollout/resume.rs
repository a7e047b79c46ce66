//! A run that another console began: what is done stays done, and agents that are still at work are attached to as they are.

use super::launcher::Rank;
use super::machine::Rollout;
use super::session::{Purpose, Slot};
use super::{Config, HostState, Payload, Plan, StateName};
use crate::inventory::{HostId, Place};

/// What is known of a run that another console began.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// The payload, if it was known.
    pub payload: Option<Payload>,
    /// Every host, with its last state and the number of its last attempt.
    pub hosts: Vec<(HostId, StateName, u32)>,
    /// The operator had ended the run: only cleaning up is left.
    pub aborted: bool,
}

impl Rollout {
    /// Carries on a run. Hosts that are not done are attached to, or dialled anew; those that are done are only proved clean
    /// at the end, unless they are needed as seeder or tracker.
    pub fn resumed(plan: Plan, config: Config, seed: u64, past: Past) -> Self {
        let mut rollout = Self::new(plan, config, seed);
        rollout.past = Some(past);
        rollout
    }

    /// Takes over what is known, before anybody is launched.
    pub(super) fn recall(&mut self) {
        let Some(past) = self.past.take() else { return };
        if let (None, Some(payload)) = (&self.payload, past.payload) {
            self.learn(payload);
        }
        for station in [self.seeder.slot, self.tracker.slot] {
            self.sessions[station.0].dirty = true;
        }
        for (host, state, attempts) in past.hosts {
            let Some(slot) = self.slots.get(&Place::Host(host)).copied().filter(|slot| self.in_fleet(*slot)) else {
                continue;
            };
            self.records[slot.0].attempt.number = attempts;
            self.sessions[slot.0].dirty |= attempts > 0;
            match state {
                StateName::Done => self.settle_past(slot, HostState::Done { already: false }),
                StateName::Aborted => self.settle_past(slot, HostState::Aborted),
                StateName::Waiting
                | StateName::Connecting
                | StateName::Bootstrapping
                | StateName::Fetching
                | StateName::Stalled
                | StateName::Verifying
                | StateName::Unpacking
                | StateName::Failed
                | StateName::Unreachable
                | StateName::Skipped => {}
            }
        }
        if past.aborted {
            self.ending.aborted = true;
            return self.begin_finish();
        }
        for station in [self.seeder.slot, self.tracker.slot] {
            let wanted = (self.counts.settled() as usize) < self.plan.hosts.len();
            if wanted && self.is_at_rest(station) {
                self.sessions[station.0].purpose = Purpose::Station;
                self.launcher.push(Rank::Station, station);
            }
        }
    }

    fn settle_past(&mut self, slot: Slot, state: HostState) {
        self.enter(slot, state, Some("before this console took over".to_owned()));
    }
}
