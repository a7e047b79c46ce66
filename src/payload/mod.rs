//! What travels: a source becomes one payload file, and a payload becomes a release again.
//!
//! A directory is packed as a **deterministic** tar archive (same names, contents, modes and links: same bytes), compressed
//! when that pays; a file travels as it is. Pieces are hashed on all cores. Unpacking trusts nothing it reads. Memory
//! does not grow with the payload, and everything that takes long can be cancelled and tells how far it is.
//!
//! Kept: names (any bytes), contents, `rwx` modes, symbolic links that stay inside, empty directories. Not kept: owners,
//! times (all become [`MTIME`]), set-user-id, set-group-id and sticky bits, extended attributes; hard links become files of
//! their own.
//!
//! This module reads and writes local files and blocks while it does. It knows no run, no host, of .torrent files only that
//! they list files, and not where a release goes: that is [`release`](crate::release).

mod archive;
mod entry;
mod exclude;
mod failure;
mod folder;
mod glob;
mod hash;
mod holes;
mod link;
mod measure;
mod modes;
mod ownership;
mod pack;
mod piece_length;
mod removal;
mod sample;
mod sink;
mod tree;
mod unpack;
mod walk;

pub use entry::Danger;
pub use exclude::GlobError;
pub use failure::{FileError, ReadError};
pub use folder::{FolderError, HashedFolder, hash_folder};
pub use hash::{hash_pieces, sha256_file, verify_existing};
pub use measure::{Measure, measure};
pub use ownership::give_tree;
pub use pack::{Compress, PackError, PackOptions, PackPhase, PackProgress, Packed, pack};
pub use piece_length::{PIECE_LENGTH_MAX, PIECE_LENGTH_MIN, piece_length_for};
pub use removal::remove_tree;
pub use tree::content_digest;
pub use unpack::{Promise, UnpackError, unpack};

/// How a payload becomes a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// It is the release: one file.
    File,
    /// A tar archive of a directory.
    Tar,
    /// The same, compressed by zstd.
    TarZstd,
}

/// The modification time of everything in an archive and in a release, in seconds since 1970: 2001-09-09 01:46:40 UTC.
///
/// It is fixed so that a payload does not depend on when its source was checked out, and not 0, which many tools take for
/// "unknown".
pub const MTIME: u64 = 1_000_000_000;

/// Most directories within each other: every level keeps one file descriptor open.
const DEPTH_MAX: usize = 256;

/// Longest path in a release, in bytes: with the folder before it, it must fit Linux's `PATH_MAX` of 4096.
const PATH_MAX: usize = 3_584;

/// The mode bits that are packed and restored.
const MODE_MASK: u32 = 0o777;

/// Read and written at once: large enough that system calls do not count, small enough for every core to have one.
const BUFFER_LENGTH: usize = 256 * 1024;

/// Shows a path of any bytes in a message: no control characters, not too long.
fn text(path: &[u8]) -> String {
    let shown = String::from_utf8_lossy(path);
    shown.chars().take(200).flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}
