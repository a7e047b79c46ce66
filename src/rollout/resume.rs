//! A run that another console began: what is done stays done, and agents that are still at work are attached to as they are.

use std::collections::VecDeque;

use super::launcher::Rank;
use super::machine::Rollout;
use super::session::{Purpose, Slot};
use super::{Accepted, Caps, Config, Finish, HostState, Payload, Plan, StateName, Transition};
use crate::base::Instant;
use crate::inventory::{HostId, Place};

/// What is known of a run that another console began.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// The payload, if it was known.
    pub payload: Option<Payload>,
    /// Every host.
    pub hosts: Vec<PastHost>,
    /// Who seeded in the end; `None`: as planned.
    pub seeder: Option<Place>,
    /// Who tracked.
    pub tracker: Option<Place>,
    /// How many waves had their turn.
    pub waves: usize,
    /// What the operator had accepted.
    pub accepted: Accepted,
    /// The operator had paused the run: it stays so where somebody can be asked.
    pub paused: bool,
    /// The caps that the operator had set.
    pub caps: Option<Caps>,
    /// The operator had ended the run: only cleaning up is left.
    pub aborted: bool,
}

/// What is known of a host of such a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastHost {
    /// Which.
    pub id: HostId,
    /// Its last state.
    pub state: StateName,
    /// The number of its last attempt; 0: it was never launched.
    pub attempts: u32,
    /// When it was launched, if it is under way.
    pub launched: Option<Instant>,
    /// An agent has been at work there with the payload.
    pub served: bool,
    /// What it went through, oldest first.
    pub history: VecDeque<Transition>,
}

/// Why a host is settled from the beginning of a run that was taken up.
pub const TAKEN_OVER: &str = "before this console took over";

impl Rollout {
    /// Carries on a run. Hosts that are not done are attached to, or dialled anew; those that are done are only proved clean
    /// at the end, unless they are needed as seeder or tracker.
    ///
    /// The run's clock goes on: [`Instant::ZERO`] is when it began, not when it was taken up.
    pub fn resumed(plan: Plan, config: Config, seed: u64, past: Past) -> Self {
        let (seeder, tracker) = (past.seeder.unwrap_or(plan.seeder), past.tracker.unwrap_or(plan.tracker));
        let mut rollout = Self::new(Plan { seeder, tracker, ..plan }, config, seed);
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
        self.waves.reopen(past.waves);
        self.turns.accepted = past.accepted;
        self.caps = past.caps;
        self.launcher.paused = past.paused && self.config.finish != Finish::AtOnce;
        for PastHost { id, state, attempts, launched, served: _, history } in past.hosts {
            let Some(slot) = self.slots.get(&Place::Host(id)).copied().filter(|slot| self.in_fleet(*slot)) else {
                continue;
            };
            self.records[slot.0].attempt.number = attempts;
            self.records[slot.0].history = history;
            self.sessions[slot.0].dirty |= attempts > 0;
            self.sessions[slot.0].begun = launched;
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
        self.enter(slot, state, Some(TAKEN_OVER.to_owned()));
    }
}
