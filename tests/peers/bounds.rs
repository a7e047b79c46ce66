//! What peers and trackers send that is too much, too long or nonsense.

use std::time::Duration;

use bytes::Bytes;
use rookery::base::{BLOCK_LENGTH, Bitfield, Block, Instant, PieceIndex};
use rookery::swarm::{Config, ConnectionId, Input, PeerFault};
use rookery::wire::Message;

use crate::room::{PIECES, Room, address};

fn block(piece: u32, begin: u32, length: u32) -> Block {
    Block { piece: PieceIndex(piece), begin, length }
}

#[test]
fn a_peer_that_asks_without_end_is_dropped() {
    let mut room = Room::new(Config::default(), Bitfield::full(PIECES));
    room.join(1, address(1));
    let waiting = Config::default().requests_max;
    for at in 0..2 * waiting as u32 {
        room.send(1, Message::Request(block(0, at % 60_000, 4000)));
    }
    assert_eq!(room.fault(1), Some(&PeerFault::TooManyRequests(waiting)));
}

#[test]
fn blocks_that_do_not_exist_cannot_be_asked_for_and_those_of_odd_length_can() {
    for senseless in
        [block(PIECES, 0, 1), block(0, 65_536, 1), block(0, 1, 65_536), block(0, 0, 0), block(0, 1, u32::MAX)]
    {
        let mut room = Room::new(Config::default(), Bitfield::full(PIECES));
        room.join(1, address(1));
        room.send(1, Message::Request(senseless));
        assert!(matches!(room.fault(1), Some(PeerFault::Senseless(_))), "{senseless:?}");
    }
    let mut room = Room::new(Config::default(), Bitfield::full(PIECES));
    room.join(1, address(1));
    let odd = [block(0, 5, 1), block(1, 65_535, 1), block(2, 3, 20_000)];
    for block in odd {
        room.send(1, Message::Request(block));
    }
    assert_eq!(room.served, odd);
}

#[test]
fn a_peer_that_sends_what_nobody_asked_for_is_dropped() {
    let mut room = Room::empty(Config::default());
    room.join(1, address(1));
    let data = Bytes::from(vec![0; BLOCK_LENGTH as usize]);
    let most = Config::default().strays_max;
    for sent in 0..=most {
        assert_eq!(room.fault(1), None, "after {sent}");
        room.send(1, Message::Piece { piece: PieceIndex(0), begin: 0, data: data.clone() });
    }
    assert_eq!(room.fault(1), Some(&PeerFault::Unrequested(most + 1)));
}

#[test]
fn pieces_that_do_not_exist_end_the_connection() {
    let long = Message::Bitfield(Bytes::from_static(&[0xf0, 0]));
    let spare = Message::Bitfield(Bytes::from_static(&[0xff]));
    let none = Message::Bitfield(Bytes::new());
    for message in [long, spare, none, Message::Have(PieceIndex(PIECES))] {
        let mut room = Room::empty(Config::default());
        room.join(1, address(1));
        room.send(1, message.clone());
        assert!(room.fault(1).is_some_and(PeerFault::is_misconduct), "{message:?}");
    }
}

#[test]
fn offers_without_end_change_nothing() {
    let mut room = Room::empty(Config::default());
    room.join(1, address(1));
    for piece in 0..10_000 {
        room.send(1, Message::Suggest(PieceIndex(piece)));
        room.send(1, Message::AllowedFast(PieceIndex(piece)));
        room.send(1, Message::Reject(block(piece, 0, BLOCK_LENGTH)));
        room.send(1, Message::Cancel(block(piece, 0, BLOCK_LENGTH)));
    }
    assert_eq!(room.fault(1), None);
    let asked = |message: &Message| matches!(message, Message::Request(_));
    assert!(!room.said.iter().any(|(_, message)| asked(message)), "it has nothing");
}

#[test]
fn what_was_already_said_may_be_said_again() {
    let mut room = Room::empty(Config::default());
    room.join(1, address(1));
    for _ in 0..3 {
        room.send(1, Message::Bitfield(Bytes::from_static(&[0x80])));
        room.send(1, Message::Have(PieceIndex(1)));
        room.send(1, Message::Bitfield(Bytes::from_static(&[0])));
        room.send(1, Message::Interested);
        room.send(1, Message::Choke);
    }
    assert_eq!((room.fault(1), room.swarm.rarest()), (None, 0));
    assert_eq!(room.swarm.peers().next().map(|peer| peer.pieces), Some(2));
}

#[test]
fn connections_are_bounded() {
    let mut room = Room::empty(Config::default());
    let most = Config::default().connections_max as u64;
    (1..=most + 1).for_each(|host| room.join(host, address(host)));
    assert_eq!(room.swarm.connected() as u64, most);
    assert_eq!(room.fault(most + 1), Some(&PeerFault::Full));
}

/// When the next announce is due after a tracker asked for this interval.
fn next_announce(interval: Duration, room: &mut Room) -> Duration {
    room.tell(Input::Elapsed);
    room.announced = None;
    room.tell(Input::Announced { interval, peers: Vec::new() });
    let asked = room.now;
    for _ in 0..1000 {
        room.wait(Duration::from_millis(500));
        if let Some(at) = room.announced {
            return at.since(asked);
        }
    }
    panic!("no announce within 500 s")
}

#[test]
fn an_interval_of_nonsense_neither_floods_the_tracker_nor_starves_the_host() {
    let config = Config::default();
    let mut room = Room::empty(config.clone());
    assert!(next_announce(Duration::ZERO, &mut room) >= config.announce_every);
    assert!(next_announce(Duration::MAX, &mut room) <= config.announce_after_max * 2);
}

#[test]
fn a_host_whose_last_peer_goes_asks_the_tracker_soon_whatever_interval_it_was_given() {
    let mut room = Room::empty(Config::default());
    room.tell(Input::Elapsed);
    room.join(1, address(1));
    room.send(1, Message::HaveAll);
    room.tell(Input::Announced { interval: Duration::from_secs(86_400), peers: Vec::new() });
    room.tell(Input::Closed { connection: ConnectionId(1) });
    let lonely = room.now;
    room.announced = None;
    room.wait(Duration::from_secs(20));
    let at = room.announced.expect("it asks again");
    assert!(at.since(lonely) <= Duration::from_secs(20), "{at:?}");
    assert!(at > Instant::ZERO);
}
