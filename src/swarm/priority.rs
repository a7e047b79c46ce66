//! Canonical peer priority (BEP 40): an order of connections on which both ends agree and that nobody chooses.
//!
//! Where everybody keeps the connections of the highest priority, the swarm becomes a random graph in which each peer is
//! a few steps from every other, and nobody can crowd out others by dialling more.

use std::net::{IpAddr, SocketAddr};

use super::{ConnectionId, PeerFault, Swarm};
use crate::base::Instant;

/// Whom to dial first, and which connection goes when there are too many of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preference {
    /// Those told first, lots between others, and no connection of use goes: for a run, whose tracker chooses who meets
    /// whom.
    AsTold,
    /// Canonical priority, as seen from this address; an unspecified one stands for what the first peer calls us.
    Canonical(SocketAddr),
}

/// Handshakes under way, at most, of those who come while every connection is taken.
const KNOCKING_MAX: usize = 8;

impl Swarm {
    /// Whether one that connects while every connection is taken and of use is let in, to show who it is.
    pub(super) fn may_outrank(&self, newcomer: SocketAddr) -> bool {
        self.greetings.len() <= KNOCKING_MAX && self.outranked(newcomer).is_some()
    }

    /// Makes room for a peer that has shaken hands; returns why there is none for it, if so.
    pub(super) fn make_room(&mut self, now: Instant, newcomer: SocketAddr) -> Option<PeerFault> {
        if self.peers.len() < self.config.connections_max {
            return None;
        }
        let Some(outranked) = self.outranked(newcomer) else { return Some(PeerFault::Full) };
        self.disconnect(now, outranked, PeerFault::Outranked);
        None
    }

    /// The connection of the lowest priority, if that is lower than a newcomer's.
    fn outranked(&self, newcomer: SocketAddr) -> Option<ConnectionId> {
        let newcomer = self.dialer.priority(newcomer)?;
        let priority = |address| self.dialer.priority(address);
        let ranked = self
            .peers
            .iter()
            .filter_map(|(connection, peer)| Some((priority(peer.listening.unwrap_or(peer.address))?, *connection)));
        ranked.min().filter(|(priority, _)| *priority < newcomer).map(|(_, connection)| connection)
    }
}

/// How much a connection between two addresses is worth, the same from both ends; none between families.
pub fn canonical_priority(one: SocketAddr, other: SocketAddr) -> u32 {
    let (low, high) = if one <= other { (one, other) } else { (other, one) };
    match (low.ip(), high.ip()) {
        (one, other) if one == other => crc32c([low.port().to_be_bytes(), high.port().to_be_bytes()].as_flattened()),
        (IpAddr::V4(low), IpAddr::V4(high)) => crc32c(masked(low.octets(), high.octets(), 2).as_flattened()),
        (IpAddr::V6(low), IpAddr::V6(high)) => crc32c(masked(low.octets(), high.octets(), 6).as_flattened()),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => 0,
    }
}

/// Two addresses of which at least `whole` bytes count in full, and one more than both have in common; of the bytes after
/// those every other bit counts, so that whoever owns a network gains little by choosing addresses in it.
fn masked<const N: usize>(low: [u8; N], high: [u8; N], whole: usize) -> [[u8; N]; 2] {
    let common = low.iter().zip(&high).take_while(|(low, high)| low == high).count();
    let whole = whole.max(common + 1);
    [low, high].map(|mut address| {
        address.iter_mut().skip(whole).for_each(|byte| *byte &= 0x55);
        address
    })
}

/// The CRC-32C of a few bytes, a bit at a time.
fn crc32c(bytes: &[u8]) -> u32 {
    let shift = |crc: u32| (crc >> 1) ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| shift(crc)))
}

/// Castagnoli's, with its bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

#[cfg(test)]
mod tests {
    use super::*;

    fn priority(one: &str, other: &str) -> u32 {
        let (one, other) = (one.parse().unwrap(), other.parse().unwrap());
        assert_eq!(canonical_priority(one, other), canonical_priority(other, one));
        canonical_priority(one, other)
    }

    #[test]
    fn the_vectors_of_bep_40_hold() {
        assert_eq!(priority("123.213.32.10:1", "98.76.54.32:2"), 0xec2d_7224);
        assert_eq!(priority("123.213.32.10:1", "123.213.32.234:2"), 0x9956_8189);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283, "the check value of CRC-32C");
    }

    #[test]
    fn ports_count_only_at_one_address() {
        assert_eq!(priority("10.0.0.1:1", "10.9.0.2:2"), priority("10.0.0.1:3", "10.9.0.2:4"));
        assert_eq!(priority("10.0.0.1:1", "10.0.0.1:2"), crc32c(&[0, 1, 0, 2]));
    }

    #[test]
    fn of_what_follows_the_network_every_other_bit_counts() {
        assert_eq!(masked([1, 2, 0xff, 0xff], [9, 2, 0, 3], 2), [[1, 2, 0x55, 0x55], [9, 2, 0, 1]]);
        assert_eq!(masked([1, 2, 0xff, 0xff], [1, 2, 0, 3], 2), [[1, 2, 0xff, 0x55], [1, 2, 0, 1]]);
        assert_eq!(masked([1, 2, 3, 0xff], [1, 2, 3, 2], 2), [[1, 2, 3, 0xff], [1, 2, 3, 2]]);
        assert_eq!(
            priority("[2001:db8::1:ffff]:1", "[2001:dba::1]:1"),
            priority("[2001:db8::1:5555]:1", "[2001:dba::1]:1")
        );
        assert_ne!(priority("[2001:db8::ff]:1", "[2001:db8::1]:1"), priority("[2001:db8::55]:1", "[2001:db8::1]:1"));
    }

    #[test]
    fn families_do_not_meet() {
        assert_eq!(priority("10.0.0.1:1", "[::1]:1"), 0);
    }
}
