//! Laws that hold for any bytes whatever: no parser panics, what was read is written so that it reads the same again, and
//! a stream means the same however it is cut.
//!
//! Shared by the fuzz targets, which look for bytes that break them, and by `tests/corpus.rs`, which replays those kept.

#![allow(dead_code, clippy::allow_attributes, reason = "each target uses one of them")]

use std::fmt::Debug;

use rookery::announce::{
    AnnounceRequest, AnnounceResponse, PeerForm, RESPONSE_LENGTH_MAX, ScrapeRequest, ScrapeResponse, TrackerUrl,
};
use rookery::base::{Bitfield, InfoHash, PeerId, check_bencode};
use rookery::control::{Carried, Codec, CodecError, MARKER, Order, Status, encode};
use rookery::metainfo::{Info, Metainfo};
use rookery::wire::{EXTENSION_HANDSHAKE_ID, ExtensionHandshake, Framer, Handshake, Message, Received, WireError};

/// Bytes that say how a stream is cut.
const CUTS: usize = 4;

/// The peer wire protocol: framer, messages, extension handshake.
pub(crate) fn wire(bytes: &[u8]) {
    let Some((mode, cuts, stream)) = split(bytes) else { return };
    let greeting = Handshake::new(InfoHash::new([1; 20]), PeerId::new([2; 20])).encode();
    let stream = if mode % 2 == 0 { [&greeting[..], stream].concat() } else { stream.to_vec() };
    let whole = frame([&stream[..]]);
    assert_eq!(whole, frame(cut(&stream, cuts)), "a cut changed what was received");
    for received in &whole.0 {
        match received {
            Received::Handshake(handshake) => assert_eq!(Handshake::decode(&handshake.encode()), Ok(*handshake)),
            Received::Message(message) => understood(message),
        }
    }
    let _ = ExtensionHandshake::decode(&stream);
}

fn understood(message: &Message) {
    let written = message.to_bytes();
    assert_eq!(Message::decode(written.slice(4..)), Ok(Some(message.clone())));
    if let Message::Extended { id: EXTENSION_HANDSHAKE_ID, payload } = message
        && let Ok(handshake) = ExtensionHandshake::decode(payload)
    {
        assert_eq!(ExtensionHandshake::decode(&handshake.encode()), Ok(handshake));
    }
    if let Message::Bitfield(bytes) = message
        && let Ok(field) = Bitfield::from_bytes(bytes, (bytes.len() as u32 * 8).saturating_sub(3))
    {
        assert_eq!(field.iter().count() + field.missing().count(), field.capacity() as usize);
    }
}

/// Everything a framer finds, and why it failed, if it did.
fn frame<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Received>, Option<WireError>) {
    let (mut framer, mut found) = (Framer::new(), Vec::new());
    for part in parts {
        framer.buffer_mut().extend_from_slice(part);
        loop {
            match framer.poll() {
                Ok(Some(received)) => found.push(received),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

/// Torrents, and the check that comes before the parser.
pub(crate) fn metainfo(bytes: &[u8]) {
    let checked = check_bencode(bytes, 10_000);
    if let Ok(torrent) = Metainfo::parse(bytes) {
        assert!(checked.is_ok() || bytes.len() > 10_000, "{checked:?}, but a torrent");
        let again = Metainfo::parse(&torrent.encode());
        assert_eq!(again.as_ref(), Ok(&torrent));
        assert_eq!(again.map(|again| again.info_hash()), Ok(torrent.info_hash()));
        assert!(torrent.trackers().count() <= 10_000, "trackers are bounded");
        let layout = torrent.layout();
        let total: u64 = layout.pieces().take(10_000).map(|piece| u64::from(layout.piece_length(piece))).sum();
        assert!(total == layout.total() || layout.piece_count() > 10_000);
    }
    if let Ok(info) = Info::parse(bytes) {
        assert_eq!(Info::parse(info.raw()).as_ref(), Ok(&info));
    }
}

/// What peers and tracker say to each other.
pub(crate) fn announce(bytes: &[u8]) {
    let Some((which, rest)) = bytes.split_first() else { return };
    match which % 4 {
        0 => asked(&String::from_utf8_lossy(rest)),
        1 => {
            let Ok(response) = AnnounceResponse::parse(rest) else { return };
            let written = response.encode(PeerForm::Dictionaries);
            if written.len() <= RESPONSE_LENGTH_MAX {
                assert_eq!(AnnounceResponse::parse(&written), Ok(response.clone()));
            }
            let compact = AnnounceResponse::parse(&response.encode(PeerForm::Compact));
            assert_eq!(compact.map(|compact| compact.peers.len()), Ok(response.peers.len()));
        }
        2 => {
            let Ok(response) = ScrapeResponse::parse(rest) else { return };
            assert_eq!(ScrapeResponse::parse(&response.encode()), Ok(response));
        }
        _ => {
            let Ok(url) = String::from_utf8_lossy(rest).parse::<TrackerUrl>() else { return };
            assert_eq!(url.to_string().parse(), Ok(url));
        }
    }
}

fn asked(query: &str) {
    if let Ok(request) = AnnounceRequest::parse(query) {
        assert_eq!(AnnounceRequest::parse(&request.to_query()), Ok(request));
    }
    if let Ok(request) = ScrapeRequest::parse(query) {
        assert_eq!(ScrapeRequest::parse(&request.to_query()), Ok(request));
    }
}

/// What console and agent say to each other.
pub(crate) fn control(bytes: &[u8]) {
    let Some((mode, cuts, stream)) = split(bytes) else { return };
    let marked;
    let (start, stream): (fn() -> Codec, &[u8]) = match mode % 3 {
        0 => (Codec::clean, stream),
        1 => (Codec::after_noise, stream),
        _ => {
            marked = [MARKER, stream].concat();
            (Codec::after_noise, &marked)
        }
    };
    obeys::<Order>(start, stream, cuts);
    obeys::<Status>(start, stream, cuts);
}

fn obeys<T: Carried + PartialEq + Debug>(start: fn() -> Codec, stream: &[u8], cuts: &[u8]) {
    let whole = decode::<T>(start(), [stream]);
    assert_eq!(whole, decode(start(), cut(stream, cuts)), "a cut changed what was received");
    let mut written = Vec::new();
    for (number, value) in &whole.0 {
        let (head, bulk) = encode(*number, value);
        written.extend_from_slice(&head);
        written.extend_from_slice(&bulk);
    }
    assert_eq!(decode(Codec::clean(), [&written[..]]), (whole.0, None));
}

type Found<T> = (Vec<(u64, T)>, Option<CodecError>);

fn decode<'a, T: Carried>(mut codec: Codec, parts: impl IntoIterator<Item = &'a [u8]>) -> Found<T> {
    let mut found = Vec::new();
    for part in parts {
        codec.push(part);
        loop {
            match codec.poll() {
                Ok(Some(value)) => found.push(value),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

/// A first byte that chooses, those that say how the rest is cut, and the rest.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (mode, rest) = bytes.split_first()?;
    let (cuts, stream) = rest.split_at_checked(CUTS)?;
    Some((*mode, cuts, stream))
}

/// `bytes` in parts as long as `cuts` say, over and over.
fn cut<'a>(mut bytes: &'a [u8], cuts: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    for length in cuts.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (part, rest) = bytes.split_at(usize::from(*length).clamp(1, bytes.len()));
        parts.push(part);
        bytes = rest;
    }
    parts
}
