//! How many copies of each piece are up.

use crate::base::{Bitfield, PieceIndex};

/// Copies of every piece among the agents in the swarm, with the rarest at hand.
#[derive(Debug, Clone, Default)]
pub(super) struct Availability {
    copies: Vec<u32>,
    /// How many pieces have that many copies.
    pieces_with: Vec<u32>,
    rarest: usize,
}

impl Availability {
    /// No copy of any piece.
    pub(super) fn of(pieces: u32) -> Self {
        Self { copies: vec![0; pieces as usize], pieces_with: vec![pieces], rarest: 0 }
    }

    /// Copies of one piece.
    pub(super) fn copies(&self, piece: PieceIndex) -> u32 {
        self.copies.get(piece.as_usize()).copied().unwrap_or_default()
    }

    /// Copies of the rarest piece.
    pub(super) fn rarest(&self) -> u32 {
        self.rarest as u32
    }

    /// How many pieces have a copy at all.
    pub(super) fn covered(&self) -> u32 {
        self.copies.len() as u32 - self.pieces_with.first().copied().unwrap_or_default()
    }

    /// One copy more.
    pub(super) fn add(&mut self, piece: PieceIndex) {
        let Some(copies) = self.copies.get_mut(piece.as_usize()) else { return };
        let before = *copies as usize;
        *copies += 1;
        self.pieces_with[before] -= 1;
        if self.pieces_with.len() == before + 1 {
            self.pieces_with.push(0);
        }
        self.pieces_with[before + 1] += 1;
        if before == self.rarest && self.pieces_with[before] == 0 {
            self.rarest += 1;
        }
    }

    /// One copy more of every piece in `pieces`.
    pub(super) fn add_all(&mut self, pieces: &Bitfield) {
        pieces.iter().for_each(|piece| self.add(piece));
    }

    /// One copy less of every piece in `pieces`.
    pub(super) fn remove_all(&mut self, pieces: &Bitfield) {
        for piece in pieces.iter() {
            let Some(copies) = self.copies.get_mut(piece.as_usize()).filter(|copies| **copies > 0) else { continue };
            *copies -= 1;
            let after = *copies as usize;
            self.pieces_with[after + 1] -= 1;
            self.pieces_with[after] += 1;
            self.rarest = self.rarest.min(after);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rarest_piece_is_known_after_every_change() {
        let mut availability = Availability::of(5);
        let mut random = fastrand::Rng::with_seed(7);
        let mut held: Vec<Bitfield> = Vec::new();
        for _ in 0..300 {
            if held.len() > 6 || (random.bool() && !held.is_empty()) {
                availability.remove_all(&held.swap_remove(random.usize(..held.len())));
            } else {
                let mut pieces = Bitfield::empty(5);
                (0..5).filter(|_| random.u8(..) > 40).for_each(|piece| {
                    pieces.insert(PieceIndex(piece));
                });
                availability.add_all(&pieces);
                held.push(pieces);
            }
            let copies = |piece| held.iter().filter(|pieces| pieces.contains(PieceIndex(piece))).count() as u32;
            assert_eq!(availability.rarest(), (0..5).map(copies).min().unwrap());
            assert_eq!(availability.covered(), (0..5).filter(|piece| copies(*piece) > 0).count() as u32);
        }
    }
}
