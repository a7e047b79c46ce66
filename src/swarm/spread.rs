//! Spread: how a host that alone has pieces gives each away once before it gives any twice (super-seeding, BEP 16).

use std::time::Duration;

use super::machine::PayloadOrigin;
use super::peer::Serving;
use super::{ConnectionId, Swarm};
use crate::base::{Bitfield, Instant, PieceIndex};
use crate::wire::Message;

/// Pieces a peer is shown before those it was shown are out, at least: one is sent, one is asked for.
const OPEN_MIN: usize = 2;

/// A peer that took nothing for this long although it was shown something is shown no more, and does not count.
const SHOWN_PATIENCE: Duration = Duration::from_secs(1);

/// Which pieces were given out, and which nobody else has.
#[derive(Debug)]
pub(super) struct Spread {
    given: Vec<u32>,
    /// Pieces that are here and were shown to nobody, and that no connected peer has.
    fresh: Bitfield,
    next: usize,
    /// The least time in which a peer asked for what it was shown: there and back.
    soonest: Option<Duration>,
}

/// What a peer is shown of a host that has more.
#[derive(Debug)]
pub(super) struct Veil {
    shown: Bitfield,
    /// Shown, and not out yet.
    open: Vec<PieceIndex>,
    /// How many it was shown.
    count: u32,
    /// When it was last shown a piece.
    at: Instant,
}

impl Spread {
    /// Nothing is given yet; nobody else is known to have what is here.
    pub(super) fn new(have: &Bitfield) -> Self {
        Self { given: vec![0; have.capacity() as usize], fresh: have.clone(), next: 0, soonest: None }
    }

    /// A piece is being sent to one more peer.
    pub(super) fn give(&mut self, piece: PieceIndex) {
        self.given[piece.as_usize()] = self.given[piece.as_usize()].saturating_add(1);
    }

    /// How many peers a piece was sent to.
    pub(super) fn given(&self, piece: PieceIndex) -> u32 {
        self.given[piece.as_usize()]
    }

    /// A piece is here, and nowhere else that we know of.
    pub(super) fn freshen(&mut self, piece: PieceIndex) {
        self.fresh.insert(piece);
    }

    /// Somebody else has a piece, or is about to.
    pub(super) fn stale(&mut self, piece: PieceIndex) {
        self.fresh.remove(piece);
    }

    /// A peer asked for a piece that it was shown so long ago.
    pub(super) fn heeded(&mut self, after: Duration) {
        self.soonest = Some(self.soonest.map_or(after, |soonest| soonest.min(after)));
    }

    /// How long what is shown and not out should last: `base`, and as long as it takes to be asked for, twice, so that
    /// peers that are far away still ask for more and more.
    fn span(&self, base: Duration) -> Duration {
        base.saturating_add(self.soonest.unwrap_or_default().saturating_mul(2))
    }

    fn next_fresh(&mut self, order: &[u32]) -> Option<PieceIndex> {
        if self.fresh.is_empty() {
            return None;
        }
        let turn = (0..order.len()).map(|step| (self.next + step) % order.len());
        let at = turn.into_iter().find(|at| self.fresh.contains(PieceIndex(order[*at])))?;
        self.next = at;
        Some(PieceIndex(order[at]))
    }
}

impl Veil {
    /// For a peer that knows of these pieces.
    pub(super) const fn new(shown: Bitfield) -> Self {
        Self { shown, open: Vec::new(), count: 0, at: Instant::ZERO }
    }

    /// Whether a piece may be asked for.
    pub(super) fn shows(&self, piece: PieceIndex) -> bool {
        self.shown.contains(piece)
    }

    /// When a piece was shown, if it was the last one and is not out yet.
    pub(super) fn shown_at(&self, piece: PieceIndex) -> Option<Instant> {
        self.open.last().filter(|last| **last == piece).map(|_| self.at)
    }

    fn show(&mut self, piece: PieceIndex, now: Instant) {
        self.shown.insert(piece);
        self.open.push(piece);
        self.count += 1;
        self.at = now;
    }

    fn close(&mut self, piece: PieceIndex) {
        self.open.retain(|open| *open != piece);
    }
}

impl Serving {
    /// What the peer is shown, if it takes what it is shown, or has not had the time to yet: those who do not must not
    /// keep others from seeing anything.
    fn attentive_veil(&self, now: Instant) -> Option<&Veil> {
        let veil = self.veil.as_ref()?;
        let waited = now.since(self.taken_at.max(veil.at));
        (veil.open.is_empty() || waited < SHOWN_PATIENCE).then_some(veil)
    }
}

impl Swarm {
    /// Whether peers are shown pieces one by one: as long as there are some that nobody else has, or more are to come.
    pub(super) fn is_veiled(&self) -> bool {
        self.origin == PayloadOrigin::Elsewhere && !(self.spread.fresh.is_empty() && self.have.is_full())
    }

    /// The payload begins to come by another way than the swarm: from now on peers are shown it piece by piece. What is here
    /// already they know of, if there are any.
    pub(super) fn veil(&mut self) {
        self.origin = PayloadOrigin::Elsewhere;
        if !self.peers.is_empty() {
            self.spread.fresh = Bitfield::empty(self.have.capacity());
        }
        for peer in self.peers.values_mut() {
            peer.serving.veil = Some(Veil::new(self.have.clone()));
        }
    }

    /// A piece that was shown has left, or need not.
    pub(super) fn shown_piece_is_out(&mut self, now: Instant, connection: ConnectionId, piece: PieceIndex) {
        let Some(veil) = self.peers.get_mut(&connection).and_then(|peer| peer.serving.veil.as_mut()) else { return };
        veil.close(piece);
        self.show(now);
    }

    /// A peer is gone: what it alone had, or was to have, is to be shown to another.
    pub(super) fn reclaim(&mut self, veil: &Veil, has: &Bitfield) {
        let lost =
            |piece: &PieceIndex| self.picker.availability(*piece) == 0 && (veil.shows(*piece) || has.contains(*piece));
        for piece in self.have.iter().filter(lost) {
            self.spread.freshen(piece);
        }
    }

    /// Shows peers one fresh piece after the other, each to one of them; and everything when there is no fresh one.
    pub(super) fn show(&mut self, now: Instant) {
        if self.peers.values().all(|peer| peer.serving.veil.is_none()) {
            return;
        }
        let attentive = self.peers.values().filter_map(|peer| peer.serving.attentive_veil(now));
        let (count, open) = attentive.fold((0, 0), |(count, open), veil| (count + 1, open + veil.open.len()));
        let window = self.window();
        let share = window.div_ceil(count.max(1)).max(OPEN_MIN);
        for _ in open..window {
            let Some(piece) = self.spread.next_fresh(self.picker.order()) else {
                if !self.is_veiled() {
                    self.unveil(now);
                }
                return;
            };
            let Some(connection) = self.audience(now, piece, share) else { return };
            self.spread.stale(piece);
            if let Some(veil) = self.peers.get_mut(&connection).and_then(|peer| peer.serving.veil.as_mut()) {
                veil.show(piece, now);
            }
            if self.peers.get(&connection).is_some_and(|peer| peer.fast && peer.zone.is_some()) {
                // It is meant for this peer, whoever's turn it is in its zone.
                self.tell(now, connection, Message::Suggest(piece));
            }
            self.tell(now, connection, Message::Have(piece));
        }
    }

    /// Pieces to have shown and not out.
    fn window(&self) -> usize {
        let span = u64::try_from(self.spread.span(self.config.first_copies_span).as_micros()).unwrap_or(u64::MAX);
        let worth = self.rates().1.0.saturating_mul(span) / 1_000_000 / u64::from(self.layout.nominal_piece_length());
        usize::try_from(worth).unwrap_or(usize::MAX).max(self.config.first_copies)
    }

    /// The peer to show a piece to: the one that waits for the fewest, and has not been shown any for longest. In zones those
    /// that were shown the most come last: who brings more into a zone than the others gives more, gets less of them, and so
    /// has the more room for what it is shown.
    fn audience(&self, now: Instant, piece: PieceIndex, share: usize) -> Option<ConnectionId> {
        let most = self.peers.values().filter_map(|peer| peer.serving.veil.as_ref()).map(|veil| veil.count).max()?;
        let able = self.peers.iter().filter_map(|(connection, peer)| {
            let veil = peer.serving.attentive_veil(now).filter(|veil| veil.open.len() < share)?;
            let leads = peer.zone.is_some() && veil.count == most;
            (!peer.has.contains(piece)).then_some((leads, veil.open.len(), veil.at, *connection))
        });
        able.min().map(|(.., connection)| connection)
    }

    /// Shows everybody everything: what is still missing may be had here as well as elsewhere.
    fn unveil(&mut self, now: Instant) {
        let connections: Vec<_> = self.peers.keys().copied().collect();
        for connection in connections {
            let Some(peer) = self.peers.get_mut(&connection) else { continue };
            let Some(veil) = peer.serving.veil.take() else { continue };
            let lacks = |piece: &PieceIndex| !veil.shows(*piece) && !peer.has.contains(*piece);
            peer.serving.unsaid = self.have.iter().filter(lacks).collect();
            self.tell_haves(now, connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_shown_at_once_to_peers_that_are_far_away() {
        let mut spread = Spread::new(&Bitfield::full(8));
        let base = Duration::from_millis(200);
        assert_eq!(spread.span(base), base);
        for millis in [300, 120, 450] {
            spread.heeded(Duration::from_millis(millis));
        }
        assert_eq!(spread.span(base), Duration::from_millis(200 + 2 * 120));
    }
}
