//! The first phase of a run: every host is looked at before the payload moves, those whose turn comes much later too.
//!
//! A host that is launched is looked at on the way; any other is looked at and left alone. What never heals by itself settles
//! the host as a launch would have; what may heal is told, counts for the thresholds, and is tried when the host has its turn.
//! Who does not answer is told as well, and holds nobody: the payload moves when everybody has answered, or when the time
//! for it is up.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::launcher::Rank;
use super::machine::Rollout;
use super::schedule::Timer;
use super::session::{Link, Slot};
use super::{Failure, HostState, Notice, Output, Stage, Station};
use crate::base::Instant;
use crate::inventory::{HostId, Place};

/// A round of the fan-out takes about so long.
const ROUND: Duration = Duration::from_secs(1);

/// What a host is called that has not answered when the payload moves.
const LATE: &str = "no answer yet";

/// What can be done about it.
const LATE_STEP: &str = "nothing waits for it; if it does not come, look at the host";

/// Where a station listens that hosts have to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Post {
    /// Whose place it is.
    pub station: Station,
    /// Its address; none is this machine's, as the host sees it.
    pub address: Option<IpAddr>,
    /// Its port.
    pub port: u16,
}

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
    /// What was found is told, and a threshold keeps the payload from moving.
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
    /// Of those that are not launched, the ones being looked at; each counts for the fan-out.
    looking: BTreeSet<Slot>,
    /// Those that did not answer in time, and may yet.
    tardy: BTreeSet<Slot>,
    faults: BTreeMap<Slot, Vec<Failure>>,
    /// Hosts not launched yet that could not be reached, and that failed otherwise in a way that may heal.
    absent: BTreeSet<Slot>,
    ailing: BTreeSet<Slot>,
    /// When somebody was asked, or answered, last.
    stirred: Instant,
}

impl Preflight {
    /// Whether the payload has to wait.
    pub(super) fn holds(&self) -> bool {
        self.step != Step::Over
    }

    /// How many hosts the payload waits for.
    pub(super) fn unheard(&self) -> usize {
        if self.holds() { self.unheard.len() } else { 0 }
    }

    /// Whether only the operator can let the payload move.
    pub(super) fn is_held(&self) -> bool {
        self.step == Step::Told
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
        let posts = self.posts();
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

    /// A host answered, and this is what is wrong with it.
    pub(super) fn answered(&mut self, slot: Slot, faults: &[Failure]) {
        if self.preflight.unheard.remove(&slot) {
            self.preflight.stirred = self.now;
        }
        if self.preflight.holds() && !faults.is_empty() {
            let known = self.preflight.faults.entry(slot).or_default();
            let new: Vec<_> = faults.iter().filter(|fault| !known.contains(fault)).cloned().collect();
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
        self.answered(slot, faults);
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

    /// Tells what was found once everybody has answered, or the time for it is up.
    pub(super) fn review_preflight(&mut self) {
        match (&self.stage, self.preflight.step) {
            (Stage::Preparing { .. } | Stage::Distributing | Stage::Settled, Step::Looking) => {}
            (Stage::Finishing { .. } | Stage::Ended(_), _) => {
                self.preflight.step = Step::Over;
                return;
            }
            (Stage::Preparing { .. } | Stage::Distributing | Stage::Settled, Step::Told | Step::Over) => return,
        }
        let due = self.preflight_due();
        if self.preflight.unheard.is_empty() || due <= self.now {
            self.preflight.step = Step::Told;
            self.schedule.set(Timer::Preflight, None);
            self.launcher.look_no_more();
            self.preflight.looking.iter().for_each(|_| self.launcher.release());
            self.preflight.tardy = std::mem::take(&mut self.preflight.looking);
            self.tell_preflight();
        } else {
            self.schedule.set(Timer::Preflight, Some(due));
        }
    }

    /// Lets the payload move, unless the run has stopped for what was found.
    pub(super) fn open_payload(&mut self) {
        if !self.preflight.is_held() || self.launcher.halted {
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
        let rounds = self.plan.hosts.len() / self.config.fanout.max(1);
        let whole = self.config.preflight_max + ROUND.saturating_mul(rounds as u32);
        let whole = self.started.unwrap_or(self.now) + whole;
        if self.launcher.waits(Rank::Fleet) || self.launcher.waits(Rank::Look) {
            return whole;
        }
        whole.min(self.preflight.stirred + self.config.answer_max)
    }

    fn tell_preflight(&mut self) {
        let after = self.now.since(self.started.unwrap_or(self.now));
        let mut groups: BTreeMap<&'static str, Fault> = BTreeMap::new();
        let mut add = |slot: Slot, cause, next_step, reason: String| {
            let fault = || Fault { cause, next_step, hosts: Vec::new() };
            groups.entry(cause).or_insert_with(fault).hosts.push((self.records[slot.0].id, reason));
        };
        for (slot, failure) in
            self.preflight.faults.iter().flat_map(|(slot, faults)| faults.iter().map(|one| (*slot, one)))
        {
            add(slot, failure.cause(), failure.next_step(), failure.to_string());
        }
        for slot in &self.preflight.unheard {
            add(*slot, LATE, LATE_STEP, format!("no answer within {:.1} s", after.as_secs_f64()));
        }
        let mut faults: Vec<Fault> = groups.into_values().collect();
        faults.sort_by_key(|fault| (std::cmp::Reverse(fault.hosts.len()), fault.cause));
        let ill: BTreeSet<Slot> = self.preflight.faults.keys().chain(&self.preflight.unheard).copied().collect();
        let hosts = self.plan.hosts.len() as u32;
        self.notice(Notice::Preflight { hosts, ready: hosts - ill.len() as u32, after, faults });
    }

    /// Where tracker and seeder listen, as far as that is known.
    fn posts(&self) -> Vec<Post> {
        let address = |slot: Slot| self.sessions[slot.0].address().filter(|_| slot != self.console());
        let tracker = self.tracker.port.filter(|_| self.tracker.alive);
        let seeder = self.records[self.seeder.slot.0].listening.map(|at| at.port());
        let stations = [(Station::Tracker, self.tracker.slot, tracker), (Station::Seeder, self.seeder.slot, seeder)];
        let posts = stations
            .into_iter()
            .filter_map(|(station, slot, port)| Some(Post { station, address: address(slot), port: port? }));
        posts.collect()
    }
}
