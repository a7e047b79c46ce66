//! Where a release lands: made beside its place, verified, then renamed to `DIR/TAG` in one step.
//!
//! Everything of ours lies in `DIR/.rookery/`, on the same file system as the release, and is found again by the run's name
//! or the payload's info-hash. Until the rename there is no `DIR/TAG`; after it, the release is whole, whoever was killed
//! when.
//!
//! This module decides nothing: it does not know when a release is wanted, and never replaces or removes one.

mod place;
mod space;
mod workspace;

use std::path::PathBuf;

use crate::base::ByteCount;
use crate::payload::{FileError, ReadError};

pub use place::{ReleaseState, digest, place, state};
pub use space::{is_in_memory, preallocate, space_left};
pub use workspace::{Claim, Workspace, share};

/// Why a release cannot be looked at, prepared or placed.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// A file cannot be read or written, or changed meanwhile.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is no room.
    #[error("{path} has {free} free, {needed} needed", path = .path.display())]
    DiskFull {
        /// The file or folder.
        path: PathBuf,
        /// Bytes needed beyond what the file has already.
        needed: ByteCount,
        /// Bytes free to this user.
        free: ByteCount,
    },
    /// The place is taken. Nothing was touched.
    #[error("{path} is already there", path = .path.display())]
    Exists {
        /// The release.
        path: PathBuf,
    },
    /// The working folder is, or could be, under somebody else's control.
    #[error("{path} {why}; move it away, then try again", path = .path.display())]
    NotOurs {
        /// The working folder.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Another run works in the folder.
    #[error("{path} is held by {by}", path = .path.display())]
    Held {
        /// The folder of releases.
        path: PathBuf,
        /// Who, since when, from where and why, in that run's words.
        by: String,
    },
    /// A tag or run that is not one plain file name.
    #[error("`{name}` cannot name a file of a release")]
    Name {
        /// The name.
        name: String,
    },
}

impl From<FileError> for ReleaseError {
    fn from(error: FileError) -> Self {
        Self::Read(error.into())
    }
}

/// Errs unless `name` is one path component that cannot be taken for one of ours.
fn plain(name: &str) -> Result<&str, ReleaseError> {
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
        return Err(ReleaseError::Name { name: name.to_owned() });
    }
    Ok(name)
}
