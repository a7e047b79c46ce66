//! How fast a host sends that still fetches: no faster than its line is known to be.

use std::time::Duration;

use rookery::base::{Block, ByteRate, PieceIndex};
use rookery::swarm::{Config, ConnectionId, Input};
use rookery::wire::Message;

use crate::room::{Room, address};

const BLOCK: u32 = 16_384;

/// A host to which eight blocks come, one a tick.
#[derive(Default)]
struct Line {
    config: Config,
    /// Peers besides the one that sends and the one that asks.
    others: u64,
}

impl Line {
    /// Of the eight blocks, those that are sent in time to a peer that asks for them all.
    fn sent_within(self, time: Duration) -> usize {
        let mut room = Room::empty(self.config);
        (3..3 + self.others).for_each(|other| room.join(other, address(other)));
        room.join(1, address(1));
        room.offer_all(1);
        for at in 0..8 {
            room.wait(TICK);
            room.answer(1, at);
        }
        room.wait(TICK);
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
        for _ in 0..time.as_millis() / 10 {
            for _ in std::mem::take(&mut room.served) {
                taken += 1;
                room.tell(Input::Sent { connection: ConnectionId(2), payload: u64::from(BLOCK) });
            }
            room.wait(Duration::from_millis(10));
        }
        taken
    }
}

const TICK: Duration = Duration::from_millis(250);
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn uploads_keep_to_what_the_line_has_brought() {
    assert_eq!(Line::default().sent_within(SECOND), 4, "61 440 bytes a second, and one block");
}

#[test]
fn among_many_they_are_nearly_as_quick() {
    let time = Duration::from_millis(1820);
    assert_eq!(
        Line { others: 14, ..Line::default() }.sent_within(time),
        7,
        "the eighth of 61 440 a second is due after 1.87 s"
    );
    assert_eq!(Line { others: 15, ..Line::default() }.sent_within(time), 8, "of 64 512 after 1.78 s");
}

#[test]
fn a_line_whose_downloads_are_capped_is_not_known() {
    let config = Config { max_download: ByteRate(1 << 20), ..Config::default() };
    assert_eq!(Line { config, ..Line::default() }.sent_within(SECOND), 8);
}

#[test]
fn a_cap_below_that_holds() {
    let config = Config { max_upload: ByteRate(30_000), ..Config::default() };
    assert_eq!(Line { config, ..Line::default() }.sent_within(SECOND), 2);
}
