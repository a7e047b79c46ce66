//! The peer wire protocol as values: BEP 3, the fast extension (BEP 6), the extension protocol (BEP 10) and
//! peer exchange (BEP 11).
//!
//! Bytes to [`Message`]s and back, however the bytes are cut and without copying payload. It knows no torrent: whether
//! a piece exists, a request was made or a message is in order is for the swarm to say.

mod extension;
mod framer;
mod handshake;
mod message;
mod pex;
mod zone_message;

pub use extension::{EXTENSION_HANDSHAKE_ID, ExtensionHandshake};
pub use framer::{Framer, Received};
pub use handshake::Handshake;
pub use message::{MESSAGE_LENGTH_MAX, Message, WireError};
pub use pex::{EXCHANGED_MAX, ExchangeFlags, ExchangedPeer, PEER_EXCHANGE, PeerExchange};
pub use zone_message::ZoneMessage;
