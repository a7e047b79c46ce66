//! Pieces: blocks received and missing of each piece under way, and who sent what.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::ConnectionId;
use super::blame::Provenance;
use crate::base::{BLOCK_LENGTH, Bitfield, Block, ByteCount, Instant, Layout, PeerId, PieceIndex};

/// Somebody who sent a block: remembered beyond its connection, to be blamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sender {
    pub(super) connection: ConnectionId,
    pub(super) peer_id: PeerId,
    pub(super) address: SocketAddr,
}

/// Who may send a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Anybody, each some of its blocks.
    Any,
    /// One peer alone, whoever is asked first: it was corrupt when several had sent it.
    Single,
    /// This one alone.
    Only(ConnectionId),
}

/// What became of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Receipt {
    /// It was missing.
    Stored {
        /// Whether it was the last one of its piece.
        whole: bool,
    },
    /// It was there, or is not wanted from this peer.
    Unwanted,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    received: bool,
    /// Who sent it, as a place in the piece's senders, once it is received.
    from: u32,
    /// Requests that are out, overdue ones included.
    copies: u8,
    /// Requests that are out and not overdue.
    live: u8,
    asked_at: Instant,
}

#[derive(Debug)]
struct UnderWay {
    slots: Vec<Slot>,
    /// No slot before this one is unasked.
    hint: usize,
    missing: u32,
    unasked: u32,
    source: Source,
    senders: Vec<Sender>,
}

/// The pieces under way.
#[derive(Debug)]
pub(super) struct Pieces {
    layout: Layout,
    under_way: BTreeMap<PieceIndex, UnderWay>,
}

impl Pieces {
    pub(super) const fn new(layout: Layout) -> Self {
        Self { layout, under_way: BTreeMap::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.under_way.len()
    }

    pub(super) fn contains(&self, piece: PieceIndex) -> bool {
        self.under_way.contains_key(&piece)
    }

    /// Begins a piece.
    pub(super) fn start(&mut self, piece: PieceIndex) {
        let blank = Slot { received: false, from: 0, copies: 0, live: 0, asked_at: Instant::ZERO };
        let count = self.layout.block_count(piece);
        let slots = vec![blank; count as usize];
        let fresh =
            UnderWay { slots, hint: 0, missing: count, unasked: count, source: Source::Any, senders: Vec::new() };
        self.under_way.entry(piece).or_insert(fresh);
    }

    /// Begins a piece whose bytes are all there, and not from the swarm.
    pub(super) fn start_whole(&mut self, piece: PieceIndex) {
        self.start(piece);
        if let Some(way) = self.under_way.get_mut(&piece) {
            way.slots.iter_mut().for_each(|slot| slot.received = true);
            (way.missing, way.unasked) = (0, 0);
        }
    }

    /// Whether every block of a piece is there, and its hash is awaited.
    pub(super) fn is_whole(&self, piece: PieceIndex) -> bool {
        self.under_way.get(&piece).is_some_and(|way| way.missing == 0)
    }

    /// Forgets a piece: it is verified, or came from elsewhere.
    pub(super) fn remove(&mut self, piece: PieceIndex) {
        self.under_way.remove(&piece);
    }

    /// The pieces with blocks that nobody is asked for and that this peer may send.
    pub(super) fn unasked(&self, by: ConnectionId) -> impl Iterator<Item = PieceIndex> + '_ {
        self.under_way.iter().filter(move |(_, way)| way.unasked > 0 && way.accepts(by)).map(|(piece, _)| *piece)
    }

    /// Whether some block is asked of nobody.
    pub(super) fn any_unasked(&self) -> bool {
        self.under_way.values().any(|way| way.unasked > 0)
    }

    /// The first block of `piece` that nobody is asked for, if this peer may send it.
    pub(super) fn next_unasked(&mut self, piece: PieceIndex, by: ConnectionId) -> Option<Block> {
        let way = self.under_way.get_mut(&piece).filter(|way| way.unasked > 0 && way.accepts(by))?;
        let at = way.hint + way.slots[way.hint..].iter().position(Slot::is_unasked)?;
        way.hint = at;
        self.layout.block(piece, at as u32)
    }

    /// The block that has been asked for longest, at least `age` ago and fewer than `copies_max` times, out of the
    /// pieces this peer has, but not of this peer.
    pub(super) fn overdue(
        &self,
        has: &Bitfield,
        by: ConnectionId,
        (now, age, copies_max): (Instant, Duration, u8),
        is_asked: impl Fn(Block) -> bool,
    ) -> Option<Block> {
        let ways = self.under_way.iter().filter(|(piece, way)| has.contains(**piece) && way.accepts(by));
        let slots =
            ways.flat_map(|(piece, way)| way.slots.iter().enumerate().map(move |(at, slot)| (*piece, at, slot)));
        let late = slots.filter(|(_, _, slot)| {
            !slot.received && slot.copies > 0 && slot.copies < copies_max && now.since(slot.asked_at) >= age
        });
        let blocks = late.filter_map(|(piece, at, slot)| Some((slot.asked_at, self.layout.block(piece, at as u32)?)));
        blocks.filter(|(_, block)| !is_asked(*block)).min_by_key(|(asked_at, _)| *asked_at).map(|(_, block)| block)
    }

    /// A request went out.
    pub(super) fn ask(&mut self, block: Block, by: ConnectionId, now: Instant) {
        let Some((way, at)) = self.slot(block) else { return };
        way.claim(by);
        let slot = &mut way.slots[at];
        way.unasked -= u32::from(slot.is_unasked());
        slot.copies = slot.copies.saturating_add(1);
        slot.live = slot.live.saturating_add(1);
        slot.asked_at = now;
    }

    /// A request is overdue: others may be asked.
    pub(super) fn expire(&mut self, block: Block, by: ConnectionId) {
        if let Some((way, at)) = self.slot(block) {
            way.end_live(at);
            way.forsake(by);
        }
    }

    /// An overdue request counts again: its peer sends after all.
    pub(super) fn revive(&mut self, block: Block) {
        if let Some((way, at)) = self.slot(block) {
            let slot = &mut way.slots[at];
            way.unasked -= u32::from(slot.is_unasked());
            slot.live = slot.live.saturating_add(1);
        }
    }

    /// A request ended without the block. Says whether nothing of the piece is left, so that it is as if never begun.
    pub(super) fn release(&mut self, block: Block, by: ConnectionId, overdue: Overdue) -> bool {
        let Some((way, at)) = self.slot(block) else { return false };
        if overdue == Overdue::No {
            way.end_live(at);
        }
        way.slots[at].copies = way.slots[at].copies.saturating_sub(1);
        way.forsake(by);
        let untouched = way.source == Source::Any && way.slots.iter().all(|slot| !slot.received && slot.copies == 0);
        if untouched {
            self.remove(block.piece);
        }
        untouched
    }

    /// A block has come. Its request has not been released.
    pub(super) fn receive(&mut self, block: Block, sender: Sender) -> Receipt {
        let Some((way, at)) = self.slot(block) else { return Receipt::Unwanted };
        if way.slots[at].received || !way.accepts(sender.connection) {
            return Receipt::Unwanted;
        }
        way.claim(sender.connection);
        let slot = &mut way.slots[at];
        way.unasked -= u32::from(slot.is_unasked());
        slot.received = true;
        slot.from = place_of(sender, &mut way.senders);
        way.missing -= 1;
        Receipt::Stored { whole: way.missing == 0 }
    }

    /// A request ended with the block, from this peer or another.
    pub(super) fn settle(&mut self, block: Block, overdue: Overdue) {
        if let Some((way, at)) = self.slot(block) {
            if overdue == Overdue::No {
                way.end_live(at);
            }
            way.slots[at].copies = way.slots[at].copies.saturating_sub(1);
        }
    }

    /// Requests for a block that are out.
    pub(super) fn copies(&mut self, block: Block) -> u8 {
        self.slot(block).map_or(0, |(way, at)| way.slots[at].copies)
    }

    /// A peer is gone: pieces that it alone was to send come from another one alone.
    pub(super) fn forsake(&mut self, by: ConnectionId) {
        self.under_way.values_mut().for_each(|way| way.forsake(by));
    }

    /// The piece is corrupt: all of it is missing again, and one peer alone may send it. Returns who had sent it.
    pub(super) fn reset(&mut self, piece: PieceIndex) -> Option<Provenance> {
        let way = self.under_way.get_mut(&piece)?;
        let provenance = way.provenance();
        way.clear();
        way.senders.clear();
        way.source = Source::Single;
        Some(provenance)
    }

    /// What liars sent of a piece is missing again. Returns how many had sent it, and how much is missing now.
    pub(super) fn retract(&mut self, piece: PieceIndex, lied: impl Fn(PeerId) -> bool) -> (usize, ByteCount) {
        let Some(way) = self.under_way.get_mut(&piece) else { return (0, ByteCount(0)) };
        let senders = way.provenance().senders.len();
        let blocks = way.retract(lied).into_iter().filter_map(|at| self.layout.block(piece, at as u32));
        (senders, ByteCount(blocks.map(|block| u64::from(block.length)).sum()))
    }

    /// What a liar sent is missing again, but for pieces that are whole, whose hash will tell. Returns how much that is.
    pub(super) fn distrust(&mut self, liar: PeerId) -> ByteCount {
        let part = self.under_way.iter().filter(|(_, way)| way.missing > 0);
        let pieces: Vec<_> = part.map(|(piece, _)| *piece).collect();
        pieces.into_iter().map(|piece| self.retract(piece, |peer_id| peer_id == liar).1).sum()
    }

    fn slot(&mut self, block: Block) -> Option<(&mut UnderWay, usize)> {
        let at = (block.begin / BLOCK_LENGTH) as usize;
        self.under_way.get_mut(&block.piece).filter(|way| at < way.slots.len()).map(|way| (way, at))
    }
}

/// Whether a request had expired before it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// It had.
    Yes,
    /// It had not.
    No,
}

impl Slot {
    const fn is_unasked(&self) -> bool {
        !self.received && self.live == 0
    }
}

impl UnderWay {
    fn claim(&mut self, by: ConnectionId) {
        if self.source == Source::Single {
            self.source = Source::Only(by);
        }
    }

    fn accepts(&self, from: ConnectionId) -> bool {
        match self.source {
            Source::Any | Source::Single => true,
            Source::Only(only) => only == from,
        }
    }

    fn end_live(&mut self, at: usize) {
        let slot = &mut self.slots[at];
        let was_unasked = slot.is_unasked();
        slot.live = slot.live.saturating_sub(1);
        if slot.is_unasked() && !was_unasked {
            self.unasked += 1;
            self.hint = self.hint.min(at);
        }
    }

    /// The only source does not send: what it sent so far is worth nothing, another one sends all of it.
    fn forsake(&mut self, by: ConnectionId) {
        if self.source == Source::Only(by) && self.missing > 0 {
            self.clear();
            self.senders.clear();
            self.source = Source::Single;
        }
    }

    /// Who sent what is here. Bytes that came from elsewhere than the swarm have no sender.
    fn provenance(&self) -> Provenance {
        let mut senders = Vec::new();
        let sent = self.slots.iter().filter_map(|slot| self.senders.get(slot.from as usize).filter(|_| slot.received));
        let blocks = sent.map(|sender| place_of(*sender, &mut senders)).collect();
        Provenance { senders, blocks }
    }

    /// Makes blocks of liars missing again, and returns their places.
    fn retract(&mut self, lied: impl Fn(PeerId) -> bool) -> Vec<usize> {
        let sent_by_liar = |slot: &Slot| {
            slot.received && self.senders.get(slot.from as usize).is_some_and(|sender| lied(sender.peer_id))
        };
        let places: Vec<usize> = (0..self.slots.len()).filter(|at| sent_by_liar(&self.slots[*at])).collect();
        for at in &places {
            self.slots[*at].received = false;
            self.missing += 1;
            self.unasked += u32::from(self.slots[*at].is_unasked());
            self.hint = self.hint.min(*at);
        }
        if let (Source::Only(_), false) = (self.source, places.is_empty()) {
            self.source = Source::Single;
        }
        places
    }

    fn clear(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.received = false);
        self.missing = self.slots.len() as u32;
        self.unasked = self.slots.iter().filter(|slot| slot.is_unasked()).count() as u32;
        self.hint = 0;
    }
}

/// The place of a sender among all, which it is given if it has none.
fn place_of(sender: Sender, senders: &mut Vec<Sender>) -> u32 {
    let place = senders.iter().position(|known| *known == sender).unwrap_or_else(|| {
        senders.push(sender);
        senders.len() - 1
    });
    place as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: PieceIndex = PieceIndex(0);
    const NOW: Instant = Instant::ZERO;

    fn sender(id: u64) -> Sender {
        let address = SocketAddr::from(([10, 0, 0, 1], 6881));
        Sender { connection: ConnectionId(id), peer_id: PeerId::new([id as u8; 20]), address }
    }

    /// One piece of three blocks, begun.
    fn begun() -> (Pieces, Vec<Block>) {
        let layout = Layout::new(3 * u64::from(BLOCK_LENGTH), 3 * BLOCK_LENGTH).unwrap();
        let mut pieces = Pieces::new(layout);
        pieces.start(PIECE);
        (pieces, layout.blocks(PIECE).collect())
    }

    fn fetch(pieces: &mut Pieces, block: Block, from: u64) -> Receipt {
        pieces.ask(block, ConnectionId(from), NOW);
        let receipt = pieces.receive(block, sender(from));
        pieces.settle(block, Overdue::No);
        receipt
    }

    #[test]
    fn who_sent_a_corrupt_piece_is_known_and_one_alone_sends_it_again() {
        let (mut pieces, blocks) = begun();
        for (block, from) in blocks.iter().zip([1, 2, 1]) {
            fetch(&mut pieces, *block, from);
        }
        assert!(pieces.is_whole(PIECE));
        let provenance = Provenance { senders: vec![sender(1), sender(2)], blocks: vec![0, 1, 0] };
        assert_eq!(pieces.reset(PIECE), Some(provenance));
        fetch(&mut pieces, blocks[0], 3);
        assert_eq!(pieces.next_unasked(PIECE, ConnectionId(1)), None);
        assert_eq!(pieces.next_unasked(PIECE, ConnectionId(3)), Some(blocks[1]));
    }

    #[test]
    fn when_the_only_source_is_gone_another_one_sends_all_of_it() {
        let (mut pieces, blocks) = begun();
        for block in &blocks {
            fetch(&mut pieces, *block, 1);
        }
        pieces.reset(PIECE);
        fetch(&mut pieces, blocks[0], 2);
        pieces.forsake(ConnectionId(2));
        assert_eq!(pieces.next_unasked(PIECE, ConnectionId(3)), Some(blocks[0]));
        for block in &blocks {
            fetch(&mut pieces, *block, 3);
        }
        assert!(pieces.is_whole(PIECE));
        assert_eq!(pieces.reset(PIECE).unwrap().senders, [sender(3)]);
    }

    #[test]
    fn what_a_liar_sent_is_asked_of_others_and_the_rest_is_kept() {
        let (mut pieces, blocks) = begun();
        fetch(&mut pieces, blocks[0], 1);
        fetch(&mut pieces, blocks[1], 2);
        assert_eq!(pieces.distrust(PeerId::new([2; 20])), ByteCount(u64::from(BLOCK_LENGTH)));
        assert_eq!(pieces.next_unasked(PIECE, ConnectionId(1)), Some(blocks[1]));
        fetch(&mut pieces, blocks[1], 1);
        fetch(&mut pieces, blocks[2], 2);
        assert_eq!(pieces.distrust(PeerId::new([2; 20])), ByteCount(0), "a whole piece is left to its hash");
        assert_eq!(pieces.retract(PIECE, |peer| peer == PeerId::new([2; 20])), (2, ByteCount(u64::from(BLOCK_LENGTH))));
        fetch(&mut pieces, blocks[2], 1);
        assert_eq!(pieces.reset(PIECE), Some(Provenance { senders: vec![sender(1)], blocks: vec![0, 0, 0] }));
    }

    #[test]
    fn an_overdue_block_may_be_asked_of_others_and_counts_again_when_its_peer_wakes() {
        let (mut pieces, blocks) = begun();
        pieces.ask(blocks[0], ConnectionId(1), NOW);
        assert_eq!(pieces.next_unasked(PIECE, ConnectionId(2)), Some(blocks[1]));
        pieces.expire(blocks[0], ConnectionId(1));
        assert_eq!(pieces.next_unasked(PIECE, ConnectionId(2)), Some(blocks[0]));
        pieces.revive(blocks[0]);
        assert_eq!(pieces.next_unasked(PIECE, ConnectionId(2)), Some(blocks[1]));
    }

    #[test]
    fn a_piece_whose_only_source_lied_and_is_gone_comes_from_another() {
        let (mut pieces, blocks) = begun();
        for block in &blocks {
            fetch(&mut pieces, *block, 1);
        }
        pieces.reset(PIECE);
        for block in &blocks {
            fetch(&mut pieces, *block, 1);
        }
        pieces.forsake(ConnectionId(1));
        pieces.retract(PIECE, |_| true);
        assert_eq!(pieces.next_unasked(PIECE, ConnectionId(2)), Some(blocks[0]));
    }

    #[test]
    fn a_piece_nothing_came_of_is_as_if_never_begun() {
        let (mut pieces, blocks) = begun();
        pieces.ask(blocks[0], ConnectionId(1), NOW);
        assert!(pieces.release(blocks[0], ConnectionId(1), Overdue::No));
        assert!(!pieces.contains(PIECE));
    }
}
