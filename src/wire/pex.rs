//! Peer exchange (BEP 11): a peer tells of others.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bt_bencode::{ByteString, Value};
use bytes::Bytes;

use super::WireError;
use crate::base::{check_bencode, compact_v4, compact_v6, put_compact};

/// Its name among the extensions of a handshake (BEP 10).
pub const PEER_EXCHANGE: &str = "ut_pex";

/// Peers added in one message at most, of both families, and as many dropped.
pub const EXCHANGED_MAX: usize = 50;

/// Most bencoded values in one: a dozen keys, with room for unknown ones.
const VALUES_MAX: usize = 64;

/// Whom the sender has connected to, and lost, since its last message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerExchange {
    /// Peers it has connected to.
    pub added: Vec<ExchangedPeer>,
    /// Peers it is not connected to any more.
    pub dropped: Vec<SocketAddr>,
}

/// A peer that another one tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExchangedPeer {
    /// Where it listens.
    pub address: SocketAddr,
    /// What the sender knows of it.
    pub flags: ExchangeFlags,
}

/// What is known of a peer that is told of: bits of `added.f`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct ExchangeFlags(pub u8);

impl ExchangeFlags {
    /// It has everything.
    pub const SEED: Self = Self(0x02);
    /// The sender dialled it: it can be reached.
    pub const REACHABLE: Self = Self(0x10);

    /// Both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in it.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl PeerExchange {
    /// Reads a message; of each list the first [`EXCHANGED_MAX`] count, and addresses that nobody can dial are left out.
    pub fn decode(payload: &[u8]) -> Result<Self, WireError> {
        check_bencode(payload, VALUES_MAX)?;
        let value: Value = bt_bencode::from_slice(payload).map_err(|_malformed| WireError::NoDictionary)?;
        let dictionary = value.as_dict().ok_or(WireError::NoDictionary)?;
        let four = |key| compact_v4(bytes(dictionary, key)).ok_or(WireError::Exchange(key));
        let six = |key| compact_v6(bytes(dictionary, key)).ok_or(WireError::Exchange(key));
        let flagged = |peers: Vec<SocketAddr>, key| {
            let flags = bytes(dictionary, key)
                .iter()
                .copied()
                .map(ExchangeFlags)
                .chain(std::iter::repeat(ExchangeFlags::default()));
            peers.into_iter().zip(flags).map(|(address, flags)| ExchangedPeer { address, flags })
        };
        let added = flagged(four("added")?, "added.f").chain(flagged(six("added6")?, "added6.f"));
        let dropped = four("dropped")?.into_iter().chain(six("dropped6")?);
        Ok(Self {
            added: added.filter(|peer| can_be_dialled(peer.address)).take(EXCHANGED_MAX).collect(),
            dropped: dropped.filter(|address| can_be_dialled(*address)).take(EXCHANGED_MAX).collect(),
        })
    }

    /// The payload of the message.
    pub fn encode(&self) -> Bytes {
        let (mut four, mut six) = (Vec::new(), Vec::new());
        let (mut four_flags, mut six_flags) = (Vec::new(), Vec::new());
        for peer in &self.added {
            put_compact(&mut four, &mut six, peer.address);
            if peer.address.is_ipv4() { &mut four_flags } else { &mut six_flags }.push(peer.flags.0);
        }
        let (mut four_dropped, mut six_dropped) = (Vec::new(), Vec::new());
        for address in &self.dropped {
            put_compact(&mut four_dropped, &mut six_dropped, *address);
        }
        let keys = [
            ("added", four),
            ("added.f", four_flags),
            ("added6", six),
            ("added6.f", six_flags),
            ("dropped", four_dropped),
            ("dropped6", six_dropped),
        ];
        let dictionary: BTreeMap<ByteString, Value> =
            keys.into_iter().map(|(key, bytes)| (key.into(), Value::ByteStr(bytes.into()))).collect();
        bt_bencode::to_vec(&Value::Dict(dictionary)).expect("every value has a bencoding").into()
    }
}

/// The bytes at a key; none when there are none.
fn bytes<'a>(dictionary: &'a BTreeMap<ByteString, Value>, key: &str) -> &'a [u8] {
    dictionary.get(key.as_bytes()).and_then(Value::as_byte_str).map_or(&[], |bytes| bytes.as_slice())
}

fn can_be_dialled(address: SocketAddr) -> bool {
    address.port() != 0 && !address.ip().is_unspecified() && !address.ip().is_multicast()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange() -> PeerExchange {
        let peer = |address: &str, flags| ExchangedPeer { address: address.parse().unwrap(), flags };
        PeerExchange {
            added: vec![
                peer("10.0.0.1:6881", ExchangeFlags::SEED),
                peer("10.0.0.2:6882", ExchangeFlags::SEED.and(ExchangeFlags::REACHABLE)),
                peer("[2001:db8::1]:1", ExchangeFlags::default()),
            ],
            dropped: vec!["10.0.0.3:6883".parse().unwrap(), "[2001:db8::2]:2".parse().unwrap()],
        }
    }

    #[test]
    fn a_message_of_both_families_comes_back() {
        assert_eq!(PeerExchange::decode(&exchange().encode()), Ok(exchange()));
    }

    #[test]
    fn it_is_as_bep_11_has_it() {
        let one = PeerExchange { added: exchange().added[..1].to_vec(), dropped: Vec::new() };
        let bytes = b"d5:added6:\x0a\0\0\x01\x1a\xe17:added.f1:\x026:added60:8:added6.f0:7:dropped0:8:dropped60:e";
        assert_eq!(&one.encode()[..], bytes);
        assert_eq!(PeerExchange::decode(b"d5:added6:\x0a\0\0\x01\x1a\xe17:added.f1:\x02e"), Ok(one));
        assert_eq!(PeerExchange::decode(b"de"), Ok(PeerExchange::default()));
    }

    #[test]
    fn more_than_the_bound_is_left_out() {
        let mut added = b"d5:added600:".to_vec();
        added.extend((0..100_u8).flat_map(|i| [10, 0, 0, i, 1, 1]));
        added.extend(b"7:dropped600:");
        added.extend((0..100_u8).flat_map(|i| [10, 0, 1, i, 1, 1]));
        added.push(b'e');
        let exchange = PeerExchange::decode(&added).unwrap();
        assert_eq!((exchange.added.len(), exchange.dropped.len()), (EXCHANGED_MAX, EXCHANGED_MAX));
    }

    #[test]
    fn what_is_no_message_is_refused_and_what_nobody_can_dial_left_out() {
        assert_eq!(PeerExchange::decode(b"le"), Err(WireError::NoDictionary));
        assert_eq!(PeerExchange::decode(b"d5:added5:abcdee"), Err(WireError::Exchange("added")));
        assert_eq!(PeerExchange::decode(b"d8:dropped65:abcdee"), Err(WireError::Exchange("dropped6")));
        assert!(matches!(PeerExchange::decode(&[b'l'; 9000]), Err(WireError::Bencode(_))));
        let nobody = b"d5:added18:\0\0\0\0\x1a\xe1\x0a\0\0\x01\0\0\xe0\0\0\x01\x1a\xe1e";
        assert_eq!(PeerExchange::decode(nobody), Ok(PeerExchange::default()));
    }
}
