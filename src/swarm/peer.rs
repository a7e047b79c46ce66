//! Peer: choking, interested, bitfield, requests in flight, of one connection past its handshake.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use super::exchange::Gossip;
use super::locality::Side;
use super::meter::Meter;
use super::pieces::{Overdue, Sender};
use super::spread::Veil;
use super::{Config, ConnectionId};
use crate::base::{Bitfield, Block, ByteCount, ByteRate, Instant, PeerId, PieceIndex, Zone};
use crate::wire::Handshake;

/// Pieces a peer may suggest or allow, at most: more is of no use.
const OFFERS_MAX: usize = 64;

/// Gaps between blocks that are remembered.
const GAPS: usize = 8;

/// Who made a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// We did.
    Dialed,
    /// The peer did.
    Accepted,
}

/// A connection before its handshake.
#[derive(Debug, Clone, Copy)]
pub(super) struct Greeting {
    pub(super) address: SocketAddr,
    pub(super) origin: Origin,
    pub(super) since: Instant,
}

/// What a peer and we tell each other about choking and interest; a connection begins choked and uninterested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// It answers no requests.
    Choking,
    /// It answers requests.
    Open,
}

/// Whether one side wants something of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interest {
    /// It does.
    Some,
    /// It does not.
    None,
}

/// A request we made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) block: Block,
    pub(super) at: Instant,
    pub(super) overdue: Overdue,
}

/// What we want of a peer.
#[derive(Debug)]
pub(super) struct Asking {
    /// Whether it answers.
    pub(super) gate: Gate,
    /// What we told it.
    pub(super) interest: Interest,
    /// Requests that are out, oldest first.
    pub(super) asked: VecDeque<Asked>,
    /// The piece we ask it for at present.
    pub(super) current: Option<PieceIndex>,
    /// When it last sent a block, or was asked for the first one after a pause.
    pub(super) last_block: Instant,
    /// It refused; nothing is asked before this.
    pub(super) quiet_until: Instant,
    /// Requests to have out.
    pipeline: usize,
    /// Times between the last blocks that were waited for.
    gaps: [Duration; GAPS],
    /// Requests it takes at once.
    pub(super) requests_max: usize,
    /// Requests taken back: their blocks may come all the same.
    pub(super) taken_back: u32,
    /// Blocks that came and had never been asked for.
    pub(super) strays: u32,
    pub(super) meter: Meter,
}

/// What a peer wants of us.
#[derive(Debug)]
pub(super) struct Serving {
    /// What it told us.
    pub(super) interest: Interest,
    /// Requests that wait.
    pub(super) requests: VecDeque<Block>,
    /// Payload bytes that wait in its connection's queue.
    pub(super) queued: u64,
    /// The piece it is being served.
    pub(super) slot: Option<PieceIndex>,
    /// What it is shown, when that is not all.
    pub(super) veil: Option<Veil>,
    /// Pieces that have come and that it was not told of yet.
    pub(super) unsaid: Vec<PieceIndex>,
    /// When it was last served, or began to wait.
    pub(super) served_at: Instant,
    /// When it last took something, or was given something while it had nothing.
    pub(super) taken_at: Instant,
    pub(super) meter: Meter,
}

/// One connection past its handshake.
#[derive(Debug)]
#[expect(clippy::struct_field_names, reason = "BEP 3 calls it peer id")]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) origin: Origin,
    pub(super) peer_id: PeerId,
    pub(super) since: Instant,
    /// It speaks BEP 6.
    pub(super) fast: bool,
    /// It speaks BEP 10.
    pub(super) extensions: bool,
    /// BEP 10 `v`.
    pub(super) client: Option<String>,
    /// Its zone, if it says one.
    pub(super) zone: Option<Zone>,
    /// Where that is, seen from here.
    pub(super) side: Side,
    /// Under which id it receives what hosts of one zone tell each other.
    pub(super) zone_id: Option<u8>,
    /// Where it listens, as far as known.
    pub(super) listening: Option<SocketAddr>,
    pub(super) has: Bitfield,
    /// How many of these we lack.
    pub(super) useful: u32,
    /// Pieces it would serve while choking (BEP 6).
    pub(super) allowed_fast: BTreeSet<PieceIndex>,
    /// Pieces it would like to be asked for (BEP 6).
    pub(super) suggested: BTreeSet<PieceIndex>,
    /// It has suggested any: it gives out first copies, which nobody else has.
    pub(super) suggests: bool,
    pub(super) asking: Asking,
    pub(super) serving: Serving,
    pub(super) gossip: Gossip,
    /// When something last came from it.
    pub(super) heard: Instant,
    /// When something was last sent to it.
    pub(super) spoke: Instant,
}

/// What is known of one peer, for people to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerSummary {
    /// Its connection.
    pub connection: ConnectionId,
    /// Where it is; where it listens, if that is known.
    pub address: SocketAddr,
    /// Who made the connection.
    pub origin: Origin,
    /// Its name for itself.
    pub peer_id: PeerId,
    /// Its client, from the extension handshake.
    pub client: Option<String>,
    /// Pieces it has.
    pub pieces: u32,
    /// Payload from it, now.
    pub rate_down: ByteRate,
    /// Payload to it, now.
    pub rate_up: ByteRate,
    /// Payload from it, so far.
    pub bytes_down: ByteCount,
    /// Payload to it, so far.
    pub bytes_up: ByteCount,
    /// It lets us ask.
    pub unchoking: bool,
    /// It wants something of us.
    pub interested: bool,
    /// Requests it owes us.
    pub requests_out: usize,
    /// Requests we owe it.
    pub requests_in: usize,
}

impl Peer {
    pub(super) fn new(
        greeting: Greeting,
        handshake: Handshake,
        now: Instant,
        (config, pieces): (&Config, u32),
    ) -> Self {
        let asking = Asking {
            gate: Gate::Choking,
            interest: Interest::None,
            asked: VecDeque::new(),
            current: None,
            last_block: now,
            quiet_until: Instant::ZERO,
            pipeline: config.pipeline_min,
            gaps: [Duration::ZERO; GAPS],
            requests_max: config.pipeline_unknown,
            taken_back: 0,
            strays: 0,
            meter: Meter::default(),
        };
        let serving = Serving {
            interest: Interest::None,
            requests: VecDeque::new(),
            queued: 0,
            slot: None,
            veil: None,
            unsaid: Vec::new(),
            served_at: now,
            taken_at: now,
            meter: Meter::default(),
        };
        let listening = match greeting.origin {
            Origin::Dialed => Some(greeting.address),
            Origin::Accepted => None,
        };
        Self {
            address: greeting.address,
            origin: greeting.origin,
            peer_id: handshake.peer_id,
            since: now,
            fast: handshake.has_fast(),
            extensions: handshake.has_extensions(),
            client: None,
            zone: None,
            side: if config.zone.is_some() { Side::Far } else { Side::Near },
            zone_id: None,
            listening,
            has: Bitfield::empty(pieces),
            useful: 0,
            allowed_fast: BTreeSet::new(),
            suggested: BTreeSet::new(),
            suggests: false,
            asking,
            serving,
            gossip: Gossip::default(),
            heard: now,
            spoke: now,
        }
    }

    pub(super) const fn sender(&self, connection: ConnectionId) -> Sender {
        Sender { connection, peer_id: self.peer_id, address: self.address }
    }

    /// Whether either side gets something out of the connection.
    pub(super) fn is_useful(&self) -> bool {
        self.useful > 0 || self.serving.interest == Interest::Some
    }

    /// Takes an offer of BEP 6 into `offers`, up to a bound.
    pub(super) fn offer(offers: &mut BTreeSet<PieceIndex>, piece: PieceIndex) {
        if offers.len() < OFFERS_MAX {
            offers.insert(piece);
        }
    }

    /// The end of a tick.
    pub(super) fn turn(&mut self) {
        self.asking.turn();
        self.serving.meter.turn();
    }

    pub(super) fn summary(&self, connection: ConnectionId, tick: Duration) -> PeerSummary {
        PeerSummary {
            connection,
            address: self.listening.unwrap_or(self.address),
            origin: self.origin,
            peer_id: self.peer_id,
            client: self.client.clone(),
            pieces: self.has.count(),
            rate_down: self.asking.meter.rate(tick),
            rate_up: self.serving.meter.rate(tick),
            bytes_down: self.asking.meter.total(),
            bytes_up: self.serving.meter.total(),
            unchoking: self.asking.gate == Gate::Open,
            interested: self.serving.interest == Interest::Some,
            requests_out: self.asking.asked.len(),
            requests_in: self.serving.requests.len(),
        }
    }
}

impl Asking {
    /// Requests that may be made now, of a peer of which `least` are to be out at any time.
    pub(super) fn room(&self, now: Instant, least: usize) -> usize {
        if now < self.quiet_until || self.is_overdue() {
            return 0;
        }
        self.pipeline.max(least).min(self.requests_max).saturating_sub(self.asked.len())
    }

    /// Whether it owes us blocks for too long.
    pub(super) fn is_overdue(&self) -> bool {
        self.asked.front().is_some_and(|asked| asked.overdue == Overdue::Yes)
    }

    /// A block has come that was not asked for, or not any more.
    pub(super) const fn strayed(&mut self) {
        if self.taken_back > 0 {
            self.taken_back -= 1;
        } else {
            self.strays += 1;
        }
    }

    pub(super) fn has_asked(&self, block: Block) -> bool {
        self.asked.iter().any(|asked| asked.block == block)
    }

    /// Notes a request.
    pub(super) fn ask(&mut self, block: Block, now: Instant) {
        if self.asked.is_empty() {
            self.last_block = now;
        }
        self.asked.push_back(Asked { block, at: now, overdue: Overdue::No });
    }

    /// Takes a request off the list.
    pub(super) fn settle(&mut self, block: Block) -> Option<Asked> {
        let at = self.asked.iter().position(|asked| asked.block == block)?;
        self.asked.remove(at)
    }

    /// A block has come that was asked for. As many are asked for at once as the peer sends within a set span while it
    /// sends to us at all: the median gap between blocks does not count the pauses while others are served.
    pub(super) fn received(&mut self, now: Instant, config: &Config) {
        self.gaps.rotate_right(1);
        self.gaps[0] = now.since(self.last_block);
        self.last_block = now;
        let mut gaps = self.gaps;
        gaps.sort_unstable();
        let gap = gaps[GAPS / 2].as_micros().max(1);
        let worth = usize::try_from(config.pipeline_span.as_micros() / gap).unwrap_or(usize::MAX);
        self.pipeline = worth.min(self.pipeline + 1).clamp(config.pipeline_min, config.pipeline_max);
    }

    fn turn(&mut self) {
        self.meter.turn();
    }
}

impl Serving {
    /// Payload bytes that may be queued at once.
    pub(super) fn queue_max(&self, config: &Config) -> u64 {
        let span = u64::try_from(config.send_queue_span.as_micros()).unwrap_or(u64::MAX);
        let worth = self.meter.rate(config.tick).0.saturating_mul(span) / 1_000_000;
        worth.clamp(config.send_queue_min, config.send_queue_max)
    }

    /// Whether it is being served a piece and asks for more of it.
    pub(super) fn is_amid_a_piece(&self) -> bool {
        self.slot.is_some_and(|piece| self.requests.iter().any(|request| request.piece == piece))
    }

    /// Whether it takes what it is given.
    pub(super) fn is_taking(&self, now: Instant, config: &Config) -> bool {
        self.queued == 0 || now.since(self.taken_at) <= config.slot_patience
    }
}
