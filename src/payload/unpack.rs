//! A payload becomes a release, in a place of its own, whatever the payload holds.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps};
use rustix::fs::{chmodat, fchmod, futimens, mkdirat, openat, symlinkat, utimensat};
use rustix::io::Errno;

use super::entry::{Entries, Entry, EntryError, Kind};
use super::{BUFFER_LENGTH, Danger, FileError, Format, MODE_MASK, MTIME, remove_tree, text};
use crate::base::ByteCount;

/// Largest window of a compressed payload, as a power of two: 8 MiB, four times what [`pack`](super::pack) uses.
const WINDOW_LOG_MAX: u32 = 23;

/// What a release was said to hold, by whoever packed it. More is refused before it is written; less is damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    /// Bytes of all files.
    pub bytes: ByteCount,
    /// Files, directories and links, the root included.
    pub entries: u64,
    /// The `rwx` bits of a release that is a file; an archive holds its own.
    pub mode: u32,
}

/// Why a payload did not become a release. What had been written is removed.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The archive holds something that is not unpacked.
    #[error("archive entry `{entry}` {why}")]
    Unsafe {
        /// Its path, as far as it can be shown.
        entry: String,
        /// What is wrong with it.
        why: Danger,
    },
    /// The payload is not what was packed.
    #[error("the archive is damaged: {why}")]
    Damaged {
        /// What is wrong with it.
        why: String,
    },
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl From<EntryError> for UnpackError {
    fn from(error: EntryError) -> Self {
        match error {
            EntryError::Unsafe { entry, why } => Self::Unsafe { entry, why },
            EntryError::Damaged(why) => Self::Damaged { why: why.to_owned() },
            EntryError::Read(error) => match error.downcast::<FileError>() {
                Ok(error) => Self::File(error),
                Err(error) => Self::Damaged { why: error.to_string() },
            },
        }
    }
}

/// Unpacks `payload` to `into`, which must not exist yet, and writes it through to the disk.
///
/// Every entry is created relative to its open directory, exclusively and without following links, so that no archive and no
/// other process can lead a write elsewhere. Modes are exact whatever the umask, times are [`MTIME`](super::MTIME).
///
/// # Errors
///
/// See [`UnpackError`]; after one, nothing is left at `into`, unless it was there before.
pub fn unpack(
    payload: &Path,
    format: Format,
    into: &Path,
    promise: &Promise,
    cancel: &AtomicBool,
) -> Result<(), UnpackError> {
    let source = File::open(payload).map_err(FileError::at("open", payload))?;
    let target = Target::new(into)?;
    let input = Input { file: source, path: payload };
    match format {
        Format::File => {
            let file = target.create_file()?;
            cleaned(into, unpack_file(input, file, into, promise, cancel))
        }
        Format::Tar => {
            let root = target.create_directory()?;
            let reader = io::BufReader::with_capacity(BUFFER_LENGTH, input);
            cleaned(into, Unpacking::new(into, promise, cancel).run(root, reader))
        }
        Format::TarZstd => {
            let root = target.create_directory()?;
            cleaned(into, decoder(input).and_then(|reader| Unpacking::new(into, promise, cancel).run(root, reader)))
        }
    }
}

fn cleaned(into: &Path, outcome: Result<(), UnpackError>) -> Result<(), UnpackError> {
    outcome.inspect_err(|_| {
        // The first error is the one to tell; what is left is found and named by whoever cleans the folder.
        let _ = remove_tree(into);
    })
}

fn decoder(input: Input<'_>) -> Result<impl Read, UnpackError> {
    let open = || {
        let mut decoder = zstd::stream::read::Decoder::new(input)?;
        decoder.window_log_max(WINDOW_LOG_MAX)?;
        Ok(decoder.single_frame())
    };
    open().map_err(|error: io::Error| UnpackError::Damaged { why: error.to_string() })
}

fn unpack_file(
    mut input: Input<'_>,
    file: OwnedFd,
    into: &Path,
    promise: &Promise,
    cancel: &AtomicBool,
) -> Result<(), UnpackError> {
    let mut file = File::from(file);
    let mut buffer = vec![0; BUFFER_LENGTH];
    let mut written = 0;
    loop {
        if cancel.load(Ordering::Relaxed) {
            return Err(UnpackError::Cancelled);
        }
        let got = input.read(&mut buffer).map_err(EntryError::Read)?;
        written += got as u64;
        if written > promise.bytes.0 || (got == 0 && written < promise.bytes.0) {
            return Err(UnpackError::Damaged { why: format!("it is not the {} bytes promised", promise.bytes.0) });
        }
        if got == 0 {
            break;
        }
        file.write_all(&buffer[..got]).map_err(FileError::at("write", into))?;
    }
    finish(&file, promise.mode).map_err(FileError::at("finish", into))?;
    Ok(file.sync_all().map_err(FileError::at("sync", into))?)
}

/// The payload; its errors say which file could not be read.
struct Input<'a> {
    file: File,
    path: &'a Path,
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer).map_err(|error| io::Error::new(error.kind(), FileError::at("read", self.path)(error)))
    }
}

/// Where the release goes: a name in an open directory.
struct Target<'a> {
    parent: OwnedFd,
    name: &'a std::ffi::OsStr,
    path: &'a Path,
}

impl<'a> Target<'a> {
    fn new(path: &'a Path) -> Result<Self, FileError> {
        let none = || FileError::at("create", path)(Errno::INVAL);
        let (parent, name) = path.parent().zip(path.file_name()).ok_or_else(none)?;
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = rustix::fs::open(parent, flags, Mode::empty()).map_err(FileError::at("open", parent))?;
        Ok(Self { parent, name, path })
    }

    fn create_file(&self) -> Result<OwnedFd, FileError> {
        create_file(&self.parent, self.name.as_bytes()).map_err(FileError::at("create", self.path))
    }

    fn create_directory(&self) -> Result<OwnedFd, FileError> {
        create_directory(&self.parent, self.name.as_bytes()).map_err(FileError::at("create", self.path))
    }
}

/// A directory that is being filled.
struct Level {
    path: Vec<u8>,
    fd: OwnedFd,
    mode: u32,
}

struct Unpacking<'a> {
    into: &'a Path,
    promise: &'a Promise,
    cancel: &'a AtomicBool,
    /// The directories from the root to the one being filled; one that was left is finished and never entered again.
    levels: Vec<Level>,
    bytes: u64,
    entries: u64,
    buffer: Vec<u8>,
}

impl<'a> Unpacking<'a> {
    fn new(into: &'a Path, promise: &'a Promise, cancel: &'a AtomicBool) -> Self {
        Self { into, promise, cancel, levels: Vec::new(), bytes: 0, entries: 0, buffer: vec![0; BUFFER_LENGTH] }
    }

    fn run(mut self, root: OwnedFd, reader: impl Read) -> Result<(), UnpackError> {
        let mut archive = Entries::new(reader);
        let disk = root.try_clone().map_err(FileError::at("open", self.into))?;
        match archive.next()? {
            Some(Entry { path, mode, kind: Kind::Directory }) if path.is_empty() => {
                self.levels.push(Level { path, fd: root, mode });
                self.entries = 1;
            }
            Some(_) | None => return Err(UnpackError::Damaged { why: "it does not start with its root".to_owned() }),
        }
        while let Some(entry) = archive.next()? {
            if self.cancel.load(Ordering::Relaxed) {
                return Err(UnpackError::Cancelled);
            }
            self.count(&entry)?;
            self.create(entry, &mut archive)?;
        }
        while !self.levels.is_empty() {
            self.leave()?;
        }
        if self.entries != self.promise.entries || self.bytes != self.promise.bytes.0 {
            let why = format!("it holds {} entries and {} bytes, fewer than promised", self.entries, self.bytes);
            return Err(UnpackError::Damaged { why });
        }
        Ok(rustix::fs::syncfs(&disk).map_err(FileError::at("sync", self.into))?)
    }

    fn count(&mut self, entry: &Entry) -> Result<(), UnpackError> {
        let refuse = |why| Err(UnpackError::Unsafe { entry: text(&entry.path), why });
        self.entries += 1;
        if self.entries > self.promise.entries {
            return refuse(Danger::Entries { promised: self.promise.entries });
        }
        if let Kind::File { size } = entry.kind {
            self.bytes = self.bytes.saturating_add(size);
            if self.bytes > self.promise.bytes.0 {
                return refuse(Danger::Bytes { promised: self.promise.bytes.0 });
            }
        }
        Ok(())
    }

    fn create<R: Read>(&mut self, entry: Entry, archive: &mut Entries<R>) -> Result<(), UnpackError> {
        if entry.path.is_empty() {
            return Err(UnpackError::Unsafe { entry: "./".to_owned(), why: Danger::Twice });
        }
        let slash = entry.path.iter().rposition(|byte| *byte == b'/');
        let (parent, name) = slash.map_or((&[][..], &entry.path[..]), |at| (&entry.path[..at], &entry.path[at + 1..]));
        while self.levels.last().is_some_and(|level| level.path != parent) {
            self.leave()?;
        }
        let Some(level) = self.levels.last() else {
            return Err(UnpackError::Unsafe { entry: text(&entry.path), why: Danger::Orphan });
        };
        let location = self.locate(&entry.path);
        let failed = |error| match error {
            Errno::EXIST => UnpackError::Unsafe { entry: text(&entry.path), why: Danger::Twice },
            error => FileError::at("create", &location)(error).into(),
        };
        match entry.kind {
            Kind::Directory => {
                let fd = create_directory(&level.fd, name).map_err(failed)?;
                self.levels.push(Level { path: entry.path, fd, mode: entry.mode });
            }
            Kind::File { size } => {
                let file = File::from(create_file(&level.fd, name).map_err(failed)?);
                self.write(&file, &location, size, archive)?;
                finish(&file, entry.mode).map_err(FileError::at("finish", &location))?;
            }
            Kind::Link { target } => {
                symlinkat(&target[..], &level.fd, name).map_err(failed)?;
                utimensat(&level.fd, name, &times(), AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(FileError::at("finish", &location))?;
            }
        }
        Ok(())
    }

    fn write<R: Read>(
        &mut self,
        mut file: &File,
        location: &Path,
        size: u64,
        archive: &mut Entries<R>,
    ) -> Result<(), UnpackError> {
        let cancel = self.cancel;
        archive.content(size, &mut self.buffer, &mut |chunk| {
            if cancel.load(Ordering::Relaxed) {
                return Err(UnpackError::Cancelled);
            }
            Ok(file.write_all(chunk).map_err(FileError::at("write", location))?)
        })
    }

    fn leave(&mut self) -> Result<(), UnpackError> {
        if let Some(level) = self.levels.pop() {
            finish(&level.fd, level.mode).map_err(FileError::at("finish", &self.locate(&level.path)))?;
        }
        Ok(())
    }

    fn locate(&self, path: &[u8]) -> PathBuf {
        self.into.join(std::ffi::OsStr::from_bytes(path))
    }
}

fn create_directory(parent: &OwnedFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    mkdirat(parent, name, Mode::RWXU)?;
    // The umask may have taken even our own rights.
    chmodat(parent, name, Mode::RWXU, AtFlags::empty())?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

fn create_file(parent: &OwnedFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::RUSR | Mode::WUSR)
}

fn finish(file: &impl std::os::fd::AsFd, mode: u32) -> Result<(), Errno> {
    fchmod(file, Mode::from_raw_mode(mode & MODE_MASK))?;
    futimens(file, &times())
}

fn times() -> Timestamps {
    let time = Timespec { tv_sec: MTIME.cast_signed(), tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}
