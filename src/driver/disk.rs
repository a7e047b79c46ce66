//! The payload's disk: writing and slow reading, on threads of their own.
//!
//! What was fetched is hashed at once ([`Tallies`]) and goes to a [`Scribe`] in batches, so that nobody is woken for every
//! block. What is in memory is read by whoever sends it; for the rest there are threads that may wait for a disk as long as
//! it takes. Jobs are bounded by the machine (bytes not yet written) and by whoever reads from peers ([`Disk::is_behind`]).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;

use super::scribe::{Job, Scribe};
use super::storage::Storage;
use super::tally::Tallies;
use crate::base::{Block, ByteCount, PieceIndex, Sha1Digest};
use crate::control::AgentFailure;
use crate::swarm::ConnectionId;

/// Batches waiting for one thread that writes: every piece under way may be awaited, each in a batch of its own.
const BATCHES_MAX: usize = 512;

/// Blocks waiting to be read; a connection has one at most.
const READS_MAX: usize = 1024;

/// Bytes not yet written beyond which peers are not read any more.
const BEHIND: u64 = 6 << 20;

/// Bytes gathered before a thread is woken for them.
const BATCH: u64 = 256 << 10;

/// Longest time for which bytes are gathered, if anything happens at all.
const GATHERED_AFTER: Duration = Duration::from_millis(100);

/// Bytes written that are told at once although nobody waits for one of them.
const TOLD: u64 = 512 << 10;

/// Threads that read what is not in memory: a slow disk is asked for several things at once.
const READERS: usize = 2;

/// Threads that write, at most.
const SCRIBES_MAX: usize = 4;

/// Cores for each thread that writes: the others have peers to talk to.
const CORES_PER_SCRIBE: usize = 4;

/// What a disk has done.
#[derive(Debug)]
pub(super) enum Done {
    /// A block is written, or several that follow each other, told as one.
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

/// One thread that writes, and what is gathered for it.
struct Lane {
    batches: SyncSender<VecDeque<Job>>,
    gathered: VecDeque<Job>,
    bytes: u64,
    since: Instant,
    /// Somebody waits for what is gathered.
    awaited: bool,
}

/// What is done and not taken yet.
#[derive(Debug, Default)]
struct Outbox {
    done: Mutex<(Vec<Done>, u64)>,
    bell: Notify,
}

/// The threads that work on one payload. Dropping it lets them end.
pub(super) struct Disk {
    lanes: Vec<Lane>,
    tallies: Tallies,
    reads: SyncSender<(ConnectionId, Block)>,
    outbox: Arc<Outbox>,
    unwritten: u64,
    closing: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Disk {
    /// Starts the threads.
    pub(super) fn new(storage: &Arc<Storage>) -> Self {
        let outbox = Arc::new(Outbox::default());
        let closing = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let lane = |_| {
            let (batches, to_do) = sync_channel(BATCHES_MAX);
            let (scribe, outbox, closing) =
                (Scribe::new(Arc::clone(storage)), Arc::clone(&outbox), Arc::clone(&closing));
            threads.push(std::thread::spawn(move || write_all(scribe, &to_do, &outbox, &closing)));
            Lane { batches, gathered: VecDeque::new(), bytes: 0, since: Instant::now(), awaited: false }
        };
        let lanes = (0..cores.div_ceil(CORES_PER_SCRIBE).min(SCRIBES_MAX)).map(lane).collect();
        let (reads, to_read) = sync_channel(READS_MAX);
        let to_read = Arc::new(Mutex::new(to_read));
        for _ in 0..READERS {
            let (storage, outbox) = (Arc::clone(storage), Arc::clone(&outbox));
            let (to_read, closing) = (Arc::clone(&to_read), Arc::clone(&closing));
            threads.push(std::thread::spawn(move || read_all(&storage, &to_read, &outbox, &closing)));
        }
        Self { lanes, tallies: Tallies::default(), reads, outbox, unwritten: 0, closing, threads }
    }

    /// Writes a block.
    pub(super) fn write(&mut self, block: Block, data: Bytes) {
        self.unwritten += data.len() as u64;
        self.tallies.add(block, &data);
        let lane = self.lane(block.piece);
        lane.add(data.len() as u64);
        lane.gathered.push_back(Job::Write { block, data });
    }

    /// Writes a whole piece that the console sent.
    pub(super) fn store(&mut self, piece: PieceIndex, data: Bytes) {
        // Whatever a peer sent of it will be replaced; these bytes, up to 16 MiB at once, are read back and hashed apart.
        self.tallies.take(piece);
        let lane = self.lane(piece);
        lane.awaited = true;
        lane.gathered.push_back(Job::Store { piece, data });
        lane.hand_over();
    }

    /// Says whether a piece is intact when all writes said before are done.
    pub(super) fn verify(&mut self, piece: PieceIndex) {
        let tally = self.tallies.take(piece);
        let lane = self.lane(piece);
        lane.awaited = true;
        lane.gathered.push_back(Job::Verify(piece, tally));
    }

    /// Hashes each block of a piece, after all writes said before and before those said later.
    pub(super) fn digest(&mut self, piece: PieceIndex) {
        let lane = self.lane(piece);
        lane.awaited = true;
        lane.gathered.push_back(Job::Digest(piece));
    }

    /// Reads a block that is not in memory. False is that there is too much to do.
    pub(super) fn read(&self, connection: ConnectionId, block: Block) -> bool {
        self.reads.try_send((connection, block)).is_ok()
    }

    /// The end of a turn: wakes who has enough to do, or is waited for.
    pub(super) fn flush(&mut self) {
        let due = |lane: &&mut Lane| lane.awaited || lane.bytes >= BATCH || lane.is_old();
        self.lanes.iter_mut().filter(due).for_each(Lane::hand_over);
    }

    /// Whether so much is unwritten that no more should be taken from peers.
    pub(super) const fn is_behind(&self) -> bool {
        self.unwritten >= BEHIND
    }

    /// Bytes that no thread has written yet.
    pub(super) const fn unwritten(&self) -> ByteCount {
        ByteCount(self.unwritten)
    }

    /// Waits until there is something to [`collect`](Self::collect). May be dropped and called again.
    pub(super) async fn ready(&self) {
        self.outbox.bell.notified().await;
    }

    /// What was done since the last time.
    pub(super) fn collect(&mut self) -> Vec<Done> {
        let (done, bytes) = std::mem::take(&mut *self.outbox.lock());
        self.unwritten = self.unwritten.saturating_sub(bytes);
        done
    }

    /// Waits until no thread touches the payload any more; jobs not begun are left out. Blocks.
    pub(super) fn close(self) {
        let Self { lanes, reads, closing, threads, .. } = self;
        closing.store(true, Ordering::Relaxed);
        drop((lanes, reads));
        for thread in threads {
            // A thread that panicked touches nothing any more.
            let _ = thread.join();
        }
    }

    fn lane(&mut self, piece: PieceIndex) -> &mut Lane {
        let count = self.lanes.len();
        &mut self.lanes[piece.as_usize() % count]
    }
}

impl Lane {
    fn add(&mut self, bytes: u64) {
        if self.bytes == 0 {
            self.since = Instant::now();
        }
        self.bytes += bytes;
    }

    fn is_old(&self) -> bool {
        self.bytes > 0 && self.since.elapsed() >= GATHERED_AFTER
    }

    fn hand_over(&mut self) {
        (self.bytes, self.awaited) = (0, false);
        // Full only if the machine's own bounds were set past ours; then waiting here is the bound.
        let _ = self.batches.send(std::mem::take(&mut self.gathered));
    }
}

impl Outbox {
    fn lock(&self) -> std::sync::MutexGuard<'_, (Vec<Done>, u64)> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, done: Done) {
        let mut guard = self.lock();
        let (waiting, bytes) = &mut *guard;
        let urgent = match &done {
            Done::Written(block) => {
                let before = *bytes;
                *bytes += u64::from(block.length);
                before < TOLD && *bytes >= TOLD
            }
            Done::Stored { .. }
            | Done::Verified { .. }
            | Done::Digested { .. }
            | Done::Read { .. }
            | Done::Failed(_) => true,
        };
        waiting.push(done);
        drop(guard);
        if urgent {
            self.bell.notify_one();
        }
    }
}

fn write_all(mut scribe: Scribe, batches: &Receiver<VecDeque<Job>>, outbox: &Outbox, closing: &AtomicBool) {
    while let Ok(mut jobs) = batches.recv() {
        while !jobs.is_empty() && !closing.load(Ordering::Relaxed) {
            scribe.perform(&mut jobs, |done| {
                // What was hashed as it came would pass for intact although it is not written.
                if matches!(done, Done::Failed(_)) {
                    closing.store(true, Ordering::Relaxed);
                }
                outbox.put(done);
            });
        }
    }
}

fn read_all(storage: &Storage, blocks: &Mutex<Receiver<(ConnectionId, Block)>>, outbox: &Outbox, closing: &AtomicBool) {
    loop {
        let next = blocks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((connection, block)) = next else { return };
        if !closing.load(Ordering::Relaxed) {
            outbox.put(Done::Read { connection, block, data: storage.read(block).ok() });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sha1::{Digest, Sha1};

    use super::*;
    use crate::base::Layout;
    use crate::driver::segment::Access;
    use crate::metainfo::Info;

    const PIECE: PieceIndex = PieceIndex(0);

    fn content() -> Bytes {
        (0..48_000_u32).map(|at| (at / 3) as u8).collect::<Vec<_>>().into()
    }

    /// The disk of one piece, which is the content, in a file of this folder.
    fn disk(folder: &Path, access: Access) -> (Disk, Layout) {
        let layout = Layout::new(48_000, 65_536).unwrap();
        let info = Info::single("x", layout, &[Sha1Digest::new(Sha1::digest(content()).into())]).unwrap();
        (Disk::new(&Arc::new(Storage::open(info, &folder.join("x"), access).unwrap())), layout)
    }

    async fn outcome(disk: &mut Disk) -> Done {
        disk.verify(PIECE);
        disk.flush();
        loop {
            if let Some(done) = disk.collect().pop_if(|done| matches!(done, Done::Verified { .. } | Done::Failed(_))) {
                return done;
            }
            disk.ready().await;
        }
    }

    #[tokio::test]
    async fn a_piece_from_the_console_counts_as_it_lies_there_whatever_a_peer_sent_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let (mut disk, layout) = disk(folder.path(), Access::Write);
        let (content, first) = (content(), layout.blocks(PIECE).next().unwrap());
        let length = first.length as usize;
        for expected in [false, true] {
            let wrong = Bytes::from([&vec![0xee; length], &content[length..]].concat());
            let (sent, stored) = if expected { (wrong, content.clone()) } else { (content.clone(), wrong) };
            disk.write(first, sent.slice(..length));
            disk.store(PIECE, stored);
            let done = outcome(&mut disk).await;
            assert!(matches!(done, Done::Verified { piece: PIECE, intact } if intact == expected), "{done:?}");
        }
        disk.close();
    }

    #[tokio::test]
    async fn a_piece_that_was_not_written_is_not_intact_though_it_came_so() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("x"), vec![0; 48_000]).unwrap();
        let (mut disk, layout) = disk(folder.path(), Access::Read);
        for block in layout.blocks(PIECE) {
            disk.write(block, content().slice(block.begin as usize..(block.begin + block.length) as usize));
        }
        let done = outcome(&mut disk).await;
        assert!(matches!(done, Done::Failed(_)), "{done:?}");
        let outbox = Arc::clone(&disk.outbox);
        disk.close();
        assert!(outbox.lock().0.is_empty(), "{outbox:?}");
    }
}
