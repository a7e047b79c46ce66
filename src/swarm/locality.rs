//! Locality: which pieces this host brings into its zone, and which it leaves to others of the zone.
//!
//! A piece that somebody in the zone has is fetched from there. One that nobody in the zone has is brought in by one of
//! those with a connection across the border. Who that is, all of them know without asking: each has a rank for each
//! piece, by a hash of both. The first in rank begins at once, the others one step later each, and whoever begins says so
//! (a claim), so that the rest let it. A claim that brings nothing for long is void, and so is one whose host is gone: an
//! importer that is slow or dead holds nobody.
//!
//! Whoever is in no zone, or does not say so, is outside for everybody; a host in no zone has no rule to keep.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::peer::Peer;
use super::pieces::Overdue;
use super::{Config, ConnectionId};
use crate::base::{Bitfield, Instant, PeerId, PieceIndex, Zone};

/// Claims of one host that are heeded: more than it can fetch at once.
const CLAIMS_MAX: usize = 256;

/// A void claim is void after this many times as long as pieces usually take.
const PATIENCE: u32 = 4;

/// A step between ranks is this part of how long pieces usually take: time to hear of a claim, and no more.
const STEPS: u32 = 4;

/// Where a peer is, seen from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// In our zone.
    Near,
    /// In another, in none, or we are in none.
    Far,
}

/// Whether a host has connections across the border, and so can bring pieces in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Station {
    /// It has.
    Border,
    /// It has none.
    Inland,
}

/// One host of our zone.
#[derive(Debug)]
struct Mate {
    peer_id: PeerId,
    station: Station,
    /// While it owes blocks for too long, what it has does not count.
    overdue: Overdue,
    claims: usize,
}

#[derive(Debug, Clone, Copy)]
struct Claim {
    by: ConnectionId,
    at: Instant,
}

/// What may be asked of a peer across the border.
#[derive(Debug, Clone, Copy)]
pub(super) struct Abroad<'a> {
    locality: &'a Locality,
    now: Instant,
}

impl Abroad<'_> {
    /// Whether a piece may be asked for now; `granted` is what that peer meant for us.
    pub(super) fn admits(self, piece: PieceIndex, granted: &BTreeSet<PieceIndex>) -> bool {
        self.locality.admits(piece, granted, self.now)
    }
}

/// What is known of the zone.
#[derive(Debug)]
pub(super) struct Locality {
    zone: Zone,
    me: PeerId,
    step_min: Duration,
    patience_min: Duration,
    mates: BTreeMap<ConnectionId, Mate>,
    far: Vec<ConnectionId>,
    /// Mates that have each piece, and send.
    near: Vec<u16>,
    /// Importing mates that go before us.
    rank: Vec<u16>,
    /// Since when each piece could be brought in.
    open: Vec<Option<Instant>>,
    claims: BTreeMap<PieceIndex, Claim>,
    own: BTreeSet<PieceIndex>,
    /// From a claim to the piece, on average.
    usual: Duration,
    /// When the next piece may be asked for that may not yet.
    wake: Cell<Option<Instant>>,
}

impl Locality {
    /// A host alone in its zone; `None` when it is in no zone.
    pub(super) fn new(config: &Config, me: PeerId, pieces: u32) -> Option<Self> {
        let pieces = pieces as usize;
        Some(Self {
            zone: config.zone.clone()?,
            me,
            step_min: config.import_step,
            patience_min: config.import_patience,
            mates: BTreeMap::new(),
            far: Vec::new(),
            near: vec![0; pieces],
            rank: vec![0; pieces],
            open: vec![None; pieces],
            claims: BTreeMap::new(),
            own: BTreeSet::new(),
            usual: config.import_step,
            wake: Cell::new(None),
        })
    }

    /// A peer says where it is.
    pub(super) fn place(&mut self, connection: ConnectionId, peer: &mut Peer, now: Instant) {
        let near = peer.zone.as_ref() == Some(&self.zone);
        let known = if near { self.mates.contains_key(&connection) } else { self.far.contains(&connection) };
        if known {
            return;
        }
        self.leave(connection, &peer.has, now);
        if near {
            peer.side = Side::Near;
            let mate = Mate { peer_id: peer.peer_id, station: Station::Inland, overdue: Overdue::No, claims: 0 };
            self.mates.insert(connection, mate);
            self.count(&peer.has);
        } else {
            peer.side = Side::Far;
            self.far.push(connection);
            peer.has.iter().for_each(|piece| self.seen(piece, now));
        }
    }

    /// A peer is gone, with what it has.
    pub(super) fn leave(&mut self, connection: ConnectionId, has: &Bitfield, now: Instant) {
        self.far.retain(|far| *far != connection);
        self.stand(connection, Station::Inland);
        let Some(mate) = self.mates.remove(&connection) else { return };
        if mate.overdue == Overdue::No {
            self.discount(has, now);
        }
        let void: Vec<_> = self.claims.iter().filter(|(_, claim)| claim.by == connection).map(|(at, _)| *at).collect();
        for piece in void {
            self.claims.remove(&piece);
            self.reopen(piece, now);
        }
    }

    /// The rule for a peer across the border.
    pub(super) const fn abroad(&self, now: Instant) -> Abroad<'_> {
        Abroad { locality: self, now }
    }

    /// Where we are ourselves.
    pub(super) fn station(&self) -> Station {
        if self.far.is_empty() { Station::Inland } else { Station::Border }
    }

    /// The others of the zone.
    pub(super) fn mates(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        self.mates.keys().copied()
    }

    /// A mate can bring pieces in, or cannot any more.
    pub(super) fn stand(&mut self, connection: ConnectionId, station: Station) {
        let Some(mate) = self.mates.get_mut(&connection).filter(|mate| mate.station != station) else { return };
        mate.station = station;
        let (them, me) = (mate.peer_id, self.me);
        for (piece, rank) in (0..).map(PieceIndex).zip(&mut self.rank) {
            if goes_before(piece, them, me) {
                *rank = match station {
                    Station::Border => rank.saturating_add(1),
                    Station::Inland => rank.saturating_sub(1),
                };
            }
        }
    }

    /// A peer has one more piece.
    pub(super) fn gain(&mut self, connection: ConnectionId, piece: PieceIndex, now: Instant) {
        match self.mates.get_mut(&connection) {
            Some(mate) => {
                if mate.overdue == Overdue::No {
                    self.near[piece.as_usize()] += 1;
                }
                if let Some(claim) = self.claims.remove(&piece) {
                    self.release(claim);
                    self.usual = (self.usual * 7 + now.since(claim.at)) / 8;
                }
            }
            None => self.seen(piece, now),
        }
    }

    /// A mate owes blocks for too long, or sends after all.
    pub(super) fn heed(&mut self, connection: ConnectionId, overdue: Overdue, has: &Bitfield, now: Instant) {
        let Some(mate) = self.mates.get_mut(&connection).filter(|mate| mate.overdue != overdue) else { return };
        mate.overdue = overdue;
        match overdue {
            Overdue::Yes => self.discount(has, now),
            Overdue::No => self.count(has),
        }
    }

    /// A piece is here.
    pub(super) fn done(&mut self, piece: PieceIndex) {
        self.own.remove(&piece);
        if let Some(claim) = self.claims.remove(&piece) {
            self.release(claim);
        }
    }

    /// Whether a piece may be asked of a peer across the border now. `granted` is what that peer meant for us.
    pub(super) fn admits(&self, piece: PieceIndex, granted: &BTreeSet<PieceIndex>, now: Instant) -> bool {
        let at = piece.as_usize();
        if self.near[at] > 0 {
            return false;
        }
        let turn = self.step() * u32::from(self.rank[at]);
        let from = match self.claims.get(&piece) {
            None if self.own.contains(&piece) || granted.contains(&piece) => now,
            None => self.open[at].unwrap_or(now) + turn,
            Some(claim) => claim.at + self.patience() + turn,
        };
        if from > now {
            self.wake.set(Some(self.wake.get().map_or(from, |wake| wake.min(from))));
        }
        from <= now
    }

    /// We begin to bring a piece in; says whether the others have to hear of it.
    pub(super) fn claim(&mut self, piece: PieceIndex) -> bool {
        self.own.insert(piece)
    }

    /// A mate brings a piece in. Says whether we, who do so as well, are to stop.
    pub(super) fn claimed(&mut self, by: ConnectionId, piece: PieceIndex, now: Instant) -> bool {
        let Some(mate) = self.mates.get_mut(&by).filter(|mate| mate.claims < CLAIMS_MAX) else { return false };
        if self.near.get(piece.as_usize()).is_none_or(|near| *near > 0) {
            return false;
        }
        let yields = self.own.contains(&piece) && goes_before(piece, mate.peer_id, self.me);
        if self.own.contains(&piece) && !yields {
            return false;
        }
        mate.claims += 1;
        if let Some(before) = self.claims.insert(piece, Claim { by, at: now }) {
            self.release(before);
        }
        self.own.remove(&piece);
        yields
    }

    /// When a piece may be asked for that could not be when we last looked.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.wake.get()
    }

    /// We look again.
    pub(super) fn awake(&self, now: Instant) {
        if self.wake.get().is_some_and(|wake| wake <= now) {
            self.wake.set(None);
        }
    }

    fn step(&self) -> Duration {
        (self.usual / STEPS).max(self.step_min)
    }

    fn patience(&self) -> Duration {
        (self.usual * PATIENCE).max(self.patience_min)
    }

    fn seen(&mut self, piece: PieceIndex, now: Instant) {
        self.open[piece.as_usize()].get_or_insert(now);
    }

    fn reopen(&mut self, piece: PieceIndex, now: Instant) {
        if let Some(open) = &mut self.open[piece.as_usize()] {
            *open = now;
        }
    }

    fn count(&mut self, has: &Bitfield) {
        has.iter().for_each(|piece| self.near[piece.as_usize()] += 1);
    }

    fn discount(&mut self, has: &Bitfield, now: Instant) {
        for piece in has.iter() {
            let near = &mut self.near[piece.as_usize()];
            *near = near.saturating_sub(1);
            if *near == 0 {
                self.reopen(piece, now);
            }
        }
    }

    fn release(&mut self, claim: Claim) {
        if let Some(mate) = self.mates.get_mut(&claim.by) {
            mate.claims = mate.claims.saturating_sub(1);
        }
    }
}

/// Whether `one` is to bring a piece in rather than `other`: both see the same, and each is first for its share.
fn goes_before(piece: PieceIndex, one: PeerId, other: PeerId) -> bool {
    (weight(piece, one), one) > (weight(piece, other), other)
}

/// A number drawn from a piece and a peer (FNV-1a, stirred).
fn weight(piece: PieceIndex, peer: PeerId) -> u64 {
    let bytes = piece.0.to_be_bytes().into_iter().chain(peer.as_bytes().iter().copied());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
