//! Every way the work of an agent can fail on its host.

use serde::{Deserialize, Serialize};

use crate::base::{ByteCount, Sha256Digest};

/// What might heal a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Doing it again may be enough.
    Retry,
    /// Somebody has to change something first.
    Fix,
}

/// Why the run cannot go on at one host. The text reads after "failed to deliver: ".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum AgentFailure {
    /// There is no room for the payload and what is in it.
    #[error("{path} is full{}", room(*.needed, *.free))]
    DiskFull {
        /// The folder.
        path: String,
        /// Bytes needed; payload and unpacked release together. 0 when a write failed in spite of the check before.
        needed: ByteCount,
        /// Bytes free to this user.
        free: ByteCount,
    },
    /// There is no room for more files, whatever their length.
    #[error("{path} has no room for so many files: {free} inodes free, {needed} needed")]
    NoInodes {
        /// The folder.
        path: String,
        /// Files, folders and links of payload and release together.
        needed: u64,
        /// Inodes free to this user.
        free: u64,
    },
    /// The file system takes no writes.
    #[error("{path} is on a read-only file system")]
    ReadOnly {
        /// The folder or file.
        path: String,
    },
    /// The user may not.
    #[error("no permission to {operation} {path}")]
    Permission {
        /// What was tried.
        operation: String,
        /// On what.
        path: String,
    },
    /// The folder beside the releases is not, or may not be, this agent's alone.
    #[error("cannot work in {path}: it {why}")]
    Folder {
        /// The folder.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// Another run deploys there.
    #[error("{path} is held by {by}")]
    Held {
        /// The folder releases land in.
        path: String,
        /// Who holds it, since when, from where and why.
        by: String,
    },
    /// The release is there, and is not this one. Nothing was touched.
    #[error("{path} is already there with other content ({found} instead of {expected})")]
    ReleaseDiffers {
        /// The release.
        path: String,
        /// Its content digest.
        found: Sha256Digest,
        /// The digest it should have.
        expected: Sha256Digest,
    },
    /// All pieces are intact, but the payload is not what was packed.
    #[error("the {what} has digest {found}, not {expected}")]
    DigestMismatch {
        /// `payload` or `release`.
        what: String,
        /// What was computed.
        found: Sha256Digest,
        /// What was promised.
        expected: Sha256Digest,
    },
    /// The archive holds something that is not unpacked.
    #[error("archive entry `{entry}` {why}")]
    UnsafeArchive {
        /// The entry's path.
        entry: String,
        /// What is wrong with it.
        why: String,
    },
    /// The archive cannot be read.
    #[error("the archive is damaged: {why}")]
    DamagedArchive {
        /// What is wrong with it.
        why: String,
    },
    /// No port to listen on.
    #[error("no free port in {ports} on {bind}")]
    PortsInUse {
        /// The range, as in the inventory.
        ports: String,
        /// The address.
        bind: String,
    },
    /// The source of a payload cannot be packed.
    #[error("cannot package {path}: {why}")]
    Source {
        /// The path.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The source changed while it was read.
    #[error("{path} changed while it was packaged")]
    SourceChanged {
        /// The path.
        path: String,
    },
    /// Another operation of the operating system failed.
    #[error("cannot {operation} {path}: {why}")]
    Io {
        /// What was tried.
        operation: String,
        /// On what.
        path: String,
        /// What the operating system said.
        why: String,
    },
    /// Console and agent do not understand each other.
    #[error("the console's order was not understood: {why}")]
    Protocol {
        /// What is wrong with it.
        why: String,
    },
}

fn room(needed: ByteCount, free: ByteCount) -> String {
    if needed == ByteCount(0) { String::new() } else { format!(": {free} free, {needed} needed") }
}

impl AgentFailure {
    /// Sorts an I/O error under its proper cause.
    pub fn from_io(operation: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        let (operation, path, kind) = (operation.to_owned(), path.display().to_string(), error.kind());
        if [StorageFull, QuotaExceeded, FileTooLarge].contains(&kind) {
            Self::DiskFull { path, needed: ByteCount(0), free: ByteCount(0) }
        } else if kind == ReadOnlyFilesystem {
            Self::ReadOnly { path }
        } else if kind == PermissionDenied {
            Self::Permission { operation, path }
        } else {
            Self::Io { operation, path, why: error.to_string() }
        }
    }

    /// What might heal it.
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::Io { .. } | Self::SourceChanged { .. } => Remedy::Retry,
            Self::DiskFull { .. }
            | Self::NoInodes { .. }
            | Self::ReadOnly { .. }
            | Self::Permission { .. }
            | Self::Folder { .. }
            | Self::Held { .. }
            | Self::ReleaseDiffers { .. }
            | Self::DigestMismatch { .. }
            | Self::UnsafeArchive { .. }
            | Self::DamagedArchive { .. }
            | Self::PortsInUse { .. }
            | Self::Source { .. }
            | Self::Protocol { .. } => Remedy::Fix,
        }
    }

    /// A short name that groups hosts with the same cause.
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::DiskFull { .. } => "disk full",
            Self::NoInodes { .. } => "no inodes left",
            Self::ReadOnly { .. } => "read-only file system",
            Self::Permission { .. } => "permission denied on the host",
            Self::Folder { .. } => "folder not to be used",
            Self::Held { .. } => "held by another run",
            Self::ReleaseDiffers { .. } => "release already there with other content",
            Self::DigestMismatch { .. } => "digest mismatch",
            Self::UnsafeArchive { .. } => "unsafe archive entry",
            Self::DamagedArchive { .. } => "damaged archive",
            Self::PortsInUse { .. } => "no free swarm port",
            Self::Source { .. } => "source cannot be packaged",
            Self::SourceChanged { .. } => "source changed while packaged",
            Self::Io { .. } => "i/o error on the host",
            Self::Protocol { .. } => "console and agent disagree",
        }
    }

    /// What the operator can do about it.
    pub const fn next_step(&self) -> &'static str {
        match self {
            Self::DiskFull { .. } => "free space on the host, then retry: fetched pieces are kept",
            Self::NoInodes { .. } => "remove files on the host, or choose a file system with more inodes, then retry",
            Self::ReadOnly { .. } => "remount the file system read-write, then retry",
            Self::Permission { .. } => "give the user write access to the folder, or choose another with --to",
            Self::Folder { .. } => "look whose it is; move it away, or give each host a destination of its own",
            Self::Held { .. } => "let that run end, `rookery resume` it, or `rookery clean` what it left; then retry",
            Self::ReleaseDiffers { .. } => "choose another --tag, or move the release on the host away",
            Self::DigestMismatch { .. } => "retry; if it comes back, check the host's memory and disk",
            Self::UnsafeArchive { .. } | Self::DamagedArchive { .. } => "package the source again",
            Self::PortsInUse { .. } => "free a port on the host, or widen swarm.port in the inventory",
            Self::Source { .. } => "check the path on the seeder's host",
            Self::SourceChanged { .. } => "stop what writes to the source, then run again",
            Self::Io { .. } => "retry; look at the host's log if it comes back",
            Self::Protocol { .. } => "this is a fault of Rookery: report it with the host's log",
        }
    }
}
