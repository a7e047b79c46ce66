//! What agents are told, and with which addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::machine::Rollout;
use super::schedule::Timer;
use super::session::{Link, Slot};
use super::{Caps, Output, Source};
use crate::base::Zone;
use crate::control::{DataSource, HelloOrder, Order, PROTOCOL, ServeOrder, ServeRole};
use crate::inventory::Place;

/// With every so many listeners, rounds of telling come one interval slower: what a round costs grows with them.
const LISTENERS_PER_INTERVAL: usize = 500;

/// Addresses that are told in one round of orders to serve: what a line of a gigabit takes meanwhile.
const ADDRESSES_A_ROUND: usize = 640_000;

/// Between two such rounds.
const ROUND: Duration = Duration::from_millis(50);

impl Rollout {
    /// Sends an order to the agent of the attempt under way.
    pub(super) fn order(&mut self, slot: Slot, order: Order) {
        let (at, attempt) = (self.sessions[slot.0].place, self.records[slot.0].attempt.number);
        self.outputs.push_back(Output::Order { at, attempt, order });
    }

    /// The first order.
    pub(super) fn order_hello(&mut self, slot: Slot) {
        let planned = self.planned(slot);
        let work_dir = || self.sessions[slot.0].work_dir.clone();
        let order = HelloOrder {
            protocol: PROTOCOL,
            run: self.plan.run.clone(),
            host: planned.map_or_else(|| "console".to_owned(), |host| host.name.clone()),
            destination: planned.map_or_else(work_dir, |host| host.destination.clone()),
            holder: self.plan.holder.clone(),
            lease: self.plan.lease,
            deadline: self.agent_deadline(),
        };
        self.order(slot, Order::Hello(order));
    }

    /// Tells an agent whatever it can be told next; it waits if that is nothing yet.
    pub(super) fn advance(&mut self, slot: Slot) {
        let session = &self.sessions[slot.0];
        if session.link != Link::Attached || !session.greeted || session.served {
            return;
        }
        let is_seeder = slot == self.seeder.slot;
        if let (Source::OnSeeder(order), true, false) = (&self.plan.source, is_seeder, session.packed) {
            if !session.packing {
                let order = Order::Pack(order.clone());
                self.sessions[slot.0].packing = true;
                self.order(slot, order);
                self.rearm(slot);
            }
            return;
        }
        if self.payload.is_none() {
            self.waiting.insert(slot);
            return;
        }
        if slot == self.tracker.slot && !self.tracker.asked {
            self.track(slot);
        }
        if self.only_tracks(slot) {
            return;
        }
        if !self.is_tracker_settled() {
            self.await_tracker();
            self.waiting.insert(slot);
        } else if is_seeder || self.seeder.opened && !self.preflight.holds() {
            self.serve(slot);
        } else {
            self.waiting.insert(slot);
        }
    }

    /// Something that agents waited for has come: each is told soon.
    pub(super) fn release_waiting(&mut self) {
        self.released = Some(Slot(0));
    }

    /// Tells agents what they waited for, as many as one round may: each is told the whole fleet's addresses.
    pub(super) fn release_some(&mut self) {
        if self.schedule.is_set(Timer::Release) {
            return;
        }
        let Some(mut next) = self.released.take() else { return };
        for _ in 0..(ADDRESSES_A_ROUND / self.sessions.len()).max(1) {
            let slot = self.waiting.range(next..).next().copied();
            match (slot, self.released) {
                (Some(slot), _) => {
                    next = Slot(slot.0 + 1);
                    self.waiting.remove(&slot);
                    self.advance(slot);
                }
                // Who was told brought what others wait for.
                (None, Some(again)) => {
                    next = again;
                    self.released = None;
                }
                (None, None) => return,
            }
        }
        self.released.get_or_insert(next);
        self.schedule.set(Timer::Release, Some(self.now + ROUND));
    }

    /// Tells a place to track.
    pub(super) fn track(&mut self, slot: Slot) {
        let Some(payload) = &self.payload else { return };
        let order = Order::Track {
            bind: self.bind(slot),
            port: self.tracker.port.unwrap_or(self.plan.tracker_port),
            info_hash: payload.info_hash,
            allow: self.welcome(slot),
        };
        self.tracker.asked = true;
        self.sessions[slot.0].since = self.now;
        self.sessions[slot.0].allow_told = self.directory.addresses().len();
        self.order(slot, order);
        self.rearm(slot);
    }

    fn serve(&mut self, slot: Slot) {
        let (Some(payload), Some(tag)) = (self.payload.clone(), self.tag.clone()) else { return };
        self.tell_stations(slot);
        let (caps, placing) = (self.caps_of(slot), self.placing(slot));
        let order = ServeOrder {
            torrent: payload.torrent,
            payload: payload.facts,
            role: self.role(slot),
            tag,
            owner: self.planned(slot).map(|host| host.owner.clone()).unwrap_or_default(),
            deliver: self.in_fleet(slot) && !self.sessions[slot.0].seeds_only,
            placing,
            bind: self.bind(slot),
            ports: self.plan.ports,
            tracker: self.tracker_for(slot),
            peers: self.peers_for(slot),
            zone: self.zone(slot),
            allow: self.welcome(slot),
            max_upload: caps.upload,
            max_download: caps.download,
        };
        let session = &mut self.sessions[slot.0];
        session.served = true;
        session.placed = None;
        session.since = self.now;
        session.allow_told = self.directory.addresses().len();
        self.order(slot, Order::Serve(Box::new(order)));
        self.rearm(slot);
    }

    fn role(&self, slot: Slot) -> ServeRole {
        if slot != self.seeder.slot {
            return ServeRole::Peer;
        }
        ServeRole::Seeder(match (&self.plan.source, self.sessions[slot.0].place) {
            (Source::OnSeeder(_), _) => DataSource::Packed,
            (Source::Packed(_), Place::Host(_)) => DataSource::Pushed,
            (Source::Packed(_), Place::Console) => {
                DataSource::File(self.plan.local_payload.clone().unwrap_or_default())
            }
        })
    }

    /// The caps of one place: the operator's, then the plan's.
    fn caps_of(&self, slot: Slot) -> Caps {
        self.caps.or_else(|| self.planned(slot).map(|host| host.caps)).unwrap_or_default()
    }

    /// Whom a place is to dial, in this order: the seeder first if the place is one that fetches from outside its zone, or
    /// near it; last otherwise.
    fn peers_for(&mut self, slot: Slot) -> Vec<SocketAddr> {
        let seeder = self.seeder.slot;
        let port = self.records[seeder.0].listening.map(|address| address.port());
        let first = port.filter(|_| seeder != slot).zip(self.seen(slot, seeder));
        let first = first.map(|(port, address)| SocketAddr::new(address, port));
        let zone = self.zone(slot);
        let asks_it = zone.is_none() || zone == self.zone(seeder) || self.directory.is_gate(slot, zone.as_ref());
        let others = self.directory.choose((slot, zone.as_ref()), self.config.peers_told, &mut self.random);
        let mut peers: Vec<_> = others.into_iter().filter(|other| Some(*other) != first).collect();
        peers.truncate(self.config.peers_told.saturating_sub(1));
        if let Some(first) = first {
            peers.insert(if asks_it { 0 } else { peers.len() }, first);
        }
        peers
    }

    /// The zone of a place, if it is in one.
    pub(super) fn zone(&self, slot: Slot) -> Option<Zone> {
        self.planned(slot).and_then(|host| host.zone.clone())
    }

    /// Who may connect to a place: the fleet, and this machine as it is seen from there when something runs on it.
    fn welcome(&self, slot: Slot) -> Vec<IpAddr> {
        let mut allow = self.directory.addresses().to_vec();
        let console = self.console();
        if self.is_station(console) {
            allow.extend(self.seen(slot, console).filter(|address| !allow.contains(address)));
        }
        allow
    }

    /// The tracker's address for a place: the one it has, or the one it will have when it comes back.
    fn tracker_for(&self, slot: Slot) -> Option<SocketAddr> {
        let planned = Some(self.plan.tracker_port).filter(|port| *port != 0);
        let port = self.tracker.port.or(planned)?;
        self.seen(slot, self.tracker.slot).map(|address| SocketAddr::new(address, port))
    }

    /// A place's address as another place sees it.
    pub(super) fn seen(&self, from: Slot, of: Slot) -> Option<IpAddr> {
        let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
        if of != self.console() {
            return self.sessions[of.0].address();
        }
        if from == of {
            return Some(localhost);
        }
        let near = self.sessions[from.0].address().filter(IpAddr::is_loopback).map(|_| localhost);
        self.sessions[from.0].facts.as_ref().and_then(|facts| facts.console).or(near)
    }

    /// Where a place listens and dials from: the address that others know it by, so that they recognise it; a host may have
    /// several.
    pub(super) fn bind(&self, slot: Slot) -> IpAddr {
        if let Some(own) = self.sessions[slot.0].address().filter(|_| slot != self.console()) {
            return own;
        }
        if self.directory.addresses().iter().any(IpAddr::is_ipv6) {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        } else {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        }
    }

    /// This machine's slot.
    pub(super) const fn console(&self) -> Slot {
        Slot(self.sessions.len() - 1)
    }

    /// Another round of telling is due soon.
    pub(super) fn tell_soon(&mut self) {
        if !self.schedule.is_set(Timer::Tell) {
            let slower = 1 + (self.directory.listening() / LISTENERS_PER_INTERVAL) as u32;
            let at = self.now + self.config.tell_interval.saturating_mul(slower);
            self.schedule.set(Timer::Tell, Some(at));
        }
    }

    /// Tells everybody who came since the last round.
    pub(super) fn tell(&mut self) {
        let fresh = self.directory.take_fresh();
        for slot in (0..self.sessions.len()).map(Slot) {
            let done = self.records[slot.0].state.name().is_settled() && slot != self.seeder.slot;
            let mut listening = Vec::new();
            if !done && self.sessions[slot.0].served {
                let zone = self.planned(slot).and_then(|host| host.zone.as_ref());
                listening = fresh.told_to(zone, || self.directory.is_gate(slot, zone));
            }
            self.tell_one(slot, listening);
        }
    }

    /// Seeder and tracker know a newcomer before it calls.
    fn tell_stations(&mut self, newcomer: Slot) {
        for slot in [self.seeder.slot, self.tracker.slot] {
            if slot != newcomer {
                self.tell_one(slot, Vec::new());
            }
        }
    }

    fn tell_one(&mut self, slot: Slot, mut listening: Vec<SocketAddr>) {
        let session = &self.sessions[slot.0];
        let tracks = slot == self.tracker.slot && self.tracker.asked;
        if session.link != Link::Attached || !(session.served || tracks) {
            return;
        }
        let own = self.records[slot.0].listening;
        listening.retain(|address| Some(*address) != own);
        let addresses = self.directory.addresses();
        let allow = addresses.get(session.allow_told..).unwrap_or_default().to_vec();
        let told = addresses.len();
        if listening.is_empty() && allow.is_empty() {
            return;
        }
        self.sessions[slot.0].allow_told = told;
        self.order(slot, Order::Peers { listening, allow });
    }
}
