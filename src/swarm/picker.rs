//! Picker: which piece next.
//!
//! The checklist, in this order:
//!
//! 1. Never a piece we have, one the peer lacks, or one whose blocks are all asked for already (endgame is another
//!    question: [`super::pieces::Pieces::overdue`]). While the peer chokes, only what it allows (BEP 6). Of a peer in
//!    another zone, only what it is our turn to bring in ([`super::locality`]).
//! 2. A piece that was corrupt when several peers had sent it comes from one peer alone.
//! 3. The piece this peer is being asked for already: pieces from one source are whole sooner, and one can be blamed.
//! 4. When too many pieces are under way, one of these.
//! 5. The rarest among connected peers, so that the seeder is asked for what only it has.
//! 6. What the peer suggests: a seeder suggests something different to everybody, so that the first copies of all pieces
//!    are out soonest.
//! 7. One under way before a new one.
//! 8. By an order of its own on each host, drawn once: hosts that know the same choose differently.

use std::collections::BTreeSet;

use super::ConnectionId;
use super::locality::Abroad;
use super::pieces::Pieces;
use crate::base::{Bitfield, PieceIndex};

/// Who would be asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker<'a> {
    /// Its connection.
    pub(super) connection: ConnectionId,
    /// What it has.
    pub(super) has: &'a Bitfield,
    /// What it may be asked for out of that: everything, or these while it chokes.
    pub(super) allowed: Option<&'a BTreeSet<PieceIndex>>,
    /// What it would like to be asked for.
    pub(super) suggested: &'a BTreeSet<PieceIndex>,
    /// What it is being asked for.
    pub(super) current: Option<PieceIndex>,
    /// What may be asked of it although it is in another zone; `None` when that does not matter.
    pub(super) abroad: Option<Abroad<'a>>,
}

/// How rare each piece is, and which are here or under way.
#[derive(Debug)]
pub(super) struct Picker {
    availability: Vec<u32>,
    ties: Vec<u32>,
    closed: Bitfield,
}

impl Picker {
    /// Starts with nothing under way.
    pub(super) fn new(have: &Bitfield, rng: &mut fastrand::Rng) -> Self {
        let mut ties: Vec<u32> = (0..have.capacity()).collect();
        rng.shuffle(&mut ties);
        Self { availability: vec![0; have.capacity() as usize], ties, closed: have.clone() }
    }

    /// The pieces in this host's own order.
    pub(super) fn order(&self) -> &[u32] {
        &self.ties
    }

    /// A connected peer has one more piece.
    pub(super) fn gain(&mut self, piece: PieceIndex) {
        if let Some(count) = self.availability.get_mut(piece.as_usize()) {
            *count += 1;
        }
    }

    /// A peer is gone, and what it has with it.
    pub(super) fn lose_all(&mut self, has: &Bitfield) {
        for piece in has.iter() {
            let count = &mut self.availability[piece.as_usize()];
            *count = count.saturating_sub(1);
        }
    }

    /// Connected peers that have a piece.
    pub(super) fn availability(&self, piece: PieceIndex) -> u32 {
        self.availability.get(piece.as_usize()).copied().unwrap_or(0)
    }

    /// Copies of the rarest piece among connected peers.
    pub(super) fn rarest(&self) -> u32 {
        self.availability.iter().copied().min().unwrap_or(0)
    }

    /// A piece is under way, or here.
    pub(super) fn close(&mut self, piece: PieceIndex) {
        self.closed.insert(piece);
    }

    /// A piece is neither here nor under way any more.
    pub(super) fn reopen(&mut self, piece: PieceIndex) {
        self.closed.remove(piece);
    }

    /// Whether there is anything that could be begun.
    pub(super) fn any_open(&self) -> bool {
        !self.closed.is_full()
    }

    /// The piece to ask this peer for; it may be one that is not under way yet, unless `under_way_max` are.
    pub(super) fn pick(&self, pieces: &Pieces, asker: Asker<'_>, under_way_max: usize) -> Option<PieceIndex> {
        let may = |piece: PieceIndex| {
            asker.has.contains(piece)
                && asker.allowed.is_none_or(|allowed| allowed.contains(&piece))
                && asker.abroad.is_none_or(|abroad| abroad.admits(piece, asker.suggested))
        };
        let begun = || pieces.unasked(asker.connection).filter(|piece| may(*piece));
        if let Some(current) = asker.current.filter(|current| begun().any(|piece| piece == *current)) {
            return Some(current);
        }
        let rank = |piece: PieceIndex, new: u8| {
            let unsuggested = u8::from(!asker.suggested.contains(&piece));
            (self.availability[piece.as_usize()], unsuggested, new, self.ties[piece.as_usize()])
        };
        let best_begun = begun().map(|piece| (rank(piece, 0), piece)).min();
        if pieces.len() >= under_way_max && best_begun.is_some() {
            return best_begun.map(|(_, piece)| piece);
        }
        let new = self.closed.lacks_of(asker.has).filter(|piece| may(*piece));
        let best_new = new.map(|piece| (rank(piece, 1), piece)).min();
        best_begun.into_iter().chain(best_new).min().map(|(_, piece)| piece)
    }
}
