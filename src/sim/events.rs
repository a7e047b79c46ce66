//! Events: what will happen, in order of time.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::net::SocketAddr;

use crate::base::Instant;
use crate::swarm::{Announcement, ConnectionId, Input};
use crate::wire::{Handshake, Message};

/// Something that will happen.
#[derive(Debug)]
pub(super) enum Event {
    /// A host starts.
    Start(usize),
    /// An impostor tries to get in.
    Intrude(usize),
    /// A partition begins.
    Cut(usize),
    /// A machine wants to be woken.
    Timer(usize),
    /// Something comes over a connection.
    Arrived { to: usize, connection: ConnectionId, parcel: Parcel },
    /// A dial reaches its address.
    Knock { from: usize, life: u32, address: SocketAddr },
    /// A machine is told something, if it is still the same one.
    Tell { to: usize, life: u32, input: Input },
    /// An announce reaches the tracker.
    Ask { from: usize, life: u32, announcement: Announcement },
}

/// What comes over a connection.
#[derive(Debug)]
pub(super) enum Parcel {
    /// The dial succeeded.
    Dialed(SocketAddr),
    /// The first thing.
    Handshake(Handshake),
    /// Anything after.
    Message(Message),
    /// The end.
    Closed,
}

#[derive(Debug)]
struct Queued {
    at: Instant,
    order: u64,
    event: Event,
}

/// All that will happen; of the same moment, what was said first comes first.
#[derive(Debug, Default)]
pub(super) struct Events {
    heap: BinaryHeap<Queued>,
    order: u64,
}

impl Events {
    pub(super) fn push(&mut self, at: Instant, event: Event) {
        self.order += 1;
        self.heap.push(Queued { at, order: self.order, event });
    }

    pub(super) fn pop(&mut self) -> Option<(Instant, Event)> {
        self.heap.pop().map(|queued| (queued.at, queued.event))
    }
}

impl Ord for Queued {
    /// The earliest is the greatest: a `BinaryHeap` gives that first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for Queued {}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}
