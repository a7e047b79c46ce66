//! The first phase of a run: every host is looked at before the payload moves, those whose turn comes much later too.
//!
//! A host that is launched is looked at on the way; any other is looked at and left alone. What never heals by itself settles
//! the host as a launch would have; what may heal is told, counts for the thresholds, and is tried when the host has its turn.
//! Who does not answer is told as well, and holds nobody: the payload moves when everybody has answered, or when the time
//! for it is up. The ways to seeder and tracker are part of it (`ways.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::launcher::Rank;
use super::machine::Rollout;
use super::schedule::Timer;
use super::session::{Link, Slot};
use super::ways::Ways;
use super::{Failure, HostState, Notice, Output, Stage};
use crate::base::Instant;
use crate::inventory::{HostId, Place};

/// A round of the fan-out takes about so long.
const ROUND: Duration = Duration::from_secs(1);

/// Looks wait so long for seeder and tracker to be there, so that one look at a host does.
const STATIONS_WITHIN: Duration = Duration::from_secs(5);

/// What a host is called that has not answered when the payload moves.
const LATE: &str = "no answer yet";

/// What can be done about it.
const LATE_STEP: &str = "nothing waits for it; if it does not come, look at the host";

/// Hosts of which the first look found the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What groups them.
    pub cause: &'static str,
    /// What the operator can do about it.
    pub next_step: &'static str,
    /// The hosts, and what was found at each.
    pub hosts: Vec<(HostId, String)>,
}

/// How far the first phase is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Step {
    /// Hosts are being looked at.
    #[default]
    Looking,
    /// What was found is told; hosts have not yet said whether they reach seeder and tracker.
    Trying,
    /// That is told, too, and a threshold keeps the payload from moving.
    Told,
    /// The payload moves.
    Over,
}

/// What is known from the first look.
#[derive(Debug, Clone, Default)]
pub(super) struct Preflight {
    step: Step,
    /// Hosts that have not answered.
    unheard: BTreeSet<Slot>,
    /// Hosts that have not said whether they reach seeder and tracker.
    pub(super) ways: Ways,
    /// Of those that are not launched, the ones being looked at; each counts for the fan-out.
    looking: BTreeSet<Slot>,
    /// Those that did not answer in time, and may yet.
    tardy: BTreeSet<Slot>,
    faults: BTreeMap<Slot, Vec<Failure>>,
    /// Something was found since it was told.
    fresh: bool,
    /// Hosts not launched yet that could not be reached, and that failed otherwise in a way that may heal.
    absent: BTreeSet<Slot>,
    ailing: BTreeSet<Slot>,
    /// When somebody was asked, or answered, last.
    pub(super) stirred: Instant,
}

impl Preflight {
    /// Whether the payload has to wait.
    pub(super) fn holds(&self) -> bool {
        self.step != Step::Over
    }

    /// How many hosts the payload waits for.
    pub(super) fn unheard(&self) -> usize {
        match self.step {
            Step::Looking => self.unheard.len(),
            Step::Trying => self.ways.awaited(),
            Step::Told | Step::Over => 0,
        }
    }

    /// Whether what was found is told, and the payload has to wait all the same.
    pub(super) fn is_held(&self) -> bool {
        matches!(self.step, Step::Trying | Step::Told)
    }

    /// Whether a host is being looked at, or has not answered yet.
    pub(super) fn is_open(&self, slot: Slot) -> bool {
        [&self.unheard, &self.looking, &self.tardy].iter().any(|few| few.contains(&slot))
    }

    /// A host that goes on as it can counts as failed until it is settled.
    pub(super) fn withhold(&mut self, slot: Slot) {
        self.ailing.insert(slot);
    }

    /// Hosts waiting for their turn that could not be reached, and that failed otherwise.
    pub(super) fn withheld(&self) -> (u32, u32) {
        (self.absent.len() as u32, self.ailing.len() as u32)
    }
}

impl Rollout {
    /// Lines up everybody who is not launched now, to be looked at. `resumed`: the payload has moved already.
    pub(super) fn begin_preflight(&mut self, resumed: bool) {
        if resumed || self.config.preflight_max.is_zero() {
            self.preflight.step = Step::Over;
            return;
        }
        self.preflight.stirred = self.now;
        for slot in (0..self.plan.hosts.len()).map(Slot) {
            if !self.records[slot.0].state.name().is_settled() {
                self.preflight.unheard.insert(slot);
                self.preflight.ways.expect(slot);
                if self.sessions[slot.0].link == Link::Off && !self.launcher.is_ready(slot) {
                    self.launcher.push(Rank::Look, slot);
                }
            }
        }
    }

    /// Has a host looked at whose turn it is not.
    pub(super) fn look(&mut self, slot: Slot) {
        let at = self.sessions[slot.0].place;
        self.launcher.admit();
        self.preflight.stirred = self.now;
        self.preflight.looking.insert(slot);
        let posts = self.posts(slot);
        self.outputs.push_back(Output::Look { at, posts });
    }

    /// A host is launched: what comes of that is heard otherwise.
    pub(super) fn launched(&mut self, slot: Slot) {
        self.preflight.absent.remove(&slot);
        self.preflight.ailing.remove(&slot);
        if self.preflight.unheard.contains(&slot) {
            self.preflight.stirred = self.now;
        }
    }

    /// A host answered, and is not going to say more.
    pub(super) fn answered(&mut self, slot: Slot, faults: &[Failure]) {
        self.preflight.ways.settle(slot);
        self.heard(slot, faults);
    }

    /// A host answered, and this is what is wrong with it.
    pub(super) fn heard(&mut self, slot: Slot, faults: &[Failure]) {
        if self.preflight.unheard.remove(&slot) {
            self.preflight.stirred = self.now;
        }
        if self.preflight.holds() && !faults.is_empty() {
            let known = self.preflight.faults.entry(slot).or_default();
            let new: Vec<_> = faults.iter().filter(|fault| !known.contains(fault)).cloned().collect();
            self.preflight.fresh |= !new.is_empty();
            known.extend(new);
        }
    }

    /// A host was looked at. One that is launched says so on its way, and goes on as it can.
    pub(super) fn handle_looked(&mut self, at: Place, faults: &[Failure]) {
        let Some(slot) = self.slots.get(&at).copied().filter(|slot| self.in_fleet(*slot)) else { return };
        let in_time = self.preflight.looking.remove(&slot);
        if in_time {
            self.launcher.release();
        }
        let alone = in_time || self.preflight.tardy.remove(&slot);
        self.heard(slot, faults);
        if alone && (!faults.is_empty() || self.preflight.ways.were_told(slot)) {
            self.preflight.ways.settle(slot);
        } else if alone {
            self.try_ways(slot);
        }
        let state = &self.records[slot.0].state;
        let untouched = self.sessions[slot.0].link == Link::Off && matches!(state, HostState::Waiting { .. });
        let fatal = |fault: &&Failure| !matches!(fault, Failure::Clock { .. });
        let Some(worst) = faults.iter().find(fatal).filter(|_| alone && untouched).cloned() else { return };
        for fault in faults {
            self.remember(slot, format!("when it was first looked at: {fault}"));
        }
        // Who cannot reach a station may be able to when it has its turn: the station may be another by then.
        if worst.is_retryable() || matches!(worst, Failure::NoWay { .. }) {
            let few = if worst.is_unreachable() { &mut self.preflight.absent } else { &mut self.preflight.ailing };
            few.insert(slot);
            return;
        }
        self.sessions[slot.0].failed_once = true;
        self.launcher.withdraw(slot);
        let unreachable = worst.is_unreachable();
        let settled =
            |failure| if unreachable { HostState::Unreachable { failure } } else { HostState::Failed { failure } };
        self.enter(slot, settled(worst), None);
    }

    /// Tells what was found once everybody has answered, or the time for it is up; then what was found of the ways.
    pub(super) fn review_preflight(&mut self) {
        match &self.stage {
            Stage::Finishing { .. } | Stage::Ended(_) => self.preflight.step = Step::Over,
            Stage::Preparing { .. } | Stage::Distributing | Stage::Settled => {}
        }
        self.review_ways();
        let (over, due) = match self.preflight.step {
            Step::Looking => (self.preflight.unheard.is_empty(), Some(self.preflight_due())),
            Step::Trying => (self.preflight.ways.are_known(), self.ways_due()),
            Step::Told | Step::Over => return self.schedule.set(Timer::Preflight, None),
        };
        if !over && due.is_none_or(|due| due > self.now) {
            let held = self.launcher.looks_held.then(|| self.stations_due());
            return self.schedule.set(Timer::Preflight, due.into_iter().chain(held).min());
        }
        self.launcher.look_no_more();
        self.preflight.looking.iter().for_each(|_| self.launcher.release());
        let tardy = std::mem::take(&mut self.preflight.looking);
        self.preflight.tardy.extend(tardy);
        let told_before = self.preflight.step == Step::Trying;
        self.preflight.step = if told_before { Step::Told } else { Step::Trying };
        if !told_before || self.preflight.fresh || !self.untried().is_empty() {
            self.tell_preflight();
        }
        self.review_preflight();
    }

    /// Lets the payload move, unless the run has stopped for what was found.
    pub(super) fn open_payload(&mut self) {
        if self.preflight.step != Step::Told || self.launcher.halted {
            return;
        }
        self.preflight.step = Step::Over;
        let seeder = self.seeder.slot;
        if self.sessions[seeder.0].serving {
            self.records[seeder.0].advanced = Some(self.now);
            self.rearm(seeder);
            self.open_seeder(seeder);
        }
    }

    /// The whole phase has a time that grows with the fleet; when everybody was asked, the last ones have less.
    fn preflight_due(&self) -> Instant {
        self.look_due(self.started.unwrap_or(self.now))
    }

    /// When looks that began `at` some time have taken long enough.
    pub(super) fn look_due(&self, at: Instant) -> Instant {
        let rounds = self.plan.hosts.len() / self.config.fanout.max(1);
        let whole = at + self.config.preflight_max + ROUND.saturating_mul(rounds as u32);
        if self.launcher.waits(Rank::Fleet) || self.launcher.waits(Rank::Look) {
            return whole;
        }
        whole.min(self.preflight.stirred + self.config.answer_max)
    }

    /// When looks wait no longer for seeder and tracker.
    pub(super) fn stations_due(&self) -> Instant {
        self.started.unwrap_or(self.now) + STATIONS_WITHIN
    }

    /// Hosts of which it is not known whether they reach seeder and tracker, although they have answered.
    fn untried(&self) -> Vec<Slot> {
        let over = self.preflight.step == Step::Told;
        let untried = self.preflight.ways.unknown().filter(|slot| over && !self.preflight.unheard.contains(slot));
        untried.collect()
    }

    fn tell_preflight(&mut self) {
        self.preflight.fresh = false;
        let after = self.now.since(self.started.unwrap_or(self.now));
        let late: Vec<_> = self.preflight.unheard.iter().copied().chain(self.untried()).collect();
        let hosts = self.plan.hosts.len() as u32;
        let ill: BTreeSet<Slot> = self.preflight.faults.keys().chain(&late).copied().collect();
        let why = format!("no answer within {:.1} s", after.as_secs_f64());
        let late = late.into_iter().map(|slot| (slot, LATE, LATE_STEP, why.clone()));
        let faults = self.grouped(self.found(|_, _| true).chain(late));
        self.notice(Notice::Preflight { hosts, ready: hosts - ill.len() as u32, after, faults });
    }

    /// What is wrong with hosts that have not had their turn, or are at it: by cause, the most hosts first. What became of
    /// the others is their state.
    pub fn ailments(&self) -> Vec<Fault> {
        self.grouped(self.found(|slot, failure| {
            let lasts = matches!(failure, Failure::NoWay { .. } | Failure::Clock { .. });
            let waits = matches!(self.records[slot.0].state, HostState::Waiting { .. });
            waits || lasts && !self.is_at_rest(slot)
        }))
    }

    fn found(&self, of: impl Fn(Slot, &Failure) -> bool) -> impl Iterator<Item = Found> {
        let all = self.preflight.faults.iter().flat_map(|(slot, faults)| faults.iter().map(|one| (*slot, one)));
        let few = all.filter(move |(slot, failure)| of(*slot, failure));
        few.map(|(slot, one)| (slot, one.cause(), one.next_step(), one.to_string()))
    }

    fn grouped(&self, found: impl Iterator<Item = Found>) -> Vec<Fault> {
        let mut groups: BTreeMap<&'static str, Fault> = BTreeMap::new();
        for (slot, cause, next_step, reason) in found {
            let fault = || Fault { cause, next_step, hosts: Vec::new() };
            groups.entry(cause).or_insert_with(fault).hosts.push((self.records[slot.0].id, reason));
        }
        let mut faults: Vec<Fault> = groups.into_values().collect();
        faults.sort_by_key(|fault| (std::cmp::Reverse(fault.hosts.len()), fault.cause));
        faults
    }
}

/// A host, the cause of its fault, the next step, and the fault in full.
type Found = (Slot, &'static str, &'static str, String);
