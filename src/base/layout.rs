//! Piece and block arithmetic, the short last ones included.

use serde::{Deserialize, Serialize};

/// Bytes asked for at once (BEP 3: 16 KiB; larger requests are dropped by other clients).
pub const BLOCK_LENGTH: u32 = 16 * 1024;

/// A piece's place in the payload, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PieceIndex(pub u32);

impl PieceIndex {
    /// The index as an offset into a table.
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

/// A part of a piece, asked for at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    /// The piece it belongs to.
    pub piece: PieceIndex,
    /// Its first byte, counted from the piece's first.
    pub begin: u32,
    /// Its length in bytes.
    pub length: u32,
}

/// Why a payload cannot be cut that way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A piece must hold something.
    #[error("the piece length is 0")]
    EmptyPiece,
    /// There must be something to distribute.
    #[error("the payload is empty")]
    EmptyPayload,
    /// A piece index is 32 bits on the wire.
    #[error("{0} pieces are more than the {max} allowed; use a larger piece length", max = Layout::PIECES_MAX)]
    TooManyPieces(u64),
}

/// How a payload is cut: total length and piece length.
///
/// ```
/// use rookery::base::{Layout, PieceIndex};
/// let layout = Layout::new(100_000, 65_536).expect("a payload of two pieces");
/// assert_eq!(layout.piece_count(), 2);
/// assert_eq!(layout.piece_length(PieceIndex(1)), 34_464);
/// assert_eq!(layout.blocks(PieceIndex(1)).count(), 3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    total: u64,
    piece_length: u32,
}

impl Layout {
    /// More pieces than this are refused: a bitfield of them still fits one message.
    pub const PIECES_MAX: u64 = 1 << 20;

    /// Cuts `total` bytes into pieces of `piece_length` bytes.
    pub fn new(total: u64, piece_length: u32) -> Result<Self, LayoutError> {
        if piece_length == 0 {
            return Err(LayoutError::EmptyPiece);
        }
        if total == 0 {
            return Err(LayoutError::EmptyPayload);
        }
        let count = total.div_ceil(u64::from(piece_length));
        if count > Self::PIECES_MAX {
            return Err(LayoutError::TooManyPieces(count));
        }
        Ok(Self { total, piece_length })
    }

    /// Payload length in bytes.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Length in bytes of every piece but the last.
    pub const fn nominal_piece_length(&self) -> u32 {
        self.piece_length
    }

    /// Number of pieces.
    pub const fn piece_count(&self) -> u32 {
        self.total.div_ceil(self.piece_length as u64) as u32
    }

    /// Whether there is such a piece.
    pub const fn contains(&self, piece: PieceIndex) -> bool {
        piece.0 < self.piece_count()
    }

    /// Length in bytes of one piece; 0 when there is none of that index.
    pub fn piece_length(&self, piece: PieceIndex) -> u32 {
        let left = self.total.saturating_sub(self.piece_offset(piece));
        u32::try_from(left.min(u64::from(self.piece_length))).unwrap_or(self.piece_length)
    }

    /// A piece's first byte in the payload.
    pub const fn piece_offset(&self, piece: PieceIndex) -> u64 {
        piece.0 as u64 * self.piece_length as u64
    }

    /// Number of blocks in a piece.
    pub fn block_count(&self, piece: PieceIndex) -> u32 {
        self.piece_length(piece).div_ceil(BLOCK_LENGTH)
    }

    /// The `index`-th block of a piece, `None` past its end.
    pub fn block(&self, piece: PieceIndex, index: u32) -> Option<Block> {
        let begin = index.checked_mul(BLOCK_LENGTH)?;
        let left = self.piece_length(piece).checked_sub(begin).filter(|left| *left > 0)?;
        Some(Block { piece, begin, length: left.min(BLOCK_LENGTH) })
    }

    /// The blocks of a piece, first to last.
    pub fn blocks(&self, piece: PieceIndex) -> impl Iterator<Item = Block> + use<> {
        let layout = *self;
        (0..layout.block_count(piece)).filter_map(move |index| layout.block(piece, index))
    }

    /// Whether `block` lies within its piece.
    pub fn holds(&self, block: Block) -> bool {
        let end = u64::from(block.begin) + u64::from(block.length);
        self.contains(block.piece) && block.length > 0 && end <= u64::from(self.piece_length(block.piece))
    }

    /// All pieces, first to last.
    pub fn pieces(&self) -> impl Iterator<Item = PieceIndex> + use<> {
        (0..self.piece_count()).map(PieceIndex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_piece_and_its_last_block_are_short() {
        let layout = Layout::new(3 * 65_536 + 20_000, 65_536).unwrap();
        assert_eq!(layout.piece_count(), 4);
        assert_eq!(layout.piece_length(PieceIndex(3)), 20_000);
        let blocks: Vec<_> = layout.blocks(PieceIndex(3)).map(|b| (b.begin, b.length)).collect();
        assert_eq!(blocks, [(0, 16_384), (16_384, 3_616)]);
        assert_eq!(layout.piece_length(PieceIndex(4)), 0);
    }

    #[test]
    fn blocks_outside_a_piece_are_not_held() {
        let layout = Layout::new(100_000, 65_536).unwrap();
        let block = |piece, begin, length| Block { piece: PieceIndex(piece), begin, length };
        assert!(layout.holds(block(1, 34_463, 1)));
        assert!(!layout.holds(block(1, 34_463, 2)));
        assert!(!layout.holds(block(2, 0, 1)));
        assert!(!layout.holds(block(0, 0, 0)));
        assert!(!layout.holds(block(0, u32::MAX, u32::MAX)));
    }

    #[test]
    fn impossible_cuts_are_refused() {
        assert_eq!(Layout::new(1, 0), Err(LayoutError::EmptyPiece));
        assert_eq!(Layout::new(0, 1), Err(LayoutError::EmptyPayload));
        assert_eq!(Layout::new(1 << 40, 1), Err(LayoutError::TooManyPieces(1 << 40)));
    }
}
