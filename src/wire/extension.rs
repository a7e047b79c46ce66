//! The handshake of the extension protocol (BEP 10).

use std::collections::BTreeMap;
use std::net::IpAddr;

use bt_bencode::{ByteString, Value};
use bytes::Bytes;

use super::{Message, WireError};
use crate::base::{Zone, check_bencode};

/// The extended message id of an [`ExtensionHandshake`].
pub const EXTENSION_HANDSHAKE_ID: u8 = 0;

/// The key of [`ExtensionHandshake::zone`].
const ZONE_KEY: &str = "rookery_zone";

/// Most bencoded values in one.
const VALUES_MAX: usize = 512;
/// Most extensions that are kept.
const EXTENSIONS_MAX: usize = 64;
/// Longest client or extension name that is kept, in characters.
const NAME_LENGTH_MAX: usize = 64;

/// What a peer says about itself beyond the handshake: every key is optional, and one of another type counts as absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExtensionHandshake {
    /// Extensions by name, and the message ids the sender gave them; 0 switches one off. `m` on the wire.
    pub extensions: BTreeMap<String, u8>,
    /// The client's name and version; `v`.
    pub client: Option<String>,
    /// Requests the sender keeps waiting before it drops any; `reqq`.
    pub request_queue: Option<u32>,
    /// The port the sender listens on; `p`.
    pub port: Option<u16>,
    /// The receiver's address as the sender sees it; `yourip`.
    pub your_ip: Option<IpAddr>,
    /// Whether the sender only uploads (BEP 21); `upload_only`.
    pub upload_only: bool,
    /// Length of the info dictionary (BEP 9); `metadata_size`.
    pub metadata_size: Option<u32>,
    /// The sender's zone; `rookery_zone`, which only this client says.
    pub zone: Option<Zone>,
}

impl ExtensionHandshake {
    /// Reads the payload of an extended message with id 0.
    pub fn decode(payload: &[u8]) -> Result<Self, WireError> {
        check_bencode(payload, VALUES_MAX)?;
        let value: Value = bt_bencode::from_slice(payload).map_err(|_malformed| WireError::NoDictionary)?;
        let dictionary = value.as_dict().ok_or(WireError::NoDictionary)?;
        let get = |key: &str| dictionary.get(key.as_bytes());
        let number = |key: &str| get(key).and_then(Value::as_u64);
        let extensions = get("m").and_then(Value::as_dict).into_iter().flatten().filter_map(|(name, id)| {
            let name = std::str::from_utf8(name).ok().filter(|name| name.len() <= NAME_LENGTH_MAX)?;
            Some((name.to_owned(), id.as_u64()?.try_into().ok()?))
        });
        Ok(Self {
            extensions: extensions.take(EXTENSIONS_MAX).collect(),
            client: get("v").and_then(Value::as_byte_str).map(|name| printable(name)),
            request_queue: number("reqq").and_then(|count| count.try_into().ok()),
            port: number("p").and_then(|port| port.try_into().ok()),
            your_ip: get("yourip").and_then(Value::as_byte_str).and_then(|bytes| address(bytes)),
            upload_only: number("upload_only").is_some_and(|flag| flag != 0),
            metadata_size: number("metadata_size").and_then(|size| size.try_into().ok()),
            zone: get(ZONE_KEY).and_then(Value::as_byte_str).and_then(|name| Zone::from_bytes(name)),
        })
    }

    /// The payload of an extended message with id 0.
    pub fn encode(&self) -> Bytes {
        let extensions: BTreeMap<ByteString, Value> =
            self.extensions.iter().map(|(name, id)| (name.as_str().into(), Value::from(*id))).collect();
        let octets = self.your_ip.map(|ip| match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        });
        let keys = [
            ("m", Some(Value::Dict(extensions))),
            ("metadata_size", self.metadata_size.map(Value::from)),
            ("p", self.port.map(Value::from)),
            ("reqq", self.request_queue.map(Value::from)),
            (ZONE_KEY, self.zone.as_ref().map(|zone| Value::from(zone.as_str()))),
            ("upload_only", self.upload_only.then(|| Value::from(1_u8))),
            ("v", self.client.as_deref().map(Value::from)),
            ("yourip", octets.map(|octets| Value::ByteStr(octets.into()))),
        ];
        let present = keys.into_iter().filter_map(|(key, value)| Some((ByteString::from(key), value?)));
        bt_bencode::to_vec(&Value::Dict(present.collect())).expect("every value has a bencoding").into()
    }

    /// The message that carries it.
    pub fn to_message(&self) -> Message {
        Message::Extended { id: EXTENSION_HANDSHAKE_ID, payload: self.encode() }
    }
}

/// A name from outside as a line of text: what would move a cursor is left out.
fn printable(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().filter(|c| !c.is_control()).take(NAME_LENGTH_MAX).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    four.or_else(|| <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_of_another_client_is_understood() {
        let payload =
            b"d1:md11:ut_metadatai3e6:ut_pexi1ee13:metadata_sizei31235e1:pi6881e4:reqqi500e12:rookery_zone2:r71:v13:\xc2\xb5Torrent 1.2\
            6:yourip4\x3a\x7f\0\0\x01e";
        let handshake = ExtensionHandshake::decode(payload).unwrap();
        assert_eq!(handshake.extensions["ut_metadata"], 3);
        assert_eq!(handshake.client.as_deref(), Some("\u{b5}Torrent 1.2"));
        assert_eq!((handshake.port, handshake.request_queue), (Some(6881), Some(500)));
        assert_eq!(handshake.zone, "r7".parse().ok());
        assert_eq!(handshake.your_ip, Some("127.0.0.1".parse().unwrap()));
        assert_eq!(&handshake.encode()[..], payload);
    }

    #[test]
    fn keys_of_another_type_count_as_absent() {
        let handshake =
            ExtensionHandshake::decode(b"d1:mi5e1:p3:abc4:reqqi-1e12:rookery_zone3:a\nb1:vle6:yourip3:abce").unwrap();
        assert_eq!(handshake, ExtensionHandshake::default());
    }

    #[test]
    fn a_client_name_cannot_move_the_cursor() {
        let handshake = ExtensionHandshake::decode(b"d1:v7:a\x1b[2J\x07be").unwrap();
        assert_eq!(handshake.client.as_deref(), Some("a[2Jb"));
    }

    #[test]
    fn too_much_of_everything_is_left_out() {
        let many = (100..200).fold(String::new(), |many, i| many + &format!("3:{i}i1e"));
        let long = "x".repeat(NAME_LENGTH_MAX + 1);
        let payload = format!("d1:md{many}65:{long}i1ee1:v65:{long}e");
        let handshake = ExtensionHandshake::decode(payload.as_bytes()).unwrap();
        assert_eq!(handshake.extensions.len(), EXTENSIONS_MAX);
        assert_eq!(handshake.client.map(|client| client.len()), Some(NAME_LENGTH_MAX));
        let values = format!("d1:ml{}ee", "de".repeat(VALUES_MAX));
        assert!(matches!(ExtensionHandshake::decode(values.as_bytes()), Err(WireError::Bencode(_))));
    }

    #[test]
    fn what_is_no_dictionary_is_refused() {
        assert_eq!(ExtensionHandshake::decode(b"le"), Err(WireError::NoDictionary));
        assert!(matches!(ExtensionHandshake::decode(&[b'l'; 9000]), Err(WireError::Bencode(_))));
    }
}
