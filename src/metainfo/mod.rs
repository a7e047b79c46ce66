//! The .torrent file: [`Metainfo`], and [`Info`], the part that is hashed (BEP 3, 12, 27, 47).
//!
//! Values and their bytes. The info-hash is always that of the info dictionary's bytes as they were found, unknown keys
//! included. It reads no file, computes no piece hash and resolves no tracker's name.

mod error;
mod files;
mod info;
mod torrent;

pub use error::MetainfoError;
pub use files::{Content, FileEntry, FileKind};
pub use info::{Info, Privacy};
pub use torrent::Metainfo;

/// Longest .torrent in bytes: as many pieces as a [`Layout`](crate::base::Layout) may have, with room for files and
/// unknown keys.
pub const METAINFO_LENGTH_MAX: usize = 32 << 20;

/// Most bencoded values in a .torrent: about 40 000 files.
const VALUES_MAX: usize = 1 << 18;
