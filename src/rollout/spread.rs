//! Of hosts that share something one at a time has its turn: a rack, a cluster, a power feed.

use std::collections::{BTreeMap, BTreeSet};

use super::PlannedHost;
use super::session::Slot;
use crate::inventory::HostId;

/// Who has the turn of each set of hosts, and who waits for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Spread {
    /// The set of each host that is in one.
    of: BTreeMap<Slot, usize>,
    sets: Vec<Berth>,
}

#[derive(Debug, Clone, Default)]
struct Berth {
    holder: Option<Slot>,
    queue: BTreeSet<Slot>,
}

impl Spread {
    /// Nobody has a turn yet.
    pub(super) fn new(fleet: &[PlannedHost], shared: &BTreeMap<HostId, String>) -> Self {
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        let mut of = BTreeMap::new();
        for (slot, host) in (0..).map(Slot).zip(fleet) {
            if let Some(shared) = shared.get(&host.id) {
                let next = numbers.len();
                of.insert(slot, *numbers.entry(shared).or_insert(next));
            }
        }
        Self { of, sets: vec![Berth::default(); numbers.len()] }
    }

    /// Takes the turn of the host's set, or queues for it; true when the host has it.
    pub(super) fn take(&mut self, slot: Slot) -> bool {
        let Some(set) = self.of.get(&slot) else { return true };
        let berth = &mut self.sets[*set];
        let holder = *berth.holder.get_or_insert(slot);
        if holder == slot {
            berth.queue.remove(&slot);
        } else {
            berth.queue.insert(slot);
        }
        holder == slot
    }

    /// The host needs no turn any more; the next of its set gets it, if the host had it.
    pub(super) fn release(&mut self, slot: Slot) -> Option<Slot> {
        let berth = &mut self.sets[*self.of.get(&slot)?];
        berth.queue.remove(&slot);
        if berth.holder != Some(slot) {
            return None;
        }
        berth.holder = berth.queue.pop_first();
        berth.holder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_set_at_a_time() {
        let mut spread = Spread { of: BTreeMap::new(), sets: vec![Berth::default()] };
        spread.of.extend([(Slot(0), 0), (Slot(1), 0), (Slot(2), 0)]);
        assert!(spread.take(Slot(0)) && spread.take(Slot(0)) && spread.take(Slot(7)));
        assert!(!spread.take(Slot(2)) && !spread.take(Slot(1)));
        assert_eq!(spread.release(Slot(2)), None);
        assert_eq!(spread.release(Slot(0)), Some(Slot(1)));
        assert!(spread.take(Slot(1)));
        assert_eq!((spread.release(Slot(1)), spread.take(Slot(2))), (None, true));
    }
}
