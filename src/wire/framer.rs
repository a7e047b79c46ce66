//! A stream of bytes, cut back into a handshake and messages.

use bytes::{Buf, BytesMut};

use super::{Handshake, MESSAGE_LENGTH_MAX, Message, WireError};

/// Room that [`Framer::buffer_mut`] takes when it has to.
const READ_ROOM: usize = 32 << 10;

/// Room that it offers at least: a block and what else is said with it. New memory is taken only below this, so that
/// blocks which came one by one share it.
const READ_ROOM_MIN: usize = 17 << 10;

/// What a [`Framer`] cuts out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// The first thing a peer says.
    Handshake(Handshake),
    /// Everything after.
    Message(Message),
}

/// Cuts a peer's bytes into a [`Handshake`] and [`Message`]s, however they arrive.
///
/// ```
/// use rookery::base::{InfoHash, PeerId};
/// use rookery::wire::{Framer, Handshake, Message, Received};
///
/// let handshake = Handshake::new(InfoHash::new([1; 20]), PeerId::new([2; 20]));
/// let mut framer = Framer::new();
/// framer.buffer_mut().extend_from_slice(&handshake.encode());
/// framer.buffer_mut().extend_from_slice(&Message::Unchoke.to_bytes());
/// assert_eq!(framer.poll(), Ok(Some(Received::Handshake(handshake))));
/// assert_eq!(framer.poll(), Ok(Some(Received::Message(Message::Unchoke))));
/// assert_eq!(framer.poll(), Ok(None));
/// ```
#[derive(Debug)]
pub struct Framer {
    buffer: BytesMut,
    state: State,
}

#[derive(Debug)]
enum State {
    Handshake,
    Messages,
    Failed(WireError),
}

impl Framer {
    /// Expects a handshake first.
    pub fn new() -> Self {
        Self { buffer: BytesMut::new(), state: State::Handshake }
    }

    /// Room for a block at least, to read into directly (tokio's `try_read_buf`).
    ///
    /// [`Self::poll`] until it says `None` before the next read; then the buffer never holds more than one message and
    /// one read.
    pub fn buffer_mut(&mut self) -> &mut BytesMut {
        if self.is_short() {
            self.buffer.reserve(READ_ROOM);
        }
        &mut self.buffer
    }

    /// Whether [`Self::buffer_mut`] would take new memory; [`Self::exchange`] gives it some.
    pub fn is_short(&self) -> bool {
        self.buffer.capacity() - self.buffer.len() < READ_ROOM_MIN
    }

    /// Goes on in `fresh`, an empty buffer, with the part of a message that is there; returns the old buffer, empty.
    ///
    /// Its memory can be had back (`BytesMut::try_reclaim`) once all payload cut out of it is dropped.
    pub fn exchange(&mut self, mut fresh: BytesMut) -> BytesMut {
        fresh.extend_from_slice(&self.buffer);
        self.buffer.clear();
        std::mem::replace(&mut self.buffer, fresh)
    }

    /// The next whole handshake or message, `None` until it is there. Payload is a slice of the read buffer. After an
    /// error there is only that error.
    pub fn poll(&mut self) -> Result<Option<Received>, WireError> {
        let result = match &self.state {
            State::Handshake => self.poll_handshake().map(|handshake| handshake.map(Received::Handshake)),
            State::Messages => self.poll_message().map(|message| message.map(Received::Message)),
            State::Failed(error) => Err(error.clone()),
        };
        if let Err(error) = &result {
            self.state = State::Failed(error.clone());
            self.buffer.clear();
        }
        result
    }

    fn poll_handshake(&mut self) -> Result<Option<Handshake>, WireError> {
        let protocol = Handshake::PROTOCOL;
        let known = self.buffer.len().min(protocol.len());
        if self.buffer[..known] != protocol[..known] {
            return Err(WireError::Protocol);
        }
        let Some(bytes) = self.buffer.first_chunk() else { return Ok(None) };
        let handshake = Handshake::decode(bytes)?;
        self.buffer.advance(Handshake::LENGTH);
        self.state = State::Messages;
        Ok(Some(handshake))
    }

    fn poll_message(&mut self) -> Result<Option<Message>, WireError> {
        while let Some(prefix) = self.buffer.first_chunk::<PREFIX>() {
            let length = u32::from_be_bytes(*prefix) as usize;
            if length > MESSAGE_LENGTH_MAX {
                return Err(WireError::Long(length));
            }
            if self.buffer.len() < PREFIX + length {
                break;
            }
            self.buffer.advance(PREFIX);
            if let Some(message) = Message::decode(self.buffer.split_to(length).freeze())? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }
}

impl Default for Framer {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes of a length prefix.
const PREFIX: usize = 4;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::base::{InfoHash, PeerId, PieceIndex};

    fn greeted() -> Framer {
        let mut framer = Framer::new();
        let handshake = Handshake::new(InfoHash::new([1; 20]), PeerId::new([2; 20]));
        framer.buffer_mut().extend_from_slice(&handshake.encode());
        assert_eq!(framer.poll(), Ok(Some(Received::Handshake(handshake))));
        framer
    }

    #[test]
    fn block_payload_is_a_slice_of_the_read_buffer() {
        let mut framer = greeted();
        let message = Message::Piece { piece: PieceIndex(3), begin: 0, data: Bytes::from(vec![9; 16_384]) };
        framer.buffer_mut().extend_from_slice(&message.to_bytes());
        let range = framer.buffer.as_ptr_range();
        let Ok(Some(Received::Message(Message::Piece { data, .. }))) = framer.poll() else { panic!("no block") };
        assert!(range.contains(&data.as_ptr()));
    }

    #[test]
    fn a_message_begun_in_one_buffer_is_ended_in_another_and_the_first_is_used_again() {
        let mut framer = greeted();
        let message = Message::Piece { piece: PieceIndex(3), begin: 0, data: Bytes::from(vec![9; 16_384]) };
        let bytes = message.to_bytes();
        framer.exchange(BytesMut::with_capacity(40_000));
        framer.buffer_mut().extend_from_slice(&bytes);
        framer.buffer_mut().extend_from_slice(&bytes[..9]);
        let first = framer.poll();
        assert!(!framer.is_short());
        let mut old = framer.exchange(BytesMut::with_capacity(40_000));
        assert!(!old.try_reclaim(40_000), "the first block is still in use");
        drop(first);
        assert!(old.try_reclaim(40_000));
        framer.buffer_mut().extend_from_slice(&bytes[9..]);
        assert_eq!(framer.poll(), Ok(Some(Received::Message(message))));
    }

    #[test]
    fn a_foreign_connection_is_known_by_its_first_byte() {
        let mut framer = Framer::new();
        framer.buffer_mut().extend_from_slice(b"G");
        assert_eq!(framer.poll(), Err(WireError::Protocol));
        framer.buffer_mut().extend_from_slice(b"\x13BitTorrent protocol");
        assert_eq!(framer.poll(), Err(WireError::Protocol));
    }

    #[test]
    fn a_message_past_the_bound_is_refused_before_it_is_read() {
        let mut framer = greeted();
        framer.buffer_mut().extend_from_slice(&[0xff; 4]);
        assert_eq!(framer.poll(), Err(WireError::Long(0xffff_ffff)));
    }

    #[test]
    fn unknown_messages_are_skipped() {
        let mut framer = greeted();
        framer.buffer_mut().extend_from_slice(b"\0\0\0\x05\x15hash\0\0\0\x01\x01\0\0");
        assert_eq!(framer.poll(), Ok(Some(Received::Message(Message::Unchoke))));
        assert_eq!(framer.poll(), Ok(None));
    }
}
