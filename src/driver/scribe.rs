//! Scribe: writes what was fetched, and says whether a piece is intact.
//!
//! Blocks mostly come in order. Then nothing is read back: their [`Tally`] is complete when the last is written. What came out
//! of order is read back from the files, where it is what will be served.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::disk::Done;
use super::storage::{RUN_MAX, Storage};
use super::tally::Tally;
use crate::base::{Block, PieceIndex};
use crate::control::AgentFailure;

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
    /// All of a piece was written: is it intact? What is not in the tally is read back.
    Verify(PieceIndex, Tally),
    /// What does each block of a piece hash to, as it lies there?
    Digest(PieceIndex),
}

/// What one thread that writes knows.
pub(super) struct Scribe {
    storage: Arc<Storage>,
    run: Vec<Bytes>,
}

impl Scribe {
    pub(super) fn new(storage: Arc<Storage>) -> Self {
        Self { storage, run: Vec::with_capacity(RUN_MAX) }
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
            Some(Job::Verify(piece, tally)) => {
                self.storage.is_intact(piece, tally).map(|intact| Done::Verified { piece, intact })
            }
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
                Job::Store { .. } | Job::Verify(..) | Job::Digest(_) => false,
            };
            let Some(Job::Write { block, data }) = jobs.pop_front_if(follows) else { break };
            self.run.push(data);
            last = block;
        }
        last
    }

    /// Writes the run that begins with `first`.
    fn write(&mut self, first: Block) -> Result<(), AgentFailure> {
        let written = self.storage.write_run(first, &self.run);
        self.run.clear();
        written
    }
}

#[cfg(test)]
mod tests {
    use sha1::{Digest, Sha1};

    use super::*;
    use crate::base::{Layout, Sha1Digest};
    use crate::driver::segment::Access;
    use crate::driver::tally::Tallies;
    use crate::metainfo::Info;

    const PIECE: PieceIndex = PieceIndex(0);

    /// A scribe of one piece of three blocks, these, and what is hashed of them.
    struct Desk {
        tallies: Tallies,
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
            Self {
                tallies: Tallies::default(),
                scribe: Scribe::new(Arc::new(storage)),
                blocks,
                told: Vec::new(),
                folder,
            }
        }

        fn write(&mut self, order: &[usize]) {
            let jobs = order.iter().map(|at| self.blocks[*at].clone()).map(|(block, data)| {
                self.tallies.add(block, &data);
                Job::Write { block, data }
            });
            let jobs = jobs.collect();
            self.perform(jobs);
        }

        fn write_wrong(&mut self, at: usize) {
            let block = self.blocks[at].0;
            let data = Bytes::from(vec![0xee; block.length as usize]);
            self.tallies.add(block, &data);
            self.perform(VecDeque::from([Job::Write { block, data }]));
        }

        fn perform(&mut self, mut jobs: VecDeque<Job>) {
            while !jobs.is_empty() {
                self.scribe.perform(&mut jobs, |done| self.told.push(done));
            }
        }

        fn is_intact(&mut self) -> bool {
            let tally = self.tallies.take(PIECE);
            self.perform(VecDeque::from([Job::Verify(PIECE, tally)]));
            match self.told.pop() {
                Some(Done::Verified { piece: PIECE, intact }) => intact,
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn blocks_in_order_are_written_as_one_and_hashed_without_being_read_back() {
        let mut desk = Desk::new();
        desk.write(&[0, 1, 2]);
        assert!(matches!(desk.told[..], [Done::Written(Block { begin: 0, length: 48_000, .. })]), "{:?}", desk.told);
        std::fs::write(desk.folder.path().join("x"), "something else").unwrap();
        assert!(desk.is_intact(), "it was read");
        assert!(!desk.is_intact(), "it was not read the second time");
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
}
