//! Tallies: pieces that are hashed while they come, by the thread that has their bytes in its processor's cache.
//!
//! That thread has the time: it receives and talks in a third of what another one takes to write. Knows no disk: what came
//! out of order is for whoever verifies the piece to read back.

use std::collections::BTreeMap;

use sha1::{Digest, Sha1};

use crate::base::{Block, PieceIndex};

/// Pieces being hashed at once, at most: as many as the swarm has under way. The first ones beyond are read back.
const TALLIES_MAX: usize = 256;

/// How far a piece is hashed.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Of the bytes before `end`.
    pub(super) digest: Sha1,
    /// Bytes from the piece's first on that are in the digest; they lie on the disk as they were hashed when all writes said
    /// before are done.
    pub(super) end: u32,
}

/// The pieces under way.
#[derive(Debug, Default)]
pub(super) struct Tallies(BTreeMap<PieceIndex, Tally>);

impl Tallies {
    /// Hashes a block that will be written, if it is its turn.
    pub(super) fn add(&mut self, block: Block, data: &[u8]) {
        if block.begin == 0 {
            self.0.insert(block.piece, Tally::default());
            if self.0.len() > TALLIES_MAX {
                self.0.pop_first();
            }
        }
        let Some(tally) = self.0.get_mut(&block.piece) else { return };
        if block.begin == tally.end {
            tally.digest.update(data);
            tally.end += block.length;
        } else if block.begin < tally.end {
            // Bytes that were hashed are replaced: the piece was corrupt, or its only source was another one.
            self.0.remove(&block.piece);
        }
    }

    /// How far a piece is hashed; it begins anew.
    pub(super) fn take(&mut self, piece: PieceIndex) -> Tally {
        self.0.remove(&piece).unwrap_or_default()
    }
}
