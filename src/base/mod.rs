//! Vocabulary every layer may use: piece arithmetic, bitfields, hashes, units and the machines' own clock.
//!
//! Plain values with no policy. Nothing here reads a clock, a file or a socket.

mod bencode;
mod bitfield;
mod compact;
mod hash;
mod layout;
mod units;
mod zone;

pub use bencode::{BencodeError, check_bencode};
pub use bitfield::{Bitfield, BitfieldError};
pub use compact::{compact_v4, compact_v6, put_compact};
pub use hash::{HexError, InfoHash, PeerId, Sha1Digest, Sha256Digest};
pub use layout::{BLOCK_LENGTH, Block, Layout, LayoutError, PieceIndex};
pub use units::{ByteCount, ByteRate, Instant, UnitError};
pub use zone::{Zone, ZoneError};
