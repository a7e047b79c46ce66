//! Who is shown which piece of a payload that the host alone has.

use std::time::Duration;

use rookery::base::{BLOCK_LENGTH, Bitfield, Block, PieceIndex};
use rookery::swarm::{Config, ConnectionId, Input};
use rookery::wire::Message;

use crate::room::{PIECES, Room, address};

impl Room {
    /// A piece comes from the console, as it should be.
    fn inject(&mut self, piece: u32) {
        self.tell(Input::Injected { piece: PieceIndex(piece) });
        self.tell(Input::Verified { piece: PieceIndex(piece), intact: true });
    }

    /// Peers that were told of each piece so far.
    fn told(&self) -> Vec<Vec<u64>> {
        let of = |piece| {
            let told = self.said.iter().filter(|(_, message)| *message == Message::Have(PieceIndex(piece)));
            told.map(|(connection, _)| connection.0).collect()
        };
        (0..PIECES).map(of).collect()
    }

    fn told_all_there_is(&self) -> bool {
        self.said.iter().any(|(_, message)| matches!(message, Message::HaveAll | Message::Bitfield(_)))
    }
}

/// The first piece has come from the console; a peer was there before it, another came after.
fn amid_the_push() -> Room {
    let mut room = Room::empty(Config::default());
    room.join(1, address(1));
    room.inject(0);
    room.join(2, address(2));
    room
}

#[test]
fn who_connects_before_the_payload_has_come_is_shown_it_piece_by_piece() {
    let mut room = amid_the_push();
    (1..PIECES - 1).for_each(|piece| room.inject(piece));
    let told = room.told();
    assert!(told[..3].iter().all(|told| told.len() == 1), "one peer for each piece: {told:?}");
    assert!(told.iter().flatten().any(|to| *to == 1) && told.iter().flatten().any(|to| *to == 2), "{told:?}");
    assert!(!room.told_all_there_is());
    room.inject(PIECES - 1);
    assert!(room.told().iter().all(|told| told.len() == 2), "with nothing to come all see all: {:?}", room.told());
}

#[test]
fn who_connects_while_the_payload_comes_and_all_of_it_was_shown_sees_only_what_is_meant_for_it() {
    let mut room = amid_the_push();
    assert!(!room.told_all_there_is());
    assert_eq!(room.told()[0], [1]);
    room.inject(1);
    assert_eq!(room.told()[1], [2], "the one that waits for nothing");
}

#[test]
fn what_peers_were_told_before_more_comes_may_still_be_asked_for() {
    let mut have = Bitfield::empty(PIECES);
    have.insert(PieceIndex(3));
    let mut room = Room::new(Config::default(), have);
    room.join(1, address(1));
    room.inject(0);
    let block = Block { piece: PieceIndex(3), begin: 0, length: BLOCK_LENGTH };
    room.send(1, Message::Request(block));
    assert_eq!(room.served, [block]);
    assert_eq!(room.told(), [vec![1], vec![], vec![], vec![]]);
}

#[test]
fn what_only_a_peer_had_that_is_gone_is_shown_to_another() {
    let mut room = Room::empty(Config::default());
    room.join(1, address(1));
    room.inject(0);
    for begin in (0..65_536).step_by(BLOCK_LENGTH as usize) {
        room.send(1, Message::Request(Block { piece: PieceIndex(0), begin, length: BLOCK_LENGTH }));
        room.tell(Input::Sent { connection: ConnectionId(1), payload: u64::from(BLOCK_LENGTH) });
    }
    room.send(1, Message::Have(PieceIndex(0)));
    room.join(2, address(2));
    room.wait(Duration::from_secs(2));
    assert_eq!((room.served.len(), &room.told()[0]), (4, &vec![1]), "somebody has it");
    room.tell(Input::Closed { connection: ConnectionId(1) });
    room.wait(Duration::from_secs(2));
    assert_eq!(room.told()[0], [1, 2]);
}
