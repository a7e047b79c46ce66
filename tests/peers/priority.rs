//! Canonical priority (BEP 40): who gets the last connection.

use std::net::SocketAddr;

use rookery::swarm::{Config, ConnectionId, Input, PeerFault, Preference, canonical_priority};

use crate::room::{Room, address};

const MAX: usize = 4;

fn own() -> SocketAddr {
    address(40_000)
}

fn full(preference: Preference) -> (Room, Vec<u64>) {
    let mut room = Room::empty(Config { connections_max: MAX, preference, ..Config::default() });
    let mut ranked: Vec<u64> = (1..=MAX as u64 + 2).collect();
    ranked.sort_by_key(|host| canonical_priority(own(), address(*host)));
    for host in &ranked[1..=MAX] {
        room.join(*host, address(*host));
    }
    assert_eq!(room.swarm.connected(), MAX);
    (room, ranked)
}

#[test]
fn a_peer_of_higher_priority_takes_the_connection_of_the_lowest() {
    let (mut room, ranked) = full(Preference::Canonical(own()));
    let (lowest, best) = (ranked[1], ranked[MAX + 1]);
    room.join(best, address(best));
    assert_eq!((room.fault(lowest), room.fault(best)), (Some(&PeerFault::Outranked), None));
    assert_eq!(room.swarm.connected(), MAX);
}

#[test]
fn a_peer_of_lower_priority_than_all_is_turned_away() {
    let (mut room, ranked) = full(Preference::Canonical(own()));
    room.join(ranked[0], address(ranked[0]));
    assert_eq!(room.fault(ranked[0]), Some(&PeerFault::Full));
    assert_eq!(room.dropped.len(), 1);
}

#[test]
fn nobody_goes_for_one_that_has_not_shaken_hands() {
    let (mut room, ranked) = full(Preference::Canonical(own()));
    for connection in 100..200 {
        room.tell(Input::Accepted { address: address(ranked[MAX + 1]), connection: ConnectionId(connection) });
    }
    assert_eq!(room.swarm.connected(), MAX);
    let refused = room.dropped.iter().filter(|(_, fault)| *fault == PeerFault::Full).count();
    // All but those who may knock at once.
    assert_eq!(refused, 100 - 8);
}

#[test]
fn by_lots_no_connection_of_use_goes() {
    let (mut room, ranked) = full(Preference::AsTold);
    let best = ranked[MAX + 1];
    room.join(best, address(best));
    assert_eq!(room.fault(best), Some(&PeerFault::Full));
}
