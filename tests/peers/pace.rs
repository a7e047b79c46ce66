//! How fast a host sends that still fetches: no faster than its line is known to be.

use std::time::Duration;

use rookery::base::{Block, ByteRate, PieceIndex};
use rookery::swarm::{Config, ConnectionId, Input};
use rookery::wire::Message;

use crate::room::{Room, address};

const BLOCK: u32 = 16_384;

/// Blocks sent within a second to a peer that asks for the eight that came, one a tick.
fn sent_in_a_second(config: Config) -> usize {
    let mut room = Room::empty(config);
    room.join(1, address(1));
    room.offer_all(1);
    for at in 0..8 {
        room.wait(Duration::from_millis(250));
        room.answer(1, at);
    }
    room.wait(Duration::from_millis(250));
    let mut pieces: Vec<PieceIndex> = room.asked(1)[..8].iter().map(|block| block.piece).collect();
    pieces.dedup();
    assert_eq!(pieces.len(), 2, "pieces are fetched one after the other");
    for piece in &pieces {
        room.tell(Input::Verified { piece: *piece, intact: true });
    }
    room.join(2, address(2));
    for begin in (0..4).map(|block| block * BLOCK) {
        for piece in &pieces {
            room.send(2, Message::Request(Block { piece: *piece, begin, length: BLOCK }));
        }
    }
    let mut taken = 0;
    for _ in 0..100 {
        for _ in std::mem::take(&mut room.served) {
            taken += 1;
            room.tell(Input::Sent { connection: ConnectionId(2), payload: u64::from(BLOCK) });
        }
        room.wait(Duration::from_millis(10));
    }
    taken
}

#[test]
fn uploads_keep_to_what_the_line_has_brought() {
    assert_eq!(sent_in_a_second(Config::default()), 4, "61 440 bytes a second, and one block");
}

#[test]
fn a_line_whose_downloads_are_capped_is_not_known() {
    let config = Config { max_download: ByteRate(1 << 20), ..Config::default() };
    assert_eq!(sent_in_a_second(config), 8);
}

#[test]
fn a_cap_below_that_holds() {
    let config = Config { max_upload: ByteRate(30_000), ..Config::default() };
    assert_eq!(sent_in_a_second(config), 2);
}
