//! What hosts and agents answer to a rollout.

use std::time::Duration;

use bytes::Bytes;
use rookery::base::{Bitfield, ByteCount, ByteRate, PieceIndex};
use rookery::control::{
    AgentFailure, DataSource, Order, PROTOCOL, Placing, Progress, ServeOrder, ServeRole, Status, TrackerHealth,
};
use rookery::inventory::Place;
use rookery::rollout::{BootStep, Failure, HostFacts, Input, Output, Post};

use super::{Agent, Event, Fault, Fleet, TICK};
use crate::plans::{PIECES, address, payload, refused};

/// What each agent says at its end to have sent.
pub(crate) const LAST_SENT: ByteCount = ByteCount(3 << 20);

impl Fleet {
    pub(super) fn next_sequence(&mut self) -> u64 {
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

    pub(super) fn answer(&mut self, output: Output) {
        match output {
            Output::Connect { at, attempt } => self.connect(at, attempt),
            Output::Look { at, posts } => self.look(at, &posts),
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

    fn look(&mut self, at: Place, posts: &[Post]) {
        self.looks.push(at);
        let faults = self.faults.get(&at).into_iter().flatten().filter_map(|fault| match fault {
            Fault::Refuses(left) if *left > 0 => Some(refused()),
            Fault::Denies => Some(Failure::Authentication { user: "deploy".to_owned(), tried: "one key".to_owned() }),
            Fault::NoWay => posts.first().map(|post| Failure::NoWay {
                station: post.station,
                address: (post.address.unwrap_or_else(|| address(Place::Console)), post.port).into(),
                why: "no answer".to_owned(),
            }),
            _ => None,
        });
        let looked = Input::Looked { at, faults: faults.collect() };
        if !self.has(at, &Fault::Mute) {
            self.later(Duration::from_millis(20), Event::Input(looked));
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
        let new = Agent {
            attempt,
            pieces: None,
            role: ServeRole::Peer,
            deliver: false,
            placing: Placing::AtOnce,
            ticks: 0,
            ticking: false,
            pushing: false,
            finished: false,
            stage: None,
        };
        let agent = self.orphans.remove(&at).map_or(new, |orphan| Agent { attempt, ..orphan });
        self.agents.insert(at, agent);
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
            Order::Place => {
                let placed = Status::Delivered { already: false };
                self.agents.get_mut(&at).unwrap().stage = Some(placed.clone());
                self.say(10, at, attempt, placed);
            }
            Order::Check(order) => {
                let why = self.is_unwell(at).then(|| "the command ended with status 1".to_owned());
                self.say(40, at, attempt, Status::Checked { number: order.number, why });
            }
            Order::Knock { at: whom, .. } => {
                let why = if self.has(at, &Fault::NoWay) { "no answer" } else { "" };
                let why = whom.iter().map(|_| why.to_owned()).collect();
                let fault = self.has(at, &Fault::Deaf).then(ports_taken);
                self.say(15, at, attempt, Status::Knocked { why, fault });
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
                let last = Progress { bytes_up: LAST_SENT, rate_up: ByteRate(5), ..Progress::default() };
                self.say(3, at, attempt, Status::Progress(last));
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
        if self.has(at, &Fault::Deaf) {
            return self.say(5, at, attempt, Status::Failed { failure: ports_taken() });
        }
        let full = matches!(order.role, ServeRole::Seeder(DataSource::File(_) | DataSource::Packed));
        let empty = if full { Bitfield::full(PIECES) } else { Bitfield::empty(PIECES) };
        let agent = self.agents.get_mut(&at).unwrap();
        let stage = agent.stage.clone().filter(|_| order.deliver);
        let ticks = std::mem::replace(&mut agent.ticking, true);
        let pieces = agent.pieces.take().or_else(|| self.kept.get(&at).cloned()).unwrap_or(empty);
        let bitfield = Bytes::copy_from_slice(pieces.as_bytes());
        agent.pieces = Some(pieces);
        (agent.pushing, agent.finished) = (false, stage.is_some());
        (agent.role, agent.deliver, agent.placing) = (order.role, order.deliver, order.placing);
        self.say(5, at, attempt, Status::Serving { port: order.ports.first, bitfield });
        if let Some(stage) = stage {
            self.say(6, at, attempt, stage);
        }
        if !ticks {
            self.later(TICK, Event::Tick(at, attempt));
        }
    }

    /// A tenth of a second of a swarm: every agent gets two pieces that somebody has.
    pub(super) fn tick(&mut self, at: Place, attempt: u32) {
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
}

fn ports_taken() -> AgentFailure {
    AgentFailure::PortsInUse { ports: "6881-6889".to_owned(), bind: "10.0.0.7".to_owned() }
}
