//! The whole contract of the swarm: what it is told, what it says, and everything a peer can do wrong.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;

use crate::announce::AnnounceEvent;
use crate::base::{Block, ByteCount, ByteRate, PieceIndex, Sha1Digest};
use crate::wire::{Handshake, Message};

/// One connection to a peer. The driver chooses it, and never chooses the same twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// [`deadline`](super::Swarm::deadline) has come.
    Elapsed,
    /// Peers that may be worth dialling: from the console, or a command line. They become allowed as well.
    Discovered(Vec<SocketAddr>),
    /// Addresses that may connect from now on. Nothing changes when everybody may.
    Allowed(Vec<IpAddr>),
    /// [`Output::Dial`] succeeded.
    Dialed {
        /// The address, as it was asked for.
        address: SocketAddr,
        /// The new connection.
        connection: ConnectionId,
    },
    /// [`Output::Dial`] failed.
    DialFailed {
        /// The address, as it was asked for.
        address: SocketAddr,
    },
    /// A peer connected.
    Accepted {
        /// Where from; the port is not the one it listens on.
        address: SocketAddr,
        /// The new connection.
        connection: ConnectionId,
    },
    /// The first 68 bytes have come (BEP 3).
    Handshaken {
        /// The connection.
        connection: ConnectionId,
        /// What the peer is.
        handshake: Handshake,
    },
    /// A whole message has come.
    Received {
        /// The connection.
        connection: ConnectionId,
        /// The message.
        message: Message,
    },
    /// Bytes have come that are no message, or no handshake.
    Garbled {
        /// The connection.
        connection: ConnectionId,
        /// What is wrong with them.
        why: String,
    },
    /// Payload of [`Output::Serve`] has left for the operating system, and is all but on the wire. Several blocks may be
    /// told at once, or parts of one. The machine queues more only when it hears of this.
    Sent {
        /// The connection.
        connection: ConnectionId,
        /// Payload bytes; heads and other messages do not count.
        payload: u64,
    },
    /// A connection ended that no [`Output::Disconnect`] had ended.
    Closed {
        /// The connection.
        connection: ConnectionId,
    },
    /// A block of [`Output::Serve`] cannot be read: the request is refused, and nothing stops. None of it is sent.
    Unreadable {
        /// The connection it was for.
        connection: ConnectionId,
        /// The block.
        block: Block,
    },
    /// [`Output::Write`] is done.
    Written {
        /// What was written; blocks of one piece that follow each other may be told as one.
        block: Block,
    },
    /// [`Output::Verify`] is answered.
    Verified {
        /// The piece.
        piece: PieceIndex,
        /// Whether its bytes hash to what the torrent promises.
        intact: bool,
    },
    /// [`Output::Digest`] is answered.
    Digested {
        /// The piece.
        piece: PieceIndex,
        /// The digest of each of its blocks, first to last.
        blocks: Vec<Sha1Digest>,
    },
    /// The bytes of a piece have been written from elsewhere than the swarm: the console pushes a payload to its
    /// seeder. The piece is verified before it is announced.
    Injected {
        /// The piece.
        piece: PieceIndex,
    },
    /// [`Output::Announce`] is answered. The peers become allowed only if everybody is.
    Announced {
        /// How long the tracker asks us to wait before the next one.
        interval: Duration,
        /// Peers that may be worth dialling.
        peers: Vec<SocketAddr>,
    },
    /// [`Output::Announce`] failed. It is tried again, for ever.
    AnnounceFailed {
        /// Why.
        why: String,
    },
    /// A tracker, at last, or another one; it is announced to at once.
    TrackerAppointed,
    /// New caps, from now on; 0 is none.
    Limits {
        /// Payload sent a second, at most.
        upload: ByteRate,
        /// Payload received a second, at most.
        download: ByteRate,
    },
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Connect, and answer with [`Input::Dialed`] or [`Input::DialFailed`] within [`Config::dial_timeout`](super::Config::dial_timeout).
    Dial(SocketAddr),
    /// Write a handshake. Always the first thing on a connection.
    Greet {
        /// The connection.
        connection: ConnectionId,
        /// What we are.
        handshake: Handshake,
    },
    /// Queue a message.
    Send {
        /// The connection.
        connection: ConnectionId,
        /// The message.
        message: Message,
    },
    /// Close the connection; it is forgotten, no [`Input::Closed`] is needed.
    Disconnect {
        /// The connection.
        connection: ConnectionId,
        /// Why.
        fault: PeerFault,
    },
    /// Send a block of a piece we have, after what was queued before; answered by [`Input::Sent`], or by
    /// [`Input::Unreadable`]. Its bytes go from the disk to the connection and never through the machine.
    Serve {
        /// To whom.
        connection: ConnectionId,
        /// What.
        block: Block,
    },
    /// Write a block; answered by [`Input::Written`].
    Write {
        /// Where it belongs.
        block: Block,
        /// Its bytes, `block.length` of them.
        data: Bytes,
    },
    /// Hash a piece once all its blocks said before are written; answered by [`Input::Verified`].
    Verify(PieceIndex),
    /// Hash each block of a piece as it lies there once the blocks said before are written, and before any said later is;
    /// answered by [`Input::Digested`]. Said of corrupt pieces, to learn who lied.
    Digest(PieceIndex),
    /// Ask the tracker; answered by [`Input::Announced`] or [`Input::AnnounceFailed`].
    Announce(Announcement),
    /// A piece is there, verified, and announced to all.
    PieceDone(PieceIndex),
    /// Every piece is there. Said once, and not when nothing was missing from the start.
    Complete,
    /// Something worth a line in the host's history.
    Note(Note),
}

/// What the tracker is told and asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    /// What changed; [`AnnounceEvent::Stopped`] is for the driver to say, when the machine is gone.
    pub event: Option<AnnounceEvent>,
    /// Payload bytes sent so far.
    pub uploaded: ByteCount,
    /// Payload bytes received so far.
    pub downloaded: ByteCount,
    /// Payload bytes missing.
    pub left: ByteCount,
    /// Peers wanted.
    pub wanted: u32,
}

/// Everything for which a connection is ended. The text reads after "dropped 10.0.0.1:6881: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerFault {
    /// It is not one of this run.
    #[error("its address is not one of this run")]
    NotAllowed,
    /// There are as many connections as we take, and every one of them is of use.
    #[error("no connection is free")]
    Full,
    /// It was dropped a short time ago.
    #[error("it was dropped before and is not taken back yet")]
    Banned,
    /// It distributes something else.
    #[error("it is in another swarm")]
    WrongSwarm,
    /// It is us.
    #[error("it is this host itself")]
    Oneself,
    /// There is another connection to it.
    #[error("it is connected already")]
    Duplicate,
    /// No handshake came.
    #[error("no handshake within {0:?}")]
    NoHandshake(Duration),
    /// Nothing came, not even a keep-alive.
    #[error("nothing was heard for {0:?}")]
    Silent(Duration),
    /// It promised blocks, and others had to send them.
    #[error("no block came for {0:?} although it let us ask")]
    Snubbed(Duration),
    /// The bytes are not the protocol.
    #[error("it sent what is no message: {0}")]
    Garbled(String),
    /// A message that makes no sense.
    #[error("it sent a senseless message: {0}")]
    Senseless(&'static str),
    /// It asks faster than it takes.
    #[error("it asked for more than {0} blocks at once")]
    TooManyRequests(usize),
    /// It sends what nobody asked for.
    #[error("it sent {0} blocks that nobody had asked for")]
    Unrequested(u32),
    /// It sent what is not what was promised: all of a corrupt piece, or blocks of it that differ from a good copy.
    #[error("it sent corrupt blocks of piece {}", .0.0)]
    Corrupt(PieceIndex),
    /// Neither side can give the other anything, ever.
    #[error("both sides have everything")]
    Redundant,
    /// One of a higher priority wants its connection (BEP 40).
    #[error("a peer of higher priority has taken its connection")]
    Outranked,
    /// A more useful peer waits for a connection.
    #[error("it was of no use, and others wait")]
    Useless,
}

impl PeerFault {
    /// Whether the peer did wrong, rather than was merely not needed.
    pub const fn is_misconduct(&self) -> bool {
        match self {
            Self::NotAllowed
            | Self::Full
            | Self::Banned
            | Self::Oneself
            | Self::Duplicate
            | Self::Redundant
            | Self::Outranked
            | Self::Useless => false,
            Self::WrongSwarm
            | Self::NoHandshake(_)
            | Self::Silent(_)
            | Self::Snubbed(_)
            | Self::Garbled(_)
            | Self::Senseless(_)
            | Self::TooManyRequests(_)
            | Self::Unrequested(_)
            | Self::Corrupt(_) => true,
        }
    }
}

/// Something worth a line in the host's history; it stops nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Note {
    /// A peer did wrong.
    #[error("dropped {address}: {fault}")]
    Dropped {
        /// Where it is.
        address: SocketAddr,
        /// What it did.
        fault: PeerFault,
    },
    /// A piece has to be fetched again.
    #[error("piece {} is corrupt and is fetched again; it came from {senders} peers", piece.0)]
    Corrupt {
        /// The piece.
        piece: PieceIndex,
        /// How many had a part in it; 0 when it was injected.
        senders: usize,
    },
    /// A piece we said we have cannot be read.
    #[error("a block of piece {} cannot be read", .0.0)]
    Unreadable(PieceIndex),
    /// The tracker does not answer.
    #[error("the tracker does not answer ({0}); going on with the peers known")]
    TrackerSilent(String),
    /// The tracker answers again.
    #[error("the tracker answers again")]
    TrackerBack,
}
