//! Network: how long bytes take from one host to another, and which connections there are.

use std::time::Duration;

use crate::base::{ByteCount, ByteRate, Instant};
use crate::swarm::ConnectionId;

use super::{HostSpec, Weights};

/// TCP payload of a full Ethernet frame, and that frame: Ethernet, IP and TCP heads with timestamps, MTU 1500.
const FRAME: (u64, u64) = (1448, 1514);

/// A frame with no payload: an acknowledgement, or what a small message costs beside its own bytes.
const HEAD: u64 = FRAME.1 - FRAME.0;

/// Payload of one connection under way at most before it holds up its sender, as TCP's congestion window does where
/// several connections share a queue.
const WINDOW: u64 = 64 << 10;

/// Full frames that one acknowledgement answers.
const FRAMES_AN_ACKNOWLEDGEMENT: u64 = 3;

/// Round trips until a lost frame is sent again: the frames after it tell of it, and where none follow a probe has to (RFC
/// 8985).
const ROUNDS: (u32, u32) = (1, 2);

/// What is put on its way: block payload, which the ledger counts, and everything that goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Freight {
    pub(super) payload: u64,
    pub(super) other: u64,
}

impl Freight {
    /// The end of a connection, or the beginning of one.
    pub(super) const NOTHING: Self = Self { payload: 0, other: 0 };

    /// Bytes on the wire, without the frame's head if it has but a small part in one.
    fn framed(self) -> u64 {
        ((self.payload + self.other) * FRAME.1).div_ceil(FRAME.0)
    }
}

/// A host's place in the network: one queue out, one queue in, first come first served.
///
/// Sharing is fair as long as the machines queue little for each connection, which is what they promise: a block waits
/// for the blocks before it, never for a whole piece of somebody else.
#[derive(Debug)]
struct Nic {
    spec: HostSpec,
    up_free: Instant,
    down_free: Instant,
}

/// One connection, by the hosts at its ends.
#[derive(Debug, Clone, Copy)]
struct Link {
    dialer: usize,
    listener: usize,
    /// Whether anything still gets across.
    state: Wire,
    /// What the dialer, and what the listener, has under way.
    flights: [Flight; 2],
}

/// Whether a connection carries anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    Whole,
    /// The network was cut: both ends think it is there, and nothing comes any more.
    Severed,
}

/// Payload of one direction of a connection that has left its host.
#[derive(Debug, Clone, Copy, Default)]
struct Flight {
    /// When the last small message went: those of one moment share a frame.
    small: Option<Instant>,
    /// In the other host's queue.
    unacknowledged: u64,
    /// Of these, what the sender was not told of, for there was more than [`WINDOW`] under way.
    untold: u64,
    /// When the last of what was sent so far is there: nothing overtakes what has to be sent again.
    in_order: Instant,
}

/// Bytes on their way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ledger {
    pub(super) sent: ByteCount,
    pub(super) received: ByteCount,
    pub(super) lost: ByteCount,
    pub(super) under_way: ByteCount,
}

/// All hosts' places and the connections between them.
#[derive(Debug)]
pub(super) struct Network {
    nics: Vec<Nic>,
    /// Every connection there ever was, by its number less 1; `None` once it has ended.
    links: Vec<Option<Link>>,
    weights: Weights,
    chance: fastrand::Rng,
    pub(super) ledger: Ledger,
}

impl Network {
    pub(super) fn new(specs: impl Iterator<Item = HostSpec>, weights: Weights, seed: u64) -> Self {
        let nic = |spec| Nic { spec, up_free: Instant::ZERO, down_free: Instant::ZERO };
        let (nics, chance) = (specs.map(nic).collect(), fastrand::Rng::with_seed(seed));
        Self { nics, links: Vec::new(), weights, chance, ledger: Ledger::default() }
    }

    /// When something without weight arrives.
    pub(super) fn arrival(&self, from: usize, to: usize, now: Instant) -> Instant {
        now + self.nics[from].spec.latency + self.nics[to].spec.latency
    }

    /// When something without weight arrives at, or comes from, the tracker in the middle.
    pub(super) fn to_middle(&self, host: usize, now: Instant) -> Instant {
        now + self.nics[host].spec.latency
    }

    /// Joins two hosts.
    pub(super) fn connect(&mut self, dialer: usize, listener: usize) -> ConnectionId {
        self.links.push(Some(Link { dialer, listener, state: Wire::Whole, flights: [Flight::default(); 2] }));
        ConnectionId(self.links.len() as u64)
    }

    fn link(&self, id: ConnectionId) -> Option<&Link> {
        self.links.get(place(id)?)?.as_ref()
    }

    fn link_mut(&mut self, id: ConnectionId) -> Option<&mut Link> {
        self.links.get_mut(place(id)?)?.as_mut()
    }

    /// The host at the other end, if there still is a connection.
    pub(super) fn other_end(&self, id: ConnectionId, host: usize) -> Option<usize> {
        let link = self.link(id)?;
        Some(if link.dialer == host { link.listener } else { link.dialer })
    }

    /// Ends a connection; what is said on it after this reaches nobody.
    pub(super) fn close(&mut self, id: ConnectionId, host: usize, now: Instant) -> Option<Passage> {
        let last = self.carry(id, host, Freight::NOTHING, now);
        self.drop_link(id);
        last
    }

    /// Cuts the connections between some hosts and others.
    pub(super) fn sever(&mut self, divides: impl Fn(usize, usize) -> bool) {
        let across = self.links.iter_mut().flatten().filter(|link| divides(link.dialer, link.listener));
        across.for_each(|link| link.state = Wire::Severed);
    }

    /// Whether nothing comes over a connection any more.
    pub(super) fn is_severed(&self, id: ConnectionId) -> bool {
        self.link(id).is_some_and(|link| link.state == Wire::Severed)
    }

    /// Forgets a connection, of which the other end does not hear.
    pub(super) fn drop_link(&mut self, id: ConnectionId) {
        if let Some(link) = place(id).and_then(|place| self.links.get_mut(place)) {
            *link = None;
        }
    }

    /// Bytes are sent that will not arrive.
    pub(super) fn lose(&mut self, bytes: u64) {
        self.ledger.sent += ByteCount(bytes);
        self.ledger.lost += ByteCount(bytes);
    }

    /// The connections of a host.
    pub(super) fn links_of(&self, host: usize) -> Vec<ConnectionId> {
        let ends = |link: &Link| link.dialer == host || link.listener == host;
        let own = (1..).zip(&self.links).filter(|(_, link)| link.as_ref().is_some_and(ends));
        own.map(|(number, _)| ConnectionId(number)).collect()
    }

    /// Puts something on its way; returns how it goes. What it is answered with (acknowledgements) takes its share of the
    /// other direction.
    pub(super) fn carry(&mut self, id: ConnectionId, from: usize, freight: Freight, now: Instant) -> Option<Passage> {
        let link = self.links.get_mut(place(id)?)?.as_mut()?;
        let (direction, to) = if link.dialer == from { (0, link.listener) } else { (1, link.dialer) };
        let latency = self.nics[from].spec.latency + self.nics[to].spec.latency;
        if self.weights == Weights::Blocks && freight.payload == 0 {
            return Some(Passage::Straight { to, at: now + latency });
        }
        let mut bytes = match self.weights {
            Weights::Frames => freight.framed(),
            Weights::Blocks => freight.payload,
        };
        if freight.payload == 0 && link.flights[direction].small.replace(now) != Some(now) {
            bytes += HEAD;
        }
        let (begun, ended) = self.nics[from].send(bytes, now);
        let late = latency * 2 * self.lose_frames(from, bytes, now);
        if self.weights == Weights::Frames {
            self.nics[to].send(bytes * HEAD / (FRAME.1 * FRAMES_AN_ACKNOWLEDGEMENT), now);
        }
        self.ledger.sent += ByteCount(freight.payload);
        self.ledger.under_way += ByteCount(freight.payload);
        Some(Passage::Queued { at: begun + latency, inbound: Inbound { to, bytes, brought: ended + latency, late } })
    }

    /// Sends again what is lost of that many bytes; returns how many round trips later it is there.
    fn lose_frames(&mut self, from: usize, bytes: u64, now: Instant) -> u32 {
        let (frames, one_in) = (bytes.div_ceil(FRAME.1), u64::from(self.nics[from].spec.loses_one_in));
        if one_in == 0 || self.weights == Weights::Blocks || self.chance.u64(0..one_in) >= frames {
            return 0;
        }
        self.nics[from].send(bytes.min(FRAME.1), now);
        if frames > 1 { ROUNDS.0 } else { ROUNDS.1 }
    }

    /// Payload has left its sender for the queue of `to`; returns of how much the sender is told that it is sent.
    pub(super) fn left(&mut self, id: ConnectionId, to: usize, payload: u64) -> u64 {
        let Some(flight) = self.flight(id, to) else { return 0 };
        flight.unacknowledged += payload;
        if flight.unacknowledged <= WINDOW {
            return payload;
        }
        flight.untold += payload;
        0
    }

    /// Payload has arrived at `to`; returns of how much more the sender is told that it is sent.
    pub(super) fn acknowledged(&mut self, id: ConnectionId, to: usize, payload: u64) -> u64 {
        let Some(flight) = self.flight(id, to) else { return 0 };
        flight.unacknowledged -= payload;
        let told = flight.untold.min(payload);
        flight.untold -= told;
        told
    }

    fn flight(&mut self, id: ConnectionId, to: usize) -> Option<&mut Flight> {
        let link = self.link_mut(id)?;
        let direction = usize::from(link.dialer == to);
        Some(&mut link.flights[direction])
    }

    /// Takes in what has reached a host's queue; returns when the last of it is in.
    pub(super) fn take_in(&mut self, id: ConnectionId, inbound: Inbound, now: Instant) -> Instant {
        let at = self.nics[inbound.to].receive(inbound.bytes, now).max(inbound.brought) + inbound.late;
        let Some(flight) = self.flight(id, inbound.to) else { return at };
        flight.in_order = flight.in_order.max(at);
        flight.in_order
    }

    /// Bytes have arrived, or there is nobody to take them.
    pub(super) fn arrived(&mut self, bytes: u64, fate: Fate) {
        self.ledger.under_way = self.ledger.under_way - ByteCount(bytes);
        match fate {
            Fate::Received => self.ledger.received += ByteCount(bytes),
            Fate::Lost => self.ledger.lost += ByteCount(bytes),
        }
    }
}

/// What became of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// A host took them.
    Received,
    /// The host or the connection was gone.
    Lost,
}

/// How something goes its way.
#[derive(Debug, Clone, Copy)]
pub(super) enum Passage {
    /// It waits for those before it: the first of it reaches the other host's queue then.
    Queued { at: Instant, inbound: Inbound },
    /// It has no weight, and is there then.
    Straight { at: Instant, to: usize },
}

impl Passage {
    /// The host it is for.
    pub(super) const fn to(self) -> usize {
        match self {
            Self::Queued { inbound, .. } => inbound.to,
            Self::Straight { to, .. } => to,
        }
    }
}

/// Something that is in the queue of the host it is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inbound {
    /// The host.
    pub(super) to: usize,
    bytes: u64,
    /// When the last of it is in the queue.
    brought: Instant,
    /// How much later what was lost of it is there.
    late: Duration,
}

impl Nic {
    /// Returns when the first and the last of it leave.
    fn send(&mut self, bytes: u64, now: Instant) -> (Instant, Instant) {
        let begun = self.up_free.max(now);
        self.up_free = begun + takes(bytes, self.spec.up);
        (begun, self.up_free)
    }

    fn receive(&mut self, bytes: u64, now: Instant) -> Instant {
        let takes = takes(bytes, self.spec.down);
        self.down_free = self.down_free.max(now) + takes;
        self.down_free
    }
}

/// Where a connection stands in the table.
fn place(id: ConnectionId) -> Option<usize> {
    usize::try_from(id.0).ok()?.checked_sub(1)
}

fn takes(bytes: u64, rate: ByteRate) -> Duration {
    let micros = rate.cap().map_or(0, |rate| bytes.saturating_mul(1_000_000) / rate);
    Duration::from_micros(micros)
}
