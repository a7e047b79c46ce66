//! The payload on disk: one file, or the files of a torrent laid end to end, read and written by position.

use std::array;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use rustix::fs::{Advice, OFlags, fadvise, fstatfs};
use rustix::io::{Errno, ReadWriteFlags, preadv2, pwritev, retry_on_intr};
use sha1::{Digest, Sha1};

use crate::base::{Bitfield, Block, ByteCount, Layout, PieceIndex, Sha1Digest};
use crate::control::AgentFailure;
use crate::metainfo::{Content, Info};
use crate::payload::{ReadError, verify_existing};
use crate::release::{self, preallocate, space_left};

/// Bytes read at once to be hashed.
const CHUNK: usize = 256 << 10;

/// Bytes that are written at once, in blocks: a quarter of a mebibyte.
pub(super) const RUN_MAX: usize = 16;

/// What the disk is told to have ready when a block had to be waited for: the peer asks for what follows next.
const AHEAD: u64 = 1 << 20;

/// `f_type` of a file system in memory (`linux/magic.h`).
const TMPFS_MAGIC: i64 = 0x0102_1994;

/// What may be done with the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// They are complete, and are never changed.
    Read,
    /// They are made, with all the room they will need.
    Write,
}

/// The payload's files.
#[derive(Debug)]
pub(super) struct Storage {
    info: Info,
    path: PathBuf,
    access: Access,
    contents: Contents,
    segments: Vec<Segment>,
}

/// What the files held when they were opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contents {
    /// Nothing: there is nothing to hash.
    None,
    /// Something.
    Some,
}

#[derive(Debug)]
struct Segment {
    start: u64,
    length: u64,
    path: PathBuf,
    file: File,
    medium: Medium,
}

/// Where a file's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Medium {
    /// In memory, always.
    Memory,
    /// On a disk; the kernel knows which of them are in memory.
    Disk,
}

impl Segment {
    fn read_now(&self, part: &mut [u8], within: u64) -> io::Result<()> {
        if self.medium == Medium::Memory {
            return self.file.read_exact_at(part, within);
        }
        match preadv2(&self.file, &mut [IoSliceMut::new(part)], within, ReadWriteFlags::NOWAIT) {
            Ok(read) if read == part.len() => Ok(()),
            Ok(_) | Err(Errno::AGAIN | Errno::INTR | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn failure(&self, error: &io::Error, length: usize) -> AgentFailure {
        let failure = AgentFailure::from_io("write", &self.path, error);
        if let AgentFailure::DiskFull { path, .. } = failure {
            let free = space_left(&self.path).unwrap_or_default();
            return AgentFailure::DiskFull { path, needed: ByteCount(length as u64), free };
        }
        failure
    }
}

impl Storage {
    /// Opens what lies at `path`: the file itself, or the folder with the files of a torrent of several.
    pub(super) fn open(info: Info, path: &Path, access: Access) -> Result<Self, AgentFailure> {
        let mut segments = Vec::new();
        let mut start = 0;
        let mut contents = Contents::None;
        let mut add = |path: PathBuf, length: u64| -> Result<(), AgentFailure> {
            let (file, held) = open_file(&path, length, access)?;
            let in_memory = fstatfs(&file).is_ok_and(|stat| stat.f_type == TMPFS_MAGIC);
            let medium = if in_memory { Medium::Memory } else { Medium::Disk };
            if held > 0 {
                contents = Contents::Some;
            }
            segments.push(Segment { start, length, path, file, medium });
            start += length;
            Ok(())
        };
        match info.content() {
            Content::Single => add(path.to_owned(), info.layout().total())?,
            Content::Multi(files) => {
                for file in files {
                    add(file.path.iter().fold(path.to_owned(), |path, name| path.join(name)), file.length)?;
                }
            }
        }
        Ok(Self { path: path.to_owned(), access, contents, segments, info })
    }

    /// How the payload is cut.
    pub(super) const fn layout(&self) -> Layout {
        self.info.layout()
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What may be done with it.
    pub(super) const fn access(&self) -> Access {
        self.access
    }

    /// Hashes what is there, on all cores.
    pub(super) fn survey(
        &self,
        cancel: &AtomicBool,
        progress: &(dyn Fn(ByteCount) + Sync),
    ) -> Result<Bitfield, AgentFailure> {
        let layout = self.layout();
        if self.contents == Contents::None {
            return Ok(Bitfield::empty(layout.piece_count()));
        }
        match self.info.content() {
            Content::Single => Ok(verify_existing(&self.path, &layout, self.info.pieces(), cancel, progress)?),
            Content::Multi(_) => {
                let mut intact = Bitfield::empty(layout.piece_count());
                for piece in layout.pieces() {
                    if cancel.load(Ordering::Relaxed) {
                        return Err(ReadError::Cancelled.into());
                    }
                    if self.is_intact(piece)? {
                        intact.insert(piece);
                    }
                    progress(ByteCount(layout.piece_offset(piece)));
                }
                Ok(intact)
            }
        }
    }

    /// Whether the bytes of a piece hash to what the torrent promises.
    pub(super) fn is_intact(&self, piece: PieceIndex) -> Result<bool, AgentFailure> {
        self.is_intact_from(piece, 0, Sha1::new())
    }

    /// The same when the first `hashed` bytes of the piece are in `digest` already: only the rest is read.
    pub(super) fn is_intact_from(
        &self,
        piece: PieceIndex,
        hashed: u32,
        mut digest: Sha1,
    ) -> Result<bool, AgentFailure> {
        let begin = self.layout().piece_offset(piece);
        let end = begin + u64::from(self.layout().piece_length(piece));
        let mut at = begin + u64::from(hashed);
        let left = |at| usize::try_from(end - at).map_or(CHUNK, |left| left.min(CHUNK));
        let mut buffer = vec![0; left(at)];
        while at < end {
            let want = left(at);
            match self.read_exact_at(&mut buffer[..want], at) {
                Ok(()) => digest.update(&buffer[..want]),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                Err(error) => return Err(AgentFailure::from_io("read", &self.path, &error)),
            }
            at += want as u64;
        }
        Ok(self.info.piece(piece) == Some(Sha1Digest::new(digest.finalize().into())))
    }

    /// The digest of each block of a piece.
    pub(super) fn digests(&self, piece: PieceIndex) -> Result<Vec<Sha1Digest>, AgentFailure> {
        let digest = |data: Bytes| Sha1Digest::new(Sha1::digest(&data).into());
        let blocks = self.layout().blocks(piece).map(|block| self.read(block).map(digest));
        blocks.collect::<io::Result<_>>().map_err(|error| AgentFailure::from_io("read", &self.path, &error))
    }

    /// Reads a block, however long that takes; what comes after it is made ready.
    pub(super) fn read(&self, block: Block) -> io::Result<Bytes> {
        let mut data = BytesMut::zeroed(block.length as usize);
        let offset = self.offset(block);
        if let Some((segment, within, _)) = self.part(offset, data.len()) {
            // Without the hint all is slower, not wrong.
            let _ = fadvise(&segment.file, within, std::num::NonZeroU64::new(AHEAD), Advice::WillNeed);
        }
        self.read_exact_at(&mut data, offset)?;
        Ok(data.freeze())
    }

    /// Fills `buffer` with the bytes of a block from `from` on if that takes no waiting;
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) is that it would.
    pub(super) fn read_now(&self, block: Block, from: usize, mut buffer: &mut [u8]) -> io::Result<()> {
        let mut offset = self.offset(block) + from as u64;
        while let Some((segment, within, length)) = self.part(offset, buffer.len()) {
            let (part, rest) = buffer.split_at_mut(length);
            segment.read_now(part, within)?;
            (offset, buffer) = (offset + length as u64, rest);
        }
        Ok(())
    }

    /// Writes blocks that follow each other, [`RUN_MAX`] at most.
    pub(super) fn write_run(&self, first: Block, run: &[Bytes]) -> Result<(), AgentFailure> {
        let mut offset = self.offset(first);
        let total = run.iter().map(Bytes::len).sum();
        let mut done = match self.part(offset, total) {
            Some((segment, within, length)) if length == total && run.len() <= RUN_MAX => {
                let slices: [_; RUN_MAX] =
                    array::from_fn(|at| IoSlice::new(run.get(at).map_or(&[][..], Bytes::as_ref)));
                retry_on_intr(|| pwritev(&segment.file, &slices[..run.len()], within))
                    .map_err(|error| segment.failure(&error.into(), total))?
            }
            Some(_) | None => 0,
        };
        // What was not taken at once is told why, or goes to several files.
        for data in run {
            let skip = done.min(data.len());
            self.write(offset + skip as u64, &data[skip..])?;
            (offset, done) = (offset + data.len() as u64, done - skip);
        }
        Ok(())
    }

    fn offset(&self, block: Block) -> u64 {
        self.layout().piece_offset(block.piece) + u64::from(block.begin)
    }

    /// Writes bytes at their place in the payload.
    pub(super) fn write(&self, mut offset: u64, mut data: &[u8]) -> Result<(), AgentFailure> {
        while let Some((segment, within, length)) = self.part(offset, data.len()) {
            let (part, rest) = data.split_at(length);
            segment.file.write_all_at(part, within).map_err(|error| segment.failure(&error, length))?;
            (offset, data) = (offset + length as u64, rest);
        }
        Ok(())
    }

    /// Waits until all that was written is on the disk.
    pub(super) fn sync(&self) -> Result<(), AgentFailure> {
        self.segments.iter().try_for_each(|segment| {
            segment.file.sync_all().map_err(|error| AgentFailure::from_io("sync", &segment.path, &error))
        })
    }

    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while let Some((segment, within, length)) = self.part(offset, buffer.len()) {
            let (part, rest) = buffer.split_at_mut(length);
            segment.file.read_exact_at(part, within)?;
            (offset, buffer) = (offset + length as u64, rest);
        }
        Ok(())
    }

    /// The file that holds the byte at `offset`, the byte's place in it, and how many of `length` bytes it takes.
    fn part(&self, offset: u64, length: usize) -> Option<(&Segment, u64, usize)> {
        let at = self.segments.partition_point(|segment| segment.start + segment.length <= offset);
        let segment = self.segments.get(at).filter(|_| length > 0)?;
        let within = offset - segment.start;
        let room = usize::try_from(segment.length - within).unwrap_or(usize::MAX);
        Some((segment, within, length.min(room)))
    }
}

/// Opens a file, with the room it needs if it is to be written; says how long it was.
fn open_file(path: &Path, length: u64, access: Access) -> Result<(File, u64), AgentFailure> {
    let failed = |operation: &'static str| move |error: io::Error| AgentFailure::from_io(operation, path, &error);
    let mut options = OpenOptions::new();
    options.read(true);
    if access == Access::Write {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed("create the folder of"))?;
        }
        // Nobody gets to choose another file for us to write to.
        options
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    }
    let file = options.open(path).map_err(failed("open"))?;
    let held = file.metadata().map_err(failed("inspect"))?.len();
    if access == Access::Write {
        release::share(&file);
        preallocate(&file, path, length)?;
    }
    Ok((file, held))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::BLOCK_LENGTH;

    const PIECE: PieceIndex = PieceIndex(0);

    /// A torrent of two files whose border is within its first block, and the storage of it.
    fn two_files(folder: &Path, access: Access) -> Storage {
        let digest = Sha1Digest::new(Sha1::digest(content()).into());
        let head = "d5:filesld6:lengthi10000e4:pathl1:aeed6:lengthi30000e4:pathl1:beee4:name1:x12:piece lengthi65536e";
        let raw = [format!("{head}6:pieces20:").as_bytes(), digest.as_bytes(), b"e"].concat();
        Storage::open(Info::parse(&raw).unwrap(), folder, access).unwrap()
    }

    fn content() -> Vec<u8> {
        (0..40_000_u32).map(|at| (at / 7) as u8).collect()
    }

    fn blocks(storage: &Storage) -> Vec<(Block, Bytes)> {
        let content = Bytes::from(content());
        let cut = |block: Block| content.slice(block.begin as usize..(block.begin + block.length) as usize);
        storage.layout().blocks(PIECE).map(|block| (block, cut(block))).collect()
    }

    #[test]
    fn a_run_of_blocks_is_written_across_files_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let storage = two_files(folder.path(), Access::Write);
        let blocks = blocks(&storage);
        let run: Vec<Bytes> = blocks.iter().map(|(_, data)| data.clone()).collect();
        storage.write_run(blocks[0].0, &run[..1]).unwrap();
        storage.write_run(blocks[1].0, &run[1..]).unwrap();
        for (block, data) in blocks {
            assert_eq!(storage.read(block).unwrap(), data);
            let mut now = vec![0; block.length as usize - 5];
            storage.read_now(block, 5, &mut now).unwrap();
            assert_eq!(now, data[5..]);
        }
        assert!(storage.is_intact(PIECE).unwrap());
        assert_eq!(std::fs::read(folder.path().join("b")).unwrap(), content()[10_000..]);
    }

    #[test]
    fn only_what_is_not_hashed_yet_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let storage = two_files(folder.path(), Access::Write);
        let run: Vec<Bytes> = blocks(&storage).into_iter().map(|(_, data)| data).collect();
        let first = Block { piece: PIECE, begin: 0, length: BLOCK_LENGTH };
        storage.write_run(first, &run).unwrap();
        storage.write(0, &[0; 100]).unwrap();
        let hashed = Sha1::new_with_prefix(&run[0]);
        assert!(storage.is_intact_from(PIECE, BLOCK_LENGTH, hashed).unwrap());
        assert!(!storage.is_intact(PIECE).unwrap());
    }

    #[test]
    fn a_file_that_became_shorter_cannot_be_read_and_says_so_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let storage = two_files(folder.path(), Access::Write);
        File::options().write(true).open(folder.path().join("b")).unwrap().set_len(100).unwrap();
        let (last, _) = blocks(&storage).pop().unwrap();
        let slow = storage.read(last).unwrap_err().kind();
        let fast = storage.read_now(last, 0, &mut [0; 50]).unwrap_err().kind();
        assert_eq!(slow, io::ErrorKind::UnexpectedEof);
        assert!(matches!(fast, io::ErrorKind::UnexpectedEof | io::ErrorKind::WouldBlock), "{fast}");
    }
}
