//! Whether hosts reach seeder and tracker on the swarm's ports, tried before the payload moves: the fault that is noticed last.
//!
//! Where an agent is, it knocks, and says whether it has a port itself; any other host is told whom to reach when it is
//! looked at, once more if it was looked at too early. Nobody knocks at other hosts: what is tried grows with the fleet, not
//! with its square.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::launcher::Rank;
use super::lifecycle::Reached;
use super::machine::Rollout;
use super::session::{Link, Slot};
use super::{Failure, HostState, Source, Station};
use crate::base::Instant;
use crate::control::{AgentFailure, Order};

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

/// Of which hosts it is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Ways {
    unknown: BTreeSet<Slot>,
    /// Hosts whose agents were told to knock, and where.
    asked: BTreeMap<Slot, Vec<(Station, SocketAddr)>>,
    /// Hosts that were told whom to reach when they were looked at.
    told: BTreeSet<Slot>,
    /// Since when seeder and tracker can be reached, or are given up.
    stood: Option<Instant>,
}

impl Ways {
    /// A host will say.
    pub(super) fn expect(&mut self, slot: Slot) {
        self.unknown.insert(slot);
    }

    /// A host has said, or will not.
    pub(super) fn settle(&mut self, slot: Slot) {
        self.unknown.remove(&slot);
    }

    /// Whether a host that is looked at was told whom to reach.
    pub(super) fn were_told(&self, slot: Slot) -> bool {
        self.told.contains(&slot)
    }

    /// Whether every host has said, or will not.
    pub(super) fn are_known(&self) -> bool {
        self.unknown.is_empty()
    }

    /// How many hosts everybody waits for, now that there is somebody to reach.
    pub(super) fn awaited(&self) -> usize {
        if self.stood.is_some() { self.unknown.len() } else { 0 }
    }

    /// Hosts that have not said.
    pub(super) fn unknown(&self) -> impl Iterator<Item = Slot> + '_ {
        self.unknown.iter().copied()
    }
}

impl Rollout {
    /// Has everybody tried who waits for it, as soon as there is somebody to reach.
    pub(super) fn review_ways(&mut self) {
        let stands = self.records[self.seeder.slot.0].listening.is_some() && self.is_tracker_settled();
        let comes = self.preflight.ways.stood.is_none() && matches!(self.plan.source, Source::Packed(_));
        self.launcher.looks_held = comes && !stands && self.now < self.stations_due();
        if !stands || self.preflight.ways.stood.is_some() || !self.preflight.holds() {
            return;
        }
        self.preflight.ways.stood = Some(self.now);
        self.preflight.stirred = self.now;
        for slot in self.preflight.ways.unknown().collect::<Vec<_>>() {
            self.try_ways(slot);
        }
    }

    /// Has a host try, if it can.
    pub(super) fn try_ways(&mut self, slot: Slot) {
        let ways = &self.preflight.ways;
        if ways.stood.is_none() || !ways.unknown.contains(&slot) || !self.preflight.holds() {
            return;
        }
        let session = &self.sessions[slot.0];
        match session.link {
            Link::Attached if session.greeted && !ways.asked.contains_key(&slot) => self.ask_to_knock(slot),
            Link::Off if matches!(self.records[slot.0].state, HostState::Waiting { .. }) => {
                if !self.preflight.is_open(slot) && !self.launcher.is_ready(slot) {
                    self.launcher.push(Rank::Look, slot);
                }
            }
            Link::Off | Link::Dialing | Link::Attached | Link::Lost | Link::Stopping | Link::Hanging => {}
        }
    }

    fn ask_to_knock(&mut self, slot: Slot) {
        let ways = self.ways_of(slot);
        if ways.is_empty() {
            return self.preflight.ways.settle(slot);
        }
        let at = ways.iter().map(|(_, address)| *address).collect();
        self.preflight.ways.asked.insert(slot, ways);
        self.preflight.stirred = self.now;
        let (bind, ports) = (self.bind(slot), self.plan.ports);
        self.order(slot, Order::Knock { at, bind, ports });
    }

    /// An agent has knocked: why one after the other did not answer, or nothing; and why nobody could knock there.
    pub(super) fn handle_knocked(&mut self, slot: Slot, why: Vec<String>, deaf: Option<AgentFailure>) {
        let Some(ways) = self.preflight.ways.asked.remove(&slot).filter(|_| self.preflight.holds()) else { return };
        self.preflight.stirred = self.now;
        let closed = ways.into_iter().zip(why).filter(|(_, why)| !why.is_empty());
        let faults = closed.map(|((station, address), why)| Failure::NoWay { station, address, why });
        let deaf = deaf.map(Failure::Agent);
        let faults: Vec<_> = faults.chain(deaf.clone()).collect();
        for fault in &faults {
            self.remember(slot, format!("before the payload moves: {fault}"));
        }
        if !faults.is_empty() && !self.is_at_rest(slot) {
            self.preflight.withhold(slot);
        }
        self.answered(slot, &faults);
        if let Some(deaf) = deaf.filter(|_| !self.is_at_rest(slot)) {
            self.fail(slot, deaf, Reached::Agent);
        }
    }

    /// When the payload waits no longer for who has not said; `None` while there is nobody to be reached, and no payload.
    pub(super) fn ways_due(&self) -> Option<Instant> {
        self.preflight.ways.stood.map(|at| self.look_due(at))
    }

    /// Whom a host that is looked at has to reach, as far as they are there.
    pub(super) fn posts(&mut self, slot: Slot) -> Vec<Post> {
        if self.preflight.ways.stood.is_some() {
            self.preflight.ways.told.insert(slot);
        }
        let address = |at: Slot| self.sessions[at.0].address().filter(|_| at != self.console());
        let stations = self.stations().into_iter().filter(|(_, at, _)| *at != slot);
        stations.map(|(station, at, port)| Post { station, address: address(at), port }).collect()
    }

    /// The same of a host with an agent, as it sees them.
    fn ways_of(&self, slot: Slot) -> Vec<(Station, SocketAddr)> {
        let others = self.stations().into_iter().filter(|(_, at, _)| *at != slot);
        let seen =
            others.filter_map(|(station, at, port)| Some((station, SocketAddr::new(self.seen(slot, at)?, port))));
        seen.collect()
    }

    /// Who is there, where, and at which port.
    fn stations(&self) -> Vec<(Station, Slot, u16)> {
        let tracker = self.tracker.port.filter(|_| self.tracker.alive);
        let seeder = self.records[self.seeder.slot.0].listening.map(|at| at.port());
        let both = [(Station::Tracker, self.tracker.slot, tracker), (Station::Seeder, self.seeder.slot, seeder)];
        both.into_iter().filter_map(|(station, at, port)| Some((station, at, port?))).collect()
    }
}
