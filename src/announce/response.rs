//! The tracker's answer to an announce.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bt_bencode::{ByteString, Value};
use bytes::Bytes;

use super::request::TOKEN_LENGTH_MAX;
use crate::base::{BencodeError, PeerId, check_bencode, compact_v4, compact_v6, put_compact};

/// Longest answer that is read, in bytes.
pub const RESPONSE_LENGTH_MAX: usize = 256 << 10;
/// Most peers that are taken from one answer.
pub const PEERS_MAX: usize = 2000;

/// Most bencoded values in an answer: dictionaries of [`PEERS_MAX`] peers.
const VALUES_MAX: usize = 32 << 10;
/// Longest text of a tracker that is kept, in characters.
const TEXT_LENGTH_MAX: usize = 300;
/// Longest interval, in seconds: a day.
const INTERVAL_MAX: u64 = 86_400;

/// Why bytes hold no peers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// Past the bound.
    #[error("the tracker's answer is {0} bytes long; {RESPONSE_LENGTH_MAX} are allowed")]
    Long(usize),
    /// Not bencode.
    #[error("the tracker's answer is not bencode: {0}")]
    Bencode(#[from] BencodeError),
    /// Bencode of something else.
    #[error("the tracker's answer has no usable `{0}`")]
    Key(&'static str),
    /// It says no, and why.
    #[error("the tracker refused: {0}")]
    Refused(String),
}

/// How peers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerForm {
    /// Six bytes a peer (BEP 23), eighteen in IPv6 (BEP 7); peer ids are left out.
    Compact,
    /// A dictionary a peer (BEP 3).
    Dictionaries,
}

/// A peer, as the tracker knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnnouncedPeer {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it calls itself, where the form tells.
    pub peer_id: Option<PeerId>,
}

/// When to announce again, and peers (BEP 3, 7, 23). A refusal is a [`ResponseError::Refused`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AnnounceResponse {
    /// Something the operator should know.
    pub warning: Option<String>,
    /// How long to wait until the next regular announce, whole seconds.
    pub interval: Duration,
    /// Announcing sooner than this is refused or ignored.
    pub min_interval: Option<Duration>,
    /// Complete peers in the swarm.
    pub complete: Option<u32>,
    /// Incomplete peers in the swarm.
    pub incomplete: Option<u32>,
    /// What the next announce is to repeat; any bytes.
    pub tracker_id: Option<Bytes>,
    /// Some of them, IPv4 first.
    pub peers: Vec<AnnouncedPeer>,
}

impl AnnouncedPeer {
    /// A peer of which only the address is known.
    pub const fn at(address: SocketAddr) -> Self {
        Self { address, peer_id: None }
    }
}

impl AnnounceResponse {
    /// Reads an answer; peers given by name are left out.
    pub fn parse(bytes: &[u8]) -> Result<Self, ResponseError> {
        if bytes.len() > RESPONSE_LENGTH_MAX {
            return Err(ResponseError::Long(bytes.len()));
        }
        check_bencode(bytes, VALUES_MAX)?;
        let value: Value = bt_bencode::from_slice(bytes).map_err(|_malformed| ResponseError::Key("interval"))?;
        let get = |key: &str| value.as_dict().and_then(|dictionary| dictionary.get(key.as_bytes()));
        let text = |key: &str| get(key).and_then(Value::as_byte_str).map(|bytes| line(bytes));
        let count = |key: &str| get(key).and_then(Value::as_u64).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        let seconds =
            |key: &str| get(key).and_then(Value::as_u64).map(|seconds| Duration::from_secs(seconds.min(INTERVAL_MAX)));
        if let Some(reason) = text("failure reason") {
            return Err(ResponseError::Refused(reason));
        }
        let mut peers = match get("peers") {
            None => Vec::new(),
            Some(Value::ByteStr(bytes)) => at(compact_v4(bytes).ok_or(ResponseError::Key("peers"))?).collect(),
            Some(Value::List(peers)) => peers.iter().filter_map(from_dictionary).collect(),
            Some(Value::Int(_) | Value::Dict(_)) => return Err(ResponseError::Key("peers")),
        };
        if let Some(bytes) = get("peers6") {
            let six = bytes.as_byte_str().and_then(|bytes| compact_v6(bytes)).ok_or(ResponseError::Key("peers6"))?;
            peers.extend(at(six));
        }
        peers.retain(|peer| peer.address.port() != 0 && !peer.address.ip().is_unspecified());
        peers.truncate(PEERS_MAX);
        let token = get("tracker id").and_then(Value::as_byte_str).filter(|token| token.len() <= TOKEN_LENGTH_MAX);
        Ok(Self {
            warning: text("warning message"),
            interval: seconds("interval").ok_or(ResponseError::Key("interval"))?,
            min_interval: seconds("min interval"),
            complete: count("complete"),
            incomplete: count("incomplete"),
            tracker_id: token.map(|bytes| Bytes::copy_from_slice(bytes)),
            peers,
        })
    }

    /// The bytes of an answer.
    pub fn encode(&self, form: PeerForm) -> Vec<u8> {
        let mut dictionary: BTreeMap<ByteString, Value> = BTreeMap::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                dictionary.insert(key.into(), value);
            }
        };
        put("warning message", self.warning.as_deref().map(Value::from));
        put("interval", Some(Value::from(self.interval.as_secs())));
        put("min interval", self.min_interval.map(|interval| Value::from(interval.as_secs())));
        put("complete", self.complete.map(Value::from));
        put("incomplete", self.incomplete.map(Value::from));
        put("tracker id", self.tracker_id.as_deref().map(|token| Value::ByteStr(token.into())));
        match form {
            PeerForm::Compact => {
                let (mut four, mut six) = (Vec::new(), Vec::new());
                for peer in &self.peers {
                    put_compact(&mut four, &mut six, peer.address);
                }
                put("peers", Some(Value::ByteStr(four.into())));
                put("peers6", (!six.is_empty()).then(|| Value::ByteStr(six.into())));
            }
            PeerForm::Dictionaries => put("peers", Some(Value::List(self.peers.iter().map(to_dictionary).collect()))),
        }
        bt_bencode::to_vec(&Value::Dict(dictionary)).expect("every value has a bencoding")
    }
}

/// The bytes of a refusal.
pub fn encode_refusal(reason: &str) -> Vec<u8> {
    let dictionary = BTreeMap::from([("failure reason", reason)]);
    bt_bencode::to_vec(&dictionary).expect("text has a bencoding")
}

fn at(addresses: Vec<SocketAddr>) -> impl Iterator<Item = AnnouncedPeer> {
    addresses.into_iter().map(AnnouncedPeer::at)
}

fn from_dictionary(value: &Value) -> Option<AnnouncedPeer> {
    let dictionary = value.as_dict()?;
    let get = |key: &str| dictionary.get(key.as_bytes());
    let ip: IpAddr = get("ip")?.as_str()?.parse().ok()?;
    let port = u16::try_from(get("port")?.as_u64()?).ok()?;
    let peer_id = get("peer id").and_then(Value::as_byte_str).and_then(|id| PeerId::from_slice(id));
    Some(AnnouncedPeer { address: (ip, port).into(), peer_id })
}

fn to_dictionary(peer: &AnnouncedPeer) -> Value {
    let mut dictionary: BTreeMap<ByteString, Value> = BTreeMap::new();
    dictionary.insert("ip".into(), peer.address.ip().to_string().into());
    dictionary.insert("port".into(), peer.address.port().into());
    if let Some(id) = &peer.peer_id {
        dictionary.insert("peer id".into(), Value::ByteStr(id.as_bytes().as_slice().into()));
    }
    Value::Dict(dictionary)
}

/// A text from outside as one line: what would move a cursor is left out.
fn line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).take(TEXT_LENGTH_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_and_dictionary_peers_are_understood() {
        let compact =
            b"d8:completei1e10:incompletei2e8:intervali1800e5:peers12:\x0a\0\0\x01\x1a\xe1\x0a\0\0\x02\x1a\xe2e";
        let response = AnnounceResponse::parse(compact).unwrap();
        let addresses: Vec<_> = response.peers.iter().map(|peer| peer.address.to_string()).collect();
        assert_eq!(addresses, ["10.0.0.1:6881", "10.0.0.2:6882"]);
        assert_eq!((response.complete, response.interval), (Some(1), Duration::from_secs(1800)));
        let list =
            b"d8:intervali5e5:peersld2:ip8:10.0.0.17:peer id20:abcdefghijabcdefghij4:porti1eed2:ip3:a.b4:porti1eeee";
        let response = AnnounceResponse::parse(list).unwrap();
        assert_eq!(response.peers.len(), 1, "a peer given by name is left out");
        assert_eq!(response.peers[0].peer_id, PeerId::from_slice(b"abcdefghijabcdefghij"));
    }

    #[test]
    fn ipv6_peers_have_a_key_of_their_own() {
        let peers = ["10.0.0.1:1", "[2001:db8::1]:2"].map(|peer| AnnouncedPeer::at(peer.parse().unwrap()));
        let response = AnnounceResponse { peers: peers.to_vec(), ..AnnounceResponse::default() };
        let bytes = response.encode(PeerForm::Compact);
        assert!(bytes.windows(11).any(|window| window == b"6:peers618:"));
        assert_eq!(AnnounceResponse::parse(&bytes), Ok(response));
    }

    #[test]
    fn a_refusal_is_quoted_in_one_line() {
        let refused = AnnounceResponse::parse(&encode_refusal("go\n\x1baway"));
        assert_eq!(refused, Err(ResponseError::Refused("goaway".to_owned())));
    }

    #[test]
    fn answers_that_hold_no_peers_say_why() {
        for (bytes, error) in [
            (&b"<html>"[..], ResponseError::Bencode(BencodeError::Malformed(0))),
            (b"le", ResponseError::Key("interval")),
            (b"d5:peers0:e", ResponseError::Key("interval")),
            (b"d8:intervali5e5:peers5:abcdee", ResponseError::Key("peers")),
            (b"d8:intervali5e6:peers65:abcdee", ResponseError::Key("peers6")),
        ] {
            assert_eq!(AnnounceResponse::parse(bytes), Err(error));
        }
        assert!(matches!(AnnounceResponse::parse(&b"0".repeat(300_000)), Err(ResponseError::Long(_))));
    }

    #[test]
    fn too_much_of_everything_is_cut_off() {
        let mut bytes = b"d8:intervali18446744073709551615e5:peers18000:".to_vec();
        bytes.extend((0..3000_u16).flat_map(|peer| [&[10, 0][..], &peer.to_be_bytes(), &[1, 1]].concat()));
        bytes.push(b'e');
        let response = AnnounceResponse::parse(&bytes).unwrap();
        assert_eq!((response.peers.len(), response.interval), (PEERS_MAX, Duration::from_secs(INTERVAL_MAX)));
        let refused = AnnounceResponse::parse(&encode_refusal(&"no ".repeat(1000)));
        assert!(matches!(refused, Err(ResponseError::Refused(reason)) if reason.len() == TEXT_LENGTH_MAX));
        let many = format!("d8:intervali5e5:peersl{}ee", "de".repeat(VALUES_MAX));
        let many = AnnounceResponse::parse(many.as_bytes());
        assert_eq!(many, Err(ResponseError::Bencode(BencodeError::Values(VALUES_MAX))));
    }

    #[test]
    fn peers_that_nobody_can_dial_are_left_out() {
        let response = AnnounceResponse::parse(b"d8:intervali5e5:peers12:\x0a\0\0\x01\0\0\0\0\0\0\0\x01e").unwrap();
        assert_eq!(response.peers, []);
    }
}
