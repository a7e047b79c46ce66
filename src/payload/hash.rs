//! Hashes of whole files and of their pieces, on all cores.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

use sha1::{Digest, Sha1};
use sha2::Sha256;

use super::holes::Holes;
use super::{BUFFER_LENGTH, FileError, ReadError};
use crate::base::{Bitfield, ByteCount, Layout, PieceIndex, Sha1Digest, Sha256Digest};

/// Most threads at once: beyond this the disk is the limit.
const WORKERS_MAX: usize = 32;

/// Hashes some pieces of a file, on all cores, in bounded memory.
///
/// Returns one hash for each of `which`, in that order; `None` where the file ends before the piece does. `path` names the
/// file in errors; the file's own offset is of no use afterwards. `progress` hears how many bytes are done so far, from any thread.
pub fn hash_pieces(
    file: &File,
    path: &Path,
    layout: &Layout,
    which: &[PieceIndex],
    cancel: &AtomicBool,
    progress: &(dyn Fn(ByteCount) + Sync),
) -> Result<Vec<Option<Sha1Digest>>, ReadError> {
    let work = Work {
        file,
        path,
        layout,
        which,
        cancel,
        progress,
        next: AtomicUsize::new(0),
        done: AtomicU64::new(0),
        holes: Holes::of(file),
        zeros: OnceLock::new(),
    };
    let results = Mutex::new(vec![None; which.len()]);
    let workers = workers().min(which.len());
    let outcome = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(|| work.run(&results))).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| thread.join().expect("a hashing thread does not panic");
        threads.into_iter().map(join).fold(Ok(()), Result::and)
    });
    outcome.map(|()| results.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Finds the pieces a file already has; none when there is no file.
///
/// Holes of a preallocated file cost nothing.
pub fn verify_existing(
    path: &Path,
    layout: &Layout,
    pieces: &[Sha1Digest],
    cancel: &AtomicBool,
    progress: &(dyn Fn(ByteCount) + Sync),
) -> Result<Bitfield, ReadError> {
    let mut intact = Bitfield::empty(layout.piece_count());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(intact),
        Err(error) => return Err(FileError::at("open", path)(error).into()),
    };
    let which: Vec<_> = layout.pieces().collect();
    let found = hash_pieces(&file, path, layout, &which, cancel, progress)?;
    for (piece, (found, expected)) in which.into_iter().zip(found.into_iter().zip(pieces)) {
        if found == Some(*expected) {
            intact.insert(piece);
        }
    }
    Ok(intact)
}

/// Computes the SHA-256 of a whole file; errs when its length changes meanwhile.
///
/// `progress` hears how many bytes are done so far.
pub fn sha256_file(
    path: &Path,
    cancel: &AtomicBool,
    progress: &(dyn Fn(ByteCount) + Sync),
) -> Result<Sha256Digest, ReadError> {
    let file = File::open(path).map_err(FileError::at("open", path))?;
    let total = file.metadata().map_err(FileError::at("inspect", path))?.len();
    let mut digest = Sha256::new();
    let mut done = 0;
    let read = each_chunk(&file, path, 0..total, cancel, |chunk| {
        digest.update(chunk);
        done += chunk.len() as u64;
        progress(ByteCount(done));
    })?;
    let after = file.metadata().map_err(FileError::at("inspect", path))?.len();
    match read {
        Extent::Whole if after == total => Ok(Sha256Digest::new(digest.finalize().into())),
        Extent::Whole | Extent::Short => Err(ReadError::Changed { path: path.to_owned() }),
    }
}

/// How many threads to use for work that keeps a core busy.
pub(super) fn workers() -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX)
}

struct Work<'a> {
    file: &'a File,
    path: &'a Path,
    layout: &'a Layout,
    which: &'a [PieceIndex],
    cancel: &'a AtomicBool,
    progress: &'a (dyn Fn(ByteCount) + Sync),
    next: AtomicUsize,
    done: AtomicU64,
    holes: Holes,
    zeros: OnceLock<Sha1Digest>,
}

impl Work<'_> {
    fn run(&self, results: &Mutex<Vec<Option<Sha1Digest>>>) -> Result<(), ReadError> {
        while let Some((at, piece)) = self.take() {
            let hash = self.hash(piece).inspect_err(|_| self.next.store(self.which.len(), Ordering::Relaxed))?;
            results.lock().unwrap_or_else(PoisonError::into_inner)[at] = hash;
        }
        Ok(())
    }

    fn take(&self) -> Option<(usize, PieceIndex)> {
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        self.which.get(at).map(|piece| (at, *piece))
    }

    fn hash(&self, piece: PieceIndex) -> Result<Option<Sha1Digest>, ReadError> {
        let begin = self.layout.piece_offset(piece);
        let length = self.layout.piece_length(piece);
        let end = begin + u64::from(length);
        if length == self.layout.nominal_piece_length() && self.holes.cover(&(begin..end)) {
            self.advance(u64::from(length));
            return Ok(Some(*self.zeros.get_or_init(|| zeros(length))));
        }
        let mut digest = Sha1::new();
        let read = each_chunk(self.file, self.path, begin..end, self.cancel, |chunk| {
            digest.update(chunk);
            self.advance(chunk.len() as u64);
        })?;
        Ok(match read {
            Extent::Whole if length > 0 => Some(Sha1Digest::new(digest.finalize().into())),
            Extent::Whole | Extent::Short => None,
        })
    }

    fn advance(&self, bytes: u64) {
        (self.progress)(ByteCount(self.done.fetch_add(bytes, Ordering::Relaxed) + bytes));
    }
}

enum Extent {
    Whole,
    Short,
}

fn each_chunk(
    file: &File,
    path: &Path,
    range: std::ops::Range<u64>,
    cancel: &AtomicBool,
    mut take: impl FnMut(&[u8]),
) -> Result<Extent, ReadError> {
    let mut buffer = vec![0; BUFFER_LENGTH.min(usize::try_from(range.end - range.start).unwrap_or(BUFFER_LENGTH))];
    let mut at = range.start;
    while at < range.end {
        if cancel.load(Ordering::Relaxed) {
            return Err(ReadError::Cancelled);
        }
        let want = buffer.len().min(usize::try_from(range.end - at).unwrap_or(usize::MAX));
        match file.read_at(&mut buffer[..want], at) {
            Ok(0) => return Ok(Extent::Short),
            Ok(got) => {
                take(&buffer[..got]);
                at += got as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(FileError::at("read", path)(error).into()),
        }
    }
    Ok(Extent::Whole)
}

fn zeros(length: u32) -> Sha1Digest {
    let block = [0; 16 * 1024];
    let mut digest = Sha1::new();
    let mut left = length as usize;
    while left > 0 {
        let part = left.min(block.len());
        digest.update(&block[..part]);
        left -= part;
    }
    Sha1Digest::new(digest.finalize().into())
}
