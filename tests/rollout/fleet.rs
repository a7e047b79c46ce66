//! A fleet in virtual time: answers a rollout's outputs as hosts and agents would, faults included.
#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a world that does not fit fails its test")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rookery::base::{Bitfield, ByteCount, Instant, PieceIndex};
use rookery::control::{
    AgentFailure, DataSource, Order, PROTOCOL, Placing, Progress, ServeOrder, ServeRole, Status, TrackerHealth,
};
use rookery::inventory::{HostId, Place};
use rookery::rollout::{
    Action, BootStep, Config, Failure, HostFacts, Input, Notice, Output, Plan, Rollout, StateName, Summary,
};

pub(crate) use crate::plans::Fault;
use crate::plans::{PIECES, address, config, host, payload, plan, refused};

const TICK: Duration = Duration::from_millis(100);
const STEPS_MAX: usize = 3_000_000;

/// An agent at work.
#[derive(Debug)]
struct Agent {
    attempt: u32,
    pieces: Option<Bitfield>,
    role: ServeRole,
    deliver: bool,
    placing: Placing,
    ticks: u32,
    pushing: bool,
    finished: bool,
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
    pub(crate) orders: Vec<(Place, Order)>,
    pub(crate) in_flight_max: usize,
    pub(crate) summary: Option<Summary>,
    faults: BTreeMap<Place, Vec<Fault>>,
    agents: BTreeMap<Place, Agent>,
    kept: BTreeMap<Place, Bitfield>,
    in_flight: BTreeSet<Place>,
    agenda: BTreeMap<(Instant, u64), Event>,
    sequence: u64,
}

impl Fleet {
    pub(crate) fn of(hosts: u32) -> Self {
        Self::with(plan(hosts), config())
    }

    pub(crate) fn with(plan: Plan, config: Config) -> Self {
        Self::seeded(plan, config, 42)
    }

    pub(crate) fn seeded(plan: Plan, config: Config, seed: u64) -> Self {
        Self {
            rollout: Rollout::new(plan, config, seed),
            now: Instant::ZERO,
            notices: Vec::new(),
            connects: BTreeMap::new(),
            rejoins: BTreeMap::new(),
            serves: BTreeMap::new(),
            orders: Vec::new(),
            in_flight_max: 0,
            summary: None,
            faults: BTreeMap::new(),
            agents: BTreeMap::new(),
            kept: BTreeMap::new(),
            in_flight: BTreeSet::new(),
            agenda: BTreeMap::new(),
            sequence: 0,
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

    fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    fn later(&mut self, after: Duration, event: Event) {
        let sequence = self.next_sequence();
        self.agenda.insert((self.now + after, sequence), event);
    }

    fn say(&mut self, after: u64, at: Place, attempt: u32, status: Status) {
        self.later(Duration::from_millis(after), Event::Input(Input::Status { at, attempt, status }));
    }

    fn has(&self, place: Place, fault: &Fault) -> bool {
        self.faults.get(&place).is_some_and(|faults| faults.contains(fault))
    }

    fn answer(&mut self, output: Output) {
        match output {
            Output::Connect { at, attempt } => self.connect(at, attempt),
            Output::Order { at, attempt, order } => {
                self.orders.push((at, order.clone()));
                if !self.has(at, &Fault::Mute) {
                    self.obey(at, attempt, order);
                }
            }
            Output::Push { at, attempt, have } => {
                assert!(!have.is_full());
                if let Some(agent) = self.agents.get_mut(&at).filter(|agent| agent.attempt == attempt) {
                    agent.pushing = true;
                }
            }
            Output::Rejoin { at, attempt } => {
                self.rejoins.entry(at).or_default().push(self.now);
                let input = if self.has(at, &Fault::StaysLost) {
                    Input::Lost { at, attempt, failure: refused() }
                } else {
                    Input::Rejoined { at, attempt }
                };
                self.later(Duration::from_millis(20), Event::Input(input));
            }
            Output::Disconnect { at, attempt } => {
                self.in_flight.remove(&at);
                if let Some(agent) = self.agents.remove(&at) {
                    self.keep(at, &agent);
                }
                let ended = Input::Ended { at, attempt, failure: None, left_behind: Vec::new() };
                self.later(Duration::from_millis(2), Event::Input(ended));
            }
            Output::Notice(notice) => self.notices.push(notice),
            Output::Ended(summary) => {
                assert!(self.summary.replace(summary).is_none(), "a run ends once");
            }
        }
    }

    fn connect(&mut self, at: Place, attempt: u32) {
        self.connects.entry(at).or_default().push(self.now);
        assert!(!self.agents.contains_key(&at), "{at:?} is dialled while its agent lives");
        let ended = |failure| Input::Ended { at, attempt, failure: Some(failure), left_behind: Vec::new() };
        for fault in self.faults.entry(at).or_default() {
            let failure = match fault {
                Fault::Refuses(left) if *left > 0 => {
                    *left -= 1;
                    refused()
                }
                Fault::Denies => Failure::Authentication { user: "deploy".to_owned(), tried: "one key".to_owned() },
                Fault::Mute => return,
                Fault::Clings if attempt > 1 => {
                    Failure::Connect { address: "10.0.0.1:22".to_owned(), why: "no route to host".to_owned() }
                }
                _ => continue,
            };
            return self.later(Duration::from_millis(20), Event::Input(ended(failure)));
        }
        self.in_flight.insert(at);
        self.in_flight_max = self.in_flight_max.max(self.in_flight.len());
        let console = (at != Place::Console).then(|| address(Place::Console));
        let facts = HostFacts { address: address(at), console, system: "Linux x86_64".to_owned() };
        let inputs = [
            Input::Connected { at, attempt, facts },
            Input::Bootstrapping { at, attempt, step: BootStep::Starting },
            Input::Attached { at, attempt, work_dir: "/home/deploy/.cache/rookery".to_owned() },
        ];
        let slow = if self.has(at, &Fault::Slow) { Duration::from_secs(60) } else { Duration::ZERO };
        for (after, input) in [30, 35, 60].into_iter().zip(inputs) {
            self.later(slow + Duration::from_millis(after), Event::Input(input));
        }
        let role = ServeRole::Peer;
        self.agents.insert(
            at,
            Agent {
                attempt,
                pieces: None,
                role,
                deliver: false,
                placing: Placing::AtOnce,
                ticks: 0,
                pushing: false,
                finished: false,
            },
        );
    }

    fn obey(&mut self, at: Place, attempt: u32, order: Order) {
        if self.agents.get(&at).is_none_or(|agent| agent.attempt != attempt) {
            return;
        }
        match order {
            Order::Hello(_) => {
                self.in_flight.remove(&at);
                let status = Status::Hello { protocol: PROTOCOL, version: "0.1.0".to_owned(), pid: 7 };
                self.say(1, at, attempt, status);
            }
            Order::Track { port, .. } => {
                if !self.has(at, &Fault::NeverTracks) {
                    self.say(2, at, attempt, Status::Tracking { port: if port == 0 { 8998 } else { port } });
                }
            }
            Order::Pack(_) => {
                let made = payload();
                self.say(50, at, attempt, Status::Packing { bytes: ByteCount(9) });
                self.say(900, at, attempt, Status::Packed { payload: made.facts, torrent: made.torrent });
            }
            Order::Serve(order) => self.serve(at, attempt, *order),
            Order::Place => self.say(10, at, attempt, Status::Delivered { already: false }),
            Order::Check(order) => {
                let why = self.is_unwell(at).then(|| "the command ended with status 1".to_owned());
                self.say(40, at, attempt, Status::Checked { number: order.number, why });
            }
            Order::Stop { discard_partial } => {
                if self.has(at, &Fault::Clings) {
                    return;
                }
                if discard_partial {
                    self.kept.remove(&at);
                    self.agents.get_mut(&at).unwrap().pieces = None;
                }
                let left = self.faults.get(&at).into_iter().flatten().filter_map(|fault| match fault {
                    Fault::Leaves(what) => Some((*what).to_owned()),
                    _ => None,
                });
                let left_behind = left.collect();
                self.say(5, at, attempt, Status::Stopped { left_behind });
            }
            Order::Data { .. }
            | Order::Peers { .. }
            | Order::Limits { .. }
            | Order::Watch { .. }
            | Order::Attach { .. }
            | Order::Alive
            | Order::Leave => {}
        }
    }

    fn is_unwell(&mut self, at: Place) -> bool {
        self.faults.entry(at).or_default().iter_mut().any(|fault| match fault {
            Fault::Unwell(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        })
    }

    fn serve(&mut self, at: Place, attempt: u32, order: ServeOrder) {
        self.serves.entry(at).or_default().push(order.clone());
        if self.has(at, &Fault::DiskFull) {
            let failure = AgentFailure::DiskFull {
                path: "/srv/releases".to_owned(),
                needed: ByteCount(4 << 30),
                free: ByteCount(1 << 20),
            };
            return self.say(5, at, attempt, Status::Failed { failure });
        }
        let full = matches!(order.role, ServeRole::Seeder(DataSource::File(_) | DataSource::Packed));
        let empty = if full { Bitfield::full(PIECES) } else { Bitfield::empty(PIECES) };
        let agent = self.agents.get_mut(&at).unwrap();
        let ticks = agent.pieces.is_some();
        let pieces = agent.pieces.take().or_else(|| self.kept.get(&at).cloned()).unwrap_or(empty);
        let bitfield = Bytes::copy_from_slice(pieces.as_bytes());
        agent.pieces = Some(pieces);
        (agent.pushing, agent.finished) = (false, false);
        (agent.role, agent.deliver, agent.placing) = (order.role, order.deliver, order.placing);
        self.say(5, at, attempt, Status::Serving { port: order.ports.first, bitfield });
        if !ticks {
            self.later(TICK, Event::Tick(at, attempt));
        }
    }

    /// A tenth of a second of a swarm: every agent gets two pieces that somebody has.
    fn tick(&mut self, at: Place, attempt: u32) {
        let mut known = Bitfield::empty(PIECES);
        self.agents.values().filter_map(|agent| agent.pieces.as_ref()).for_each(|pieces| known.union_with(pieces));
        let limit = self.faults.get(&at).into_iter().flatten().find_map(|fault| match fault {
            Fault::StopsAt(pieces) => Some(*pieces),
            _ => None,
        });
        let Some(agent) = self.agents.get_mut(&at).filter(|agent| agent.attempt == attempt) else { return };
        let Some(pieces) = agent.pieces.as_mut() else { return };
        if agent.pushing {
            known = Bitfield::full(PIECES);
        }
        let room = limit.map_or(2, |limit| limit.saturating_sub(pieces.count()).min(2));
        let new: Vec<PieceIndex> = pieces.lacks_of(&known).take(room as usize).collect();
        for piece in &new {
            pieces.insert(*piece);
        }
        agent.ticks += 1;
        let (count, full, ticks) = (pieces.count(), pieces.is_full(), agent.ticks);
        let done = full && agent.deliver && !agent.finished;
        agent.finished |= done;
        let placing = agent.placing;
        let pushed = agent.pushing.then(|| ByteCount(u64::from(count) * 65_536));
        if !new.is_empty() || ticks.is_multiple_of(50) {
            let completed = new.iter().map(|piece| (piece.0, 1)).collect();
            let bytes_down = ByteCount(u64::from(count) * 65_536);
            let alone = limit == Some(0);
            let (peers, tracker) = if alone { (0, TrackerHealth::Silent) } else { (3, TrackerHealth::Unknown) };
            let progress = Progress { pieces: count, completed, bytes_down, peers, tracker, ..Progress::default() };
            if let Some(bytes) = pushed {
                self.give(Input::Pushed { at, attempt, bytes });
            }
            self.give(Input::Status { at, attempt, status: Status::Progress(progress) });
        }
        if done {
            self.say(100, at, attempt, Status::Verifying);
            self.say(200, at, attempt, Status::Unpacking);
            self.say(
                300,
                at,
                attempt,
                match placing {
                    Placing::AtOnce => Status::Delivered { already: false },
                    Placing::Held => Status::Staged,
                },
            );
        }
        self.later(TICK, Event::Tick(at, attempt));
        let dies = self.faults.entry(at).or_default().iter_mut().any(|fault| match fault {
            Fault::DiesAt(pieces, left) if *left > 0 && count >= *pieces => {
                *left -= 1;
                true
            }
            _ => false,
        });
        if dies {
            self.kill(at);
        }
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

    pub(crate) fn notes(&self) -> Vec<&str> {
        self.notices
            .iter()
            .filter_map(|notice| match notice {
                Notice::Note { text, .. } => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }
}

/// The port 6881 of a host.
pub(crate) fn listener(id: u32) -> SocketAddr {
    SocketAddr::new(address(host(id)), 6881)
}
