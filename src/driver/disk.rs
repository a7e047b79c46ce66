//! Reading, writing and hashing of the payload, on threads of their own.
//!
//! One thread writes, in the order it is told; a piece is handed to those that hash when all writes said before are done.
//! Jobs are bounded by the machine (blocks not yet written, bytes queued for a peer), and by the queues here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::storage::Storage;
use crate::base::{Block, PieceIndex, Sha1Digest};
use crate::control::AgentFailure;
use crate::swarm::ConnectionId;

/// Jobs waiting for one kind of thread: more than the machine ever has under way at once.
const JOBS_MAX: usize = 16_384;

/// Threads that read blocks for peers: a slow disk is asked for several things at once.
const READERS: usize = 2;

/// Threads that hash pieces, at most.
const HASHERS_MAX: usize = 4;

/// What a disk has done.
#[derive(Debug)]
pub(super) enum Done {
    /// A block is written.
    Written(Block),
    /// Bytes from the console are written.
    Stored {
        /// The piece they are.
        piece: PieceIndex,
        /// How many.
        length: usize,
    },
    /// A piece is hashed.
    Verified {
        /// The piece.
        piece: PieceIndex,
        /// Whether it is what the torrent promises.
        intact: bool,
    },
    /// Every block of a piece is hashed.
    Digested {
        /// The piece.
        piece: PieceIndex,
        /// Their digests.
        blocks: Vec<Sha1Digest>,
    },
    /// A block is read, or cannot be.
    Read {
        /// For whom.
        connection: ConnectionId,
        /// What.
        block: Block,
        /// Its bytes.
        data: Option<Bytes>,
    },
    /// The disk takes no more, or lost what it had. Nothing else will be done.
    Failed(AgentFailure),
}

enum Job {
    Write { block: Block, data: Bytes },
    Store { piece: PieceIndex, data: Bytes },
    Verify(PieceIndex),
    Digest(PieceIndex),
    Read { connection: ConnectionId, block: Block },
}

/// The threads that work on one payload. Dropping it lets them end.
pub(super) struct Disk {
    writes: SyncSender<Job>,
    reads: SyncSender<Job>,
    done: mpsc::UnboundedReceiver<Done>,
    closing: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Disk {
    /// Starts the threads.
    pub(super) fn new(storage: Arc<Storage>) -> Self {
        let (finished, done) = mpsc::unbounded_channel();
        let closing = Arc::new(AtomicBool::new(false));
        let worker = Worker { storage, finished, closing: Arc::clone(&closing) };
        let (writes, to_write) = sync_channel(JOBS_MAX);
        let (hashes, to_hash) = sync_channel(JOBS_MAX);
        let (reads, to_read) = sync_channel(JOBS_MAX);
        let mut threads = Vec::new();
        let scribe = worker.clone();
        threads.push(std::thread::spawn(move || scribe.write_all(&to_write, &hashes)));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        for (count, queue) in [(cores.min(HASHERS_MAX), to_hash), (READERS, to_read)] {
            let queue = Arc::new(Mutex::new(queue));
            for _ in 0..count {
                let (worker, queue) = (worker.clone(), Arc::clone(&queue));
                threads.push(std::thread::spawn(move || worker.work_off(&queue)));
            }
        }
        Self { writes, reads, done, closing, threads }
    }

    /// Writes a block.
    pub(super) fn write(&self, block: Block, data: Bytes) {
        queue(&self.writes, Job::Write { block, data });
    }

    /// Writes a whole piece that the console sent.
    pub(super) fn store(&self, piece: PieceIndex, data: Bytes) {
        queue(&self.writes, Job::Store { piece, data });
    }

    /// Hashes a piece when all writes said before are done.
    pub(super) fn verify(&self, piece: PieceIndex) {
        queue(&self.writes, Job::Verify(piece));
    }

    /// Hashes each block of a piece, after all writes said before and before those said later.
    pub(super) fn digest(&self, piece: PieceIndex) {
        queue(&self.writes, Job::Digest(piece));
    }

    /// Reads a block for a peer.
    pub(super) fn read(&self, connection: ConnectionId, block: Block) {
        queue(&self.reads, Job::Read { connection, block });
    }

    /// What was done next. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Done {
        match self.done.recv().await {
            Some(done) => done,
            None => std::future::pending().await,
        }
    }

    /// What was done already.
    pub(super) fn try_next(&mut self) -> Option<Done> {
        self.done.try_recv().ok()
    }

    /// Waits until no thread touches the payload any more; jobs not begun are left out. Blocks.
    pub(super) fn close(self) {
        let Self { writes, reads, done, closing, threads } = self;
        closing.store(true, Ordering::Relaxed);
        drop((writes, reads, done));
        for thread in threads {
            // A thread that panicked touches nothing any more.
            let _ = thread.join();
        }
    }
}

fn queue(lane: &SyncSender<Job>, job: Job) {
    // Full only if the machine's own bounds were set past ours; then waiting here is the bound.
    let _ = lane.send(job);
}

#[derive(Clone)]
struct Worker {
    storage: Arc<Storage>,
    finished: mpsc::UnboundedSender<Done>,
    closing: Arc<AtomicBool>,
}

impl Worker {
    fn write_all(&self, jobs: &Receiver<Job>, hashes: &SyncSender<Job>) {
        while let Ok(job) = jobs.recv() {
            let stop = match job {
                Job::Verify(_) => hashes.send(job).is_err(),
                Job::Write { .. } | Job::Store { .. } | Job::Digest(_) | Job::Read { .. } => self.perform(job).is_err(),
            };
            if stop {
                return;
            }
        }
    }

    fn work_off(&self, jobs: &Mutex<Receiver<Job>>) {
        loop {
            let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            if job.is_err() || job.is_ok_and(|job| self.perform(job).is_err()) {
                return;
            }
        }
    }

    /// Does one job and says so; an error is that nobody listens.
    fn perform(&self, job: Job) -> Result<(), mpsc::error::SendError<Done>> {
        if self.closing.load(Ordering::Relaxed) {
            return Ok(());
        }
        let layout = self.storage.layout();
        let done = match job {
            Job::Write { block, data } => {
                let offset = layout.piece_offset(block.piece) + u64::from(block.begin);
                self.storage.write(offset, &data).map(|()| Done::Written(block))
            }
            Job::Store { piece, data } => {
                let stored = self.storage.write(layout.piece_offset(piece), &data);
                stored.map(|()| Done::Stored { piece, length: data.len() })
            }
            Job::Verify(piece) => self.storage.is_intact(piece).map(|intact| Done::Verified { piece, intact }),
            Job::Digest(piece) => self.storage.digests(piece).map(|blocks| Done::Digested { piece, blocks }),
            Job::Read { connection, block } => {
                Ok(Done::Read { connection, block, data: self.storage.read(block).ok() })
            }
        };
        self.finished.send(done.unwrap_or_else(Done::Failed))
    }
}
