//! Which hosts have their turn together, and how far each wave is.

use std::collections::{BTreeMap, BTreeSet};

use super::session::Slot;
use super::{PlannedHost, Policy, StateName};
use crate::inventory::{HostId, Share};

/// A host that is to be put into a wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Which.
    pub id: HostId,
    /// It comes before all that are none.
    pub canary: bool,
    /// What it shares with hosts that should not have their turn with it.
    pub spread: Option<&'a str>,
}

impl Policy {
    /// Divides hosts into waves: canaries first, in one of their own, then as many as each step says, counted from the start.
    /// Hosts that share something are put as far apart as there is room. What no step holds comes in a last wave; a
    /// step that adds nothing makes none.
    pub fn divide(hosts: &[Candidate<'_>], steps: &[Share]) -> Vec<Vec<HostId>> {
        type Few<'a> = Vec<&'a Candidate<'a>>;
        let (canaries, others): (Few<'_>, Few<'_>) = hosts.iter().partition(|host| host.canary);
        let mut order: Vec<HostId> = canaries.iter().map(|host| host.id).collect();
        let mut ends = vec![order.len()];
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        let mut ranked: Vec<(usize, HostId)> = Vec::with_capacity(others.len());
        for host in others {
            let rank = host.spread.map_or(0, |shared| {
                let rank = seen.entry(shared).or_default();
                *rank += 1;
                *rank - 1
            });
            ranked.push((rank, host.id));
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        order.extend(ranked.into_iter().map(|(_, id)| id));
        ends.extend(steps.iter().map(|step| step.of(hosts.len())));
        ends.push(hosts.len());
        let mut waves = Vec::new();
        let mut start = 0;
        for end in ends {
            if end > start {
                waves.push(order[start..end].to_vec());
                start = end;
            }
        }
        waves
    }
}

/// How far a wave is.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    unsettled: usize,
    done: usize,
    /// Failed or not reached.
    bad: usize,
}

/// The waves of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Waves {
    /// The wave of each host of the fleet.
    of: Vec<usize>,
    members: Vec<Vec<Slot>>,
    tallies: Vec<Tally>,
    /// How many waves have their turn.
    open: usize,
    /// Hosts to which nothing has happened.
    fresh: BTreeSet<Slot>,
}

impl Waves {
    /// The first wave has its turn at once.
    pub(super) fn new(fleet: &[PlannedHost], waves: &[Vec<HostId>]) -> Self {
        let slots: BTreeMap<HostId, Slot> = fleet.iter().map(|host| host.id).zip((0..).map(Slot)).collect();
        let mut of = vec![usize::MAX; fleet.len()];
        let mut members: Vec<Vec<Slot>> = Vec::new();
        for wave in waves {
            let mut named: Vec<Slot> = wave.iter().filter_map(|id| slots.get(id).copied()).collect();
            // A host has its turn in the first wave that names it.
            named.retain(|slot| of[slot.0] == usize::MAX);
            for slot in &named {
                of[slot.0] = members.len();
            }
            if !named.is_empty() {
                members.push(named);
            }
        }
        let rest: Vec<Slot> = (0..fleet.len()).map(Slot).filter(|slot| of[slot.0] == usize::MAX).collect();
        if !rest.is_empty() || members.is_empty() {
            for slot in &rest {
                of[slot.0] = members.len();
            }
            members.push(rest);
        }
        let tallies = members.iter().map(|wave| Tally { unsettled: wave.len(), ..Tally::default() }).collect();
        Self { of, members, tallies, open: 1, fresh: (0..fleet.len()).map(Slot).collect() }
    }

    /// How many there are.
    pub(super) const fn count(&self) -> usize {
        self.members.len()
    }

    /// How many have their turn.
    pub(super) const fn open(&self) -> usize {
        self.open
    }

    /// The wave of a host of the fleet, from 0.
    pub(super) fn of(&self, slot: Slot) -> Option<usize> {
        self.of.get(slot.0).copied()
    }

    /// Whether the place has its turn; a place outside the fleet always has.
    pub(super) fn is_open(&self, slot: Slot) -> bool {
        self.of(slot).is_none_or(|wave| wave < self.open)
    }

    /// The hosts of a wave.
    pub(super) fn members(&self, wave: usize) -> &[Slot] {
        self.members.get(wave).map_or(&[], Vec::as_slice)
    }

    /// Whether every host of the waves that have their turn is settled.
    pub(super) fn are_over(&self) -> bool {
        self.tallies[..self.open].iter().all(|tally| tally.unsettled == 0)
    }

    /// Hosts of a wave that are not settled, done, and failed or not reached.
    pub(super) fn tally(&self, wave: usize) -> (usize, usize, usize) {
        self.tallies.get(wave).map_or((0, 0, 0), |tally| (tally.unsettled, tally.done, tally.bad))
    }

    /// Whether no wave is left.
    pub(super) const fn is_last(&self) -> bool {
        self.open >= self.members.len()
    }

    /// The next wave has its turn.
    pub(super) fn open_next(&mut self) {
        self.open = (self.open + 1).min(self.members.len());
    }

    /// The first `open` waves have their turn, as another console had opened them.
    pub(super) fn reopen(&mut self, open: usize) {
        self.open = open.clamp(1, self.members.len());
    }

    /// How many hosts were never launched.
    pub(super) fn fresh(&self) -> usize {
        self.fresh.len()
    }

    /// A place changed its state.
    pub(super) fn moved(&mut self, slot: Slot, from: StateName, to: StateName) {
        let Some(wave) = self.of(slot) else { return };
        self.fresh.remove(&slot);
        let tally = &mut self.tallies[wave];
        for (state, by) in [(from, -1), (to, 1)] {
            let add = |count: &mut usize| *count = count.saturating_add_signed(by);
            match state {
                StateName::Done => add(&mut tally.done),
                StateName::Failed | StateName::Unreachable => add(&mut tally.bad),
                StateName::Aborted | StateName::Skipped => {}
                StateName::Waiting
                | StateName::Connecting
                | StateName::Bootstrapping
                | StateName::Fetching
                | StateName::Stalled
                | StateName::Verifying
                | StateName::Unpacking => add(&mut tally.unsettled),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divide(hosts: &[Candidate<'_>], steps: &[&str]) -> Vec<Vec<u32>> {
        let steps: Vec<Share> = steps.iter().map(|step| step.parse().expect(step)).collect();
        let waves = Policy::divide(hosts, &steps);
        waves.into_iter().map(|wave| wave.into_iter().map(|id| id.0).collect()).collect()
    }

    fn plain(count: u32) -> Vec<Candidate<'static>> {
        (0..count).map(|id| Candidate { id: HostId(id), canary: false, spread: None }).collect()
    }

    #[test]
    fn steps_count_from_the_start_and_the_rest_comes_last() {
        let sizes =
            |hosts, steps: &[&str]| -> Vec<usize> { divide(&plain(hosts), steps).iter().map(Vec::len).collect() };
        assert_eq!(sizes(20, &["1", "10%", "50%", "100%"]), [1, 1, 8, 10]);
        assert_eq!(sizes(4, &["1", "10%", "50%", "100%"]), [1, 1, 2]);
        assert_eq!(sizes(20, &["25%"]), [5, 15]);
        assert_eq!(sizes(3, &[]), [3]);
        assert_eq!(sizes(0, &["1"]), [0_usize; 0]);
    }

    #[test]
    fn canaries_come_first_and_racks_take_turns() {
        let mut hosts = plain(6);
        hosts[4].canary = true;
        for (host, rack) in hosts.iter_mut().zip(["a", "a", "b", "b", "a", "c"]) {
            host.spread = Some(rack);
        }
        assert_eq!(divide(&hosts, &["1", "50%"]), [vec![4], vec![0, 2], vec![5, 1, 3]]);
    }

    #[test]
    fn hosts_that_no_wave_names_are_in_a_last_one() {
        let host = |id| PlannedHost {
            id: HostId(id),
            name: String::new(),
            destination: String::new(),
            swarm_address: None,
            zone: None,
            caps: super::super::Caps::default(),
            owner: crate::control::Owner::default(),
        };
        let fleet: Vec<_> = (0..4).map(host).collect();
        let waves = Waves::new(&fleet, &[vec![HostId(2), HostId(9)], vec![HostId(2)]]);
        assert_eq!((waves.count(), waves.members(0), waves.members(1).len()), (2, [Slot(2)].as_slice(), 3));
        assert!(waves.is_open(Slot(2)) && !waves.is_open(Slot(0)) && waves.is_open(Slot(99)));
    }
}
