//! What the others of a zone are asked for, and who of them is shown first copies.

use rookery::base::{Bitfield, PieceIndex, Zone};
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

    /// It gets everything, and may be asked for it.
    fn offer_all(&mut self, connection: u64) {
        (0..PIECES).for_each(|piece| self.send(connection, Message::Have(PieceIndex(piece))));
        self.send(connection, Message::Unchoke);
    }

    /// Blocks that were asked of it so far.
    fn asked(&self, connection: u64) -> usize {
        let asks = |message: &Message| matches!(message, Message::Request(_));
        self.said.iter().filter(|(to, message)| to.0 == connection && asks(message)).count()
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
    assert_eq!([1, 2, 3].map(|mate| room.asked(mate)), [4, 2, 2]);
}

#[test]
fn a_neighbour_that_gives_out_first_copies_is_asked_for_as_much_as_ever() {
    let mut room = in_zone(5, 4);
    for mate in 1..=2 {
        room.join_from(mate, "a");
        room.send(mate, Message::Suggest(PieceIndex(0)));
        room.offer_all(mate);
    }
    assert_eq!([1, 2].map(|mate| room.asked(mate)), [4, 4]);
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
