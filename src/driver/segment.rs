//! Segment: a run of the payload's bytes that lie in one file, or in none.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut};
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Advice, Mode, OFlags, fadvise, openat};
use rustix::io::{Errno, ReadWriteFlags, preadv2, pwritev, retry_on_intr};

use crate::base::ByteCount;
use crate::control::AgentFailure;
use crate::release::{self, is_in_memory, preallocate, space_left};

/// What the disk is told to have ready when bytes had to be waited for: the peer asks for what follows next.
const AHEAD: u64 = 1 << 20;

/// What may be done with the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// They are complete, and are never changed.
    Read,
    /// They are made, with all the room they will need.
    Write,
}

/// A run of the payload's bytes.
#[derive(Debug)]
pub(super) struct Segment {
    /// Its first byte in the payload.
    pub(super) start: u64,
    /// Its length in bytes.
    pub(super) length: u64,
    /// How many bytes the file held when it was first opened.
    pub(super) held: u64,
    backing: Backing,
}

/// Where the bytes are.
#[derive(Debug)]
enum Backing {
    /// Nowhere: they are zeros (BEP 47).
    Padding,
    /// In a file that is open.
    Open(PathBuf, File, Medium),
    /// In a file that is opened for each use, from a folder that may be renamed meanwhile.
    Closed(Arc<File>, PathBuf, Access),
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
    /// Opens a file; one to be written is made, with its folders and the room it needs.
    pub(super) fn open(start: u64, length: u64, path: PathBuf, access: Access) -> Result<Self, AgentFailure> {
        let failed = |operation: &'static str| {
            let path = path.clone();
            move |error: io::Error| AgentFailure::from_io(operation, &path, &error)
        };
        if let (Access::Write, Some(folder)) = (access, path.parent()) {
            std::fs::create_dir_all(folder).map_err(failed("create the folder of"))?;
        }
        let file = open_file(&path, access).map_err(failed("open"))?;
        let held = file.metadata().map_err(failed("inspect"))?.len();
        if access == Access::Write {
            release::share(&file);
            preallocate(&file, &path, length)?;
        }
        let medium = if is_in_memory(&file) { Medium::Memory } else { Medium::Disk };
        Ok(Self { start, length, held, backing: Backing::Open(path, file, medium) })
    }

    /// Zeros that are on no disk.
    pub(super) const fn padding(start: u64, length: u64) -> Self {
        Self { start, length, held: 0, backing: Backing::Padding }
    }

    /// The same, with its file closed until it is used; `path` leads there from `folder`.
    pub(super) fn closed(self, folder: Arc<File>, path: PathBuf, access: Access) -> Self {
        Self { backing: Backing::Closed(folder, path, access), ..self }
    }

    /// Fills `buffer` from a place within.
    pub(super) fn read(&self, buffer: &mut [u8], within: u64) -> io::Result<()> {
        match &self.backing {
            Backing::Padding => {
                buffer.fill(0);
                Ok(())
            }
            Backing::Open(_, file, _) => file.read_exact_at(buffer, within),
            Backing::Closed(folder, path, access) => reopen(folder, path, *access)?.read_exact_at(buffer, within),
        }
    }

    /// The same if that takes no waiting; [`WouldBlock`](io::ErrorKind::WouldBlock) is that it would.
    pub(super) fn read_now(&self, buffer: &mut [u8], within: u64) -> io::Result<()> {
        match &self.backing {
            Backing::Padding | Backing::Open(_, _, Medium::Memory) => self.read(buffer, within),
            Backing::Closed(..) => Err(io::ErrorKind::WouldBlock.into()),
            Backing::Open(_, file, Medium::Disk) => {
                match preadv2(file, &mut [IoSliceMut::new(buffer)], within, ReadWriteFlags::NOWAIT) {
                    Ok(read) if read == buffer.len() => Ok(()),
                    Ok(_) | Err(Errno::AGAIN | Errno::INTR | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                        Err(io::ErrorKind::WouldBlock.into())
                    }
                    Err(error) => Err(error.into()),
                }
            }
        }
    }

    /// Has what follows a place made ready.
    pub(super) fn read_ahead(&self, within: u64) {
        match &self.backing {
            Backing::Open(_, file, Medium::Disk) => {
                // Without the hint all is slower, not wrong.
                let _ = fadvise(file, within, NonZeroU64::new(AHEAD), Advice::WillNeed);
            }
            Backing::Padding | Backing::Open(_, _, Medium::Memory) | Backing::Closed(..) => {}
        }
    }

    /// Writes as much at once as can be; says how many bytes that were.
    pub(super) fn write_slices(&self, slices: &[IoSlice<'_>], within: u64) -> Result<usize, AgentFailure> {
        match &self.backing {
            Backing::Open(path, file, _) => retry_on_intr(|| pwritev(file, slices, within)).map_err(|error| {
                let length = slices.iter().map(|slice| slice.len()).sum();
                failure(path, &error.into(), length)
            }),
            Backing::Padding | Backing::Closed(..) => Ok(0),
        }
    }

    /// Writes at a place within. What should go to padding goes nowhere: it is zeros whatever a peer says.
    pub(super) fn write(&self, data: &[u8], within: u64) -> Result<(), AgentFailure> {
        let (path, written) = match &self.backing {
            Backing::Padding => return Ok(()),
            Backing::Open(path, file, _) => (path, file.write_all_at(data, within)),
            Backing::Closed(folder, path, access) => {
                (path, reopen(folder, path, *access).and_then(|file| file.write_all_at(data, within)))
            }
        };
        written.map_err(|error| failure(path, &error, data.len()))
    }

    /// Waits until all that was written is on the disk.
    pub(super) fn sync(&self) -> Result<(), AgentFailure> {
        let (path, synced) = match &self.backing {
            Backing::Padding => return Ok(()),
            Backing::Open(path, file, _) => (path, file.sync_all()),
            Backing::Closed(folder, path, access) => {
                (path, reopen(folder, path, *access).and_then(|file| file.sync_all()))
            }
        };
        synced.map_err(|error| AgentFailure::from_io("sync", path, &error))
    }
}

fn open_file(path: &Path, access: Access) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    if access == Access::Write {
        // Nobody gets to choose another file for us to write to.
        options
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    }
    options.open(path)
}

fn reopen(folder: &File, path: &Path, access: Access) -> io::Result<File> {
    let access = match access {
        Access::Read => OFlags::RDONLY,
        Access::Write => OFlags::RDWR | OFlags::NOFOLLOW,
    };
    Ok(openat(folder, path, access | OFlags::CLOEXEC, Mode::empty())?.into())
}

/// A write that failed; of a full disk it is said how much was missing.
fn failure(path: &Path, error: &io::Error, length: usize) -> AgentFailure {
    let failure = AgentFailure::from_io("write", path, error);
    if let AgentFailure::DiskFull { path: full, .. } = failure {
        let free = space_left(path).unwrap_or_default();
        return AgentFailure::DiskFull { path: full, needed: ByteCount(length as u64), free };
    }
    failure
}
