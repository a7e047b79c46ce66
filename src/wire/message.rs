//! What peers say to each other once they have shaken hands.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::base::{BencodeError, Block, Layout, PieceIndex};

/// Longest message in bytes, its length prefix left out: the bitfield of the largest torrent. A block fits with ease.
pub const MESSAGE_LENGTH_MAX: usize = 1 + (Layout::PIECES_MAX / 8) as usize;

/// Why bytes are not the peer wire protocol. The connection cannot be used any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The first bytes are not those of a handshake; an encrypted or foreign connection.
    #[error("it does not speak the BitTorrent protocol")]
    Protocol,
    /// Past the bound.
    #[error("a message of {0} bytes is more than the {MESSAGE_LENGTH_MAX} allowed")]
    Long(usize),
    /// A message whose length is not that of its kind.
    #[error("message {id} cannot be {length} bytes long")]
    Length {
        /// The kind.
        id: u8,
        /// Its length, the id left out.
        length: usize,
    },
    /// A message of an extension that is not bencode.
    #[error("its extension message is not bencode: {0}")]
    Bencode(#[from] BencodeError),
    /// A message of an extension that is no dictionary.
    #[error("its extension message is no dictionary")]
    NoDictionary,
    /// A peer exchange whose list is cut off.
    #[error("its peer exchange has no usable `{0}`")]
    Exchange(&'static str),
}

/// One message of the peer wire protocol; the [handshake](super::Handshake) comes before the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Nothing, so that the connection is not taken for dead.
    KeepAlive,
    /// The sender answers no more requests.
    Choke,
    /// The sender answers requests.
    Unchoke,
    /// The receiver has something the sender wants.
    Interested,
    /// The receiver has nothing the sender wants.
    NotInterested,
    /// The sender has one more piece.
    Have(PieceIndex),
    /// The pieces the sender has; for `Bitfield::from_bytes`.
    Bitfield(Bytes),
    /// Asks for a block.
    Request(Block),
    /// The bytes of a block.
    Piece {
        /// The piece they belong to.
        piece: PieceIndex,
        /// The first byte's place in the piece.
        begin: u32,
        /// The bytes, never copied.
        data: Bytes,
    },
    /// Takes a request back.
    Cancel(Block),
    /// The sender's DHT port (BEP 5); nothing to us.
    Port(u16),
    /// The sender has the piece at hand (BEP 6).
    Suggest(PieceIndex),
    /// The sender has every piece (BEP 6).
    HaveAll,
    /// The sender has no piece (BEP 6).
    HaveNone,
    /// The sender will not answer a request (BEP 6).
    Reject(Block),
    /// The sender answers requests for this piece even while it chokes (BEP 6).
    AllowedFast(PieceIndex),
    /// A message of an extension (BEP 10); id 0 is the [`super::ExtensionHandshake`].
    Extended {
        /// Which extension, by the receiver's numbers.
        id: u8,
        /// The rest.
        payload: Bytes,
    },
}

impl Message {
    /// Bytes before the payload of a [`Self::Piece`].
    pub const PIECE_HEAD: usize = 13;

    /// What goes before the bytes of a block, for those who send these straight from a file.
    pub fn piece_head(block: Block) -> [u8; Self::PIECE_HEAD] {
        let mut head = [0; Self::PIECE_HEAD];
        head[..4].copy_from_slice(&block.length.saturating_add(9).to_be_bytes());
        head[4] = id::PIECE;
        head[5..9].copy_from_slice(&block.piece.0.to_be_bytes());
        head[9..].copy_from_slice(&block.begin.to_be_bytes());
        head
    }

    /// Appends all but the payload to `head` and returns the payload, which must be sent right behind it.
    ///
    /// So a block goes from disk to socket without a copy, and many small messages go in one write.
    #[must_use = "the payload must be sent behind the head"]
    pub fn encode(&self, head: &mut BytesMut) -> Option<Bytes> {
        match self {
            Self::KeepAlive => head.put_u32(0),
            Self::Choke => put_head(head, id::CHOKE, 0),
            Self::Unchoke => put_head(head, id::UNCHOKE, 0),
            Self::Interested => put_head(head, id::INTERESTED, 0),
            Self::NotInterested => put_head(head, id::NOT_INTERESTED, 0),
            Self::Have(piece) => put_piece(head, id::HAVE, *piece),
            Self::Bitfield(bytes) => {
                put_head(head, id::BITFIELD, bytes.len());
                return Some(bytes.clone());
            }
            Self::Request(block) => put_block(head, id::REQUEST, *block),
            Self::Piece { piece, begin, data } => {
                put_head(head, id::PIECE, 8 + data.len());
                head.put_u32(piece.0);
                head.put_u32(*begin);
                return Some(data.clone());
            }
            Self::Cancel(block) => put_block(head, id::CANCEL, *block),
            Self::Port(port) => {
                put_head(head, id::PORT, 2);
                head.put_u16(*port);
            }
            Self::Suggest(piece) => put_piece(head, id::SUGGEST, *piece),
            Self::HaveAll => put_head(head, id::HAVE_ALL, 0),
            Self::HaveNone => put_head(head, id::HAVE_NONE, 0),
            Self::Reject(block) => put_block(head, id::REJECT, *block),
            Self::AllowedFast(piece) => put_piece(head, id::ALLOWED_FAST, *piece),
            Self::Extended { id, payload } => {
                put_head(head, id::EXTENDED, 1 + payload.len());
                head.put_u8(*id);
                return Some(payload.clone());
            }
        }
        None
    }

    /// Bytes of the message on the wire, its length prefix included.
    pub fn length(&self) -> usize {
        4 + match self {
            Self::KeepAlive => 0,
            Self::Choke | Self::Unchoke | Self::Interested | Self::NotInterested | Self::HaveAll | Self::HaveNone => 1,
            Self::Port(_) => 3,
            Self::Have(_) | Self::Suggest(_) | Self::AllowedFast(_) => 5,
            Self::Request(_) | Self::Cancel(_) | Self::Reject(_) => 13,
            Self::Bitfield(bytes) => 1 + bytes.len(),
            Self::Piece { data, .. } => 9 + data.len(),
            Self::Extended { payload, .. } => 2 + payload.len(),
        }
    }

    /// The message whole, payload copied: for tests and for messages that have none.
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        if let Some(payload) = self.encode(&mut bytes) {
            bytes.put_slice(&payload);
        }
        bytes.freeze()
    }

    /// Reads a message without its length prefix; `None` if it is of a kind that we do not know, and is to be skipped.
    pub fn decode(mut body: Bytes) -> Result<Option<Self>, WireError> {
        if body.is_empty() {
            return Ok(Some(Self::KeepAlive));
        }
        let id = body.get_u8();
        let length = body.len();
        let fits = match id {
            id::CHOKE | id::UNCHOKE | id::INTERESTED | id::NOT_INTERESTED | id::HAVE_ALL | id::HAVE_NONE => length == 0,
            id::HAVE | id::SUGGEST | id::ALLOWED_FAST => length == 4,
            id::REQUEST | id::CANCEL | id::REJECT => length == 12,
            id::PIECE => length >= 8,
            id::PORT => length == 2,
            id::EXTENDED => length >= 1,
            _ => true,
        };
        if !fits {
            return Err(WireError::Length { id, length });
        }
        Ok(Some(match id {
            id::CHOKE => Self::Choke,
            id::UNCHOKE => Self::Unchoke,
            id::INTERESTED => Self::Interested,
            id::NOT_INTERESTED => Self::NotInterested,
            id::HAVE => Self::Have(get_piece(&mut body)),
            id::BITFIELD => Self::Bitfield(body),
            id::REQUEST => Self::Request(get_block(&mut body)),
            id::PIECE => Self::Piece { piece: get_piece(&mut body), begin: body.get_u32(), data: body },
            id::CANCEL => Self::Cancel(get_block(&mut body)),
            id::PORT => Self::Port(body.get_u16()),
            id::SUGGEST => Self::Suggest(get_piece(&mut body)),
            id::HAVE_ALL => Self::HaveAll,
            id::HAVE_NONE => Self::HaveNone,
            id::REJECT => Self::Reject(get_block(&mut body)),
            id::ALLOWED_FAST => Self::AllowedFast(get_piece(&mut body)),
            id::EXTENDED => Self::Extended { id: body.get_u8(), payload: body },
            _ => return Ok(None),
        }))
    }
}

/// Message kinds as numbers.
mod id {
    pub(super) const CHOKE: u8 = 0;
    pub(super) const UNCHOKE: u8 = 1;
    pub(super) const INTERESTED: u8 = 2;
    pub(super) const NOT_INTERESTED: u8 = 3;
    pub(super) const HAVE: u8 = 4;
    pub(super) const BITFIELD: u8 = 5;
    pub(super) const REQUEST: u8 = 6;
    pub(super) const PIECE: u8 = 7;
    pub(super) const CANCEL: u8 = 8;
    pub(super) const PORT: u8 = 9;
    pub(super) const SUGGEST: u8 = 13;
    pub(super) const HAVE_ALL: u8 = 14;
    pub(super) const HAVE_NONE: u8 = 15;
    pub(super) const REJECT: u8 = 16;
    pub(super) const ALLOWED_FAST: u8 = 17;
    pub(super) const EXTENDED: u8 = 20;
}

fn put_head(head: &mut BytesMut, id: u8, length: usize) {
    head.put_u32(u32::try_from(1 + length).expect("a message is bounded"));
    head.put_u8(id);
}

fn put_piece(head: &mut BytesMut, id: u8, piece: PieceIndex) {
    put_head(head, id, 4);
    head.put_u32(piece.0);
}

fn put_block(head: &mut BytesMut, id: u8, block: Block) {
    put_head(head, id, 12);
    head.put_u32(block.piece.0);
    head.put_u32(block.begin);
    head.put_u32(block.length);
}

fn get_piece(body: &mut Bytes) -> PieceIndex {
    PieceIndex(body.get_u32())
}

fn get_block(body: &mut Bytes) -> Block {
    Block { piece: get_piece(body), begin: body.get_u32(), length: body.get_u32() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_the_bytes_the_standards_show() {
        let block = Block { piece: PieceIndex(1), begin: 2, length: 3 };
        for (message, bytes) in [
            (Message::KeepAlive, &b"\0\0\0\0"[..]),
            (Message::Unchoke, b"\0\0\0\x01\x01"),
            (Message::Have(PieceIndex(258)), b"\0\0\0\x05\x04\0\0\x01\x02"),
            (Message::Request(block), b"\0\0\0\x0d\x06\0\0\0\x01\0\0\0\x02\0\0\0\x03"),
            (Message::Port(6881), b"\0\0\0\x03\x09\x1a\xe1"),
            (Message::HaveAll, b"\0\0\0\x01\x0e"),
            (Message::Reject(block), b"\0\0\0\x0d\x10\0\0\0\x01\0\0\0\x02\0\0\0\x03"),
            (Message::Extended { id: 0, payload: Bytes::from_static(b"de") }, b"\0\0\0\x04\x14\0de"),
        ] {
            assert_eq!(message.to_bytes(), bytes, "{message:?}");
            assert_eq!(message.length(), bytes.len(), "{message:?}");
            assert_eq!(Message::decode(Bytes::copy_from_slice(&bytes[4..])), Ok(Some(message)));
        }
    }

    #[test]
    fn a_block_is_sent_without_a_copy() {
        let data = Bytes::from(vec![7; 16_384]);
        let mut head = BytesMut::new();
        let message = Message::Piece { piece: PieceIndex(1), begin: 0, data: data.clone() };
        let payload = message.encode(&mut head).unwrap();
        assert_eq!((head.len(), payload.as_ptr()), (13, data.as_ptr()));
        assert_eq!(head[..], Message::piece_head(Block { piece: PieceIndex(1), begin: 0, length: 16_384 }));
    }

    #[test]
    fn wrong_lengths_are_refused_and_unknown_kinds_skipped() {
        assert_eq!(Message::decode(Bytes::from_static(b"\0x")), Err(WireError::Length { id: 0, length: 1 }));
        assert_eq!(Message::decode(Bytes::from_static(b"\x06x")), Err(WireError::Length { id: 6, length: 1 }));
        assert_eq!(Message::decode(Bytes::from_static(b"\x14")), Err(WireError::Length { id: 20, length: 0 }));
        assert_eq!(Message::decode(Bytes::from_static(b"\x15hash")), Ok(None));
    }
}
