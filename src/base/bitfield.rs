//! Which pieces: one bit a piece, in BEP 3 order.

use super::PieceIndex;

/// Why bytes are not a bitfield of that many pieces (BEP 3 closes the connection on either).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BitfieldError {
    /// Too many or too few bytes.
    #[error("{found} bytes for {pieces} pieces")]
    Length {
        /// Bytes received.
        found: usize,
        /// Pieces of the torrent.
        pieces: u32,
    },
    /// A bit past the last piece is set.
    #[error("a spare bit is set")]
    SpareBit,
}

/// A set of pieces: the first is the high bit of the first byte (BEP 3).
#[derive(Clone, PartialEq, Eq)]
pub struct Bitfield {
    bytes: Vec<u8>,
    pieces: u32,
    count: u32,
}

impl Bitfield {
    /// No piece out of `pieces`.
    pub fn empty(pieces: u32) -> Self {
        Self { bytes: vec![0; (pieces as usize).div_ceil(8)], pieces, count: 0 }
    }

    /// Every piece out of `pieces`.
    pub fn full(pieces: u32) -> Self {
        let mut full = Self { bytes: vec![0xff; (pieces as usize).div_ceil(8)], pieces, count: pieces };
        let spare = full.bytes.len() * 8 - pieces as usize;
        if let Some(last) = full.bytes.last_mut() {
            *last <<= spare;
        }
        full
    }

    /// Takes a `bitfield` message's payload.
    pub fn from_bytes(bytes: &[u8], pieces: u32) -> Result<Self, BitfieldError> {
        if bytes.len() != (pieces as usize).div_ceil(8) {
            return Err(BitfieldError::Length { found: bytes.len(), pieces });
        }
        let spare = bytes.len() * 8 - pieces as usize;
        if bytes.last().is_some_and(|last| last & !(0xff_u8.checked_shl(spare as u32).unwrap_or(0)) != 0) {
            return Err(BitfieldError::SpareBit);
        }
        let count = bytes.iter().map(|byte| byte.count_ones()).sum();
        Ok(Self { bytes: bytes.to_vec(), pieces, count })
    }

    /// The payload of a `bitfield` message.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many pieces there could be.
    pub const fn capacity(&self) -> u32 {
        self.pieces
    }

    /// How many pieces are in the set.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Whether no piece is in the set.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether every piece is in the set.
    pub const fn is_full(&self) -> bool {
        self.count == self.pieces
    }

    /// Whether `piece` is in the set; no piece past the last one is.
    pub fn contains(&self, piece: PieceIndex) -> bool {
        piece.0 < self.pieces && self.bytes[piece.as_usize() / 8] & mask(piece) != 0
    }

    /// Adds `piece`; says whether it is new. A piece past the last one is not taken.
    pub fn insert(&mut self, piece: PieceIndex) -> bool {
        let new = piece.0 < self.pieces && !self.contains(piece);
        if new {
            self.bytes[piece.as_usize() / 8] |= mask(piece);
            self.count += 1;
        }
        new
    }

    /// Takes `piece` out; says whether it was in.
    pub fn remove(&mut self, piece: PieceIndex) -> bool {
        let had = self.contains(piece);
        if had {
            self.bytes[piece.as_usize() / 8] &= !mask(piece);
            self.count -= 1;
        }
        had
    }

    /// The pieces in the set, first to last.
    pub fn iter(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        bits(self.bytes.iter().copied())
    }

    /// The pieces that are not in the set, first to last.
    pub fn missing(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        let pieces = self.pieces;
        bits(self.bytes.iter().map(|byte| !byte)).take_while(move |piece| piece.0 < pieces)
    }

    /// The pieces of `other` that this set lacks, first to last.
    pub fn lacks_of<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = PieceIndex> + 'a {
        bits(self.bytes.iter().zip(&other.bytes).map(|(mine, theirs)| theirs & !mine))
    }

    /// Whether `other` has a piece that this set lacks.
    pub fn wants_from(&self, other: &Self) -> bool {
        self.bytes.iter().zip(&other.bytes).any(|(mine, theirs)| theirs & !mine != 0)
    }

    /// Adds every piece of `other`.
    pub fn union_with(&mut self, other: &Self) {
        self.bytes.iter_mut().zip(&other.bytes).for_each(|(mine, theirs)| *mine |= theirs);
        self.count = self.bytes.iter().map(|byte| byte.count_ones()).sum();
    }
}

impl std::fmt::Debug for Bitfield {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bitfield({}/{})", self.count, self.pieces)
    }
}

fn mask(piece: PieceIndex) -> u8 {
    0x80 >> (piece.0 % 8)
}

fn bits(bytes: impl Iterator<Item = u8>) -> impl Iterator<Item = PieceIndex> {
    bytes.enumerate().flat_map(|(at, mut byte)| {
        std::iter::from_fn(move || {
            let bit = byte.leading_zeros();
            (bit < 8).then(|| {
                byte &= !(0x80 >> bit);
                PieceIndex(at as u32 * 8 + bit)
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_piece_is_the_high_bit() {
        let mut field = Bitfield::empty(10);
        assert!(field.insert(PieceIndex(0)) && field.insert(PieceIndex(9)) && !field.insert(PieceIndex(9)));
        assert_eq!(field.as_bytes(), [0x80, 0x40]);
        assert_eq!(field.count(), 2);
        assert_eq!(field.iter().collect::<Vec<_>>(), [PieceIndex(0), PieceIndex(9)]);
        assert_eq!(field.missing().count(), 8);
    }

    #[test]
    fn full_fields_have_no_spare_bits() {
        for pieces in 1..40 {
            let full = Bitfield::full(pieces);
            assert_eq!(Bitfield::from_bytes(full.as_bytes(), pieces), Ok(full.clone()));
            assert!(full.is_full() && full.missing().next().is_none());
        }
    }

    #[test]
    fn spare_bits_and_wrong_lengths_are_refused() {
        assert_eq!(Bitfield::from_bytes(&[0xff, 0xe0], 10), Err(BitfieldError::SpareBit));
        assert_eq!(Bitfield::from_bytes(&[0xff], 10), Err(BitfieldError::Length { found: 1, pieces: 10 }));
        assert!(Bitfield::from_bytes(&[], 0).is_ok_and(|field| field.is_full()));
    }

    #[test]
    fn wanting_is_having_less() {
        let mut mine = Bitfield::empty(9);
        let full = Bitfield::full(9);
        assert!(mine.wants_from(&full) && !full.wants_from(&mine));
        assert_eq!(mine.lacks_of(&full).count(), 9);
        mine.union_with(&full);
        assert!(mine.is_full() && !mine.wants_from(&full));
    }
}
