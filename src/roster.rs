//! Roster: who takes part, and who is told of whom. Tracker and console choose by this one rule.
//!
//! Three things are wanted of a choice. *Near*: hosts of one zone hear of each other, and only a few of them, the gates,
//! hear of other zones, so that few are asked to bring anything in. *Least loaded*: whoever was handed out least goes
//! first, so that all end up with about as many connections, joined at random. *Bounded*: an answer costs as much as it
//! is long. A newcomer is handed out to the next few who ask, before it takes its turn with all others: all would be sent
//! to one that counted as never handed out, one that got no start would be joined to too few, and hosts that come one
//! after the other and hear of the latest alone would form a chain, through all of which every piece would have to pass.
//!
//! While a fleet comes up, whoever is early hears of few. Otherwise the first would all know each other and nobody else,
//! the seeder among them, and pieces would long go round among them; so they have room for those who come later, and
//! the graph is that of hosts that were all there at once.
//!
//! It does **not** know who is of use to whom: the caller says.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::Zone;

/// Hosts of a zone that are gates: enough to lose some, few enough that all of them know each other.
pub const GATES_MAX: usize = 12;

/// Hosts of other zones that a gate hears of at once.
pub const ABROAD_MAX: usize = 12;

/// Hosts of other zones that all others hear of: not to be dialled while there is anybody near.
pub const RESORT_MAX: usize = 2;

/// Of the hosts that somebody may hear of, the part that it hears of however early it is: enough to be well joined if nobody
/// else comes.
const EARLY_PART: usize = 8;

/// How much less often than the others a newcomer counts as having been handed out: it has had fewer chances.
const HEAD_START: u64 = 6;

/// The same where it is known how many will come: those after it make up for that, and whom each is told of is to be
/// chosen among all, not among the latest.
const HEAD_START_IN_TIME: u64 = 1;

/// Those who take part, by what the caller calls them.
#[derive(Debug, Clone)]
pub struct Roster<K> {
    entries: BTreeMap<K, Entry>,
    quarters: BTreeMap<Option<Zone>, Quarter<K>>,
    /// Gates of all zones and everybody in none, least handed out abroad first.
    gates: Queue<K>,
    joined: u64,
    /// How many will take part, as far as known.
    expected: usize,
}

#[derive(Debug, Clone)]
struct Entry {
    zone: Option<Zone>,
    joined: u64,
    near: Rank,
    /// For a gate: its place among those.
    gate: Option<Rank>,
}

/// How often somebody was handed out; between equals, by lot.
type Rank = (u64, u64);

type Queue<K> = BTreeSet<(Rank, K)>;

#[derive(Debug, Clone)]
struct Quarter<K> {
    queue: Queue<K>,
    /// By when they joined: the first are the gates.
    order: BTreeMap<u64, K>,
    gates: BTreeSet<K>,
}

impl<K> Default for Quarter<K> {
    fn default() -> Self {
        Self { queue: BTreeSet::new(), order: BTreeMap::new(), gates: BTreeSet::new() }
    }
}

impl<K> Default for Roster<K> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), quarters: BTreeMap::new(), gates: BTreeSet::new(), joined: 0, expected: 0 }
    }
}

impl<K: Copy + Ord> Roster<K> {
    /// How many take part.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nobody does.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Somebody takes part from now on, in this zone; whoever does already keeps its place unless it has moved.
    pub fn enter(&mut self, key: K, zone: Option<&Zone>, rng: &mut fastrand::Rng) {
        if self.entries.get(&key).is_some_and(|entry| entry.zone.as_ref() == zone) {
            return;
        }
        self.leave(key, rng);
        self.joined += 1;
        let quarter = self.quarters.entry(zone.cloned()).or_default();
        let near = (newcomer(&quarter.queue, HEAD_START), rng.u64(..));
        quarter.queue.insert((near, key));
        quarter.order.insert(self.joined, key);
        self.entries.insert(key, Entry { zone: zone.cloned(), joined: self.joined, near, gate: None });
        if zone.is_none() || self.quarters.get(&zone.cloned()).is_some_and(|quarter| quarter.gates.len() < GATES_MAX) {
            self.open(key, rng);
        }
    }

    /// Somebody takes part no more. The next of its zone in order becomes a gate, if it was one.
    pub fn leave(&mut self, key: K, rng: &mut fastrand::Rng) {
        let Some(entry) = self.entries.remove(&key) else { return };
        let Some(quarter) = self.quarters.get_mut(&entry.zone) else { return };
        quarter.queue.remove(&(entry.near, key));
        quarter.order.remove(&entry.joined);
        quarter.gates.remove(&key);
        let heir = quarter.order.values().copied().take(GATES_MAX).find(|heir| !quarter.gates.contains(heir));
        if quarter.order.is_empty() {
            self.quarters.remove(&entry.zone);
        }
        if let Some(rank) = entry.gate {
            self.gates.remove(&(rank, key));
            if let Some(heir) = heir.filter(|_| entry.zone.is_some()) {
                self.open(heir, rng);
            }
        }
    }

    /// So many may take part in the end; those there are already count in any case.
    pub const fn expect(&mut self, hosts: usize) {
        self.expected = hosts;
    }

    /// Whom somebody in no zone is told of now, out of `count`: less while but a part of those expected is there, and all
    /// from three quarters of them on.
    fn timely(&self, count: usize) -> usize {
        let part = (count * 4 / 3 * self.len()).div_ceil(self.expected.max(1));
        count.min(part.max(count / EARLY_PART).max(1))
    }

    /// Whether somebody is a gate of that zone, or would be if it took part; in no zone everybody is.
    pub fn is_gate(&self, key: K, zone: Option<&Zone>) -> bool {
        let Some(quarter) = self.quarters.get(&zone.cloned()).filter(|_| zone.is_some()) else { return true };
        quarter.gates.contains(&key) || (quarter.gates.len() < GATES_MAX && !self.entries.contains_key(&key))
    }

    /// At most `count` of those who take part, of whom somebody is to hear, those to be dialled first in front; never
    /// itself, and only who is `useful`. It need not take part.
    pub fn choose(
        &mut self,
        asker: (K, Option<&Zone>),
        count: usize,
        rng: &mut fastrand::Rng,
        useful: impl Fn(K) -> bool,
    ) -> Vec<K> {
        let (key, zone) = asker;
        let count = if zone.is_none() { self.timely(count) } else { count };
        let useful = |other: &K| *other != key && useful(*other);
        let quarter = self.quarters.get(&zone.cloned()).filter(|_| zone.is_some());
        let gates = quarter.map(|quarter| &quarter.gates).filter(|_| self.is_gate(key, zone));
        let fellows: Vec<K> = gates.into_iter().flatten().copied().filter(useful).take(count).collect();
        let is_near = |other: &K| zone.is_some() && self.entries.get(other).is_some_and(|at| at.zone.as_ref() == zone);
        let far = self.gates.iter().map(|(_, other)| *other).filter(|other| !is_near(other)).filter(useful);
        let near = quarter.into_iter().flat_map(|quarter| &quarter.queue).map(|(_, other)| *other).filter(useful);
        let mut near = near.filter(|other| !fellows.contains(other)).peekable();
        let far_max = match (zone, gates) {
            (Some(_), Some(_)) => ABROAD_MAX,
            (Some(_), None) if near.peek().is_some() => RESORT_MAX.min(count / 2),
            (None, _) | (Some(_), None) => count,
        };
        let far: Vec<K> = far.take(far_max.min(count - fellows.len())).collect();
        let near: Vec<K> = near.take(count - fellows.len() - far.len()).collect();
        let in_order = if gates.is_some() { [&fellows, &far, &near] } else { [&fellows, &near, &far] };
        let chosen = in_order.into_iter().flatten().copied().collect();
        self.handed_out(&near, &far, rng);
        chosen
    }

    /// Those who were handed out, near and abroad, go behind the others.
    fn handed_out(&mut self, near: &[K], far: &[K], rng: &mut fastrand::Rng) {
        for key in near {
            let Some(entry) = self.entries.get_mut(key) else { continue };
            let Some(quarter) = self.quarters.get_mut(&entry.zone) else { continue };
            quarter.queue.remove(&(entry.near, *key));
            entry.near = (entry.near.0 + 1, rng.u64(..));
            quarter.queue.insert((entry.near, *key));
        }
        for key in far {
            let Some(rank) = self.entries.get_mut(key).and_then(|entry| entry.gate.as_mut()) else { continue };
            self.gates.remove(&(*rank, *key));
            *rank = (rank.0 + 1, rng.u64(..));
            self.gates.insert((*rank, *key));
        }
    }

    /// Somebody becomes a gate.
    fn open(&mut self, key: K, rng: &mut fastrand::Rng) {
        let timely = self.expected > 0 && self.entries.get(&key).is_some_and(|entry| entry.zone.is_none());
        let head_start = if timely { HEAD_START_IN_TIME } else { HEAD_START };
        let rank = (newcomer(&self.gates, head_start), rng.u64(..));
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.gate = Some(rank);
        self.gates.insert((rank, key));
        if let Some(quarter) = self.quarters.get_mut(&entry.zone).filter(|_| entry.zone.is_some()) {
            quarter.gates.insert(key);
        }
    }
}

/// How often a newcomer counts as having been handed out, given the others.
fn newcomer<K: Ord>(queue: &Queue<K>, head_start: u64) -> u64 {
    queue.last().map_or(0, |((most, _), _)| most.saturating_sub(head_start))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A roster of hosts 0, 1, 2, … in `zones` zones by turns, or in none when there are none.
    fn roster(hosts: u32, zones: u32) -> (Roster<u32>, fastrand::Rng) {
        let (mut roster, mut rng) = (Roster::default(), fastrand::Rng::with_seed(1));
        (0..hosts).for_each(|host| roster.enter(host, zone(host, zones).as_ref(), &mut rng));
        (roster, rng)
    }

    fn zone(host: u32, zones: u32) -> Option<Zone> {
        host.checked_rem(zones).map(|zone| format!("z{zone}").parse().unwrap())
    }

    #[test]
    fn everybody_is_handed_out_as_often_as_everybody_else() {
        let (mut roster, mut rng) = roster(100, 0);
        let mut handed = BTreeMap::new();
        for host in 0..100 {
            for other in roster.choose((host, None), 20, &mut rng, |_| true) {
                assert_ne!(other, host);
                *handed.entry(other).or_insert(0) += 1;
            }
        }
        let (least, most) = (handed.values().min().unwrap(), handed.values().max().unwrap());
        assert!(handed.len() == 100 && most - least <= 2, "{least} to {most}");
    }

    #[test]
    fn a_newcomer_is_not_handed_out_to_all() {
        let (mut roster, mut rng) = roster(100, 0);
        (0..100).for_each(|host| drop(roster.choose((host, None), 20, &mut rng, |_| true)));
        roster.enter(500, None, &mut rng);
        let told = (0..100).filter(|host| roster.choose((*host, None), 20, &mut rng, |_| true).contains(&500)).count();
        assert!((10..=30).contains(&told), "{told}");
    }

    #[test]
    fn those_who_come_one_after_the_other_are_few_steps_apart() {
        let (mut roster, mut rng) = (Roster::default(), fastrand::Rng::with_seed(1));
        let mut joined = vec![Vec::new(); 2000];
        for host in 0..joined.len() {
            roster.enter(host, None, &mut rng);
            for other in roster.choose((host, None), 50, &mut rng, |_| true).into_iter().take(12) {
                joined[host].push(other);
                joined[other].push(host);
            }
        }
        let mut reached = BTreeSet::from([0]);
        for _ in 0..4 {
            reached = reached.iter().flat_map(|host| &joined[*host]).copied().chain(reached.iter().copied()).collect();
        }
        assert_eq!(reached.len(), joined.len());
    }

    #[test]
    fn those_who_come_first_are_strangers_to_each_other_when_more_are_expected() {
        let (mut roster, mut rng) = (Roster::default(), fastrand::Rng::with_seed(1));
        roster.expect(1000);
        let told: Vec<Vec<u32>> = (0..1000)
            .map(|host| {
                roster.enter(host, None, &mut rng);
                roster.choose((host, None), 48, &mut rng, |_| true)
            })
            .collect();
        let hear_of_the_first = told.iter().filter(|told| told.contains(&0)).count();
        assert!(told[..90].iter().all(|told| told.len() <= 6), "{told:?}");
        assert!(told[760..].iter().all(|told| told.len() == 48));
        let late = told[500..].iter().filter(|told| told.contains(&0)).count();
        assert!(late * 3 > hear_of_the_first, "{late} of {hear_of_the_first}");
    }

    #[test]
    fn in_a_small_fleet_everybody_hears_of_everybody() {
        let (mut roster, mut rng) = (Roster::default(), fastrand::Rng::with_seed(1));
        roster.expect(60);
        for host in 0..49 {
            roster.enter(host, None, &mut rng);
            assert_eq!(roster.choose((host, None), 50, &mut rng, |_| true).len(), host);
        }
    }

    #[test]
    fn few_hosts_hear_of_other_zones_first_and_all_of_somebody_as_a_last_resort() {
        let (mut roster, mut rng) = roster(400, 4);
        for host in 0..400 {
            let chosen = roster.choose((host, zone(host, 4).as_ref()), 50, &mut rng, |_| true);
            let far: Vec<_> = chosen.iter().map(|other| other % 4 != host % 4).collect();
            let count = far.iter().filter(|far| **far).count();
            assert_eq!((chosen.len(), chosen.iter().collect::<BTreeSet<_>>().len()), (50, 50));
            if (host as usize) < 4 * GATES_MAX {
                assert_eq!(count, ABROAD_MAX);
                assert!(chosen[..GATES_MAX - 1].iter().all(|other| (*other as usize) < 4 * GATES_MAX));
            } else {
                assert_eq!(count, RESORT_MAX);
                assert!(far.ends_with(&[true; RESORT_MAX]));
            }
        }
    }

    #[test]
    fn another_becomes_a_gate_when_one_is_gone() {
        let (mut roster, mut rng) = roster(100, 2);
        let abroad = |roster: &mut Roster<u32>, rng: &mut fastrand::Rng, host: u32| {
            let chosen = roster.choose((host, zone(host, 2).as_ref()), 50, rng, |_| true);
            chosen.iter().filter(|other| *other % 2 != host % 2).count()
        };
        let next = 2 * GATES_MAX as u32;
        assert_eq!(abroad(&mut roster, &mut rng, next), RESORT_MAX);
        roster.leave(0, &mut rng);
        assert_eq!(abroad(&mut roster, &mut rng, next), ABROAD_MAX);
        assert_eq!(roster.len(), 99);
    }

    #[test]
    fn a_host_alone_in_its_zone_hears_of_all_others() {
        let (mut roster, mut rng) = roster(30, 3);
        let alone = "alone".parse().unwrap();
        assert_eq!(roster.choose((99, Some(&alone)), 20, &mut rng, |_| true).len(), 20);
        assert_eq!(roster.choose((99, None), 3, &mut rng, |other| other % 2 == 0).len(), 3);
        assert_eq!(roster.choose((99, None), 50, &mut rng, |other| other == 7), [7]);
    }
}
