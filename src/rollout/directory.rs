//! Who listens where, and whose connections are welcome.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::session::Slot;

/// New listeners that one round tells about: enough to mix old and new peers, however many come at once.
const FRESH_MAX: usize = 16;

/// Every address of the fleet that is known, and the hosts that listen.
#[derive(Debug, Clone, Default)]
pub(super) struct Directory {
    addresses: Vec<IpAddr>,
    known: BTreeSet<IpAddr>,
    listeners: Vec<(Slot, SocketAddr)>,
    position: BTreeMap<Slot, usize>,
    fresh: Vec<SocketAddr>,
    fresh_seen: usize,
}

impl Directory {
    /// Welcomes an address.
    pub(super) fn allow(&mut self, address: IpAddr) {
        if self.known.insert(address) {
            self.addresses.push(address);
        }
    }

    /// Every welcome address, in the order they became known: a caller remembers how many it has seen.
    pub(super) fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// How many hosts listen.
    pub(super) const fn listening(&self) -> usize {
        self.listeners.len()
    }

    /// A host listens from now on.
    pub(super) fn enter(&mut self, slot: Slot, address: SocketAddr, random: &mut fastrand::Rng) {
        self.leave(slot);
        self.position.insert(slot, self.listeners.len());
        self.listeners.push((slot, address));
        self.fresh_seen += 1;
        if self.fresh.len() < FRESH_MAX {
            self.fresh.push(address);
        } else {
            let at = random.usize(..self.fresh_seen);
            if let Some(place) = self.fresh.get_mut(at) {
                *place = address;
            }
        }
    }

    /// A host listens no more.
    pub(super) fn leave(&mut self, slot: Slot) {
        let Some(at) = self.position.remove(&slot) else { return };
        self.listeners.swap_remove(at);
        if let Some((moved, _)) = self.listeners.get(at) {
            self.position.insert(*moved, at);
        }
    }

    /// At most `count` random listeners, none of them `except`.
    pub(super) fn sample(&self, count: usize, except: Slot, random: &mut fastrand::Rng) -> Vec<SocketAddr> {
        let others = self.listeners.iter().filter(|(slot, _)| *slot != except);
        if self.listeners.len() <= count.saturating_mul(2) {
            let mut all: Vec<_> = others.map(|(_, address)| *address).collect();
            random.shuffle(&mut all);
            all.truncate(count);
            return all;
        }
        let mut chosen = BTreeSet::new();
        while chosen.len() < count {
            chosen.insert(random.usize(..self.listeners.len()));
        }
        chosen.into_iter().map(|at| self.listeners[at]).filter(|(slot, _)| *slot != except).map(|at| at.1).collect()
    }

    /// A bounded sample of those that began to listen since the last call.
    pub(super) fn take_fresh(&mut self) -> Vec<SocketAddr> {
        self.fresh_seen = 0;
        std::mem::take(&mut self.fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, host], 6881))
    }

    #[test]
    fn a_sample_is_bounded_distinct_and_without_the_one_who_asks() {
        let (mut directory, mut random) = (Directory::default(), fastrand::Rng::with_seed(3));
        (0..100).for_each(|host| directory.enter(Slot(usize::from(host)), address(host), &mut random));
        for count in [1, 20, 60, 200] {
            let sample = directory.sample(count, Slot(7), &mut random);
            let distinct: BTreeSet<_> = sample.iter().collect();
            assert!(sample.len() <= count && distinct.len() == sample.len() && !sample.contains(&address(7)));
            assert!(sample.len() + 1 >= count.min(99));
        }
        assert_eq!(directory.take_fresh().len(), FRESH_MAX);
        assert!(directory.take_fresh().is_empty());
    }

    #[test]
    fn who_left_is_told_to_nobody() {
        let (mut directory, mut random) = (Directory::default(), fastrand::Rng::with_seed(3));
        (0..5).for_each(|host| directory.enter(Slot(usize::from(host)), address(host), &mut random));
        directory.leave(Slot(0));
        directory.leave(Slot(4));
        let mut left = directory.sample(9, Slot(99), &mut random);
        left.sort_unstable();
        assert_eq!(left, [address(1), address(2), address(3)]);
    }
}
