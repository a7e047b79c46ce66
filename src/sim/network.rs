//! Network: how long bytes take from one host to another, and which connections there are.

use crate::base::{ByteCount, ByteRate, Instant};
use crate::swarm::ConnectionId;

use super::HostSpec;

/// Heads, acknowledgements and small messages are not counted; a block is.
const LATENCY_ONLY: u64 = 0;

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
    /// When the last message of each direction arrives: none overtakes another.
    arrives: [Instant; 2],
    /// Whether anything still gets across.
    state: Wire,
}

/// Whether a connection carries anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    Whole,
    /// The network was cut: both ends think it is there, and nothing comes any more.
    Severed,
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
    pub(super) ledger: Ledger,
}

impl Network {
    pub(super) fn new(specs: impl Iterator<Item = HostSpec>) -> Self {
        let nic = |spec| Nic { spec, up_free: Instant::ZERO, down_free: Instant::ZERO };
        Self { nics: specs.map(nic).collect(), links: Vec::new(), ledger: Ledger::default() }
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
        self.links.push(Some(Link { dialer, listener, arrives: [Instant::ZERO; 2], state: Wire::Whole }));
        ConnectionId(self.links.len() as u64)
    }

    fn link(&self, id: ConnectionId) -> Option<&Link> {
        self.links.get(place(id)?)?.as_ref()
    }

    /// The host at the other end, if there still is a connection.
    pub(super) fn other_end(&self, id: ConnectionId, host: usize) -> Option<usize> {
        let link = self.link(id)?;
        Some(if link.dialer == host { link.listener } else { link.dialer })
    }

    /// Ends a connection; returns the other end and when it hears of it.
    pub(super) fn close(&mut self, id: ConnectionId, host: usize, now: Instant) -> Option<(usize, Instant)> {
        let arrives = self.carry(id, host, LATENCY_ONLY, now)?;
        let link = self.links.get_mut(place(id)?)?.take()?;
        Some((if link.dialer == host { link.listener } else { link.dialer }, arrives))
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

    /// Puts `bytes` on their way; returns when the last of them arrives.
    pub(super) fn carry(&mut self, id: ConnectionId, from: usize, bytes: u64, now: Instant) -> Option<Instant> {
        let link = self.links.get_mut(place(id)?)?.as_mut()?;
        let (direction, to) = if link.dialer == from { (0, link.listener) } else { (1, link.dialer) };
        let latency = self.nics[from].spec.latency + self.nics[to].spec.latency;
        let mut arrives = now + latency;
        if bytes > 0 {
            let out = self.nics[from].send(bytes, now);
            arrives = self.nics[to].receive(bytes, out + latency);
            self.ledger.sent += ByteCount(bytes);
            self.ledger.under_way += ByteCount(bytes);
        }
        let last = &mut link.arrives[direction];
        *last = arrives.max(*last);
        Some(*last)
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

impl Nic {
    fn send(&mut self, bytes: u64, now: Instant) -> Instant {
        self.up_free = self.up_free.max(now) + takes(bytes, self.spec.up);
        self.up_free
    }

    /// The last byte is in when the wire has brought it and everything before it is in, too.
    fn receive(&mut self, bytes: u64, brought: Instant) -> Instant {
        let takes = takes(bytes, self.spec.down);
        let begun = Instant::from_micros(brought.as_micros().saturating_sub(takes.as_micros() as u64));
        self.down_free = self.down_free.max(begun) + takes;
        self.down_free
    }
}

/// Where a connection stands in the table.
fn place(id: ConnectionId) -> Option<usize> {
    usize::try_from(id.0).ok()?.checked_sub(1)
}

fn takes(bytes: u64, rate: ByteRate) -> std::time::Duration {
    let micros = rate.cap().map_or(0, |rate| bytes.saturating_mul(1_000_000) / rate);
    std::time::Duration::from_micros(micros)
}
