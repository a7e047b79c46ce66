//! What goes wrong with files, wherever they are read or written.

use std::io;
use std::path::{Path, PathBuf};

/// The operating system refused an operation on a file. The text reads after "failed: ".
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {path}: {source}", path = path.display())]
pub struct FileError {
    /// What was tried, as a verb: `open`, `read`, `write`.
    pub operation: &'static str,
    /// On what.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

impl FileError {
    /// Makes the error of one operation, for `map_err`.
    pub(crate) fn at<E: Into<io::Error>>(operation: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        move |source| Self { operation, path: path.to_owned(), source: source.into() }
    }
}

/// Why files could not be read to their end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// Something wrote to it meanwhile.
    #[error("{path} changed while it was read; stop what writes to it, then try again", path = .path.display())]
    Changed {
        /// The file or directory.
        path: PathBuf,
    },
    /// More directories within each other, or a longer path, than a release may have.
    #[error("{path} lies too deep: at most 256 directories within each other and 3584 bytes of path", path = .path.display())]
    Deep {
        /// The file or directory.
        path: PathBuf,
    },
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
}
