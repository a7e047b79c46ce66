//! Who listens where, whose connections are welcome, and who is told of whom.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::session::Slot;
use crate::base::Zone;
use crate::roster::Roster;

/// New listeners of a zone that one round tells about: enough to mix old and new peers, however many come at once.
const FRESH_MAX: usize = 16;

/// Every address of the fleet that is known, and the hosts that listen.
#[derive(Debug, Clone, Default)]
pub(super) struct Directory {
    addresses: Vec<IpAddr>,
    known: BTreeSet<IpAddr>,
    listeners: BTreeMap<Slot, SocketAddr>,
    roster: Roster<Slot>,
    fresh: Fresh,
}

/// Those that began to listen since the last round, of each zone, and across borders.
#[derive(Debug, Clone, Default)]
pub(super) struct Fresh {
    near: BTreeMap<Option<Zone>, Sample>,
    far: Sample,
}

/// A bounded sample of however many.
#[derive(Debug, Clone, Default)]
struct Sample {
    seen: usize,
    kept: Vec<SocketAddr>,
}

impl Directory {
    /// Welcomes an address.
    pub(super) fn allow(&mut self, address: IpAddr) {
        if self.known.insert(address) {
            self.addresses.push(address);
            self.roster.expect(self.addresses.len());
        }
    }

    /// Every welcome address, in the order they became known: a caller remembers how many it has seen.
    pub(super) fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// How many hosts listen.
    pub(super) fn listening(&self) -> usize {
        self.listeners.len()
    }

    /// A host listens from now on.
    pub(super) fn enter(&mut self, slot: Slot, address: SocketAddr, zone: Option<&Zone>, random: &mut fastrand::Rng) {
        self.leave(slot, random);
        self.listeners.insert(slot, address);
        self.roster.enter(slot, zone, random);
        self.fresh.near.entry(zone.cloned()).or_default().add(address, random);
        if self.roster.is_gate(slot, zone) {
            self.fresh.far.add(address, random);
        }
    }

    /// A host listens no more.
    pub(super) fn leave(&mut self, slot: Slot, random: &mut fastrand::Rng) {
        if self.listeners.remove(&slot).is_some() {
            self.roster.leave(slot, random);
        }
    }

    /// Whether a host is told of those in other zones.
    pub(super) fn is_gate(&self, slot: Slot, zone: Option<&Zone>) -> bool {
        self.roster.is_gate(slot, zone)
    }

    /// At most `count` listeners that a host is to dial, in this order.
    pub(super) fn choose(
        &mut self,
        host: (Slot, Option<&Zone>),
        count: usize,
        random: &mut fastrand::Rng,
    ) -> Vec<SocketAddr> {
        let chosen = self.roster.choose(host, count, random, |_| true);
        chosen.iter().filter_map(|slot| self.listeners.get(slot)).copied().collect()
    }

    /// Those that began to listen since the last call.
    pub(super) fn take_fresh(&mut self) -> Fresh {
        std::mem::take(&mut self.fresh)
    }
}

impl Fresh {
    /// What of it a host is told: those of its zone, and others if that is its part.
    pub(super) fn told_to(&self, zone: Option<&Zone>, is_gate: impl FnOnce() -> bool) -> Vec<SocketAddr> {
        let near = self.near.get(&zone.cloned()).map_or(&[][..], |sample| &sample.kept);
        let far = if self.far.kept.is_empty() || !is_gate() { &[][..] } else { &self.far.kept };
        near.iter().chain(far.iter().filter(|address| !near.contains(address))).copied().collect()
    }
}

impl Sample {
    fn add(&mut self, address: SocketAddr, random: &mut fastrand::Rng) {
        self.seen += 1;
        if self.kept.len() < FRESH_MAX {
            self.kept.push(address);
        } else if let Some(place) = self.kept.get_mut(random.usize(..self.seen)) {
            *place = address;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, host], 6881))
    }

    /// A directory of hosts 0, 1, 2, … in these zones by turns.
    fn directory(hosts: u8, zones: &[&str]) -> (Directory, fastrand::Rng) {
        let (mut directory, mut random) = (Directory::default(), fastrand::Rng::with_seed(3));
        for host in 0..hosts {
            let zone = (!zones.is_empty()).then(|| zones[usize::from(host) % zones.len()].parse().unwrap());
            directory.enter(Slot(usize::from(host)), address(host), zone.as_ref(), &mut random);
        }
        (directory, random)
    }

    #[test]
    fn a_choice_is_bounded_distinct_and_without_the_one_who_asks() {
        let (mut directory, mut random) = directory(100, &[]);
        for count in [1, 20, 60, 200] {
            let chosen = directory.choose((Slot(7), None), count, &mut random);
            let distinct: BTreeSet<_> = chosen.iter().collect();
            assert!(distinct.len() == chosen.len() && !chosen.contains(&address(7)));
            assert_eq!(chosen.len(), count.min(99));
        }
        let told = directory.take_fresh().told_to(None, || true).len();
        assert!((FRESH_MAX..=2 * FRESH_MAX).contains(&told), "{told}");
        assert!(directory.take_fresh().told_to(None, || true).is_empty());
    }

    #[test]
    fn who_left_is_told_to_nobody() {
        let (mut directory, mut random) = directory(5, &[]);
        directory.leave(Slot(0), &mut random);
        directory.leave(Slot(4), &mut random);
        let mut left = directory.choose((Slot(99), None), 9, &mut random);
        left.sort_unstable();
        assert_eq!(left, [address(1), address(2), address(3)]);
    }

    #[test]
    fn newcomers_are_told_to_their_zone_and_some_to_the_gates_of_others() {
        let (mut directory, _) = directory(10, &["a", "b"]);
        let (fresh, zone) = (directory.take_fresh(), "a".parse().unwrap());
        let near = [0, 2, 4, 6, 8].map(address);
        assert_eq!(fresh.told_to(Some(&zone), || false), near);
        assert_eq!(fresh.told_to(Some(&zone), || true).len(), 10);
        assert_eq!(fresh.told_to(None, || false), []);
    }
}
