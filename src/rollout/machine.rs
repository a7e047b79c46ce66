//! The rollout: takes every input to the place it concerns.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::availability::Availability;
use super::directory::Directory;
use super::ending::Ending;
use super::launcher::{Launcher, Rank};
use super::preflight::Preflight;
use super::schedule::{Schedule, Timer};
use super::session::{Link, Session, Slot};
use super::spread::Spread;
use super::turn::Turns;
use super::waves::Waves;
use super::{
    Caps, Config, Counts, Failure, Finish, HostRecord, Input, Notice, Output, Past, Payload, Plan, PlannedHost, Pushed,
    Source, Stage, StateName, Totals,
};
use crate::base::{ByteCount, Instant};
use crate::control::Tag;
use crate::inventory::{HostId, Place};

/// Between two notices about the swarm.
const SWARM_INTERVAL: Duration = Duration::from_secs(1);

/// Carries a run through the fleet.
#[derive(Debug, Clone)]
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
    pub(super) preflight: Preflight,
    pub(super) schedule: Schedule,
    pub(super) waves: Waves,
    pub(super) spread: Spread,
    pub(super) turns: Turns,
    pub(super) payload: Option<Payload>,
    pub(super) tag: Option<Tag>,
    pub(super) caps: Option<Caps>,
    pub(super) seeder: Seeder,
    pub(super) tracker: Tracker,
    /// Agents that are ready for an order that cannot be given yet.
    pub(super) waiting: BTreeSet<Slot>,
    /// What they waited for is there: the next of them to be told.
    pub(super) released: Option<Slot>,
    pub(super) directory: Directory,
    /// A copy came or went: whether pieces can still come has to be looked at.
    pub(super) supply_changed: bool,
    pub(super) watched: Option<Slot>,
    pub(super) ending: Ending,
    pub(super) started: Option<Instant>,
    pub(super) last_heard: Option<Instant>,
    /// What another console knew of the run, until it is taken over.
    pub(super) past: Option<Past>,
    swarm_told: (bool, bool, u32),
    swarm_told_at: Option<Instant>,
    pub(super) outputs: VecDeque<Output>,
}

/// The seeder's part of the run.
#[derive(Debug, Clone)]
pub(super) struct Seeder {
    pub(super) slot: Slot,
    /// It was in the swarm at least once: peers may start.
    pub(super) opened: bool,
    /// Why it is not tried again by itself.
    pub(super) lost: Option<Failure>,
    pub(super) packed: ByteCount,
    pub(super) pushed: Option<Pushed>,
    /// What it had when the push began.
    pub(super) push_base: ByteCount,
    /// Since when it is not there.
    pub(super) missed: Option<Instant>,
    /// How often another was elected, since the operator last had a say.
    pub(super) elections: usize,
    /// Bytes sent to peers by whoever was the seeder.
    pub(super) bytes_up: ByteCount,
}

impl Seeder {
    /// A seeder that has done nothing yet.
    pub(super) const fn at(slot: Slot) -> Self {
        Self {
            slot,
            opened: false,
            lost: None,
            packed: ByteCount(0),
            pushed: None,
            push_base: ByteCount(0),
            missed: None,
            elections: 0,
            bytes_up: ByteCount(0),
        }
    }
}

/// The tracker's part of the run.
#[derive(Debug, Clone)]
pub(super) struct Tracker {
    pub(super) slot: Slot,
    pub(super) alive: bool,
    /// It was told to track.
    pub(super) asked: bool,
    /// The port it got; it is asked for the same when it is started again.
    pub(super) port: Option<u16>,
    /// Hosts waited for it long enough.
    pub(super) waited: bool,
    /// Why it is not tried again by itself.
    pub(super) lost: Option<Failure>,
}

impl Tracker {
    /// A tracker that was told nothing yet.
    pub(super) const fn at(slot: Slot) -> Self {
        Self { slot, alive: false, asked: false, port: None, waited: false, lost: None }
    }
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
            seeder: Seeder::at(seeder),
            tracker: Tracker::at(tracker),
            waves: Waves::new(&plan.hosts, &plan.policy.waves),
            spread: Spread::new(&plan.hosts, &plan.policy.spread),
            turns: Turns::default(),
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
            preflight: Preflight::default(),
            schedule: Schedule::default(),
            payload: None,
            caps: None,
            waiting: BTreeSet::new(),
            released: None,
            directory: Directory::default(),
            supply_changed: false,
            watched: None,
            ending: Ending::default(),
            started: None,
            last_heard: None,
            past: None,
            swarm_told: (false, false, 0),
            swarm_told_at: None,
            outputs: VecDeque::new(),
        }
    }

    /// Tells the rollout what happened. Drain [`poll_output`](Self::poll_output) before the next call.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        if matches!(self.stage, Stage::Ended(_)) {
            return;
        }
        self.now = self.now.max(now);
        if self.started.is_none() {
            self.start();
        }
        if input.is_heard() {
            self.last_heard = Some(self.now);
        }
        self.route(input);
        while let Some(timer) = self.schedule.pop_due(self.now) {
            match timer {
                Timer::Launch | Timer::SeederWait | Timer::Preflight | Timer::Release => {}
                Timer::TrackerWait => self.go_on_without_tracker(),
                Timer::Tell => self.tell(),
                Timer::Swarm => self.swarm_told_at = None,
                Timer::Silence => self.hush(),
                Timer::RunDeadline => self.overdue_run(),
                Timer::HostDeadline(slot) => self.overdue(slot),
                Timer::Slot(slot) => self.expire(slot),
            }
        }
        self.review_stations();
        self.review_supply();
        self.review_preflight();
        self.review_waves();
        self.open_payload();
        self.release_some();
        self.review_stage();
        while let Some((rank, slot)) = self.launcher.next(self.now, &self.config) {
            match rank {
                Rank::Station | Rank::Operator | Rank::Again | Rank::Fleet => self.dial(slot),
                Rank::Look => self.look(slot),
            }
        }
        if !matches!(self.stage, Stage::Ended(_)) {
            let launch = self.launcher.due(&self.config);
            self.schedule.set(Timer::Launch, launch);
            self.review_swarm();
            self.listen();
        }
    }

    fn start(&mut self) {
        self.started = Some(if self.past.is_some() { Instant::ZERO } else { self.now });
        let planned: Vec<_> = self.sessions.iter().filter_map(|session| session.planned_address).collect();
        for address in planned {
            self.directory.allow(address);
        }
        if let Source::Packed(payload) = &self.plan.source {
            let payload = payload.clone();
            self.learn(payload);
        }
        if let Some(reason) = self.plan.policy.force.clone() {
            self.acted("force", Vec::new(), reason);
        }
        if self.past.is_none() {
            self.tell_opened();
        }
        self.arm_run_deadline();
        let resumed = self.past.is_some();
        self.recall();
        (0..self.plan.hosts.len()).for_each(|index| self.line_up(Slot(index)));
        self.line_up(self.seeder.slot);
        self.line_up(self.tracker.slot);
        self.begin_preflight(resumed);
    }

    fn route(&mut self, input: Input) {
        match input {
            Input::Elapsed => {}
            Input::Operator(action) => self.handle_operator(action),
            Input::Connected { at, attempt, facts } => {
                self.at(at, attempt, |rollout, slot| rollout.handle_connected(slot, facts));
            }
            Input::Bootstrapping { at, attempt, step } => {
                self.at(at, attempt, |rollout, slot| rollout.handle_step(slot, step));
            }
            Input::Looked { at, faults } => self.handle_looked(at, &faults),
            Input::Attached { at, attempt, work_dir } => {
                self.at(at, attempt, |rollout, slot| rollout.handle_attached(slot, work_dir));
            }
            Input::Status { at, attempt, status } => {
                self.at(at, attempt, |rollout, slot| rollout.handle_status(slot, status));
            }
            Input::Pushed { at, attempt, bytes } => {
                self.at(at, attempt, |rollout, slot| rollout.handle_pushed(slot, bytes));
            }
            Input::Transcript { at, attempt, line } => {
                self.at(at, attempt, |rollout, slot| rollout.remember(slot, line));
            }
            Input::Lost { at, attempt, failure } => {
                self.at(at, attempt, |rollout, slot| rollout.handle_lost(slot, &failure));
            }
            Input::Rejoined { at, attempt } => self.at(at, attempt, Self::handle_rejoined),
            Input::Ended { at, attempt, failure, left_behind } => {
                self.at(at, attempt, |rollout, slot| rollout.handle_ended(slot, failure, left_behind));
            }
        }
    }

    /// Does something at a place, if the attempt is the one under way.
    fn at(&mut self, place: Place, attempt: u32, handle: impl FnOnce(&mut Self, Slot)) {
        let Some(&slot) = self.slots.get(&place) else { return };
        let current = self.records[slot.0].attempt.number == attempt && self.sessions[slot.0].link != Link::Off;
        if current {
            self.records[slot.0].heard = Some(self.now);
            handle(self, slot);
        }
    }

    /// Finds out where the run stands, and ends it when there is nothing left to do.
    fn review_stage(&mut self) {
        match &self.stage {
            Stage::Finishing { .. } | Stage::Ended(_) => return,
            Stage::Preparing { .. } | Stage::Distributing | Stage::Settled => {}
        }
        let fleet = self.plan.hosts.len() as u32;
        if self.counts.settled() == fleet {
            self.stage = Stage::Settled;
            match self.config.finish {
                Finish::AtOnce => self.begin_finish(),
                Finish::WhenAllDone if self.counts.of(StateName::Done) == fleet => self.begin_finish(),
                Finish::WhenAllDone | Finish::Ask => {}
            }
        } else if self.seeder.opened {
            self.stage = Stage::Distributing;
        } else {
            self.stage = Stage::Preparing {
                payload: self.payload.is_some(),
                tracker: self.tracker.alive,
                seeder: self.seeder.opened,
            };
        }
    }

    /// Tells how the swarm is, on change, at most once a second.
    fn review_swarm(&mut self) {
        let swarm = (self.tracker.alive, self.seeder().alive, self.availability.rarest());
        if self.swarm_told == swarm {
            return;
        }
        if let Some(at) = self.swarm_told_at.map(|at| at + SWARM_INTERVAL).filter(|at| *at > self.now) {
            return self.schedule.set(Timer::Swarm, Some(at));
        }
        self.swarm_told = swarm;
        self.swarm_told_at = Some(self.now);
        let (tracker, seeder, rarest) = swarm;
        self.notice(Notice::Swarm { tracker, seeder, rarest });
    }

    /// Returns the next thing to do, or `None` when all has been said.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns when [`Input::Elapsed`] is due, if ever.
    pub fn deadline(&self) -> Option<Instant> {
        self.schedule.next()
    }

    /// Whether the place counts: it is a host that gets the release.
    pub(super) const fn in_fleet(&self, slot: Slot) -> bool {
        slot.0 < self.plan.hosts.len()
    }

    /// For the journal and for who watches.
    pub(super) fn notice(&mut self, notice: Notice) {
        self.outputs.push_back(Output::Notice(notice));
    }

    /// Something worth a line.
    pub(super) fn note(&mut self, slot: Slot, text: String) {
        let at = self.sessions[slot.0].place;
        self.notice(Notice::Note { at, text });
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
