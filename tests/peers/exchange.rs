//! Peer exchange (BEP 11).

use std::time::Duration;

use rookery::base::Bitfield;
use rookery::swarm::{Config, ConnectionId, Exchange, Input, PeerFault};
use rookery::wire::{
    EXCHANGED_MAX, ExchangeFlags, ExchangedPeer, ExtensionHandshake, Message, PEER_EXCHANGE, PeerExchange,
};

use crate::room::{PIECES, Room, address};

fn on() -> Config {
    Config { exchange: Exchange::On, ..Config::default() }
}

fn added(hosts: impl IntoIterator<Item = u64>) -> Message {
    flagged(hosts, ExchangeFlags::default())
}

fn flagged(hosts: impl IntoIterator<Item = u64>, flags: ExchangeFlags) -> Message {
    let peer = |host| ExchangedPeer { address: address(host), flags };
    let exchange = PeerExchange { added: hosts.into_iter().map(peer).collect(), dropped: Vec::new() };
    Message::Extended { id: 1, payload: exchange.encode() }
}

fn minute(room: &mut Room) {
    room.wait(Duration::from_secs(60));
}

#[test]
fn peers_are_told_of_each_other_and_of_those_who_left() {
    let mut room = Room::empty(on());
    (1..=3).for_each(|host| room.join(host, address(host)));
    room.wait(Duration::from_secs(2));
    for host in 1..=3 {
        let [exchange] = &room.exchanges(host)[..] else { panic!("not one message") };
        let told: Vec<_> = exchange.added.iter().map(|peer| peer.address).collect();
        let others: Vec<_> = (1..=3).filter(|other| *other != host).map(address).collect();
        assert_eq!((told, exchange.dropped.len()), (others, 0));
    }
    room.tell(Input::Closed { connection: ConnectionId(3) });
    room.join(4, address(4));
    minute(&mut room);
    let [exchange] = &room.exchanges(1)[..] else { panic!("not one message") };
    assert_eq!(exchange.added[0].address, address(4));
    assert_eq!(exchange.dropped, [address(3)]);
}

#[test]
fn nothing_is_told_more_often_than_once_a_minute_nor_when_there_is_no_news() {
    let mut room = Room::empty(on());
    (1..=2).for_each(|host| room.join(host, address(host)));
    room.wait(Duration::from_secs(2));
    assert_eq!(room.exchanges(1).len(), 1);
    room.join(3, address(3));
    room.wait(Duration::from_secs(50));
    assert_eq!(room.exchanges(1).len(), 0, "within the minute");
    room.wait(Duration::from_secs(15));
    assert_eq!(room.exchanges(1).len(), 1);
    minute(&mut room);
    minute(&mut room);
    assert_eq!(room.exchanges(1).len(), 0, "there is no news");
}

#[test]
fn at_most_fifty_are_told_of_at_once() {
    let mut room = Room::empty(Config { connections_max: 200, ..on() });
    (1..=80).for_each(|host| room.join(host, address(host)));
    room.wait(Duration::from_secs(2));
    assert_eq!(room.exchanges(1)[0].added.len(), EXCHANGED_MAX);
    minute(&mut room);
    assert_eq!(room.exchanges(1)[0].added.len(), 79 - EXCHANGED_MAX);
    (2..=80).for_each(|host| room.tell(Input::Closed { connection: ConnectionId(host) }));
    minute(&mut room);
    assert_eq!(room.exchanges(1)[0].dropped.len(), EXCHANGED_MAX);
}

#[test]
fn who_is_complete_and_who_can_be_reached_is_told() {
    let mut room = Room::empty(on());
    room.tell(Input::Discovered(vec![address(1)]));
    room.tell(Input::Dialed { address: address(1), connection: ConnectionId(1) });
    room.shake_hands(1);
    room.send(1, Message::HaveAll);
    room.join(2, address(2));
    room.wait(Duration::from_secs(2));
    let told = room.exchanges(2)[0].added[0];
    assert!(told.flags.has(ExchangeFlags::SEED.and(ExchangeFlags::REACHABLE)), "{told:?}");
}

#[test]
fn peers_that_are_told_of_are_dialled() {
    let mut room = Room::empty(on());
    room.join(1, address(1));
    room.send(1, added(2..4));
    assert_eq!(room.dialed, [2, 3].map(address));
}

#[test]
fn a_peer_that_tells_too_often_is_not_heard() {
    let mut room = Room::empty(on());
    room.join(1, address(1));
    room.send(1, added([2]));
    room.send(1, added([3]));
    assert_eq!(room.dialed, [address(2)]);
    room.wait(Duration::from_secs(55));
    room.send(1, added([4]));
    assert!(room.dialed.contains(&address(4)), "just under a minute is often enough");
}

#[test]
fn exchange_that_is_off_is_neither_offered_nor_heard() {
    let mut room = Room::empty(Config::default());
    (1..=2).for_each(|host| room.join(host, address(host)));
    let offered = room.said.iter().find_map(|(_, message)| match message {
        Message::Extended { id: 0, payload } => ExtensionHandshake::decode(payload).ok(),
        _ => None,
    });
    assert_eq!(offered.expect("a handshake is sent").extensions.get(PEER_EXCHANGE), None);
    room.send(1, added([3]));
    minute(&mut room);
    assert_eq!((room.dialed.len(), room.exchanges(2).len()), (0, 0));
}

#[test]
fn peers_that_are_told_of_must_be_allowed_like_all_others() {
    let mut room = Room::empty(Config { allow: Some(vec![address(1).ip(), address(2).ip()]), ..on() });
    room.join(1, address(1));
    room.send(1, added([2, 3]));
    assert_eq!(room.dialed, [address(2)]);
}

#[test]
fn peers_leave_room_for_the_addresses_of_the_tracker() {
    let mut room = Room::empty(Config { addresses_max: 40, dials_max: 40, connections_wanted: 64, ..on() });
    room.join(1, address(1));
    room.send(1, added(100..140));
    let from_peers = room.dialed.len();
    assert_eq!(from_peers, 9, "a quarter, with the peer itself");
    room.tell(Input::Announced { interval: Duration::from_secs(5), peers: (200..220).map(address).collect() });
    assert_eq!(room.dialed.len(), from_peers + 20);
}

#[test]
fn a_host_that_has_everything_does_not_dial_others_that_have() {
    let mut room = Room::new(on(), Bitfield::full(PIECES));
    room.join(1, address(1));
    room.send(1, flagged([2], ExchangeFlags::SEED));
    assert_eq!(room.dialed, []);
    room.wait(Duration::from_secs(60));
    room.send(1, added([3]));
    assert_eq!(room.dialed, [address(3)]);
}

#[test]
fn a_peer_can_switch_it_off() {
    let mut room = Room::empty(on());
    (1..=2).for_each(|host| room.join(host, address(host)));
    let off =
        ExtensionHandshake { extensions: [(PEER_EXCHANGE.to_owned(), 0)].into(), ..ExtensionHandshake::default() };
    room.send(1, off.to_message());
    minute(&mut room);
    assert_eq!((room.exchanges(1).len(), room.exchanges(2).len()), (0, 1));
}

#[test]
fn what_is_no_exchange_ends_the_connection() {
    let mut room = Room::empty(on());
    room.join(1, address(1));
    room.send(1, Message::Extended { id: 1, payload: b"d5:added3:abce".to_vec().into() });
    assert!(matches!(room.fault(1), Some(PeerFault::Garbled(_))));
    room.join(2, address(2));
    room.send(2, Message::Extended { id: 77, payload: b"whatever".to_vec().into() });
    assert_eq!(room.fault(2), None, "messages of other extensions are skipped");
}
