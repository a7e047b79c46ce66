//! The rollout: takes every input to the place it concerns.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::availability::Availability;
use super::launcher::Launcher;
use super::schedule::Schedule;
use super::session::{Session, Slot};
use super::{
    Caps, Config, Counts, Failure, HostRecord, Input, Output, Payload, Plan, PlannedHost, Pushed, Stage, StateName,
    Totals,
};
use crate::base::{ByteCount, Instant};
use crate::control::Tag;
use crate::inventory::{HostId, Place};

/// Carries a run through the fleet.
#[derive(Debug)]
pub struct Rollout {
    pub(super) plan: Plan,
    pub(super) config: Config,
    pub(super) random: fastrand::Rng,
    pub(super) now: Instant,
    pub(super) stage: Stage,
    /// One for each slot: the fleet, helpers, this machine.
    pub(super) records: Vec<HostRecord>,
    pub(super) sessions: Vec<Session>,
    pub(super) slots: BTreeMap<Place, Slot>,
    pub(super) counts: Counts,
    pub(super) causes: BTreeMap<&'static str, BTreeSet<Slot>>,
    pub(super) totals: Totals,
    pub(super) availability: Availability,
    pub(super) launcher: Launcher,
    pub(super) schedule: Schedule,
    pub(super) payload: Option<Payload>,
    pub(super) tag: Option<Tag>,
    pub(super) caps: Option<Caps>,
    pub(super) seeder: Seeder,
    pub(super) tracker: Tracker,
    pub(super) last_event: Option<Instant>,
    pub(super) outputs: VecDeque<Output>,
}

/// The seeder's part of the run.
#[derive(Debug)]
pub(super) struct Seeder {
    pub(super) slot: Slot,
    /// It was in the swarm at least once: peers may start.
    pub(super) opened: bool,
    /// Why it is not tried again by itself.
    pub(super) lost: Option<Failure>,
    pub(super) packed: ByteCount,
    pub(super) pushed: Option<Pushed>,
}

/// The tracker's part of the run.
#[derive(Debug)]
pub(super) struct Tracker {
    pub(super) slot: Slot,
    pub(super) alive: bool,
    /// Why it is not tried again by itself.
    pub(super) lost: Option<Failure>,
}

impl Rollout {
    /// A run that begins with the first input. The same seed and the same inputs give the same outputs.
    pub fn new(plan: Plan, config: Config, seed: u64) -> Self {
        let planned = plan.hosts.iter().chain(&plan.helpers);
        let mut records: Vec<_> = planned.clone().map(|host| HostRecord::new(host.id)).collect();
        let mut sessions: Vec<_> = planned.map(|host| Session::new(Place::Host(host.id), host.swarm_address)).collect();
        records.push(HostRecord::new(HostId(u32::MAX)));
        sessions.push(Session::new(Place::Console, None));
        let slots: BTreeMap<_, _> =
            sessions.iter().enumerate().rev().map(|(index, session)| (session.place, Slot(index))).collect();
        let mut counts = Counts::default();
        plan.hosts.iter().for_each(|_| counts.enter(StateName::Waiting));
        let slot_of = |place| *slots.get(&place).expect("seeder and tracker are hosts or helpers of the plan");
        let (seeder, tracker) = (slot_of(plan.seeder), slot_of(plan.tracker));
        Self {
            stage: Stage::Preparing { payload: false, tracker: false, seeder: false },
            seeder: Seeder { slot: seeder, opened: false, lost: None, packed: ByteCount(0), pushed: None },
            tracker: Tracker { slot: tracker, alive: false, lost: None },
            tag: plan.tag.clone(),
            plan,
            config,
            random: fastrand::Rng::with_seed(seed),
            now: Instant::ZERO,
            records,
            sessions,
            slots,
            counts,
            causes: BTreeMap::new(),
            totals: Totals::default(),
            availability: Availability::default(),
            launcher: Launcher::default(),
            schedule: Schedule::default(),
            payload: None,
            caps: None,
            last_event: None,
            outputs: VecDeque::new(),
        }
    }

    /// Tells the rollout what happened. Drain [`poll_output`](Self::poll_output) before the next call.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        self.now = self.now.max(now);
        if input != Input::Elapsed {
            self.last_event = Some(self.now);
        }
    }

    /// Returns the next thing to do, or `None` when all has been said.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns when [`Input::Elapsed`] is due, if ever.
    pub fn deadline(&self) -> Option<Instant> {
        self.schedule.next()
    }

    /// A slot's host, as it was planned; `None` for this machine.
    pub(super) fn planned(&self, slot: Slot) -> Option<&PlannedHost> {
        let fleet = self.plan.hosts.len();
        self.plan.hosts.get(slot.0).or_else(|| self.plan.helpers.get(slot.0.checked_sub(fleet)?))
    }

    /// Whether the place has every piece.
    pub(super) fn is_full(&self, slot: Slot) -> bool {
        self.records[slot.0].pieces.as_ref().is_some_and(|pieces| pieces.is_full() && pieces.capacity() > 0)
    }
}
