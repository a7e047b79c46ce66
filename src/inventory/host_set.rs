//! A set of hosts, in inventory order.

use std::collections::BTreeSet;
use std::collections::btree_set;
use std::iter::Copied;

use super::HostId;

/// A set of hosts, iterated in inventory order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostSet(BTreeSet<HostId>);

impl HostSet {
    /// No host.
    pub const fn new() -> Self {
        Self(BTreeSet::new())
    }

    /// Number of hosts.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `host` is one of them.
    pub fn contains(&self, host: HostId) -> bool {
        self.0.contains(&host)
    }

    /// Adds a host; false if it was there.
    pub fn insert(&mut self, host: HostId) -> bool {
        self.0.insert(host)
    }

    /// Takes a host out; false if it was not there.
    pub fn remove(&mut self, host: HostId) -> bool {
        self.0.remove(&host)
    }

    /// The hosts in either.
    pub fn union(&self, other: &Self) -> Self {
        Self(&self.0 | &other.0)
    }

    /// The hosts in both.
    pub fn intersection(&self, other: &Self) -> Self {
        Self(&self.0 & &other.0)
    }

    /// The hosts that are not in `other`.
    pub fn minus(&self, other: &Self) -> Self {
        Self(&self.0 - &other.0)
    }

    /// The hosts, in inventory order.
    pub fn iter(&self) -> Copied<btree_set::Iter<'_, HostId>> {
        self.0.iter().copied()
    }
}

impl Extend<HostId> for HostSet {
    fn extend<I: IntoIterator<Item = HostId>>(&mut self, hosts: I) {
        self.0.extend(hosts);
    }
}

impl FromIterator<HostId> for HostSet {
    fn from_iter<I: IntoIterator<Item = HostId>>(hosts: I) -> Self {
        Self(hosts.into_iter().collect())
    }
}

impl<'a> IntoIterator for &'a HostSet {
    type Item = HostId;
    type IntoIter = Copied<btree_set::Iter<'a, HostId>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
