//! Exchange: peers are told of each other (BEP 11).
//!
//! A swarm of a run has a console and a tracker that know everybody, and a torrent that is private (BEP 27) wants its
//! tracker to be the only one who tells; there it is off. By hand it finds what a dead or slow tracker cannot.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::peer::{Origin, Peer};
use super::{ConnectionId, PeerFault, Swarm};
use crate::base::Instant;
use crate::wire::{EXCHANGED_MAX, ExchangeFlags, ExchangedPeer, Message, PEER_EXCHANGE, PeerExchange};

/// Whether peers are told of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchange {
    /// Nothing is told, and what is told to us is not heard.
    Off,
    /// Every peer that takes part is told whom we are connected to.
    On,
}

/// What others are to call our messages.
const OUR_ID: u8 = 1;

/// Addresses taken from other peers fill at most this part of those remembered: the tracker's always find room.
const SHARE: usize = 4;

/// What one peer and we told each other.
#[derive(Debug, Default)]
pub(super) struct Gossip {
    /// What it calls these messages, if it takes part.
    their_id: Option<u8>,
    /// Whom it was told of, and not that we lost them: connections at once, and what one message has no room for.
    told: BTreeSet<SocketAddr>,
    /// When it may be told more.
    due: Instant,
    /// When it last told something.
    heard: Option<Instant>,
}

impl Swarm {
    /// The extensions that we take part in, and our numbers for them.
    pub(super) fn extensions(&self) -> BTreeMap<String, u8> {
        let exchange = match self.config.exchange {
            Exchange::Off => None,
            Exchange::On => Some((PEER_EXCHANGE.to_owned(), OUR_ID)),
        };
        self.zone_extension().into_iter().chain(exchange).collect()
    }

    /// Notes whether a peer takes part. It may change its mind.
    pub(super) fn agree_on_exchange(&mut self, now: Instant, connection: ConnectionId, theirs: &BTreeMap<String, u8>) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        let Some(id) = theirs.get(PEER_EXCHANGE) else { return };
        peer.gossip.their_id = Some(*id).filter(|id| *id != 0);
        if peer.gossip.due == Instant::ZERO {
            peer.gossip.due = now + self.config.exchange_after;
        }
    }

    /// A peer tells of others: they are dialled like any other that was heard of.
    pub(super) fn exchanged(&mut self, now: Instant, connection: ConnectionId, id: u8, payload: &[u8]) {
        if self.config.exchange == Exchange::Off || id != OUR_ID {
            return;
        }
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        let early = |heard| now.since(heard) < self.config.exchange_every / 2;
        if peer.gossip.heard.is_some_and(early) {
            return;
        }
        peer.gossip.heard = Some(now);
        match PeerExchange::decode(payload) {
            Ok(exchange) => {
                let of_use = |peer: &ExchangedPeer| !(self.have.is_full() && peer.flags.has(ExchangeFlags::SEED));
                let addresses: Vec<_> = exchange.added.into_iter().filter(of_use).map(|peer| peer.address).collect();
                self.dialer.discover(addresses, now, self.config.addresses_max / SHARE);
                self.dial(now);
            }
            Err(error) => self.disconnect(now, connection, PeerFault::Garbled(error.to_string())),
        }
    }

    /// Tells every peer whose time has come whom we connected to and lost since the last time; nothing when that is nobody.
    pub(super) fn exchange(&mut self, now: Instant) {
        if self.config.exchange == Exchange::Off {
            return;
        }
        let due = |peer: &Peer| peer.gossip.their_id.is_some() && peer.gossip.due <= now;
        let due: Vec<_> = self.peers.iter().filter(|(_, peer)| due(peer)).map(|(connection, _)| *connection).collect();
        if due.is_empty() {
            return;
        }
        let listening = |peer: &Peer| Some((peer.listening?, flags_of(peer)));
        let connected: BTreeMap<_, _> = self.peers.values().filter_map(listening).collect();
        for connection in due {
            let Some(peer) = self.peers.get_mut(&connection) else { continue };
            let news = peer.gossip.news(&connected, peer.listening);
            if let (Some(id), Some(news)) = (peer.gossip.their_id, news) {
                peer.gossip.due = now + self.config.exchange_every;
                self.tell(now, connection, Message::Extended { id, payload: news.encode() });
            }
        }
    }
}

impl Gossip {
    /// What a peer has not heard yet of those connected, itself left out, as far as one message takes it.
    fn news(
        &mut self,
        connected: &BTreeMap<SocketAddr, ExchangeFlags>,
        itself: Option<SocketAddr>,
    ) -> Option<PeerExchange> {
        let unheard = connected.iter().filter(|(address, _)| Some(**address) != itself && !self.told.contains(address));
        let added: Vec<_> = unheard
            .take(EXCHANGED_MAX)
            .map(|(address, flags)| ExchangedPeer { address: *address, flags: *flags })
            .collect();
        let lost = self.told.iter().filter(|address| !connected.contains_key(address));
        let dropped: Vec<_> = lost.take(EXCHANGED_MAX).copied().collect();
        self.told.extend(added.iter().map(|peer| peer.address));
        self.told.retain(|address| !dropped.contains(address));
        let some = !(added.is_empty() && dropped.is_empty());
        some.then_some(PeerExchange { added, dropped })
    }
}

fn flags_of(peer: &Peer) -> ExchangeFlags {
    let seed = if peer.has.is_full() { ExchangeFlags::SEED } else { ExchangeFlags::default() };
    match peer.origin {
        Origin::Dialed => seed.and(ExchangeFlags::REACHABLE),
        Origin::Accepted => seed,
    }
}
