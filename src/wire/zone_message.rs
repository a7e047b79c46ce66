//! What hosts of one zone tell each other, beyond BEP 3: who brings which piece in.

use bytes::{BufMut, Bytes, BytesMut};

use super::Message;
use crate::base::PieceIndex;

/// A message of the extension `rookery_zone`, as the payload of an extended message (BEP 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZoneMessage {
    /// The sender fetches this piece from outside the zone: `0` and the index.
    Claim(PieceIndex),
    /// The sender is connected to somebody outside: `1`.
    Border,
    /// The sender is connected to nobody outside any more: `2`.
    Inland,
}

impl ZoneMessage {
    /// The extension's name in [`super::ExtensionHandshake::extensions`].
    pub const NAME: &'static str = "rookery_zone";

    /// The id under which it is received here.
    pub const ID: u8 = 7;

    /// Reads the payload of an extended message; `None` when it is none of these.
    pub fn decode(payload: &[u8]) -> Option<Self> {
        match payload {
            [0, index @ ..] => Some(Self::Claim(PieceIndex(u32::from_be_bytes(index.try_into().ok()?)))),
            [1] => Some(Self::Border),
            [2] => Some(Self::Inland),
            _ => None,
        }
    }

    /// The message to a peer that receives it under `id`.
    pub fn to_message(self, id: u8) -> Message {
        let payload = match self {
            Self::Claim(piece) => {
                let mut bytes = BytesMut::with_capacity(5);
                bytes.put_u8(0);
                bytes.put_u32(piece.0);
                bytes.freeze()
            }
            Self::Border => Bytes::from_static(&[1]),
            Self::Inland => Bytes::from_static(&[2]),
        };
        Message::Extended { id, payload }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for message in [ZoneMessage::Claim(PieceIndex(70_000)), ZoneMessage::Border, ZoneMessage::Inland] {
            let Message::Extended { id: 3, payload } = message.to_message(3) else { panic!("another message") };
            assert_eq!(ZoneMessage::decode(&payload), Some(message));
        }
    }

    #[test]
    fn anything_else_is_nothing() {
        for payload in [&b""[..], &[0], &[0, 1, 2, 3], &[0, 1, 2, 3, 4, 5], &[1, 0], &[3]] {
            assert_eq!(ZoneMessage::decode(payload), None, "{payload:?}");
        }
    }
}
