//! Orders and statuses as bytes: a marker once, then frames.
//!
//! A frame is two 32-bit big-endian lengths, a 64-bit number, a JSON value of the first and raw bytes of the second length.
//! Whatever comes before [`MARKER`] is login noise (a motd, a shell's start-up files) and is skipped, up to a bound.
//!
//! The numbers of each direction count up by one from 1, over all connections to one agent, so that what was lost with a
//! connection is known. Number 0 is said about the connection itself, and is never said again.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Order, Status};

/// What an agent says before its first frame: nothing a login shell would print.
pub const MARKER: &[u8] = b"\0rookery-agent\x02\n";

/// Longest frame in bytes, lengths left out: a large piece, or the torrent of the largest payload.
pub const FRAME_LENGTH_MAX: usize = 24 << 20;

/// Most noise that is skipped before the marker.
const NOISE_MAX: usize = 256 << 10;

/// Bytes before the JSON: two lengths and the number.
const HEAD: usize = 16;

/// Why the bytes make no frame. The channel cannot be used any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The agent never began.
    #[error("no agent answered within {NOISE_MAX} bytes; the host said `{0}`")]
    Noise(String),
    /// A frame past the bound.
    #[error("a frame of {0} bytes is more than the {FRAME_LENGTH_MAX} allowed")]
    Long(usize),
    /// Not the value that was expected.
    #[error("a frame was not understood: {0}")]
    Value(String),
}

/// A value that travels in a frame, with its raw bytes apart.
pub trait Carried: Serialize + DeserializeOwned {
    /// The raw bytes that follow the value.
    fn bulk(&self) -> Option<&Bytes>;
    /// Where the raw bytes belong.
    fn bulk_mut(&mut self) -> Option<&mut Bytes>;
}

impl Carried for Order {
    fn bulk(&self) -> Option<&Bytes> {
        match self {
            Self::Serve(order) => Some(&order.torrent),
            Self::Data { bulk, .. } => Some(bulk),
            Self::Attach { .. }
            | Self::Alive
            | Self::Hello(_)
            | Self::Track { .. }
            | Self::Pack(_)
            | Self::Peers { .. }
            | Self::Place
            | Self::Check(_)
            | Self::Limits { .. }
            | Self::Watch { .. }
            | Self::Stop { .. }
            | Self::Knock { .. }
            | Self::Leave => None,
        }
    }

    fn bulk_mut(&mut self) -> Option<&mut Bytes> {
        match self {
            Self::Serve(order) => Some(&mut order.torrent),
            Self::Data { bulk, .. } => Some(bulk),
            Self::Attach { .. }
            | Self::Alive
            | Self::Hello(_)
            | Self::Track { .. }
            | Self::Pack(_)
            | Self::Peers { .. }
            | Self::Place
            | Self::Check(_)
            | Self::Limits { .. }
            | Self::Watch { .. }
            | Self::Stop { .. }
            | Self::Knock { .. }
            | Self::Leave => None,
        }
    }
}

impl Carried for Status {
    fn bulk(&self) -> Option<&Bytes> {
        match self {
            Self::Packed { torrent, .. } => Some(torrent),
            Self::Serving { bitfield, .. } => Some(bitfield),
            Self::Attached(_)
            | Self::Taken { .. }
            | Self::Hello { .. }
            | Self::Tracking { .. }
            | Self::Packing { .. }
            | Self::Progress(_)
            | Self::Peers { .. }
            | Self::Verifying
            | Self::Unpacking
            | Self::Staged
            | Self::Delivered { .. }
            | Self::Checked { .. }
            | Self::Failed { .. }
            | Self::Note { .. }
            | Self::Line { .. }
            | Self::Knocked { .. }
            | Self::Stopped { .. } => None,
        }
    }

    fn bulk_mut(&mut self) -> Option<&mut Bytes> {
        match self {
            Self::Packed { torrent, .. } => Some(torrent),
            Self::Serving { bitfield, .. } => Some(bitfield),
            Self::Attached(_)
            | Self::Taken { .. }
            | Self::Hello { .. }
            | Self::Tracking { .. }
            | Self::Packing { .. }
            | Self::Progress(_)
            | Self::Peers { .. }
            | Self::Verifying
            | Self::Unpacking
            | Self::Staged
            | Self::Delivered { .. }
            | Self::Checked { .. }
            | Self::Failed { .. }
            | Self::Note { .. }
            | Self::Line { .. }
            | Self::Knocked { .. }
            | Self::Stopped { .. } => None,
        }
    }
}

/// Encodes one frame. The raw bytes are returned as they are, to be written right behind the head.
pub fn encode<T: Carried>(number: u64, value: &T) -> (Bytes, Bytes) {
    let json = serde_json::to_vec(value).expect("orders and statuses hold no map with keys other than strings");
    let bulk = value.bulk().cloned().unwrap_or_default();
    let mut head = BytesMut::with_capacity(HEAD + json.len());
    head.put_u32(u32::try_from(json.len()).expect("a frame is bounded"));
    head.put_u32(u32::try_from(bulk.len()).expect("a frame is bounded"));
    head.put_u64(number);
    head.put_slice(&json);
    (head.freeze(), bulk)
}

/// Cuts a stream of bytes back into values.
#[derive(Debug)]
pub struct Codec {
    buffer: BytesMut,
    marker_seen: bool,
}

impl Codec {
    /// Expects the marker first, after any noise: what comes from an agent.
    pub fn after_noise() -> Self {
        Self { buffer: BytesMut::new(), marker_seen: false }
    }

    /// Expects frames from the first byte on: what comes from the console.
    pub fn clean() -> Self {
        Self { buffer: BytesMut::new(), marker_seen: true }
    }

    /// Takes bytes as they arrive.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Room to read into directly; pairs with [`BufMut`] readers such as tokio's `read_buf`.
    pub fn buffer_mut(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Whether the marker was found (or none is expected): the agent runs.
    pub fn is_open(&self) -> bool {
        self.marker_seen
    }

    /// The next whole value and its number, `None` until it is there.
    pub fn poll<T: Carried>(&mut self) -> Result<Option<(u64, T)>, CodecError> {
        if !self.marker_seen && !self.skip_noise()? {
            return Ok(None);
        }
        if self.buffer.len() < HEAD {
            return Ok(None);
        }
        let (json, bulk) = ((&self.buffer[..4]).get_u32() as usize, (&self.buffer[4..8]).get_u32() as usize);
        let length = json.saturating_add(bulk);
        if length > FRAME_LENGTH_MAX {
            return Err(CodecError::Long(length));
        }
        if self.buffer.len() < HEAD + length {
            return Ok(None);
        }
        let number = (&self.buffer[8..HEAD]).get_u64();
        self.buffer.advance(HEAD);
        let json = self.buffer.split_to(json);
        let bulk = self.buffer.split_to(bulk).freeze();
        let mut value: T = serde_json::from_slice(&json).map_err(|error| CodecError::Value(error.to_string()))?;
        if let Some(place) = value.bulk_mut() {
            *place = bulk;
        }
        Ok(Some((number, value)))
    }

    fn skip_noise(&mut self) -> Result<bool, CodecError> {
        if let Some(at) = self.buffer.windows(MARKER.len()).position(|window| window == MARKER) {
            self.buffer.advance(at + MARKER.len());
            self.marker_seen = true;
        } else if self.buffer.len() > NOISE_MAX {
            return Err(CodecError::Noise(self.noise()));
        }
        Ok(self.marker_seen)
    }

    /// What was received and made no frame yet, as printable text: what a host said instead of an agent.
    pub fn noise(&self) -> String {
        let tail = &self.buffer[self.buffer.len().saturating_sub(400)..];
        let text = String::from_utf8_lossy(tail);
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(value: &impl Carried) -> Vec<u8> {
        let (head, bulk) = encode(7, value);
        [&head[..], &bulk[..]].concat()
    }

    #[test]
    fn frames_survive_any_cut_and_noise_before_the_first() {
        let statuses = [
            Status::Hello { protocol: 2, version: "0.1.0".to_owned(), pid: 7 },
            Status::Serving { port: 6881, bitfield: Bytes::from_static(b"\xff\x80") },
            Status::Verifying,
        ];
        let mut stream = b"Last login: yesterday\n\0rookery-ag\n".to_vec();
        stream.extend_from_slice(MARKER);
        for status in &statuses {
            stream.extend(bytes_of(status));
        }
        for cut in 1..stream.len() {
            let mut codec = Codec::after_noise();
            let mut seen = Vec::new();
            for part in stream.chunks(cut) {
                codec.push(part);
                while let Some((number, status)) = codec.poll::<Status>().unwrap() {
                    assert_eq!(number, 7);
                    seen.push(status);
                }
            }
            assert_eq!(seen, statuses, "cut every {cut} bytes");
        }
    }

    #[test]
    fn a_frame_past_the_bound_is_refused_before_it_is_read() {
        let mut codec = Codec::clean();
        codec.push(&[0xff; HEAD]);
        assert!(matches!(codec.poll::<Order>(), Err(CodecError::Long(_))));
    }

    #[test]
    fn a_host_that_never_starts_an_agent_is_quoted() {
        let mut codec = Codec::after_noise();
        codec.push(&b"sh: rookery-agent: not found\n".repeat(10_000));
        assert!(matches!(codec.poll::<Status>(), Err(CodecError::Noise(text)) if text.contains("not found")));
    }
}
