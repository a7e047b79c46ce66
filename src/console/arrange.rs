//! Where the hosts lie on the map: in the order of the inventory, or grouped by the value of a label. Decided by names
//! and labels alone, so that nothing that happens in a run moves a host.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::filter::Labels;
use crate::inventory::HostId;
use crate::rollout::PlannedHost;

/// Hosts with the same value of the label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// The value; empty when there is one group only, the fleet.
    pub(super) name: String,
    /// The position of its first host.
    pub(super) first: usize,
    /// How many hosts it has.
    pub(super) len: usize,
}

/// The order of the map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Arrangement {
    label: Option<String>,
    /// The index in the fleet of the host at each position.
    order: Vec<usize>,
    /// The position of the host at each index.
    positions: Vec<usize>,
    groups: Vec<Group>,
}

/// Groups of a label that can be arranged by it: with more, a screen shows nothing but names.
const GROUPS_MAX: usize = 256;

/// Labels that people think in first.
const USUAL: [&str; 3] = ["group", "zone", "rack"];

/// The name of the hosts that do not have the label.
const WITHOUT: &str = "-";

impl Arrangement {
    /// The fleet in the order of the inventory.
    pub(super) fn plain(hosts: usize) -> Self {
        let order: Vec<usize> = (0..hosts).collect();
        let whole = Group { name: String::new(), first: 0, len: hosts };
        Self { label: None, positions: order.clone(), order, groups: vec![whole] }
    }

    /// The fleet grouped by a label; within a group in the order of the inventory.
    pub(super) fn by(label: &str, labels: &Labels, hosts: &[PlannedHost]) -> Self {
        let values: Vec<&str> = hosts.iter().map(|host| value(labels, host.id, label).unwrap_or(WITHOUT)).collect();
        let mut order: Vec<usize> = (0..hosts.len()).collect();
        order.sort_by(|one, other| {
            let (one, other) = (values[*one], values[*other]);
            (one == WITHOUT).cmp(&(other == WITHOUT)).then_with(|| natural(one, other))
        });
        let mut positions = vec![0; order.len()];
        order.iter().enumerate().for_each(|(position, index)| positions[*index] = position);
        let mut groups: Vec<Group> = Vec::new();
        for (first, index) in order.iter().enumerate() {
            match groups.last_mut() {
                Some(group) if group.name == values[*index] => group.len += 1,
                Some(_) | None => groups.push(Group { name: values[*index].to_owned(), first, len: 1 }),
            }
        }
        Self { label: Some(label.to_owned()), order, positions, groups }
    }

    /// The label it is grouped by.
    pub(super) fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// The groups, in their order.
    pub(super) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The group that this position of the map is in.
    pub(super) fn group_at(&self, position: usize) -> Option<usize> {
        self.groups.partition_point(|group| group.first <= position).checked_sub(1)
    }

    /// The indices of the hosts, in the order of the map.
    pub(super) fn order(&self) -> &[usize] {
        &self.order
    }

    /// The position of the host with this index in the fleet.
    pub(super) fn position(&self, index: usize) -> usize {
        self.positions.get(index).copied().unwrap_or_default()
    }
}

/// The labels the fleet can be grouped by: more than one value, and not nearly one a host.
pub(super) fn candidates(labels: &Labels, hosts: &[PlannedHost]) -> Vec<String> {
    let all: BTreeSet<&str> =
        hosts.iter().flat_map(|host| labels.of(host.id)).map(|(label, _)| label.as_str()).collect();
    let parts = |label: &str| {
        let values: BTreeSet<_> = hosts.iter().map(|host| value(labels, host.id, label)).collect();
        (2..=GROUPS_MAX).contains(&values.len()) && values.len() * 2 <= hosts.len()
    };
    let usual = USUAL.into_iter().filter(|label| all.contains(label));
    let others = all.iter().copied().filter(|label| !USUAL.contains(label));
    usual.chain(others).filter(|label| parts(label)).map(str::to_owned).collect()
}

fn value<'a>(labels: &'a Labels, host: HostId, label: &str) -> Option<&'a str> {
    labels.of(host).iter().find(|(key, _)| key == label).map(|(_, value)| value.as_str())
}

/// `r2` before `r10`: digits compare as numbers.
fn natural(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one, other);
    loop {
        let (Some(a), Some(b)) = (one.chars().next(), other.chars().next()) else { return one.cmp(other) };
        if a.is_ascii_digit() && b.is_ascii_digit() {
            let (left, right) = (digits(one), digits(other));
            let (x, y) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
            let ordering = x.len().cmp(&y.len()).then_with(|| x.cmp(y)).then_with(|| left.cmp(right));
            if ordering.is_ne() {
                return ordering;
            }
            (one, other) = (&one[left.len()..], &other[right.len()..]);
        } else if a == b {
            (one, other) = (&one[a.len_utf8()..], &other[b.len_utf8()..]);
        } else {
            return a.cmp(&b);
        }
    }
}

/// The digits a text begins with.
fn digits(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Host;
    use crate::rollout::Caps;

    fn fleet(racks: &[Option<&str>]) -> (Labels, Vec<PlannedHost>) {
        let mut labels = Labels::default();
        let planned = |(id, rack): (u32, Option<&str>)| {
            let name = format!("web{id}");
            let mut host = Host::new(&name);
            host.groups = vec!["web".to_owned()];
            host.tags.insert("serial".to_owned(), name.clone());
            if let Some(rack) = rack {
                host.tags.insert("rack".to_owned(), rack.to_owned());
            }
            labels.describe(HostId(id), &host);
            let (id, destination) = (HostId(id), String::new());
            PlannedHost {
                id,
                name,
                destination,
                swarm_address: None,
                zone: None,
                caps: Caps::default(),
                owner: crate::control::Owner::default(),
            }
        };
        let hosts = (0..).zip(racks.iter().copied()).map(planned).collect();
        (labels, hosts)
    }

    #[test]
    fn groups_are_in_natural_order_and_hosts_in_that_of_the_inventory() {
        let (labels, hosts) = fleet(&[Some("r10"), Some("r2"), None, Some("r10"), Some("r2")]);
        let map = Arrangement::by("rack", &labels, &hosts);
        assert_eq!(map.order(), [1, 4, 0, 3, 2]);
        let groups: Vec<_> = map.groups().iter().map(|group| (group.name.as_str(), group.first, group.len)).collect();
        assert_eq!(groups, [("r2", 0, 2), ("r10", 2, 2), ("-", 4, 1)]);
        assert!((0..5).all(|index| map.order()[map.position(index)] == index));
    }

    #[test]
    fn only_labels_that_part_the_fleet_are_offered() {
        let (labels, hosts) = fleet(&[Some("a"), Some("a"), Some("b"), Some("b")]);
        assert_eq!(candidates(&labels, &hosts), ["rack"]);
    }

    #[test]
    fn digits_compare_as_numbers() {
        for (one, other) in [("r2", "r10"), ("r02", "r10"), ("a", "b"), ("a1b2", "a1b10"), ("a", "a1")] {
            assert_eq!(natural(one, other), Ordering::Less, "{one} {other}");
            assert_eq!(natural(other, one), Ordering::Greater, "{one} {other}");
        }
        assert_eq!(natural("r7", "r7"), Ordering::Equal);
    }
}
