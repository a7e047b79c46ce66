//! Removing a tree, read-only directories included.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, chmodat, openat, statat, unlinkat};
use rustix::io::Errno;

use super::{DEPTH_MAX, FileError};

/// Removes what lies at `path`, if anything does: a file, a link, or a directory with all it holds.
///
/// Links are removed, never followed; a directory of ours without `rwx` is given it first.
pub fn remove_tree(path: &Path) -> Result<(), FileError> {
    let name = CString::new(path.as_os_str().as_bytes())
        .map_err(|error| FileError::at("remove", path)(std::io::Error::from(error)))?;
    remove(CWD, &name, 0).map_err(FileError::at("remove", path))
}

fn remove(dir: BorrowedFd<'_>, name: &CStr, depth: usize) -> Result<(), Errno> {
    let stat = match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(()),
        stat => stat?,
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return unlinkat(dir, name, AtFlags::empty());
    }
    if depth > 2 * DEPTH_MAX {
        return Err(Errno::NAMETOOLONG);
    }
    if stat.st_mode & 0o700 != 0o700 {
        chmodat(dir, name, Mode::RWXU, AtFlags::empty())?;
    }
    let inner =
        openat(dir, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let mut names = Vec::new();
    for entry in Dir::read_from(&inner)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    names.iter().try_for_each(|name| remove(inner.as_fd(), name, depth + 1))?;
    unlinkat(dir, name, AtFlags::REMOVEDIR)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn read_only_directories_go_and_what_links_point_to_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (tree, outside) = (folder.path().join("tree"), folder.path().join("outside"));
        fs::create_dir_all(tree.join("a/b")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "x").unwrap();
        fs::write(tree.join("a/b/file"), "x").unwrap();
        symlink(&outside, tree.join("a/link")).unwrap();
        fs::set_permissions(tree.join("a/b"), Permissions::from_mode(0o500)).unwrap();
        fs::set_permissions(tree.join("a"), Permissions::from_mode(0o000)).unwrap();
        remove_tree(&tree).unwrap();
        remove_tree(&tree).unwrap();
        assert!(!tree.exists() && outside.join("kept").exists());
    }
}
