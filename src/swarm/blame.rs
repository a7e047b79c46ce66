//! Blame: who sent which block of a corrupt piece, until a good copy of it tells who lied.
//!
//! Whoever sent all of a corrupt piece alone is guilty at once. When several sent parts, having had one is no guilt: a
//! liar has a part in many pieces, and so has everybody who is fetched from beside it. The digests of the bad copy's
//! blocks are kept, the piece comes again from one peer alone, and whose blocks differ from the good copy lied.

use std::collections::BTreeMap;

use super::pieces::Sender;
use crate::base::{PieceIndex, Sha1Digest};

/// One copy of a piece: who sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Provenance {
    /// Everybody who sent a block of it, each once.
    pub(super) senders: Vec<Sender>,
    /// For each block its sender, as a place in `senders`.
    pub(super) blocks: Vec<u32>,
}

#[derive(Debug)]
struct Case {
    bad: Provenance,
    /// The digests of the bad copy's blocks; none until they are taken.
    digests: Vec<Sha1Digest>,
}

/// The corrupt pieces whose liars are not known yet.
#[derive(Debug, Default)]
pub(super) struct Blame {
    cases: BTreeMap<PieceIndex, Case>,
}

impl Blame {
    /// Keeps who sent a bad copy, as long as there are fewer than `max` of them. Says whether its digests are wanted.
    pub(super) fn open(&mut self, piece: PieceIndex, bad: Provenance, max: usize) -> bool {
        let wanted = self.cases.len() < max;
        if wanted {
            self.cases.insert(piece, Case { bad, digests: Vec::new() });
        }
        wanted
    }

    /// Whether the digests of a good copy are wanted.
    pub(super) fn is_open(&self, piece: PieceIndex) -> bool {
        self.cases.contains_key(&piece)
    }

    /// These are the blocks of the bad copy.
    pub(super) fn note(&mut self, piece: PieceIndex, digests: Vec<Sha1Digest>) {
        if let Some(case) = self.cases.get_mut(&piece) {
            case.digests = digests;
        }
    }

    /// These are the blocks of a good copy. Returns who sent others, each once.
    pub(super) fn close(&mut self, piece: PieceIndex, good: &[Sha1Digest]) -> Vec<Sender> {
        let Some(Case { bad, digests }) = self.cases.remove(&piece) else { return Vec::new() };
        let differ = |at: &usize| digests.get(*at).zip(good.get(*at)).is_some_and(|(bad, good)| bad != good);
        let lied = |sender: u32| (0..bad.blocks.len()).any(|at| bad.blocks[at] == sender && differ(&at));
        let liars = (0..).zip(&bad.senders).filter(|(sender, _)| lied(*sender));
        liars.map(|(_, sender)| *sender).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::base::PeerId;
    use crate::swarm::ConnectionId;

    const PIECE: PieceIndex = PieceIndex(3);

    fn sender(id: u8) -> Sender {
        let address = SocketAddr::from(([10, 0, 0, id], 6881));
        Sender { connection: ConnectionId(u64::from(id)), peer_id: PeerId::new([id; 20]), address }
    }

    fn digests(bytes: &[u8]) -> Vec<Sha1Digest> {
        bytes.iter().map(|byte| Sha1Digest::new([*byte; 20])).collect()
    }

    fn mixed() -> Provenance {
        Provenance { senders: vec![sender(1), sender(2), sender(3)], blocks: vec![0, 1, 2, 0, 1] }
    }

    #[test]
    fn only_those_whose_blocks_differ_lied() {
        let mut blame = Blame::default();
        assert!(blame.open(PIECE, mixed(), 1));
        blame.note(PIECE, digests(&[7, 9, 7, 7, 9]));
        assert_eq!(blame.close(PIECE, &digests(&[7, 7, 7, 7, 7])), [sender(2)]);
        assert!(!blame.is_open(PIECE));
    }

    #[test]
    fn without_both_copies_nobody_is_blamed() {
        let mut blame = Blame::default();
        assert_eq!(blame.close(PIECE, &digests(&[7; 5])), []);
        blame.open(PIECE, mixed(), 1);
        assert_eq!(blame.close(PIECE, &digests(&[7; 5])), []);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut blame = Blame::default();
        assert!(blame.open(PIECE, mixed(), 1));
        assert!(!blame.open(PieceIndex(4), mixed(), 1));
        assert!(!blame.is_open(PieceIndex(4)));
    }
}
