//! Why bytes are not a .torrent.

use bt_bencode::ByteString;

use super::METAINFO_LENGTH_MAX;
use super::files::COMPONENTS_MAX;
use crate::base::{BencodeError, LayoutError};

/// Why bytes are not a .torrent, or values cannot become one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetainfoError {
    /// Past the bound.
    #[error("the torrent is {0} bytes long; {METAINFO_LENGTH_MAX} are allowed")]
    Long(usize),
    /// Not bencode.
    #[error("the torrent is not bencode: {0}")]
    Bencode(#[from] BencodeError),
    /// Bencode, but a key is missing or has another type.
    #[error("the torrent is not as BEP 3 has it: {0}")]
    Keys(String),
    /// `info` is something else.
    #[error("the torrent's info is no dictionary")]
    NoInfo,
    /// A text that is not UTF-8.
    #[error("the torrent's {0} is not UTF-8")]
    Text(&'static str),
    /// A name that could leave its folder, or that no file system takes.
    #[error("`{0}` cannot name a file; it is empty, too long, or holds `/`, `..` or NUL")]
    UnsafePath(String),
    /// Two files with one path, or a file where another needs a folder.
    #[error("the torrent holds `{0}` twice, or as a file and as a folder")]
    Collision(String),
    /// An entry that is a symbolic link (BEP 47), which could lead out of the folder.
    #[error("`{0}` is a symbolic link; torrents with links are not taken")]
    Link(String),
    /// A path with no or too many components.
    #[error("a path in `{name}` has {components} components; 1 to {COMPONENTS_MAX} are allowed")]
    Depth {
        /// The torrent's name.
        name: String,
        /// Components of the path.
        components: usize,
    },
    /// Neither one file nor several, or both.
    #[error("the torrent must have either a length or a list of files")]
    Content,
    /// `pieces` is no list of SHA-1 digests.
    #[error("the torrent's pieces are {0} bytes, not a multiple of 20")]
    Pieces(usize),
    /// More or fewer digests than the length asks for.
    #[error("the torrent has {found} piece hashes for {expected} pieces")]
    PieceCount {
        /// Digests.
        found: usize,
        /// Pieces.
        expected: u32,
    },
    /// Sizes that no payload has.
    #[error("the torrent's sizes are impossible: {0}")]
    Layout(#[from] LayoutError),
    /// A piece length or a sum of file lengths past its integer.
    #[error("the torrent's {0} is too large")]
    TooLarge(&'static str),
}

pub(super) fn text(bytes: ByteString, what: &'static str) -> Result<String, MetainfoError> {
    String::from_utf8(bytes.into_vec()).map_err(|_not_utf8| MetainfoError::Text(what))
}

pub(super) fn keys(error: &bt_bencode::Error) -> MetainfoError {
    MetainfoError::Keys(error.to_string())
}
