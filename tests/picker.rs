//! Laws of the swarm machine for any sequence of inputs: it never panics, never asks for what it should not, and never
//! forgets what it owes the driver.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use rookery::base::{Bitfield, Block, ByteRate, InfoHash, Instant, Layout, PeerId, PieceIndex};
use rookery::swarm::{Config, ConnectionId, Input, Output, Swarm};
use rookery::wire::{ExtensionHandshake, Handshake, Message};

const INFO_HASH: InfoHash = InfoHash::new([7; 20]);

/// One thing that happens: what, and two numbers that say to whom and with what.
type Step = (u8, u8, u16);

/// What a driver and some peers know, to hold the machine to.
struct Watch {
    swarm: Swarm,
    layout: Layout,
    now: Instant,
    next: u64,
    connections: Vec<ConnectionId>,
    fast: BTreeMap<ConnectionId, bool>,
    has: BTreeMap<ConnectionId, Bitfield>,
    open: BTreeMap<ConnectionId, bool>,
    allowed: BTreeSet<(ConnectionId, PieceIndex)>,
    /// Requests that are out, and since when.
    out: BTreeMap<(ConnectionId, PieceIndex, u32), Instant>,
    /// Since when a peer has sent nothing although it was asked.
    waits: BTreeMap<ConnectionId, Instant>,
    have: Bitfield,
    verify: VecDeque<PieceIndex>,
    serve: VecDeque<(ConnectionId, Block)>,
    written: VecDeque<Block>,
}

impl Watch {
    fn new(seed: u64, have: &[u16]) -> Self {
        let layout = Layout::new(11 * 49_152 + 20_000, 49_152).expect("a payload of twelve pieces");
        let mut field = Bitfield::empty(layout.piece_count());
        for piece in have {
            field.insert(PieceIndex(u32::from(piece % 14)));
        }
        let config = Config { connections_max: 6, connections_wanted: 4, ..Config::default() };
        let swarm = Swarm::new(config, seed, layout, PeerId::new([1; 20]), INFO_HASH, field.clone());
        Self {
            swarm,
            layout,
            now: Instant::ZERO,
            next: 1,
            connections: Vec::new(),
            fast: BTreeMap::new(),
            has: BTreeMap::new(),
            open: BTreeMap::new(),
            allowed: BTreeSet::new(),
            out: BTreeMap::new(),
            waits: BTreeMap::new(),
            have: field,
            verify: VecDeque::new(),
            serve: VecDeque::new(),
            written: VecDeque::new(),
        }
    }

    fn feed(&mut self, input: Input) {
        self.swarm.handle_input(self.now, input);
        while let Some(output) = self.swarm.poll_output() {
            self.check(output);
        }
    }

    fn check(&mut self, output: Output) {
        match output {
            Output::Send { connection, message: Message::Request(block) } => self.check_request(connection, block),
            Output::Send { connection, message: Message::Cancel(block) } => {
                self.out.remove(&(connection, block.piece, block.begin));
            }
            Output::Send { connection, .. } | Output::Greet { connection, .. } => {
                assert!(self.connections.contains(&connection), "spoke to {connection:?} which is gone");
            }
            Output::Disconnect { connection, .. } => self.forget(connection),
            Output::Serve { connection, block } => {
                assert!(self.connections.contains(&connection), "serves {connection:?} which is gone");
                assert!(self.have.contains(block.piece), "serves {block:?} which is not here");
                self.serve.push_back((connection, block));
            }
            Output::Write { block, data } => {
                assert_eq!(block.length as usize, data.len());
                assert!(!self.have.contains(block.piece), "writes {block:?} which is verified");
                self.written.push_back(block);
            }
            Output::Verify(piece) => self.verify.push_back(piece),
            Output::PieceDone(piece) => assert!(self.have.insert(piece), "{piece:?} done twice"),
            Output::Complete => assert!(self.have.is_full()),
            Output::Dial(_) | Output::Digest(_) | Output::Announce(_) | Output::Note(_) => {}
        }
        assert!(self.swarm.bitfield().count() >= self.have.count());
    }

    fn check_request(&mut self, connection: ConnectionId, block: Block) {
        assert!(self.layout.holds(block), "asks for {block:?} which does not exist");
        assert!(!self.have.contains(block.piece), "asks for {block:?} which is here");
        assert!(self.has[&connection].contains(block.piece), "asks {connection:?} for {block:?} which it lacks");
        let allowed = self.open[&connection] || self.allowed.contains(&(connection, block.piece));
        assert!(allowed, "asks {connection:?} for {block:?} while choked");
        let same = |(_, piece, begin): &(ConnectionId, PieceIndex, u32)| (*piece, *begin) == (block.piece, block.begin);
        let hopeful = |(of, _, _): &(ConnectionId, PieceIndex, u32)| {
            self.now.since(self.waits[of]) < self.swarm.config().request_timeout
        };
        let rivals = self.out.iter().filter(|(key, _)| same(key) && hopeful(key));
        let youngest = rivals.map(|(_, at)| *at).max();
        let patient = youngest.is_none_or(|at| self.now.since(at) >= self.swarm.config().endgame_after);
        assert!(patient, "asks for {block:?} again at once");
        if !self.out.keys().any(|(of, _, _)| *of == connection) {
            self.waits.insert(connection, self.now);
        }
        let new = self.out.insert((connection, block.piece, block.begin), self.now).is_none();
        assert!(new, "asks {connection:?} for {block:?} twice");
    }

    fn forget(&mut self, connection: ConnectionId) {
        self.connections.retain(|known| *known != connection);
        self.out.retain(|(of, _, _), _| *of != connection);
    }

    fn connect(&mut self, fast: bool) {
        let connection = ConnectionId(self.next);
        self.next += 1;
        self.connections.push(connection);
        self.fast.insert(connection, fast);
        self.has.insert(connection, Bitfield::empty(self.layout.piece_count()));
        self.open.insert(connection, false);
        self.feed(Input::Accepted { address: SocketAddr::from(([10, 0, 0, 2], 40_000)), connection });
        let mut handshake = Handshake::new(INFO_HASH, PeerId::new([self.next as u8; 20]));
        if !fast {
            handshake.reserved = [0; 8];
        }
        self.feed(Input::Handshaken { connection, handshake });
    }

    fn receive(&mut self, connection: ConnectionId, message: Message) {
        let fast = self.fast[&connection];
        match &message {
            Message::Have(piece) => {
                self.has.get_mut(&connection).expect("it is connected").insert(*piece);
            }
            Message::HaveAll if fast => {
                self.has.insert(connection, Bitfield::full(self.layout.piece_count()));
            }
            Message::Bitfield(bytes) => {
                if let Ok(field) = Bitfield::from_bytes(bytes, self.layout.piece_count()) {
                    self.has.get_mut(&connection).expect("it is connected").union_with(&field);
                }
            }
            Message::Unchoke => {
                self.open.insert(connection, true);
            }
            Message::Choke => {
                self.open.insert(connection, false);
                if !fast {
                    self.out.retain(|(of, _, _), _| *of != connection);
                }
            }
            Message::AllowedFast(piece) => {
                self.allowed.insert((connection, *piece));
            }
            Message::Reject(block) if fast => {
                self.out.remove(&(connection, block.piece, block.begin));
            }
            Message::Piece { piece, begin, .. } => {
                self.out.remove(&(connection, *piece, *begin));
                self.waits.insert(connection, self.now);
            }
            Message::KeepAlive
            | Message::Interested
            | Message::NotInterested
            | Message::Request(_)
            | Message::Cancel(_)
            | Message::Port(_)
            | Message::Suggest(_)
            | Message::HaveAll
            | Message::HaveNone
            | Message::Reject(_)
            | Message::Extended { .. } => {}
        }
        self.feed(Input::Received { connection, message });
    }

    /// Answers the oldest request of a peer.
    fn answer(&mut self, connection: ConnectionId) {
        let oldest = self.out.iter().filter(|((of, _, _), _)| *of == connection).min_by_key(|(_, at)| **at);
        let Some(((_, piece, begin), _)) = oldest.map(|(key, at)| (*key, *at)) else { return };
        let block = self.layout.block(piece, begin / 16_384).expect("only blocks that exist are asked for");
        let data = Bytes::from(vec![0; block.length as usize]);
        self.receive(connection, Message::Piece { piece, begin, data });
    }

    fn step(&mut self, (what, who, with): Step) {
        let connection = self.connections.get(usize::from(who) % self.connections.len().max(1)).copied();
        let piece = PieceIndex(u32::from(with % 97 % 13));
        let block = self.layout.block(piece, u32::from(with / 97 % 4)).unwrap_or(Block { piece, begin: 7, length: 9 });
        match (what % 32, connection) {
            (0 | 1, _) => {
                self.connect(what % 2 == 0);
                let connection = self.connections.last().copied().filter(|_| with % 4 != 0);
                if let Some(connection) = connection {
                    self.receive(connection, Message::Bitfield(Bytes::from(vec![!who, (with as u8) & 0xf0])));
                    self.receive(connection, Message::Unchoke);
                }
            }
            (2..=6, _) => {
                self.now = self.now + Duration::from_millis(u64::from(with) % 1500);
                self.feed(Input::Elapsed);
            }
            (7 | 8, _) => {
                if let Some(piece) = self.verify.pop_front() {
                    self.feed(Input::Verified { piece, intact: with % 5 != 0 });
                }
            }
            (9, _) => {
                if let Some((connection, block)) = self.serve.pop_front() {
                    let sent = Input::Sent { connection, payload: u64::from(block.length) };
                    self.feed(if with % 7 == 0 { Input::Unreadable { connection, block } } else { sent });
                }
            }
            (10, _) => {
                if let Some(block) = self.written.pop_front() {
                    self.feed(Input::Written { block });
                }
            }
            (11, _) => self.feed(Input::Discovered(vec![SocketAddr::from(([10, 0, 1, who], with))])),
            (12, _) if with % 4 == 0 => self.feed(Input::Injected { piece }),
            (12, _) => self.feed(Input::Verified { piece, intact: with % 4 == 1 && self.verify.contains(&piece) }),
            (13, _) => {
                let limit = ByteRate(u64::from(with) * 1000);
                self.feed(Input::Limits { upload: limit, download: limit });
            }
            (14, _) => self.feed(Input::AnnounceFailed { why: "no".to_owned() }),
            (_, None) => {}
            (15, Some(connection)) if with % 3 == 0 => {
                self.forget(connection);
                self.feed(Input::Closed { connection });
            }
            (15..=19, Some(connection)) => self.answer(connection),
            (20, Some(connection)) => self.receive(connection, Message::Unchoke),
            (21, Some(connection)) if with % 3 == 0 => self.receive(connection, Message::Choke),
            (21 | 22, Some(connection)) => self.receive(connection, Message::Have(piece)),
            (23, Some(connection)) => self.receive(connection, Message::HaveAll),
            (24, Some(connection)) => {
                let bytes = Bytes::from(vec![who, (with as u8) & 0xf0]);
                self.receive(connection, Message::Bitfield(bytes));
            }
            (25, Some(connection)) => self.receive(connection, Message::AllowedFast(piece)),
            (26, Some(connection)) => self.receive(connection, Message::Reject(block)),
            (27, Some(connection)) => self.receive(connection, Message::Request(block)),
            (28, Some(connection)) => self.receive(connection, Message::Cancel(block)),
            (29, Some(connection)) => {
                let data = Bytes::from(vec![0; block.length as usize]);
                self.receive(connection, Message::Piece { piece, begin: block.begin, data });
            }
            (30, Some(connection)) => self.receive(connection, Message::Interested),
            (_, Some(connection)) => {
                let theirs =
                    ExtensionHandshake { port: Some(with), request_queue: Some(3), ..ExtensionHandshake::default() };
                self.receive(connection, theirs.to_message());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_only_what_is_wanted_is_asked_of_those_who_have_it(
        seed: u64,
        have in prop::collection::vec(any::<u16>(), 0..6),
        steps in prop::collection::vec(any::<Step>(), 0..400),
    ) {
        let mut watch = Watch::new(seed, &have);
        for step in steps {
            watch.step(step);
        }
    }

    #[test]
    fn whatever_happened_before_an_honest_seeder_completes_the_host(
        seed: u64,
        steps in prop::collection::vec(any::<Step>(), 0..200),
    ) {
        let mut watch = Watch::new(seed, &[]);
        for step in steps {
            watch.step(step);
        }
        for connection in watch.connections.clone() {
            watch.forget(connection);
            watch.feed(Input::Closed { connection });
        }
        watch.feed(Input::Limits { upload: ByteRate::UNLIMITED, download: ByteRate::UNLIMITED });
        watch.connect(true);
        let seeder = *watch.connections.last().expect("there is room for one");
        watch.receive(seeder, Message::HaveAll);
        watch.receive(seeder, Message::Unchoke);
        for _ in 0..500 {
            watch.answer(seeder);
            while let Some(block) = watch.written.pop_front() {
                watch.feed(Input::Written { block });
            }
            while let Some(piece) = watch.verify.pop_front() {
                watch.feed(Input::Verified { piece, intact: true });
            }
            watch.now = watch.now + Duration::from_millis(100);
            watch.feed(Input::Elapsed);
        }
        prop_assert!(watch.swarm.is_complete(), "{:?} and {} out", watch.swarm.bitfield(), watch.out.len());
    }
}
