//! Dialer: whom to connect to, when again, how many.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{Config, Preference, canonical_priority};
use crate::base::Instant;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// May be dialled at this moment; the number is the order among those of the same moment.
    Waiting(Instant, u64),
    Dialing,
    Connected,
    /// It is us.
    Oneself,
}

#[derive(Debug)]
struct Entry {
    state: State,
    failures: u32,
}

/// The addresses known, and who may connect.
#[derive(Debug)]
pub(super) struct Dialer {
    allow: Option<BTreeSet<IpAddr>>,
    entries: BTreeMap<SocketAddr, Entry>,
    waiting: BTreeSet<(Instant, u64, SocketAddr)>,
    dialing: usize,
    preference: Preference,
    rng: fastrand::Rng,
}

impl Dialer {
    pub(super) fn new(allow: Option<&[IpAddr]>, rng: fastrand::Rng) -> Self {
        let allow = allow.map(|allow| allow.iter().map(IpAddr::to_canonical).collect());
        let preference = Preference::AsTold;
        Self { allow, entries: BTreeMap::new(), waiting: BTreeSet::new(), dialing: 0, preference, rng }
    }

    /// The same, with another preference than the order in which addresses are told.
    pub(super) fn preferring(self, preference: Preference) -> Self {
        Self { preference, ..self }
    }

    /// What a connection to this address is worth, if that is what decides.
    pub(super) fn priority(&self, address: SocketAddr) -> Option<u32> {
        match self.preference {
            Preference::Canonical(own) if !own.ip().is_unspecified() => Some(canonical_priority(own, address)),
            Preference::Canonical(_) | Preference::AsTold => None,
        }
    }

    /// The place of this address among those of the same moment, if its priority decides.
    fn rank(&self, address: SocketAddr) -> Option<u64> {
        self.priority(address).map(|priority| u64::from(u32::MAX - priority))
    }

    /// A peer says where it sees us: of use if nobody has said so yet.
    pub(super) fn seen_as(&mut self, ip: IpAddr) {
        match self.preference {
            Preference::Canonical(own) if own.ip().is_unspecified() => {
                self.preference = Preference::Canonical(SocketAddr::new(ip.to_canonical(), own.port()));
            }
            Preference::Canonical(_) | Preference::AsTold => {}
        }
    }

    /// These may connect, too.
    pub(super) fn allow(&mut self, addresses: impl IntoIterator<Item = IpAddr>, max: usize) {
        let Some(allow) = &mut self.allow else { return };
        let room = max.saturating_sub(allow.len());
        allow.extend(addresses.into_iter().map(|address| address.to_canonical()).take(room));
    }

    pub(super) fn is_allowed(&self, address: IpAddr) -> bool {
        self.allow.as_ref().is_none_or(|allow| allow.contains(&address.to_canonical()))
    }

    /// Takes addresses that are new and allowed; those in front are dialled first.
    pub(super) fn discover(&mut self, addresses: impl IntoIterator<Item = SocketAddr>, now: Instant, max: usize) {
        for (place, address) in (0_u64..).zip(addresses) {
            let known = self.entries.contains_key(&address);
            if !known && self.entries.len() < max && address.port() != 0 && self.is_allowed(address.ip()) {
                self.entries.insert(address, Entry { state: State::Dialing, failures: 0 });
                let rank = self.rank(address);
                self.set(address, |tie| State::Waiting(now, rank.unwrap_or(place << 32 | tie >> 32)));
            }
        }
    }

    /// The next address to dial, if it is time for one.
    pub(super) fn poll(&mut self, now: Instant, config: &Config) -> Option<SocketAddr> {
        if self.dialing >= config.dials_max {
            return None;
        }
        let (_, _, address) = *self.waiting.first().filter(|(at, _, _)| *at <= now)?;
        self.set(address, |_| State::Dialing);
        self.dialing += 1;
        Some(address)
    }

    /// Whether [`Self::poll`] would find somebody.
    pub(super) fn is_ready(&self, now: Instant) -> bool {
        self.waiting.first().is_some_and(|(at, _, _)| *at <= now)
    }

    /// Dials under way.
    pub(super) const fn dialing(&self) -> usize {
        self.dialing
    }

    /// A dial ended. Says whether it had been asked for.
    pub(super) fn dialed(&mut self, address: SocketAddr) -> bool {
        let asked = self.entries.get(&address).is_some_and(|entry| entry.state == State::Dialing);
        if asked {
            self.dialing -= 1;
            self.set(address, |_| State::Connected);
        }
        asked
    }

    /// There is a connection to this address, by whatever way.
    pub(super) fn connected(&mut self, address: SocketAddr, config: &Config) {
        if !self.entries.contains_key(&address) && self.entries.len() < config.addresses_max {
            self.entries.insert(address, Entry { state: State::Connected, failures: 0 });
        }
        if let Some(Entry { state: State::Waiting(..), .. }) = self.entries.get(&address) {
            self.set(address, |_| State::Connected);
        }
    }

    /// The peer at this address shook hands: it is worth while.
    pub(super) fn greeted(&mut self, address: SocketAddr) {
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.failures = 0;
        }
    }

    /// There is no connection any more, or none came about: later again, each time later.
    pub(super) fn failed(&mut self, address: SocketAddr, now: Instant, config: &Config) {
        let Some(entry) = self.entries.get_mut(&address) else { return };
        let wait = config.redial_after_min * 2_u32.saturating_pow(entry.failures.min(16));
        entry.failures = entry.failures.saturating_add(1);
        let jitter = self.rng.f64() + 0.5;
        self.rest(address, now, wait.min(config.redial_after_max).mul_f64(jitter));
    }

    /// The address is left alone for that long.
    pub(super) fn rest(&mut self, address: SocketAddr, now: Instant, pause: Duration) {
        let rank = self.rank(address);
        self.set(address, |tie| State::Waiting(now + pause, rank.unwrap_or(tie)));
    }

    /// The address is our own.
    pub(super) fn is_oneself(&mut self, address: SocketAddr) {
        self.set(address, |_| State::Oneself);
    }

    /// When [`Self::poll`] may find somebody.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.first().map(|(at, _, _)| *at)
    }

    fn set(&mut self, address: SocketAddr, state: impl FnOnce(u64) -> State) {
        let state = state(self.rng.u64(..));
        let Some(entry) = self.entries.get_mut(&address) else { return };
        match entry.state {
            State::Waiting(at, tie) => {
                self.waiting.remove(&(at, tie, address));
            }
            State::Dialing | State::Connected | State::Oneself => {}
        }
        match (entry.state, state) {
            (State::Oneself, _) => {}
            (_, State::Waiting(at, tie)) => {
                self.waiting.insert((at, tie, address));
                entry.state = state;
            }
            (_, State::Dialing | State::Connected | State::Oneself) => entry.state = state,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], 6881))
    }

    #[test]
    fn a_failed_address_is_dialled_again_later_and_later() {
        let config = Config::default();
        let mut dialer = Dialer::new(None, fastrand::Rng::with_seed(1));
        let mut now = Instant::ZERO;
        dialer.discover([address(1), address(1)], now, 10);
        let mut waits = Vec::new();
        for _ in 0..8 {
            assert_eq!(dialer.poll(now, &config), Some(address(1)));
            assert_eq!(dialer.poll(now, &config), None);
            assert!(dialer.dialed(address(1)));
            dialer.failed(address(1), now, &config);
            let next = dialer.deadline().unwrap();
            waits.push(next.since(now));
            now = next;
        }
        assert!(waits[0] < Duration::from_secs(2) && waits[7] > Duration::from_secs(14), "{waits:?}");
    }

    #[test]
    fn only_allowed_addresses_are_dialled() {
        let mut dialer = Dialer::new(Some(&[address(1).ip()]), fastrand::Rng::with_seed(1));
        dialer.discover([address(1), address(2)], Instant::ZERO, 10);
        assert_eq!(dialer.entries.len(), 1);
        assert!(!dialer.is_allowed(address(2).ip()));
        dialer.allow([address(2).ip()], 10);
        assert!(dialer.is_allowed("::ffff:10.0.0.2".parse().unwrap()));
    }

    #[test]
    fn the_highest_canonical_priority_is_dialled_first_once_the_own_address_is_known() {
        let config = Config { dials_max: 100, ..Config::default() };
        let own = SocketAddr::from(([0, 0, 0, 0], 6881));
        let mut dialer = Dialer::new(None, fastrand::Rng::with_seed(1)).preferring(Preference::Canonical(own));
        assert_eq!(dialer.priority(address(2)), None);
        dialer.seen_as(address(200).ip());
        dialer.seen_as(address(201).ip());
        dialer.discover((0..50).map(address), Instant::ZERO, 100);
        let order: Vec<_> = std::iter::from_fn(|| dialer.poll(Instant::ZERO, &config)).collect();
        assert_eq!(order.len(), 50);
        assert!(order.is_sorted_by_key(|found| std::cmp::Reverse(canonical_priority(address(200), *found))));
    }

    #[test]
    fn dials_and_addresses_are_bounded() {
        let config = Config { dials_max: 3, ..Config::default() };
        let mut dialer = Dialer::new(None, fastrand::Rng::with_seed(1));
        dialer.discover((0..=255).map(address), Instant::ZERO, 100);
        assert_eq!(dialer.entries.len(), 100);
        assert_eq!(std::iter::from_fn(|| dialer.poll(Instant::ZERO, &config)).count(), 3);
    }
}
