//! One swarm, the peers around it played by the test, and a clock.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use rookery::base::{Bitfield, Block, InfoHash, Instant, Layout, PeerId, PieceIndex};
use rookery::swarm::{Config, ConnectionId, Input, Output, PeerFault, Swarm};
use rookery::wire::{ExtensionHandshake, Handshake, Message, PEER_EXCHANGE, PeerExchange};

/// What the peers of these tests call messages of an exchange.
pub(crate) const THEIR_ID: u8 = 3;

const INFO_HASH: InfoHash = InfoHash::new([7; 20]);

/// Pieces of the payload.
pub(crate) const PIECES: u32 = 4;

pub(crate) struct Room {
    pub(crate) swarm: Swarm,
    pub(crate) now: Instant,
    pub(crate) said: Vec<(ConnectionId, Message)>,
    pub(crate) dialed: Vec<SocketAddr>,
    pub(crate) dropped: Vec<(ConnectionId, PeerFault)>,
    pub(crate) served: Vec<Block>,
    /// When the tracker was last asked.
    pub(crate) announced: Option<Instant>,
}

impl Room {
    pub(crate) fn new(config: Config, have: Bitfield) -> Self {
        let layout = Layout::new(u64::from(PIECES) * 65_536, 65_536).expect("a payload of a few pieces");
        let swarm = Swarm::new(config, 1, layout, PeerId::new([0xee; 20]), INFO_HASH, have);
        Self {
            swarm,
            now: Instant::ZERO,
            said: Vec::new(),
            dialed: Vec::new(),
            dropped: Vec::new(),
            served: Vec::new(),
            announced: None,
        }
    }

    /// Lacks everything.
    pub(crate) fn empty(config: Config) -> Self {
        Self::new(config, Bitfield::empty(PIECES))
    }

    pub(crate) fn tell(&mut self, input: Input) {
        self.swarm.handle_input(self.now, input);
        while let Some(output) = self.swarm.poll_output() {
            match output {
                Output::Dial(address) => self.dialed.push(address),
                Output::Send { connection, message } => self.said.push((connection, message)),
                Output::Disconnect { connection, fault } => self.dropped.push((connection, fault)),
                Output::Serve { block, .. } => self.served.push(block),
                Output::Announce(_) => self.announced = Some(self.now),
                Output::Greet { .. }
                | Output::Write { .. }
                | Output::Verify(_)
                | Output::Digest(_)
                | Output::PieceDone(_)
                | Output::Complete
                | Output::Note(_) => {}
            }
        }
    }

    pub(crate) fn send(&mut self, connection: u64, message: Message) {
        self.tell(Input::Received { connection: ConnectionId(connection), message });
    }

    /// Lets time pass, and every peer keep its connection alive.
    pub(crate) fn wait(&mut self, duration: Duration) {
        let until = self.now + duration;
        while self.now < until {
            self.now = (self.now + Duration::from_secs(1)).min(until);
            self.tell(Input::Elapsed);
            let alive: Vec<_> = self.swarm.peers().map(|peer| peer.connection.0).collect();
            for connection in alive {
                self.send(connection, Message::KeepAlive);
            }
        }
    }

    /// A peer connects, and shakes hands.
    pub(crate) fn connect(&mut self, connection: u64, address: SocketAddr) {
        self.tell(Input::Accepted { address, connection: ConnectionId(connection) });
        self.shake_hands(connection);
    }

    /// A peer says who it is.
    pub(crate) fn shake_hands(&mut self, connection: u64) {
        let mut peer_id = [0; 20];
        peer_id[..8].copy_from_slice(&connection.to_be_bytes());
        let handshake = Handshake::new(INFO_HASH, PeerId::new(peer_id));
        self.tell(Input::Handshaken { connection: ConnectionId(connection), handshake });
    }

    /// A peer connects that listens on the port of its address, wants something, and takes part in the exchange.
    pub(crate) fn join(&mut self, connection: u64, address: SocketAddr) {
        self.connect(connection, address);
        let handshake = ExtensionHandshake {
            extensions: BTreeMap::from([(PEER_EXCHANGE.to_owned(), THEIR_ID)]),
            port: Some(address.port()),
            ..ExtensionHandshake::default()
        };
        self.send(connection, handshake.to_message());
        self.send(connection, Message::HaveNone);
        self.send(connection, Message::Interested);
    }

    /// Blocks that were asked of a peer so far.
    pub(crate) fn asked(&self, connection: u64) -> Vec<Block> {
        let of = self.said.iter().filter(|(to, _)| to.0 == connection);
        of.filter_map(|(_, message)| if let Message::Request(block) = message { Some(*block) } else { None }).collect()
    }

    /// A peer sends a block that was asked of it, the first when `at` is 0.
    pub(crate) fn answer(&mut self, connection: u64, at: usize) {
        let block = self.asked(connection)[at];
        let data = vec![0; block.length as usize].into();
        self.send(connection, Message::Piece { piece: block.piece, begin: block.begin, data });
    }

    /// A peer gets everything, and may be asked for it.
    pub(crate) fn offer_all(&mut self, connection: u64) {
        (0..PIECES).for_each(|piece| self.send(connection, Message::Have(PieceIndex(piece))));
        self.send(connection, Message::Unchoke);
    }

    /// What a peer was told of others so far, oldest first; it is forgotten here.
    pub(crate) fn exchanges(&mut self, connection: u64) -> Vec<PeerExchange> {
        let mut found = Vec::new();
        self.said.retain(|(to, message)| match message {
            Message::Extended { id: THEIR_ID, payload } if to.0 == connection => {
                found.push(PeerExchange::decode(payload).expect("what is said is as it should be"));
                false
            }
            _ => true,
        });
        found
    }

    /// Why a connection was ended, if it was.
    pub(crate) fn fault(&self, connection: u64) -> Option<&PeerFault> {
        self.dropped.iter().find(|(id, _)| id.0 == connection).map(|(_, fault)| fault)
    }
}

/// An address; `host` up to 65 535.
pub(crate) fn address(host: u64) -> SocketAddr {
    let [.., high, low] = host.to_be_bytes();
    SocketAddr::from(([10, 0, high, low], 6881))
}
