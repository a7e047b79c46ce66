//! Scribe: writes what was fetched, and hashes it on the way, while it is in the processor's cache.
//!
//! Blocks mostly come in order. Then nothing is read back: a piece is hashed when its last block is written. What came out
//! of order is read back from the files, where it is what will be served.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use sha1::{Digest, Sha1};

use super::disk::Done;
use super::storage::{RUN_MAX, Storage};
use crate::base::{Block, PieceIndex};
use crate::control::AgentFailure;

/// Pieces being hashed at once, at most: as many as the swarm has under way. The first ones beyond are read back.
const TALLIES_MAX: usize = 256;

/// Something to do, in order.
#[derive(Debug)]
pub(super) enum Job {
    /// A block came from a peer.
    Write {
        /// Where it belongs.
        block: Block,
        /// Its bytes.
        data: Bytes,
    },
    /// A whole piece came from the console.
    Store {
        /// Which.
        piece: PieceIndex,
        /// Its bytes.
        data: Bytes,
    },
    /// All of a piece was written: is it intact?
    Verify(PieceIndex),
    /// What does each block of a piece hash to, as it lies there?
    Digest(PieceIndex),
}

/// How far a piece is hashed.
struct Tally {
    digest: Sha1,
    /// Bytes from the piece's first on that are in the digest, and lie on the disk as they were hashed.
    end: u32,
}

/// What one thread that writes knows.
pub(super) struct Scribe {
    storage: Arc<Storage>,
    tallies: BTreeMap<PieceIndex, Tally>,
    run: Vec<Bytes>,
}

impl Scribe {
    pub(super) fn new(storage: Arc<Storage>) -> Self {
        Self { storage, tallies: BTreeMap::new(), run: Vec::with_capacity(RUN_MAX) }
    }

    /// Does the first jobs of a queue that belong together, and says what came of them. Nothing is left of an empty queue.
    pub(super) fn perform(&mut self, jobs: &mut VecDeque<Job>, mut tell: impl FnMut(Done)) {
        let outcome = match jobs.pop_front() {
            None => return,
            Some(Job::Write { block, data }) => {
                self.run.push(data);
                let last = self.gather(block, jobs);
                self.write(block)
                    .map(|()| Done::Written(Block { length: last.begin + last.length - block.begin, ..block }))
            }
            Some(Job::Store { piece, data }) => {
                let length = data.len();
                self.run.push(data);
                self.write(Block { piece, begin: 0, length: length as u32 }).map(|()| Done::Stored { piece, length })
            }
            Some(Job::Verify(piece)) => self.verify(piece).map(|intact| Done::Verified { piece, intact }),
            Some(Job::Digest(piece)) => self.storage.digests(piece).map(|blocks| Done::Digested { piece, blocks }),
        };
        tell(outcome.unwrap_or_else(Done::Failed));
    }

    /// Takes the blocks off the queue that follow `first`; returns the last.
    fn gather(&mut self, first: Block, jobs: &mut VecDeque<Job>) -> Block {
        let mut last = first;
        while self.run.len() < RUN_MAX {
            let follows = |job: &mut Job| match job {
                Job::Write { block, .. } => block.piece == last.piece && block.begin == last.begin + last.length,
                Job::Store { .. } | Job::Verify(_) | Job::Digest(_) => false,
            };
            let Some(Job::Write { block, data }) = jobs.pop_front_if(follows) else { break };
            self.run.push(data);
            last = block;
        }
        last
    }

    /// Writes the run that begins with `first`, hashed before if it is its turn.
    fn write(&mut self, first: Block) -> Result<(), AgentFailure> {
        self.hash(first);
        let written = self.storage.write_run(first, &self.run);
        self.run.clear();
        if written.is_err() {
            self.tallies.remove(&first.piece);
        }
        written
    }

    fn hash(&mut self, first: Block) {
        if first.begin == 0 {
            self.tallies.insert(first.piece, Tally { digest: Sha1::new(), end: 0 });
            if self.tallies.len() > TALLIES_MAX {
                self.tallies.pop_first();
            }
        }
        let Some(tally) = self.tallies.get_mut(&first.piece) else { return };
        if first.begin == tally.end {
            for data in &self.run {
                tally.digest.update(data);
                tally.end += data.len() as u32;
            }
        } else if first.begin < tally.end {
            // Bytes that were hashed are replaced: the piece was corrupt, or its only source was another one.
            self.tallies.remove(&first.piece);
        }
    }

    fn verify(&mut self, piece: PieceIndex) -> Result<bool, AgentFailure> {
        match self.tallies.remove(&piece) {
            Some(Tally { digest, end }) => self.storage.is_intact_from(piece, end, digest),
            None => self.storage.is_intact(piece),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Layout, Sha1Digest};
    use crate::driver::segment::Access;
    use crate::metainfo::Info;

    const PIECE: PieceIndex = PieceIndex(0);

    /// A scribe of one piece of three blocks, and these.
    struct Desk {
        scribe: Scribe,
        blocks: Vec<(Block, Bytes)>,
        told: Vec<Done>,
        folder: tempfile::TempDir,
    }

    impl Desk {
        fn new() -> Self {
            let content = Bytes::from((0..48_000_u32).map(|at| (at / 3) as u8).collect::<Vec<_>>());
            let layout = Layout::new(48_000, 65_536).unwrap();
            let digest = Sha1Digest::new(Sha1::digest(&content).into());
            let info = Info::single("x", layout, &[digest]).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let storage = Storage::open(info, &folder.path().join("x"), Access::Write).unwrap();
            let cut = |block: Block| content.slice(block.begin as usize..(block.begin + block.length) as usize);
            let blocks = layout.blocks(PIECE).map(|block| (block, cut(block))).collect();
            Self { scribe: Scribe::new(Arc::new(storage)), blocks, told: Vec::new(), folder }
        }

        fn write(&mut self, order: &[usize]) {
            let jobs = order.iter().map(|at| self.blocks[*at].clone()).map(|(block, data)| Job::Write { block, data });
            self.perform(jobs.collect());
        }

        fn write_wrong(&mut self, at: usize) {
            let (block, data) = &self.blocks[at];
            let job = Job::Write { block: *block, data: Bytes::from(vec![0xee; data.len()]) };
            self.perform(VecDeque::from([job]));
        }

        fn perform(&mut self, mut jobs: VecDeque<Job>) {
            while !jobs.is_empty() {
                self.scribe.perform(&mut jobs, |done| self.told.push(done));
            }
        }

        fn is_intact(&mut self) -> bool {
            self.perform(VecDeque::from([Job::Verify(PIECE)]));
            match self.told.pop() {
                Some(Done::Verified { piece: PIECE, intact }) => intact,
                other => panic!("{other:?}"),
            }
        }

        fn hashed(&self) -> Option<u32> {
            self.scribe.tallies.get(&PIECE).map(|tally| tally.end)
        }
    }

    #[test]
    fn blocks_in_order_are_written_as_one_and_hashed_without_being_read_back() {
        let mut desk = Desk::new();
        desk.write(&[0, 1, 2]);
        assert!(matches!(desk.told[..], [Done::Written(Block { begin: 0, length: 48_000, .. })]), "{:?}", desk.told);
        assert_eq!(desk.hashed(), Some(48_000));
        assert!(desk.is_intact());
        assert_eq!(desk.hashed(), None);
    }

    #[test]
    fn what_came_out_of_order_is_read_back() {
        for order in [[0, 2, 1], [2, 1, 0], [1, 0, 2]] {
            let mut desk = Desk::new();
            desk.write(&order);
            assert!(desk.is_intact(), "{order:?}");
        }
    }

    #[test]
    fn a_wrong_block_is_found_and_forgotten_when_it_is_replaced() {
        for wrong in 0..3 {
            let mut desk = Desk::new();
            (0..3).for_each(|at| if at == wrong { desk.write_wrong(at) } else { desk.write(&[at]) });
            assert!(!desk.is_intact(), "{wrong}");
            desk.write(&[0, 1, 2]);
            assert!(desk.is_intact(), "{wrong}");
        }
    }

    #[test]
    fn blocks_that_are_replaced_before_the_piece_is_whole_count_as_they_lie_on_the_disk() {
        for order in [&[0, 1, 2][..], &[2, 1, 0], &[1, 2, 0], &[1, 0, 2]] {
            let mut desk = Desk::new();
            desk.write_wrong(0);
            desk.write_wrong(1);
            desk.write(order);
            assert!(desk.is_intact(), "{order:?}");
        }
        let mut desk = Desk::new();
        desk.write(&[0, 1]);
        desk.write_wrong(1);
        desk.write(&[2]);
        assert!(!desk.is_intact());
    }

    #[test]
    fn a_piece_of_which_part_was_there_before_is_read_back() {
        let mut desk = Desk::new();
        let (block, data) = desk.blocks[0].clone();
        assert_eq!(block.begin, 0);
        std::os::unix::fs::FileExt::write_all_at(
            &std::fs::File::options().write(true).open(desk.folder.path().join("x")).unwrap(),
            &data,
            0,
        )
        .unwrap();
        desk.write(&[1, 2]);
        assert!(desk.is_intact());
    }

    #[test]
    fn a_piece_from_the_console_is_hashed_as_it_is_stored() {
        let mut desk = Desk::new();
        let data: Bytes = desk.blocks.iter().flat_map(|(_, data)| data.clone()).collect::<Vec<_>>().into();
        desk.perform(VecDeque::from([Job::Store { piece: PIECE, data }]));
        assert!(matches!(desk.told[..], [Done::Stored { piece: PIECE, length: 48_000 }]));
        assert_eq!(desk.hashed(), Some(48_000));
        assert!(desk.is_intact());
    }
}
