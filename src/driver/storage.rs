//! The payload on disk: one file, or the files of a torrent laid end to end, read and written by position.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use rustix::fs::OFlags;
use sha1::{Digest, Sha1};

use crate::base::{Bitfield, Block, ByteCount, Layout, PieceIndex, Sha1Digest};
use crate::control::AgentFailure;
use crate::metainfo::{Content, Info};
use crate::payload::{ReadError, verify_existing};
use crate::release::{self, preallocate, space_left};

/// Bytes read at once to be hashed.
const CHUNK: usize = 256 << 10;

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
}

impl Segment {
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
            if held > 0 {
                contents = Contents::Some;
            }
            segments.push(Segment { start, length, path, file });
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
        let begin = self.layout().piece_offset(piece);
        let end = begin + u64::from(self.layout().piece_length(piece));
        let mut digest = Sha1::new();
        let mut buffer = vec![0; CHUNK];
        let mut at = begin;
        while at < end {
            let want = usize::try_from(end - at).map_or(CHUNK, |left| left.min(CHUNK));
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

    /// Reads a block.
    pub(super) fn read(&self, block: Block) -> io::Result<Bytes> {
        let mut data = BytesMut::zeroed(block.length as usize);
        self.read_exact_at(&mut data, self.layout().piece_offset(block.piece) + u64::from(block.begin))?;
        Ok(data.freeze())
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
