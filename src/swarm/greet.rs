//! Connections: how they come about, what is said first, who is kept and who is not.

use std::net::SocketAddr;
use std::time::Duration;

use super::machine::{Fault, PayloadOrigin};
use super::peer::{Greeting, Interest, Origin, Peer};
use super::pieces::Sender;
use super::spread::Veil;
use super::{ConnectionId, Output, PeerFault, Swarm};
use crate::base::{Bitfield, Instant, PeerId};
use crate::wire::{EXTENSION_HANDSHAKE_ID, ExtensionHandshake, Handshake, Message, ZoneMessage};

/// Peers whose misdeeds are remembered, at most.
const BLAMED_MAX: usize = 4096;

/// How long a peer that has everything is left alone by one that has everything: their paths part for good.
const REDUNDANT_PAUSE: Duration = Duration::from_secs(300);

/// What names the client at the beginning of a peer id (BEP 20: `-RK`): one of ours keeps alive as often as we do.
const CLIENT_LENGTH: usize = 3;

impl Swarm {
    /// Whether another connection of our own making is wanted. Who has dialled us and not said who it is does not count: it
    /// may never say so.
    pub(super) fn wants_to_dial(&self) -> bool {
        let wants_peers = !self.have.is_full() || self.origin == PayloadOrigin::Elsewhere;
        let greeted = self.greetings.values().filter(|greeting| greeting.origin == Origin::Dialed).count();
        let connections = self.peers.len() + greeted + self.dialer.dialing();
        wants_peers && connections < self.config.connections_wanted && self.dialer.dialing() < self.config.dials_max
    }

    pub(super) fn dial(&mut self, now: Instant) {
        while self.wants_to_dial() {
            let Some(address) = self.dialer.poll(now, &self.config) else { break };
            self.say(Output::Dial(address));
        }
    }

    pub(super) fn discover(&mut self, now: Instant, addresses: Vec<SocketAddr>) {
        self.dialer.discover(addresses, now, self.config.addresses_max);
        self.dial(now);
    }

    pub(super) fn dialed(&mut self, now: Instant, address: SocketAddr, connection: ConnectionId) {
        self.dialer.dialed(address);
        self.greetings.insert(connection, Greeting { address, origin: Origin::Dialed, since: now });
        self.greet(connection);
        self.wake(now);
    }

    pub(super) fn dial_failed(&mut self, now: Instant, address: SocketAddr) {
        if self.dialer.dialed(address) {
            self.dialer.failed(address, now, &self.config);
        }
        self.dial(now);
    }

    pub(super) fn accepted(&mut self, now: Instant, address: SocketAddr, connection: ConnectionId) {
        let knocking = self.greetings.values().filter(|greeting| greeting.address.ip() == address.ip()).count();
        self.greetings.insert(connection, Greeting { address, origin: Origin::Accepted, since: now });
        if !self.dialer.is_allowed(address.ip()) {
            self.disconnect(now, connection, PeerFault::NotAllowed);
        } else if knocking >= self.config.greetings_max || self.greetings.len() > self.config.handshakes_max {
            self.disconnect(now, connection, PeerFault::Full);
        } else if self.peers.len() >= self.config.connections_max {
            match self.useless(now) {
                Some(useless) => self.disconnect(now, useless, PeerFault::Useless),
                None if self.may_outrank(address) => {}
                None => self.disconnect(now, connection, PeerFault::Full),
            }
        }
        self.wake(now);
    }

    pub(super) fn handshaken(&mut self, now: Instant, connection: ConnectionId, handshake: Handshake) {
        let Some(greeting) = self.greetings.get(&connection).copied() else { return };
        if let Some(fault) = self.refusal(now, greeting, handshake) {
            return self.disconnect(now, connection, fault);
        }
        if let Some(fault) = self.resolve_duplicate(now, greeting, handshake.peer_id) {
            return self.disconnect(now, connection, fault);
        }
        if let Some(fault) = self.make_room(now, greeting.address) {
            return self.disconnect(now, connection, fault);
        }
        self.greetings.remove(&connection);
        if greeting.origin == Origin::Accepted {
            self.greet(connection);
        }
        self.dialer.greeted(greeting.address);
        let peer = Peer::new(greeting, handshake, now, (&self.config, self.layout.piece_count()));
        let says_more = peer.extensions;
        self.peers.insert(connection, peer);
        if !says_more {
            self.place(now, connection);
        }
        self.introduce(connection);
    }

    /// Why a peer is not wanted, if so.
    fn refusal(&mut self, now: Instant, greeting: Greeting, handshake: Handshake) -> Option<PeerFault> {
        if handshake.info_hash != self.info_hash {
            return Some(PeerFault::WrongSwarm);
        }
        if handshake.peer_id == self.peer_id {
            if greeting.origin == Origin::Dialed {
                self.dialer.is_oneself(greeting.address);
            }
            return Some(PeerFault::Oneself);
        }
        self.bans.get(&handshake.peer_id).filter(|until| **until > now).map(|_| PeerFault::Banned)
    }

    /// Of two connections between the same peers both sides keep the one that the lower peer id made; of two that the
    /// same side made, the peer's newer one (its older one is dead, or it would not have dialled) or our older one. One on
    /// which nothing was heard for long gives way to any: the network that carried it may be gone.
    fn resolve_duplicate(&mut self, now: Instant, greeting: Greeting, peer_id: PeerId) -> Option<PeerFault> {
        let (other, before) = self.peers.iter().find(|(_, peer)| peer.peer_id == peer_id)?;
        let quiet = now.since(before.heard) >= self.config.request_timeout;
        let keep_new = quiet
            || match (before.origin, greeting.origin) {
                (Origin::Dialed, Origin::Accepted) => peer_id < self.peer_id,
                (Origin::Accepted, Origin::Dialed) => self.peer_id < peer_id,
                (Origin::Accepted, Origin::Accepted) => true,
                (Origin::Dialed, Origin::Dialed) => false,
            };
        if !keep_new {
            return Some(PeerFault::Duplicate);
        }
        let other = *other;
        self.disconnect(now, other, PeerFault::Duplicate);
        None
    }

    fn greet(&mut self, connection: ConnectionId) {
        let handshake = Handshake::new(self.info_hash, self.peer_id);
        self.say(Output::Greet { connection, handshake });
    }

    /// Says what we are, what we have, and that everybody may ask.
    fn introduce(&mut self, connection: ConnectionId) {
        let veiled = self.is_veiled();
        let pieces = self.layout.piece_count();
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        peer.serving.veil = veiled.then(|| Veil::new(Bitfield::empty(pieces)));
        let (fast, speaks_extensions, address) = (peer.fast, peer.extensions, peer.address);
        if speaks_extensions {
            let ours = ExtensionHandshake {
                client: Some(self.config.client.to_owned()),
                extensions: self.extensions(),
                your_ip: Some(address.ip()),
                request_queue: u32::try_from(self.config.requests_max).ok(),
                port: Some(self.config.listen_port).filter(|port| *port != 0),
                zone: self.config.zone.clone(),
                ..ExtensionHandshake::default()
            };
            self.say(Output::Send { connection, message: ours.to_message() });
        }
        let pieces = match (fast, self.have.is_full(), self.have.is_empty() || veiled) {
            (true, true, false) => Some(Message::HaveAll),
            (true, _, true) => Some(Message::HaveNone),
            (false, _, true) => None,
            (_, _, false) => Some(Message::Bitfield(bytes::Bytes::copy_from_slice(self.have.as_bytes()))),
        };
        if let Some(message) = pieces {
            self.say(Output::Send { connection, message });
        }
        self.say(Output::Send { connection, message: Message::Unchoke });
    }

    /// Takes a message of an extension: its handshake (BEP 10), or an exchange.
    pub(super) fn extended(&mut self, now: Instant, connection: ConnectionId, id: u8, payload: &[u8]) {
        if id == ZoneMessage::ID {
            return self.zone_told(now, connection, payload);
        }
        if id != EXTENSION_HANDSHAKE_ID {
            return self.exchanged(now, connection, id, payload);
        }
        let theirs = match ExtensionHandshake::decode(payload) {
            Ok(theirs) => theirs,
            Err(error) => return self.disconnect(now, connection, PeerFault::Garbled(error.to_string())),
        };
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        if let Some(client) = theirs.client {
            peer.client = Some(client);
        }
        peer.zone = theirs.zone;
        peer.zone_id = theirs.extensions.get(ZoneMessage::NAME).copied().filter(|id| *id != 0);
        if let Some(queue) = theirs.request_queue {
            peer.asking.requests_max = (queue as usize).clamp(1, self.config.pipeline_max);
        }
        if let (Origin::Accepted, Some(port)) = (peer.origin, theirs.port.filter(|port| *port != 0)) {
            let listening = SocketAddr::new(peer.address.ip(), port);
            peer.listening = Some(listening);
            self.dialer.connected(listening, &self.config);
        }
        if let Some(ip) = theirs.your_ip {
            self.dialer.seen_as(ip);
        }
        self.agree_on_exchange(now, connection, &theirs.extensions);
        self.place(now, connection);
    }

    /// The peer says what it has, all at once. Some clients (aria2) sum up many a `have` in another bitfield; a piece
    /// that is missing there is not lost.
    pub(super) fn told(&mut self, now: Instant, connection: ConnectionId, has: &Bitfield) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        for piece in peer.has.lacks_of(has) {
            self.picker.gain(piece);
            if let Some(locality) = &mut self.locality {
                locality.gain(connection, piece, now);
            }
        }
        peer.has.union_with(has);
        peer.useful = self.have.lacks_of(&peer.has).count() as u32;
        has.iter().for_each(|piece| self.spread.stale(piece));
        self.show(now);
        self.part_if_redundant(now, connection);
        self.heed(now, connection);
    }

    /// Ends a connection between two that have everything.
    pub(super) fn part_if_redundant(&mut self, now: Instant, connection: ConnectionId) {
        let redundant = |peer: &Peer| peer.has.is_full() && peer.serving.queued == 0;
        if self.have.is_full() && self.peers.get(&connection).is_some_and(redundant) {
            self.disconnect(now, connection, PeerFault::Redundant);
        }
    }

    /// Ends a connection.
    pub(super) fn disconnect(&mut self, now: Instant, connection: ConnectionId, fault: PeerFault) {
        let Some((address, listening)) = self.forget(now, connection) else { return };
        self.say(Output::Disconnect { connection, fault: fault.clone() });
        if let Some(listening) = listening {
            match &fault {
                PeerFault::Oneself => {}
                PeerFault::Corrupt(_) | PeerFault::Banned | PeerFault::WrongSwarm => {
                    self.dialer.rest(listening, now, self.config.ban);
                }
                PeerFault::Redundant => self.dialer.rest(listening, now, REDUNDANT_PAUSE),
                PeerFault::Silent(_) | PeerFault::NoHandshake(_) => self.dialer.failed(listening, now, &self.config),
                PeerFault::Duplicate
                | PeerFault::NotAllowed
                | PeerFault::Full
                | PeerFault::Snubbed(_)
                | PeerFault::Garbled(_)
                | PeerFault::Senseless(_)
                | PeerFault::TooManyRequests(_)
                | PeerFault::Unrequested(_)
                | PeerFault::Outranked
                | PeerFault::Useless => self.dialer.rest(listening, now, self.config.redial_after_max),
            }
        }
        self.remember(Fault { at: now, address: listening.unwrap_or(address), fault });
        self.after_loss(now);
    }

    /// A connection ended by itself.
    pub(super) fn closed(&mut self, now: Instant, connection: ConnectionId) {
        if let Some((_, listening)) = self.forget(now, connection) {
            if let Some(listening) = listening {
                self.dialer.failed(listening, now, &self.config);
            }
            self.after_loss(now);
        }
    }

    /// Ends the connection of a peer that lied, forgets what it sent of pieces that are not whole yet, and takes no
    /// connection from it for a while.
    pub(super) fn ban(&mut self, now: Instant, liar: Sender, fault: PeerFault) {
        let known = self.bans.contains_key(&liar.peer_id);
        if self.bans.len() < BLAMED_MAX {
            self.bans.insert(liar.peer_id, now + self.config.ban);
        }
        self.totals.wasted += self.pieces.distrust(liar.peer_id);
        let connection = self.peers.iter().find(|(_, peer)| peer.peer_id == liar.peer_id).map(|(id, _)| *id);
        match connection {
            Some(connection) => self.disconnect(now, connection, fault),
            None if known => {}
            None => self.remember(Fault { at: now, address: liar.address, fault }),
        }
    }

    /// Takes a connection out of all books; returns where it came from and where the peer listens.
    fn forget(&mut self, now: Instant, connection: ConnectionId) -> Option<(SocketAddr, Option<SocketAddr>)> {
        if let Some(greeting) = self.greetings.remove(&connection) {
            let dialed = greeting.origin == Origin::Dialed;
            return Some((greeting.address, dialed.then_some(greeting.address)));
        }
        let peer = self.peers.remove(&connection)?;
        self.picker.lose_all(&peer.has);
        if let Some(veil) = &peer.serving.veil {
            self.reclaim(veil, &peer.has);
        }
        self.part(now, connection, &peer.has);
        self.release_all(connection, peer.asking.asked);
        Some((peer.address, peer.listening))
    }

    fn after_loss(&mut self, now: Instant) {
        self.dial(now);
        self.fill_all(now);
        self.serve(now);
    }

    pub(super) fn expire_greetings(&mut self, now: Instant) {
        let timeout = self.config.handshake_timeout;
        let late = |greeting: &Greeting| now.since(greeting.since) >= timeout;
        let late: Vec<_> = self.greetings.iter().filter(|(_, greeting)| late(greeting)).map(|(id, _)| *id).collect();
        for connection in late {
            self.disconnect(now, connection, PeerFault::NoHandshake(timeout));
        }
    }

    /// Keeps a connection alive, or ends it when the peer does not.
    pub(super) fn look_after(&mut self, now: Instant, connection: ConnectionId) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        let (quiet, config) = (now.since(peer.heard), &self.config);
        let owes = !peer.asking.asked.is_empty();
        let same_client = peer.peer_id.as_bytes()[..CLIENT_LENGTH] == self.peer_id.as_bytes()[..CLIENT_LENGTH];
        let limit = match (owes, same_client) {
            (true, _) => config.silent_after,
            (false, true) => config.keep_alive_after * 3,
            (false, false) => config.idle_after,
        };
        if quiet >= limit {
            return self.disconnect(now, connection, PeerFault::Silent(limit));
        }
        if now.since(peer.spoke) >= config.keep_alive_after {
            peer.spoke = now;
            self.say(Output::Send { connection, message: Message::KeepAlive });
        }
        self.part_if_redundant(now, connection);
    }

    /// When nobody connected has anything for us and others are known, makes room for one of them.
    pub(super) fn rotate(&mut self, now: Instant) {
        let starving = !self.have.is_full() && self.peers.values().all(|peer| peer.useful == 0);
        let crowded = self.peers.len() + self.greetings.len() >= self.config.connections_wanted;
        let others = starving && crowded && self.dialer.is_ready(now);
        if let Some(useless) = self.useless(now).filter(|_| others) {
            self.disconnect(now, useless, PeerFault::Useless);
        }
    }

    /// The connection that has been of no use for longest.
    fn useless(&self, now: Instant) -> Option<ConnectionId> {
        let old = |peer: &Peer| now.since(peer.since) >= self.config.useless_after;
        let useless = self.peers.iter().filter(|(_, peer)| !peer.is_useful() && old(peer));
        useless.min_by_key(|(connection, peer)| (peer.since, **connection)).map(|(connection, _)| *connection)
    }

    /// Sends a message to a peer.
    pub(super) fn tell(&mut self, now: Instant, connection: ConnectionId, message: Message) {
        if let Some(peer) = self.peers.get_mut(&connection) {
            peer.spoke = now;
            self.say(Output::Send { connection, message });
        }
    }

    /// Tells a peer whether we want something of it, when that has changed; and asks for it.
    pub(super) fn heed(&mut self, now: Instant, connection: ConnectionId) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        let interest = if peer.useful > 0 { Interest::Some } else { Interest::None };
        if peer.asking.interest != interest {
            peer.asking.interest = interest;
            let message = match interest {
                Interest::Some => Message::Interested,
                Interest::None => Message::NotInterested,
            };
            self.tell(now, connection, message);
        }
        self.fill(now, connection);
    }
}
