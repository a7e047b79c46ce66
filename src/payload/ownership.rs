//! Giving a tree to somebody.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Uid, chownat, openat, statat};
use rustix::io::Errno;

use super::{DEPTH_MAX, FileError};

/// Gives what lies at `path`, with all it holds, to a user and a group; `None` leaves either as it is. Links are given, not
/// followed.
pub fn give_tree(path: &Path, user: Option<u32>, group: Option<u32>) -> Result<(), FileError> {
    let to = (user.map(Uid::from_raw), group.map(Gid::from_raw));
    let name = CString::new(path.as_os_str().as_bytes())
        .map_err(|error| FileError::at("give away", path)(std::io::Error::from(error)))?;
    give(CWD, &name, to, 0).map_err(FileError::at("give away", path))
}

fn give(dir: BorrowedFd<'_>, name: &CStr, to: (Option<Uid>, Option<Gid>), depth: usize) -> Result<(), Errno> {
    let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        if depth > 2 * DEPTH_MAX {
            return Err(Errno::NAMETOOLONG);
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let inner = openat(dir, name, flags, Mode::empty())?;
        for entry in Dir::read_from(&inner)? {
            let name = entry?.file_name().to_owned();
            if !matches!(name.to_bytes(), b"." | b"..") {
                give(inner.as_fd(), &name, to, depth + 1)?;
            }
        }
    }
    chownat(dir, name, to.0, to.1, AtFlags::SYMLINK_NOFOLLOW)
}
