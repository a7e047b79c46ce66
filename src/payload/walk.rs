//! A directory tree, always in the same order, and the proof that it did not change meanwhile.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::io::Errno;

use super::exclude::Exclude;
use super::{DEPTH_MAX, FileError, PATH_MAX, ReadError};

/// One thing in the tree.
pub(super) struct Item<'a> {
    /// The directory it is in.
    pub(super) dir: BorrowedFd<'a>,
    /// Its name there.
    pub(super) name: &'a CStr,
    /// Its path from the root; empty for the root itself.
    pub(super) path: &'a [u8],
    /// What it was when it was found; a link is not followed.
    pub(super) stat: Stat,
    root: &'a Path,
}

impl Item<'_> {
    /// What kind of thing it is.
    pub(super) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }

    /// Where it lies, for people.
    pub(super) fn location(&self) -> PathBuf {
        locate(self.root, self.path)
    }

    /// Opens it for reading, never following a link nor waiting for a fifo's writer.
    pub(super) fn open(&self) -> Result<OwnedFd, ReadError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = openat(self.dir, self.name, flags, Mode::empty()).map_err(|error| self.error("open", error))?;
        self.unchanged(&fd)?;
        Ok(fd)
    }

    /// Errs unless the open file is still what was found.
    pub(super) fn unchanged(&self, fd: &OwnedFd) -> Result<(), ReadError> {
        let now = fstat(fd).map_err(FileError::at("inspect", &self.location()))?;
        if same(&self.stat, &now) { Ok(()) } else { Err(ReadError::Changed { path: self.location() }) }
    }

    /// The error of an operation on it: what was found and is gone has changed.
    pub(super) fn error(&self, operation: &'static str, error: Errno) -> ReadError {
        match error {
            Errno::NOENT | Errno::LOOP | Errno::NOTDIR => ReadError::Changed { path: self.location() },
            error => FileError::at(operation, &self.location())(error).into(),
        }
    }
}

/// Visits the tree at `root`: a directory before what it holds, names in byte order, links not followed.
///
/// Errs when a directory was written to between its listing and the end of its visit.
pub(super) fn walk<E: From<ReadError>>(
    root: &Path,
    exclude: Option<&Exclude>,
    cancel: &AtomicBool,
    visit: &mut dyn FnMut(&Item<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir =
        rustix::fs::open(root, flags, Mode::empty()).map_err(FileError::at("open", root)).map_err(ReadError::from)?;
    let stat = fstat(&dir).map_err(FileError::at("inspect", root)).map_err(ReadError::from)?;
    visit(&Item { dir: dir.as_fd(), name: c".", path: b"", stat, root })?;
    Walk { root, exclude, cancel, visit, path: Vec::new() }.descend(&dir, &stat, 0)
}

/// Whether two looks at a file saw the same: content, mode and identity.
pub(super) fn same(before: &Stat, after: &Stat) -> bool {
    before.st_dev == after.st_dev
        && before.st_ino == after.st_ino
        && before.st_mode == after.st_mode
        && before.st_size == after.st_size
        && (before.st_mtime, before.st_mtime_nsec) == (after.st_mtime, after.st_mtime_nsec)
        && (before.st_ctime, before.st_ctime_nsec) == (after.st_ctime, after.st_ctime_nsec)
}

struct Walk<'a, E> {
    root: &'a Path,
    exclude: Option<&'a Exclude>,
    cancel: &'a AtomicBool,
    visit: &'a mut dyn FnMut(&Item<'_>) -> Result<(), E>,
    path: Vec<u8>,
}

impl<E: From<ReadError>> Walk<'_, E> {
    fn descend(&mut self, dir: &OwnedFd, before: &Stat, depth: usize) -> Result<(), E> {
        let parent = self.path.len();
        for name in self.names(dir)? {
            if self.cancel.load(Ordering::Relaxed) {
                return Err(ReadError::Cancelled.into());
            }
            if parent > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(name.to_bytes());
            if !self.exclude.is_some_and(|exclude| exclude.matches(&self.path)) {
                self.enter(dir, &name, depth)?;
            }
            self.path.truncate(parent);
        }
        let after = fstat(dir).map_err(|error| self.error("inspect", error))?;
        if same(before, &after) { Ok(()) } else { Err(ReadError::Changed { path: self.location() }.into()) }
    }

    fn enter(&mut self, dir: &OwnedFd, name: &CStr, depth: usize) -> Result<(), E> {
        if depth >= DEPTH_MAX || self.path.len() > PATH_MAX {
            return Err(ReadError::Deep { path: self.location() }.into());
        }
        let changed = |path| ReadError::Changed { path };
        let stat = match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Err(changed(self.location()).into()),
            Err(error) => return Err(self.error("inspect", error).into()),
        };
        let item = Item { dir: dir.as_fd(), name, path: &self.path, stat, root: self.root };
        (self.visit)(&item)?;
        if item.kind() == FileType::Directory {
            let inner = item.open()?;
            self.descend(&inner, &stat, depth + 1)?;
        }
        Ok(())
    }

    fn names(&self, dir: &OwnedFd) -> Result<Vec<CString>, ReadError> {
        let mut names = Vec::new();
        for entry in Dir::read_from(dir).map_err(|error| self.error("list", error))? {
            let name = entry.map_err(|error| self.error("list", error))?.file_name().to_owned();
            if !matches!(name.to_bytes(), b"." | b"..") {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn error(&self, operation: &'static str, error: Errno) -> ReadError {
        FileError::at(operation, &self.location())(error).into()
    }

    fn location(&self) -> PathBuf {
        locate(self.root, &self.path)
    }
}

fn locate(root: &Path, path: &[u8]) -> PathBuf {
    if path.is_empty() { root.to_owned() } else { root.join(OsStr::from_bytes(path)) }
}
