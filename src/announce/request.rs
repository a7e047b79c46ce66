//! A peer tells the tracker where it is and how far.

use std::fmt::Write;
use std::net::IpAddr;

use bytes::Bytes;

use super::QueryError;
use super::query::{decode, encode, parameters};
use crate::base::{ByteCount, InfoHash, PeerId, Zone};

/// Longest `key` and `trackerid`, in bytes.
pub(super) const TOKEN_LENGTH_MAX: usize = 256;

/// What has changed since the last announce, beyond progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnnounceEvent {
    /// The first announce.
    Started,
    /// The peer has just become complete.
    Completed,
    /// The peer leaves.
    Stopped,
}

/// A peer's announce (BEP 3, 7, 23).
///
/// ```
/// use rookery::announce::AnnounceRequest;
/// use rookery::base::{ByteCount, InfoHash, PeerId};
///
/// let mut request = AnnounceRequest::new(InfoHash::new([7; 20]), PeerId::new([b'x'; 20]), 6881);
/// request.left = ByteCount(100);
/// assert_eq!(AnnounceRequest::parse(&request.to_query()), Ok(request));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnounceRequest {
    /// The swarm.
    pub info_hash: InfoHash,
    /// What the peer calls itself.
    pub peer_id: PeerId,
    /// The port it listens on.
    pub port: u16,
    /// Payload bytes sent.
    pub uploaded: ByteCount,
    /// Payload bytes received.
    pub downloaded: ByteCount,
    /// Payload bytes it still lacks; 0 when it is complete.
    pub left: ByteCount,
    /// What has changed, `None` for a regular announce.
    pub event: Option<AnnounceEvent>,
    /// How many peers it wants to hear of; the tracker's choice when absent.
    pub numwant: Option<u32>,
    /// Whether it asked for compact peers (BEP 23); the tracker's choice when absent.
    pub compact: Option<bool>,
    /// What it identifies itself with if its address changes; any bytes.
    pub key: Option<Bytes>,
    /// What the tracker asked it to repeat; any bytes.
    pub tracker_id: Option<Bytes>,
    /// The address it wants to be known by.
    pub ip: Option<IpAddr>,
    /// Its zone; `zone`, which other trackers skip.
    pub zone: Option<Zone>,
}

impl AnnounceRequest {
    /// A regular announce of a complete peer that has moved nothing, and takes compact peers.
    pub const fn new(info_hash: InfoHash, peer_id: PeerId, port: u16) -> Self {
        Self {
            info_hash,
            peer_id,
            port,
            uploaded: ByteCount(0),
            downloaded: ByteCount(0),
            left: ByteCount(0),
            event: None,
            numwant: None,
            compact: Some(true),
            key: None,
            tracker_id: None,
            ip: None,
            zone: None,
        }
    }

    /// Whether the peer has every piece.
    pub const fn is_complete(&self) -> bool {
        self.left.0 == 0
    }

    /// The query string, without `?`.
    pub fn to_query(&self) -> String {
        let mut query = String::with_capacity(256);
        query.push_str("info_hash=");
        encode(&mut query, self.info_hash.as_bytes());
        query.push_str("&peer_id=");
        encode(&mut query, self.peer_id.as_bytes());
        let numbers = [
            ("port", Some(u64::from(self.port))),
            ("uploaded", Some(self.uploaded.0)),
            ("downloaded", Some(self.downloaded.0)),
            ("left", Some(self.left.0)),
            ("compact", self.compact.map(u64::from)),
            ("numwant", self.numwant.map(u64::from)),
        ];
        for (key, number) in numbers {
            if let Some(number) = number {
                write!(query, "&{key}={number}").expect("a string takes what is written");
            }
        }
        let ip = self.ip.map(|ip| ip.to_string());
        let tokens = [
            ("event", self.event.map(|event| event.as_str().as_bytes())),
            ("key", self.key.as_deref()),
            ("trackerid", self.tracker_id.as_deref()),
            ("ip", ip.as_deref().map(str::as_bytes)),
            ("zone", self.zone.as_ref().map(|zone| zone.as_str().as_bytes())),
        ];
        for (key, token) in tokens {
            if let Some(token) = token {
                query.push('&');
                query.push_str(key);
                query.push('=');
                encode(&mut query, token);
            }
        }
        query
    }

    /// Reads a query string; of a repeated parameter the last counts, unknown ones are skipped.
    pub fn parse(query: &str) -> Result<Self, QueryError> {
        let (mut info_hash, mut peer_id, mut port, mut left) = (None, None, None, None);
        let mut request = Self { compact: None, ..Self::new(InfoHash::new([0; 20]), PeerId::new([0; 20]), 0) };
        for (key, value) in parameters(query)? {
            match key {
                "info_hash" => info_hash = Some(twenty(value, "info_hash")?),
                "peer_id" => peer_id = Some(twenty(value, "peer_id")?),
                "port" => port = Some(number(value, "port")?.try_into().ok().ok_or(QueryError::Value("port"))?),
                "uploaded" => request.uploaded = ByteCount(number(value, "uploaded")?),
                "downloaded" => request.downloaded = ByteCount(number(value, "downloaded")?),
                "left" => left = Some(number(value, "left")?),
                "event" => request.event = AnnounceEvent::from_text(value),
                "numwant" => request.numwant = wanted(value)?,
                "compact" => request.compact = Some(number(value, "compact")? != 0),
                "key" => request.key = Some(token(value, "key")?),
                "trackerid" => request.tracker_id = Some(token(value, "trackerid")?),
                "ip" => request.ip = std::str::from_utf8(&decode(value, "ip")?).ok().and_then(|ip| ip.parse().ok()),
                "zone" => request.zone = Zone::from_bytes(&decode(value, "zone")?),
                _ => {}
            }
        }
        request.info_hash = InfoHash::new(info_hash.ok_or(QueryError::Missing("info_hash"))?);
        request.peer_id = PeerId::new(peer_id.ok_or(QueryError::Missing("peer_id"))?);
        request.port = port.ok_or(QueryError::Missing("port"))?;
        request.left = ByteCount(left.ok_or(QueryError::Missing("left"))?);
        Ok(request)
    }
}

impl AnnounceEvent {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Completed => "completed",
            Self::Stopped => "stopped",
        }
    }

    /// An event that BEP 3 does not have (`paused`, `empty`) is a regular announce.
    fn from_text(text: &str) -> Option<Self> {
        [Self::Started, Self::Completed, Self::Stopped].into_iter().find(|event| event.as_str() == text)
    }
}

pub(super) fn twenty(value: &str, key: &'static str) -> Result<[u8; 20], QueryError> {
    decode(value, key)?.try_into().ok().ok_or(QueryError::Value(key))
}

fn token(value: &str, key: &'static str) -> Result<Bytes, QueryError> {
    let token = decode(value, key)?;
    if token.len() > TOKEN_LENGTH_MAX { Err(QueryError::Value(key)) } else { Ok(token.into()) }
}

fn number(value: &str, key: &'static str) -> Result<u64, QueryError> {
    value.parse().ok().ok_or(QueryError::Value(key))
}

/// Some clients say -1 for "as you like".
fn wanted(value: &str) -> Result<Option<u32>, QueryError> {
    let count: i64 = value.parse().ok().ok_or(QueryError::Value("numwant"))?;
    Ok((count >= 0).then(|| u32::try_from(count).unwrap_or(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "info_hash=%12%34aaaaaaaaaaaaaaaaaa&peer_id=-AR1234-abcdefghijkl";

    #[test]
    fn an_announce_of_aria2_is_understood() {
        let query = "info_hash=%D0%40%F3%AA%E6%24%B5.2%06%FAa%A3%C5%3B%E9%97%BD%BF%7D\
             &peer_id=A2-1-36-0-%BA%EF%0B%14%E2y%E2%0C9%FC&uploaded=0&downloaded=0&left=16384&compact=1\
             &key=%0B%14%E2y%E2%0C9%FC&numwant=50&no_peer_id=1&port=17001&event=started&supportcrypto=1";
        let request = AnnounceRequest::parse(query).unwrap();
        assert_eq!(request.info_hash.to_string(), "d040f3aae624b52e3206fa61a3c53be997bdbf7d");
        assert_eq!(&request.peer_id.as_bytes()[..10], b"A2-1-36-0-");
        assert_eq!((request.port, request.left, request.numwant), (17001, ByteCount(16_384), Some(50)));
        assert_eq!((request.event, request.compact), (Some(AnnounceEvent::Started), Some(true)));
        assert_eq!(request.key.as_deref(), Some(&b"\x0b\x14\xe2y\xe2\x0c9\xfc"[..]), "eight bytes of no charset");
    }

    #[test]
    fn odd_values_that_clients_send_are_taken() {
        let request =
            AnnounceRequest::parse(&format!("{HEAD}&port=1&left=5&event=paused&numwant=-1&ip=a.b&zone=")).unwrap();
        assert_eq!((request.event, request.numwant, request.ip, request.compact), (None, None, None, None));
        assert_eq!(request.zone, None);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (query, error) in [
            (String::new(), QueryError::Missing("info_hash")),
            (format!("{HEAD}&left=0"), QueryError::Missing("port")),
            (format!("{HEAD}&port=1"), QueryError::Missing("left")),
            (format!("{HEAD}&port=65536&left=0"), QueryError::Value("port")),
            (format!("{HEAD}&port=1&left=-1"), QueryError::Value("left")),
            ("info_hash=short".to_owned(), QueryError::Value("info_hash")),
        ] {
            assert_eq!(AnnounceRequest::parse(&query), Err(error), "{query}");
        }
    }
}
