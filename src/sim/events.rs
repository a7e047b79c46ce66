//! Events: what will happen, in order of time.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::network::Inbound;
use crate::base::{Instant, PieceIndex};
use crate::swarm::{Announcement, ConnectionId, Input};
use crate::wire::{Handshake, Message};

/// Something that will happen.
#[derive(Debug)]
pub(super) enum Event {
    /// A host starts.
    Start(usize),
    /// An impostor tries to get in.
    Intrude(usize),
    /// A piece has come to the seeder from a console.
    Pushed(PieceIndex),
    /// A partition begins.
    Cut(usize),
    /// A machine wants to be woken.
    Timer(usize),
    /// Something has reached the queue of the host it is for.
    Reached { inbound: Inbound, connection: ConnectionId, parcel: Parcel },
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

/// One for this moment, one for each bit in which a later moment can first differ from it.
const BUCKETS: usize = u64::BITS as usize + 1;

/// All that will happen; of the same moment, what was said first comes first.
///
/// A radix heap: an event lies in the bucket of the highest bit in which its moment differs from the present one. When
/// the present is used up, the next bucket's events are spread over those below it, in their order, so events of one
/// moment never overtake each other. An event moves once for each bit at most, and always beside its neighbours, which
/// with millions of them is several times faster than a binary heap's jumps.
#[derive(Debug)]
pub(super) struct Events {
    buckets: Vec<VecDeque<(Instant, Event)>>,
    present: Instant,
}

impl Events {
    /// Something happens then; what is past happens now.
    pub(super) fn push(&mut self, at: Instant, event: Event) {
        let at = at.max(self.present);
        self.buckets[bucket(at, self.present)].push_back((at, event));
    }

    pub(super) fn pop(&mut self) -> Option<(Instant, Event)> {
        if self.buckets[0].is_empty() {
            let next = self.buckets.iter().position(|bucket| !bucket.is_empty())?;
            self.present = self.buckets[next].iter().map(|(at, _)| *at).min()?;
            for (at, event) in std::mem::take(&mut self.buckets[next]) {
                self.buckets[bucket(at, self.present)].push_back((at, event));
            }
        }
        self.buckets[0].pop_front()
    }
}

impl Default for Events {
    fn default() -> Self {
        Self { buckets: (0..BUCKETS).map(|_| VecDeque::new()).collect(), present: Instant::ZERO }
    }
}

const fn bucket(at: Instant, present: Instant) -> usize {
    (u64::BITS - (at.as_micros() ^ present.as_micros()).leading_zeros()) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_happen_in_order_of_time_and_of_the_same_time_as_they_were_said() {
        let (mut events, mut rng) = (Events::default(), fastrand::Rng::with_seed(1));
        let (mut now, mut said, mut before) = (Instant::ZERO, 0, (Instant::ZERO, 0));
        for _ in 0..20_000 {
            for _ in 0..rng.usize(0..=2) {
                said += 1;
                let magnitude = rng.u32(0..20);
                let after = rng.u64(0..1 << magnitude);
                events.push(Instant::from_micros(now.as_micros() + after), Event::Timer(said));
            }
            let Some((at, Event::Timer(number))) = events.pop() else { continue };
            assert!(at > before.0 || (at == before.0 && number > before.1), "{number} at {at:?} after {before:?}");
            (now, before) = (at, (at, number));
        }
    }
}
