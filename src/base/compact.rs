//! Compact peers: six bytes an IPv4 address with its port (BEP 23), eighteen an IPv6 one (BEP 7).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Reads addresses of six bytes; `None` when something is left over.
pub fn compact_v4(bytes: &[u8]) -> Option<Vec<SocketAddr>> {
    let (peers, rest) = bytes.as_chunks::<6>();
    let peer =
        |[a, b, c, d, high, low]: &[u8; 6]| (Ipv4Addr::new(*a, *b, *c, *d), u16::from_be_bytes([*high, *low])).into();
    rest.is_empty().then(|| peers.iter().map(peer).collect())
}

/// Reads addresses of eighteen bytes; `None` when something is left over.
pub fn compact_v6(bytes: &[u8]) -> Option<Vec<SocketAddr>> {
    let (peers, rest) = bytes.as_chunks::<18>();
    let peer = |bytes: &[u8; 18]| {
        let (octets, port) = bytes.split_first_chunk::<16>().expect("18 bytes hold 16");
        (Ipv6Addr::from(*octets), u16::from_be_bytes([port[0], port[1]])).into()
    };
    rest.is_empty().then(|| peers.iter().map(peer).collect())
}

/// Appends an address to those of its family.
pub fn put_compact(four: &mut Vec<u8>, six: &mut Vec<u8>, address: SocketAddr) {
    let out = match address.ip() {
        IpAddr::V4(ip) => {
            four.extend_from_slice(&ip.octets());
            four
        }
        IpAddr::V6(ip) => {
            six.extend_from_slice(&ip.octets());
            six
        }
    };
    out.extend_from_slice(&address.port().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_both_families_come_back() {
        let (mut four, mut six) = (Vec::new(), Vec::new());
        let addresses: [SocketAddr; 3] = ["10.0.0.1:1", "[2001:db8::1]:2", "10.0.0.2:3"].map(|a| a.parse().unwrap());
        for address in addresses {
            put_compact(&mut four, &mut six, address);
        }
        assert_eq!(compact_v4(&four), Some(vec![addresses[0], addresses[2]]));
        assert_eq!(compact_v6(&six), Some(vec![addresses[1]]));
        assert_eq!((compact_v4(&four[1..]), compact_v6(&six[1..])), (None, None));
    }
}
