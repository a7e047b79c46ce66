//! What the others of a zone are asked for, and peers across its border; and who of them is shown first copies.

use std::time::Duration;

use rookery::base::{Bitfield, ByteCount, PieceIndex, Zone};
use rookery::swarm::{Config, Input};
use rookery::wire::{ExtensionHandshake, Message};

use crate::room::{PIECES, Room, address};

fn zone(name: &str) -> Zone {
    name.parse().expect("a name")
}

impl Room {
    /// A peer of a zone joins that has nothing.
    fn join_from(&mut self, connection: u64, name: &str) {
        self.join(connection, address(connection));
        self.send(
            connection,
            ExtensionHandshake { zone: Some(zone(name)), ..ExtensionHandshake::default() }.to_message(),
        );
    }
}

fn in_zone(zone_asked: usize, zone_asked_each: usize) -> Room {
    Room::empty(Config { zone: Some(zone("a")), zone_asked, zone_asked_each, ..Config::default() })
}

#[test]
fn when_enough_is_asked_of_all_each_neighbour_owes_two_blocks() {
    let mut room = in_zone(5, 4);
    for mate in 1..=3 {
        room.join_from(mate, "a");
        room.offer_all(mate);
    }
    assert_eq!([1, 2, 3].map(|mate| room.asked(mate).len()), [4, 2, 2]);
}

#[test]
fn a_neighbour_that_gives_out_first_copies_is_asked_for_as_much_as_ever() {
    let mut room = in_zone(5, 4);
    for mate in 1..=2 {
        room.join_from(mate, "a");
        room.send(mate, Message::Suggest(PieceIndex(0)));
        room.offer_all(mate);
    }
    assert_eq!([1, 2].map(|mate| room.asked(mate).len()), [4, 4]);
}

#[test]
fn in_need_a_part_of_what_comes_may_come_across_the_border_although_the_zone_has_it() {
    let mut room = in_zone(24, 8);
    room.join_from(1, "a");
    room.offer_all(1);
    room.join_from(2, "b");
    room.offer_all(2);
    assert_eq!([1, 2].map(|peer| room.asked(peer).len()), [8, 0]);
    for at in 0..4 {
        room.answer(1, at);
        room.tell(Input::Elapsed);
        assert_eq!(room.asked(2).len(), 1, "after {} blocks", at + 1);
    }
}

#[test]
fn a_quick_line_is_not_held_to_what_is_enough_for_others() {
    for (zone_quick, more) in [(ByteCount(1 << 20), 0), (ByteCount(10_000), 2)] {
        let mut room = Room::empty(Config {
            zone: Some(zone("a")),
            zone_asked: 2,
            zone_asked_each: 4,
            zone_quick,
            ..Config::default()
        });
        room.join_from(1, "a");
        room.offer_all(1);
        room.answer(1, 0);
        let before = room.asked(1).len();
        room.wait(Duration::from_millis(250));
        room.wait(Duration::from_millis(250));
        assert_eq!(room.asked(1).len(), before + more);
    }
}

#[test]
fn first_copies_go_to_hosts_in_zones_evenly_however_quick_they_are() {
    let mut room = Room::new(Config { zone: Some(zone("a")), ..Config::default() }, Bitfield::empty(PIECES));
    room.join_from(1, "b");
    room.join_from(2, "b");
    for piece in 0..PIECES {
        room.tell(Input::Injected { piece: PieceIndex(piece) });
        room.tell(Input::Verified { piece: PieceIndex(piece), intact: true });
        room.send(1, Message::Have(PieceIndex(piece)));
    }
    let shown = |piece| room.said.iter().find(|(_, message)| *message == Message::Have(PieceIndex(piece)));
    let to: Vec<_> = (0..PIECES).map(|piece| shown(piece).map(|(to, _)| to.0)).collect();
    assert_eq!(to, [Some(1), Some(2), Some(1), Some(2)]);
}
