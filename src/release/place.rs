//! `DIR/TAG`: whether it is there, whether it is the right one, and putting it there.

use std::ffi::OsString;
use std::fs::{Metadata, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, fsync, linkat, renameat, renameat_with, unlinkat};
use rustix::io::Errno;

use super::{ReleaseError, plain};
use crate::base::Sha256Digest;
use crate::payload::{self, FileError};

/// Before the name of a staged release, for the moment it lies beside its place.
pub(super) const ASIDE: &str = ".rookery-";

/// What lies at `DIR/TAG`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseState {
    /// Nothing.
    Absent,
    /// The release.
    Same,
    /// Something else.
    Differs {
        /// Its content digest.
        found: Sha256Digest,
    },
}

/// Computes the content digest of a release as it lies on disk: that of the archive it came from, exactly if names, contents,
/// modes and links are the same; of a file, that of its content.
pub fn digest(path: &Path, cancel: &AtomicBool) -> Result<Sha256Digest, ReleaseError> {
    Ok(payload::content_digest(path, cancel)?)
}

/// Looks at `DIR/TAG`.
pub fn state(
    destination: &Path,
    tag: &str,
    expected: Sha256Digest,
    cancel: &AtomicBool,
) -> Result<ReleaseState, ReleaseError> {
    let path = destination.join(plain(tag)?);
    match std::fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ReleaseState::Absent),
        Err(error) => return Err(FileError::at("inspect", &path)(error).into()),
        Ok(_) => {}
    }
    let found = digest(&path, cancel)?;
    Ok(if found == expected { ReleaseState::Same } else { ReleaseState::Differs { found } })
}

/// Renames a staged release to `DIR/TAG`, never over anything, and makes that last.
///
/// # Errors
///
/// [`ReleaseError::Exists`] when the place is taken; the staged release stays where it is.
pub fn place(staged: &Path, destination: &Path, tag: &str) -> Result<PathBuf, ReleaseError> {
    let target = destination.join(plain(tag)?);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder: OwnedFd =
        rustix::fs::open(destination, flags, Mode::empty()).map_err(FileError::at("open", destination))?;
    let metadata = std::fs::symlink_metadata(staged).map_err(FileError::at("inspect", staged))?;
    if metadata.is_dir() && metadata.permissions().mode() & 0o200 == 0 {
        place_read_only(staged, &metadata, destination, &target)?;
    } else {
        rename(staged, &target, &metadata)?;
    }
    fsync(&folder).map_err(FileError::at("sync", destination))?;
    Ok(target)
}

/// A directory that its owner may not write to can be renamed but not moved, so it is moved beside its place while it still can
/// be written to.
fn place_read_only(staged: &Path, metadata: &Metadata, destination: &Path, target: &Path) -> Result<(), ReleaseError> {
    let mut name = OsString::from(ASIDE);
    name.push(staged.file_name().unwrap_or_default());
    let aside = destination.join(name);
    payload::remove_tree(&aside)?;
    let mode = metadata.permissions().mode();
    let allow = |path: &Path, mode| {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).map_err(FileError::at("set the mode of", path))
    };
    allow(staged, mode | 0o200)?;
    rename(staged, &aside, metadata)?;
    allow(&aside, mode)?;
    let outcome = rename(&aside, target, metadata);
    if outcome.is_err() {
        allow(&aside, mode | 0o200)?;
        rename(&aside, staged, metadata)?;
        allow(staged, mode)?;
    }
    outcome
}

fn rename(from: &Path, to: &Path, metadata: &Metadata) -> Result<(), ReleaseError> {
    let outcome = match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => rename_simply(from, to, metadata),
        outcome => outcome,
    };
    outcome.map_err(|error| match error {
        Errno::EXIST | Errno::NOTEMPTY => ReleaseError::Exists { path: to.to_owned() },
        error => FileError::at("rename to", to)(error).into(),
    })
}

/// For file systems without exclusive renames: a link to a file is exclusive, and a directory replaces at most an empty one.
fn rename_simply(from: &Path, to: &Path, metadata: &Metadata) -> Result<(), Errno> {
    if metadata.is_dir() {
        return if to.symlink_metadata().is_ok() { Err(Errno::EXIST) } else { renameat(CWD, from, CWD, to) };
    }
    linkat(CWD, from, CWD, to, AtFlags::empty())?;
    unlinkat(CWD, from, AtFlags::empty())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    static GO: AtomicBool = AtomicBool::new(false);

    #[test]
    fn a_release_is_never_put_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let staged = folder.path().join("staged");
        fs::create_dir(&staged).unwrap();
        fs::write(staged.join("new"), "new").unwrap();
        for taken in ["directory", "file"] {
            let target = folder.path().join(taken);
            if taken == "file" {
                fs::write(&target, "old").unwrap();
            } else {
                fs::create_dir(&target).unwrap();
            }
            let error = place(&staged, folder.path(), taken).unwrap_err();
            assert!(matches!(error, ReleaseError::Exists { .. }), "{error}");
            assert!(staged.join("new").exists() && !target.join("new").exists());
        }
        assert_eq!(place(&staged, folder.path(), "v1").unwrap(), folder.path().join("v1"));
        assert!(!staged.exists());
    }

    #[test]
    fn a_read_only_release_keeps_its_mode_and_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let work = folder.path().join("work");
        let staged = work.join("stage.r1.v1");
        fs::create_dir_all(&staged).unwrap();
        fs::set_permissions(&staged, Permissions::from_mode(0o555)).unwrap();
        fs::create_dir(folder.path().join("taken")).unwrap();
        assert!(matches!(place(&staged, folder.path(), "taken"), Err(ReleaseError::Exists { .. })));
        assert_eq!(fs::metadata(&staged).unwrap().permissions().mode() & 0o777, 0o555);
        let placed = place(&staged, folder.path(), "v1").unwrap();
        assert_eq!(fs::metadata(&placed).unwrap().permissions().mode() & 0o777, 0o555);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn tags_that_lead_elsewhere_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for tag in ["", ".", "..", "a/b", ".rookery"] {
            assert!(matches!(place(folder.path(), folder.path(), tag), Err(ReleaseError::Name { .. })), "{tag}");
        }
    }

    #[test]
    fn the_state_tells_same_from_other_and_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("v1")).unwrap();
        fs::write(folder.path().join("v1/file"), "x").unwrap();
        let expected = digest(&folder.path().join("v1"), &GO).unwrap();
        assert_eq!(state(folder.path(), "v1", expected, &GO).unwrap(), ReleaseState::Same);
        assert_eq!(state(folder.path(), "v2", expected, &GO).unwrap(), ReleaseState::Absent);
        fs::write(folder.path().join("v1/more"), "").unwrap();
        std::os::unix::fs::symlink("v1", folder.path().join("v2")).unwrap();
        for tag in ["v1", "v2"] {
            assert!(matches!(state(folder.path(), tag, expected, &GO).unwrap(), ReleaseState::Differs { .. }), "{tag}");
        }
    }
}
