//! A fleet in virtual time: answers a rollout's outputs as hosts and agents would, faults included.
#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a world that does not fit fails its test")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use rookery::base::{Bitfield, Instant};
use rookery::control::{Order, Placing, ServeOrder, ServeRole, Status};
use rookery::inventory::{HostId, Place};
use rookery::journal::{self, Scribe};
use rookery::rollout::{Action, Config, Failure, Input, Notice, Plan, Rollout, StateName, Summary};

pub(crate) use crate::plans::Fault;
use crate::plans::{address, config, host, plan};

pub(crate) mod answers;

const TICK: Duration = Duration::from_millis(100);
const STEPS_MAX: usize = 3_000_000;

/// An agent at work.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is something that it does or has done")]
struct Agent {
    attempt: u32,
    pieces: Option<Bitfield>,
    role: ServeRole,
    deliver: bool,
    placing: Placing,
    ticks: u32,
    /// Its swarm is going on.
    ticking: bool,
    pushing: bool,
    finished: bool,
    /// How far it says it is when a console asks that was not there.
    stage: Option<Status>,
}

enum Event {
    Input(Input),
    Tick(Place, u32),
}

/// A rollout and the world around it.
pub(crate) struct Fleet {
    pub(crate) rollout: Rollout,
    pub(crate) now: Instant,
    pub(crate) notices: Vec<Notice>,
    pub(crate) connects: BTreeMap<Place, Vec<Instant>>,
    pub(crate) rejoins: BTreeMap<Place, Vec<Instant>>,
    pub(crate) serves: BTreeMap<Place, Vec<ServeOrder>>,
    pub(crate) looks: Vec<Place>,
    pub(crate) orders: Vec<(Place, Order)>,
    pub(crate) in_flight_max: usize,
    pub(crate) summary: Option<Summary>,
    faults: BTreeMap<Place, Vec<Fault>>,
    agents: BTreeMap<Place, Agent>,
    kept: BTreeMap<Place, Bitfield>,
    in_flight: BTreeSet<Place>,
    agenda: BTreeMap<(Instant, u64), Event>,
    sequence: u64,
    config: Config,
    planned: Plan,
    /// Agents whose console was killed.
    orphans: BTreeMap<Place, Agent>,
    /// What consoles that were killed wrote, and how many notices are in it.
    journal: String,
    written: usize,
}

impl Fleet {
    pub(crate) fn of(hosts: u32) -> Self {
        Self::with(plan(hosts), config())
    }

    pub(crate) fn with(plan: Plan, config: Config) -> Self {
        Self::seeded(plan, config, 42)
    }

    pub(crate) fn seeded(plan: Plan, config: Config, seed: u64) -> Self {
        let planned = plan.clone();
        Self {
            rollout: Rollout::new(plan, config.clone(), seed),
            now: Instant::ZERO,
            notices: Vec::new(),
            connects: BTreeMap::new(),
            rejoins: BTreeMap::new(),
            serves: BTreeMap::new(),
            looks: Vec::new(),
            orders: Vec::new(),
            in_flight_max: 0,
            summary: None,
            faults: BTreeMap::new(),
            agents: BTreeMap::new(),
            kept: BTreeMap::new(),
            in_flight: BTreeSet::new(),
            agenda: BTreeMap::new(),
            sequence: 0,
            config,
            planned,
            orphans: BTreeMap::new(),
            journal: String::new(),
            written: 0,
        }
    }

    pub(crate) fn fault(mut self, place: Place, fault: Fault) -> Self {
        self.faults.entry(place).or_default().push(fault);
        self
    }

    /// Nothing is wrong with the place any more.
    pub(crate) fn mend(&mut self, place: Place) {
        self.faults.remove(&place);
    }

    /// Runs to the end.
    pub(crate) fn run(&mut self) -> Summary {
        self.run_until(|fleet| fleet.summary.is_some());
        self.summary.clone().unwrap()
    }

    /// Runs until something holds.
    pub(crate) fn run_until(&mut self, holds: impl Fn(&Self) -> bool) {
        for _ in 0..STEPS_MAX {
            if holds(self) {
                return;
            }
            if !self.step() {
                break;
            }
        }
        assert!(holds(self), "at {:?}: {:?} {:?}", self.now, self.rollout.stage(), self.rollout.counts());
    }

    /// Runs while something holds, and something happens.
    pub(crate) fn run_while(&mut self, holds: impl Fn(&Self) -> bool) {
        for _ in 0..STEPS_MAX {
            if !holds(self) || !self.step() {
                return;
            }
        }
    }

    /// Runs for a while.
    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        let sequence = self.next_sequence();
        self.agenda.insert((end, sequence), Event::Input(Input::Elapsed));
        self.run_until(|fleet| fleet.now >= end || fleet.summary.is_some());
    }

    pub(crate) fn act(&mut self, action: Action) {
        self.give(Input::Operator(action));
    }

    /// The connection to a place is lost; its agent goes on.
    pub(crate) fn lose(&mut self, place: Place) {
        let attempt = self.agents[&place].attempt;
        let failure = Failure::ConnectionLost { why: "reset".to_owned() };
        self.give(Input::Lost { at: place, attempt, failure });
    }

    /// The agent of a place, and its connection, are gone at once.
    pub(crate) fn kill(&mut self, place: Place) {
        if self.agents.contains_key(&place) {
            self.cut(place, Failure::AgentDied { how: "killed by signal 9".to_owned() });
        }
    }

    /// Nothing is heard of a place's agent any more, while its connection stays.
    pub(crate) fn silence(&mut self, place: Place) {
        self.agents.remove(&place).unwrap();
    }

    /// The console is killed, agents go on, and another console takes the run up: as `rookery resume` does, by the journal.
    pub(crate) fn kill_console(&mut self) {
        let now = Timestamp::UNIX_EPOCH;
        let run = self.rollout.plan().run.clone();
        let seq = self.journal.lines().count() as u64;
        let mut scribe = Scribe::new(run, "alice".to_owned(), seq);
        let begin = if seq == 0 { scribe.start(now, self.rollout.plan()) } else { scribe.resumed(now) };
        self.journal.push_str(&begin.to_line());
        for notice in &self.notices[self.written..] {
            self.journal.push_str(&scribe.notice(now, &self.rollout, notice).to_line());
        }
        self.written = self.notices.len();
        let story = journal::read(self.journal.as_bytes()).unwrap().expect("the run began");
        assert_eq!(story.damaged, 0);
        for (at, mut agent) in std::mem::take(&mut self.agents) {
            let ended =
                if agent.placing == Placing::AtOnce { Status::Delivered { already: false } } else { Status::Staged };
            agent.stage = agent.stage.or_else(|| agent.finished.then_some(ended));
            agent.ticking = false;
            self.orphans.insert(at, agent);
        }
        self.agenda.clear();
        self.in_flight.clear();
        // A plan is made of the inventory and the arguments: it is what it was in the beginning.
        let plan = self.planned.clone();
        let past = story.past(&plan, self.rollout.payload().cloned());
        self.rollout = Rollout::resumed(plan, self.config.clone(), seq, past);
        self.give(Input::Elapsed);
    }

    /// Where agents are still at work.
    pub(crate) fn left(&self) -> Vec<Place> {
        self.agents.keys().chain(self.orphans.keys()).copied().collect()
    }

    /// The attempt at a place ends at once, for this reason.
    pub(crate) fn cut(&mut self, place: Place, failure: Failure) {
        if let Some(agent) = self.agents.remove(&place) {
            self.keep(place, &agent);
        }
        self.in_flight.remove(&place);
        let Place::Host(id) = place else { panic!("only hosts are cut off") };
        let attempt = self.rollout.host(id).unwrap().attempt.number;
        self.give(Input::Ended { at: place, attempt, failure: Some(failure), left_behind: Vec::new() });
    }

    pub(crate) fn state(&self, id: u32) -> StateName {
        self.rollout.host(HostId(id)).unwrap().state.name()
    }

    pub(crate) fn give(&mut self, input: Input) {
        self.rollout.handle_input(self.now, input);
        let fleet = self.rollout.hosts().len() as u32;
        assert_eq!(self.rollout.counts().total(), fleet, "counts sum to the fleet");
        while let Some(output) = self.rollout.poll_output() {
            self.answer(output);
        }
    }

    fn step(&mut self) -> bool {
        if self.agenda.is_empty() && self.notices.is_empty() {
            self.give(Input::Elapsed);
        }
        let event = self.agenda.first_key_value().map(|((at, _), _)| *at);
        let deadline = self.rollout.deadline();
        match (event, deadline) {
            (None, None) => return false,
            (Some(at), deadline) if deadline.is_none_or(|deadline| at <= deadline) => {
                self.now = self.now.max(at);
                match self.agenda.pop_first().unwrap().1 {
                    Event::Input(input) => self.give(input),
                    Event::Tick(place, attempt) => self.tick(place, attempt),
                }
            }
            (_, Some(deadline)) => {
                self.now = self.now.max(deadline);
                self.give(Input::Elapsed);
            }
            (Some(_), None) => {}
        }
        true
    }

    fn keep(&mut self, place: Place, agent: &Agent) {
        if let Some(pieces) = &agent.pieces {
            self.kept.insert(place, pieces.clone());
        }
    }

    /// The first order to serve that a host got.
    pub(crate) fn served(&self, id: u32) -> &ServeOrder {
        &self.serves[&host(id)][0]
    }

    /// Every state a host went through, in order.
    pub(crate) fn path(&self, id: u32) -> Vec<StateName> {
        self.rollout.host(HostId(id)).unwrap().history.iter().map(|change| change.state).collect()
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        self.notices
            .iter()
            .filter_map(|notice| match notice {
                Notice::Note { text, .. } => Some(text.clone()),
                Notice::Role { duty, reason, .. } => Some(format!("{duty} from now on, as {reason}")),
                _ => None,
            })
            .collect()
    }
}

/// The port 6881 of a host.
pub(crate) fn listener(id: u32) -> SocketAddr {
    SocketAddr::new(address(host(id)), 6881)
}
