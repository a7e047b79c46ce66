//! Room on a disk: how much there is, and taking it beforehand.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{FallocateFlags, StatVfs, fallocate, fstatfs, fstatvfs, statvfs};
use rustix::io::Errno;

use super::ReleaseError;
use crate::base::ByteCount;
use crate::payload::FileError;

/// Unit of `st_blocks`, whatever the file system's own is.
const BLOCK: u64 = 512;

/// `f_type` of a file system in memory (`linux/magic.h`).
const TMPFS_MAGIC: i64 = 0x0102_1994;

/// Whether a file lies in memory: tmpfs.
pub fn is_in_memory(file: &File) -> bool {
    fstatfs(file).is_ok_and(|stat| stat.f_type == TMPFS_MAGIC)
}

/// How many bytes this user can still write on the file system of `path`.
pub fn space_left(path: &Path) -> Result<ByteCount, ReleaseError> {
    let stat = statvfs(path).map_err(FileError::at("inspect", path))?;
    Ok(free(&stat))
}

/// Gives `file` exactly `length` bytes and takes the room for them, so that no later write can find the disk full.
///
/// What the file holds within `length` stays. Where the file system cannot take room beforehand the length is set alone, and where
/// it is memory, too: room there is taken by writing zeros, which takes as long as the payload itself. `path` names the file in
/// errors.
///
/// # Errors
///
/// [`ReleaseError::DiskFull`] with both numbers, before anything is changed.
pub fn preallocate(file: &File, path: &Path, length: u64) -> Result<(), ReleaseError> {
    let metadata = file.metadata().map_err(FileError::at("inspect", path))?;
    let needed = ByteCount(length.saturating_sub(metadata.blocks() * BLOCK));
    let free = free(&fstatvfs(file).map_err(FileError::at("inspect", path))?);
    let full = || ReleaseError::DiskFull { path: path.to_owned(), needed, free };
    if needed > free {
        return Err(full());
    }
    if metadata.len() > length || length == 0 {
        file.set_len(length).map_err(FileError::at("shorten", path))?;
    }
    if length == 0 {
        return Ok(());
    }
    let lengthen = || Ok(file.set_len(length).map_err(FileError::at("lengthen", path))?);
    if is_in_memory(file) {
        return lengthen();
    }
    match rustix::io::retry_on_intr(|| fallocate(file, FallocateFlags::empty(), 0, length)) {
        Ok(()) => Ok(()),
        Err(Errno::NOSPC | Errno::DQUOT) => Err(full()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => lengthen(),
        Err(error) => Err(FileError::at("preallocate", path)(error).into()),
    }
}

fn free(stat: &StatVfs) -> ByteCount {
    ByteCount(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_is_there_stays_when_room_is_taken() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"partial").unwrap();
        preallocate(file.as_file(), file.path(), 100_000).unwrap();
        let content = std::fs::read(file.path()).unwrap();
        assert_eq!(
            (content.len(), &content[..7], content[7..].iter().any(|b| *b != 0)),
            (100_000, &b"partial"[..], false)
        );
        preallocate(file.as_file(), file.path(), 4).unwrap();
        assert_eq!(std::fs::read(file.path()).unwrap(), b"part");
    }

    #[test]
    fn in_memory_no_zeros_are_written() {
        let file = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
        assert!(is_in_memory(file.as_file()));
        preallocate(file.as_file(), file.path(), 1 << 20).unwrap();
        let metadata = file.as_file().metadata().unwrap();
        assert_eq!((metadata.len(), metadata.blocks()), (1 << 20, 0));
    }

    #[test]
    fn a_disk_without_room_says_how_much_is_missing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let free = space_left(file.path()).unwrap();
        let error = preallocate(file.as_file(), file.path(), 1 << 60).unwrap_err();
        let ReleaseError::DiskFull { needed, free: found, .. } = error else { panic!("{error}") };
        assert_eq!(needed, ByteCount(1 << 60));
        assert!(found.0.abs_diff(free.0) < 1 << 34);
        assert_eq!(file.as_file().metadata().unwrap().len(), 0);
    }
}
