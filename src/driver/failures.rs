//! Errors of the layers below, sorted under what the console shows.

use std::io::ErrorKind;

use crate::control::AgentFailure;
use crate::payload::{FileError, PackError, ReadError, UnpackError};
use crate::release::ReleaseError;

impl From<FileError> for AgentFailure {
    fn from(error: FileError) -> Self {
        Self::from_io(error.operation, &error.path, &error.source)
    }
}

impl From<ReadError> for AgentFailure {
    fn from(error: ReadError) -> Self {
        let why = error.to_string();
        match error {
            ReadError::File(error) => error.into(),
            ReadError::Changed { path } => Self::SourceChanged { path: path.display().to_string() },
            ReadError::Deep { path } => Self::Source { path: path.display().to_string(), why },
            ReadError::Cancelled => cancelled(),
        }
    }
}

impl From<ReleaseError> for AgentFailure {
    fn from(error: ReleaseError) -> Self {
        let why = error.to_string();
        match error {
            ReleaseError::Read(error) => error.into(),
            ReleaseError::DiskFull { path, needed, free } => {
                Self::DiskFull { path: path.display().to_string(), needed, free }
            }
            ReleaseError::Exists { path } => {
                Self::Io { operation: "rename to".to_owned(), path: path.display().to_string(), why }
            }
            ReleaseError::NotOurs { path, why } => {
                Self::Folder { path: path.display().to_string(), why: why.to_owned() }
            }
            ReleaseError::Held { path, by } => Self::Held { path: path.display().to_string(), by },
            ReleaseError::Name { .. } => Self::Protocol { why },
        }
    }
}

impl From<PackError> for AgentFailure {
    fn from(error: PackError) -> Self {
        let why = error.to_string();
        match error {
            PackError::Read(ReadError::File(FileError {
                operation: "inspect" | "open" | "read" | "list",
                path,
                source,
            })) if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {
                Self::Source { path: path.display().to_string(), why: source.to_string() }
            }
            PackError::Read(error) => error.into(),
            PackError::Empty { path } | PackError::Kind { path, .. } | PackError::LinkOut { path, .. } => {
                Self::Source { path: path.display().to_string(), why }
            }
            PackError::Inside { path, .. } => Self::Source { path: path.display().to_string(), why },
            PackError::Glob(_) | PackError::PieceLength { .. } | PackError::Layout(_) => Self::Protocol { why },
        }
    }
}

impl From<UnpackError> for AgentFailure {
    fn from(error: UnpackError) -> Self {
        match error {
            UnpackError::Unsafe { entry, why } => Self::UnsafeArchive { entry, why: why.to_string() },
            UnpackError::Damaged { why } => Self::DamagedArchive { why },
            UnpackError::File(error) => error.into(),
            UnpackError::Cancelled => cancelled(),
        }
    }
}

fn cancelled() -> AgentFailure {
    let (operation, path, why) = ("go on with".to_owned(), "the payload".to_owned(), "told to stop".to_owned());
    AgentFailure::Io { operation, path, why }
}
