//! The first 68 bytes of a connection.

use super::WireError;
use crate::base::{InfoHash, PeerId};

/// What either side says first (BEP 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake {
    /// Bits that announce extensions.
    pub reserved: [u8; 8],
    /// The swarm the connection is for.
    pub info_hash: InfoHash,
    /// What the sender calls itself.
    pub peer_id: PeerId,
}

impl Handshake {
    /// Length in bytes.
    pub const LENGTH: usize = 68;

    /// What every handshake begins with: the length of the protocol's name, and the name.
    pub(super) const PROTOCOL: &'static [u8; 20] = b"\x13BitTorrent protocol";

    /// Our handshake: with the fast extension and the extension protocol.
    pub const fn new(info_hash: InfoHash, peer_id: PeerId) -> Self {
        let mut reserved = [0; 8];
        reserved[5] = EXTENSIONS;
        reserved[7] = FAST;
        Self { reserved, info_hash, peer_id }
    }

    /// Whether the sender speaks BEP 6.
    pub const fn has_fast(&self) -> bool {
        self.reserved[7] & FAST != 0
    }

    /// Whether the sender speaks BEP 10.
    pub const fn has_extensions(&self) -> bool {
        self.reserved[5] & EXTENSIONS != 0
    }

    /// The bytes.
    pub fn encode(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..20].copy_from_slice(Self::PROTOCOL);
        bytes[20..28].copy_from_slice(&self.reserved);
        bytes[28..48].copy_from_slice(self.info_hash.as_bytes());
        bytes[48..].copy_from_slice(self.peer_id.as_bytes());
        bytes
    }

    /// Reads the bytes.
    pub fn decode(bytes: &[u8; Self::LENGTH]) -> Result<Self, WireError> {
        let (protocol, rest) = bytes.split_first_chunk().expect("68 bytes hold 20");
        let (reserved, rest) = rest.split_first_chunk().expect("48 bytes hold 8");
        let (info_hash, rest) = rest.split_first_chunk().expect("40 bytes hold 20");
        if protocol != Self::PROTOCOL {
            return Err(WireError::Protocol);
        }
        let peer_id = rest.try_into().expect("20 bytes are left");
        Ok(Self { reserved: *reserved, info_hash: InfoHash::new(*info_hash), peer_id: PeerId::new(peer_id) })
    }
}

const EXTENSIONS: u8 = 0x10;
const FAST: u8 = 0x04;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_announces_both_extensions() {
        let handshake = Handshake::new(InfoHash::new([1; 20]), PeerId::new([2; 20]));
        let bytes = handshake.encode();
        assert_eq!(&bytes[..28], b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x04");
        assert_eq!(Handshake::decode(&bytes), Ok(handshake));
        assert!(handshake.has_fast() && handshake.has_extensions());
    }

    #[test]
    fn another_protocol_is_refused() {
        assert_eq!(Handshake::decode(&[0x16; 68]), Err(WireError::Protocol));
    }
}
