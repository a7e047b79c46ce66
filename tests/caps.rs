//! Rate caps of one host: held over any second, both ways, and changed at once.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use rookery::base::{BLOCK_LENGTH, Bitfield, Block, ByteRate, InfoHash, Instant, Layout, PeerId, PieceIndex};
use rookery::swarm::{Config, ConnectionId, Input, Output, Swarm};
use rookery::wire::{Handshake, Message};

const INFO_HASH: InfoHash = InfoHash::new([7; 20]);
const BLOCK: u64 = BLOCK_LENGTH as u64;
const SECOND: u64 = 1_000_000;
static PAGE: [u8; BLOCK_LENGTH as usize] = [0; BLOCK_LENGTH as usize];

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// A capped host, and peers that take and give as fast as their links do.
struct Bench {
    way: Way,
    swarm: Swarm,
    layout: Layout,
    now: Instant,
    peers: u64,
    /// What each peer's link carries.
    link: u64,
    /// What is on its way over each link: when it is there.
    links: Vec<VecDeque<(Instant, Block)>>,
    asked: u32,
    /// When blocks passed.
    passed: Vec<u64>,
    /// How often somebody says something of no account.
    chatter: Option<Duration>,
}

impl Bench {
    fn new(way: Way, cap: u64, peers: u64, link: u64) -> Self {
        let layout = Layout::new(1 << 34, 1 << 20).expect("a payload of many pieces");
        let mut most = Bitfield::full(layout.piece_count());
        most.remove(PieceIndex(0));
        let pieces = layout.piece_count();
        let have = if way == Way::Up { Bitfield::full(pieces) } else { Bitfield::empty(pieces) };
        let (max_upload, max_download) = caps(way, cap);
        let config = Config { max_upload, max_download, ..Config::default() };
        let swarm = Swarm::new(config, 1, layout, PeerId::new([1; 20]), INFO_HASH, have);
        let links = (0..peers).map(|_| VecDeque::new()).collect();
        let (now, asked, passed, chatter) = (Instant::ZERO, 0, Vec::new(), None);
        let mut bench = Self { way, swarm, layout, now, peers, link, links, asked, passed, chatter };
        for peer in 0..peers {
            let (address, connection) = (([10, 0, 0, peer as u8], 6881).into(), ConnectionId(peer));
            let handshake = Handshake::new(INFO_HASH, PeerId::new([peer as u8 + 2; 20]));
            bench.tell(Input::Accepted { address, connection });
            bench.tell(Input::Handshaken { connection, handshake });
            let messages = match way {
                // Who has next to nothing would be shown one piece after the other.
                Way::Up => vec![Message::Bitfield(most.as_bytes().to_vec().into()), Message::Interested],
                Way::Down => vec![Message::HaveAll, Message::Unchoke],
            };
            for message in messages {
                bench.tell(Input::Received { connection, message });
            }
        }
        bench
    }

    /// Lets so many seconds pass.
    fn run(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while self.now < end {
            if self.way == Way::Up {
                self.ask();
            }
            let arrival = self.links.iter().filter_map(|link| link.front()).map(|(at, _)| *at).min();
            let chatter = self.chatter.map(|after| self.now + after);
            let next = [self.swarm.deadline(), arrival, chatter, Some(end)].into_iter().flatten().min();
            self.now = self.now.max(next.expect("there is an end"));
            if chatter.is_some_and(|at| at <= self.now) {
                self.tell(Input::Received { connection: ConnectionId(0), message: Message::KeepAlive });
            }
            for peer in 0..self.peers as usize {
                while self.links[peer].front().is_some_and(|(at, _)| *at <= self.now) {
                    let Some((_, block)) = self.links[peer].pop_front() else { break };
                    self.pass(ConnectionId(peer as u64), block);
                }
            }
            if self.swarm.deadline().is_some_and(|deadline| deadline <= self.now) {
                self.tell(Input::Elapsed);
            }
        }
    }

    /// Every peer wants more than it gets.
    fn ask(&mut self) {
        for peer in 0..self.peers {
            while self.swarm.peers().nth(peer as usize).is_some_and(|peer| peer.requests_in < 64) {
                let count = self.layout.block_count(PieceIndex(0));
                let piece = PieceIndex(self.asked / count);
                let Some(block) = self.layout.block(piece, self.asked % count) else { return };
                self.asked += 1;
                self.tell(Input::Received { connection: ConnectionId(peer), message: Message::Request(block) });
            }
        }
    }

    /// A block has come to the end of its link.
    fn pass(&mut self, connection: ConnectionId, block: Block) {
        self.passed.push(self.now.as_micros());
        match self.way {
            Way::Up => self.tell(Input::Sent { connection, payload: BLOCK }),
            Way::Down => {
                let message =
                    Message::Piece { piece: block.piece, begin: block.begin, data: Bytes::from_static(&PAGE) };
                self.tell(Input::Received { connection, message });
            }
        }
    }

    fn tell(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.swarm.handle_input(self.now, input);
            while let Some(output) = self.swarm.poll_output() {
                inputs.extend(self.act(output));
            }
        }
    }

    fn act(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Serve { connection, block } | Output::Send { connection, message: Message::Request(block) } => {
                self.carry(connection, block);
            }
            Output::Write { block, .. } => return Some(Input::Written { block }),
            Output::Verify(piece) => return Some(Input::Verified { piece, intact: true }),
            Output::Announce(_) => {
                return Some(Input::Announced { interval: Duration::from_secs(30), peers: Vec::new() });
            }
            Output::Disconnect { fault, .. } => panic!("{fault}"),
            Output::Dial(_)
            | Output::Greet { .. }
            | Output::Send { .. }
            | Output::PieceDone(_)
            | Output::Digest(_)
            | Output::Complete
            | Output::Note(_) => {}
        }
        None
    }

    fn carry(&mut self, connection: ConnectionId, block: Block) {
        let link = &mut self.links[connection.0 as usize];
        let begun = link.back().map_or(self.now, |(at, _)| *at).max(self.now);
        link.push_back((begun + Duration::from_micros(BLOCK * SECOND / self.link), block));
    }

    fn cap(&mut self, cap: u64) {
        let (upload, download) = caps(self.way, cap);
        self.tell(Input::Limits { upload, download });
    }

    /// Asserts that over any second between two moments `cap` bytes passed, within 5 % and a block.
    fn assert_held(&self, cap: u64, (from, to): (u64, u64)) {
        let (from, to) = (from * SECOND, to * SECOND);
        let edges = self.passed.iter().flat_map(|at| [*at, at + 1, at.saturating_sub(SECOND)]);
        for start in edges.filter(|start| (from..=to - SECOND).contains(start)) {
            let passed = |at: u64| self.passed.partition_point(|passed| *passed < at) as u64;
            let bytes = (passed(start + SECOND) - passed(start)) * BLOCK;
            let slack = cap / 20 + BLOCK;
            assert!(bytes.abs_diff(cap) <= slack, "{:?}: {bytes} instead of {cap} from {start}", self.way);
        }
    }
}

fn caps(way: Way, cap: u64) -> (ByteRate, ByteRate) {
    match way {
        Way::Up => (ByteRate(cap), ByteRate::UNLIMITED),
        Way::Down => (ByteRate::UNLIMITED, ByteRate(cap)),
    }
}

const FAST: u64 = 100_000_000;

#[test]
fn a_cap_holds_over_any_second() {
    for way in [Way::Up, Way::Down] {
        for cap in [100_000, 333_333, 1_000_000, 10_000_000] {
            for peers in [1, 7] {
                let mut bench = Bench::new(way, cap, peers, FAST);
                bench.run(12);
                bench.assert_held(cap, (1, 12));
            }
        }
    }
}

#[test]
fn what_waits_for_a_cap_goes_on_although_something_else_is_heard_first() {
    for way in [Way::Up, Way::Down] {
        for chatter in [Duration::from_millis(1), Duration::from_millis(5)] {
            let mut bench = Bench::new(way, 1_000_000, 7, FAST);
            bench.chatter = Some(chatter);
            bench.run(6);
            bench.assert_held(1_000_000, (1, 6));
        }
    }
}

#[test]
fn a_new_cap_holds_a_second_later_whether_it_is_lower_or_higher() {
    for way in [Way::Up, Way::Down] {
        for peers in [1, 7] {
            let mut bench = Bench::new(way, 10_000_000, peers, FAST);
            bench.run(3);
            bench.cap(1_000_000);
            bench.run(4);
            bench.assert_held(1_000_000, (4, 7));
            bench.cap(5_000_000);
            bench.run(3);
            bench.assert_held(5_000_000, (8, 10));
        }
    }
}

#[test]
fn a_cap_on_what_had_none_holds_a_second_later_and_is_lifted_at_once() {
    for way in [Way::Up, Way::Down] {
        for (peers, link) in [(1, FAST), (7, FAST / 7), (16, 1_000_000)] {
            let cap = 1_000_000;
            let mut bench = Bench::new(way, 0, peers, link);
            bench.run(3);
            bench.cap(cap);
            bench.run(3);
            bench.assert_held(cap, (4, 6));
            bench.cap(0);
            bench.run(2);
            let free = bench.passed.iter().filter(|at| **at >= 6 * SECOND).count() as u64 * BLOCK;
            assert!(free >= 4 * cap, "{way:?}: {free} in two seconds without a cap");
        }
    }
}
