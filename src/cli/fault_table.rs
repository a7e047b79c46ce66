//! Faults of hosts, by cause: each reason with its hosts folded, and the way out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::inventory::{HostId, fold};

/// Reasons of one cause that are told apart.
const REASONS_MAX: usize = 3;

/// Hosts with the same cause.
#[derive(Debug, Default)]
struct Group {
    hosts: BTreeSet<HostId>,
    next_step: &'static str,
    /// By reason, in the order they came.
    reasons: Vec<(String, Vec<HostId>)>,
}

/// Every fault of every host.
#[derive(Debug, Default)]
pub(super) struct FaultTable {
    groups: BTreeMap<&'static str, Group>,
}

impl FaultTable {
    /// Adds a fault.
    pub(super) fn add(&mut self, host: HostId, cause: &'static str, next_step: &'static str, reason: String) {
        let group = self.groups.entry(cause).or_default();
        group.hosts.insert(host);
        group.next_step = next_step;
        match group.reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, hosts)) => hosts.push(host),
            None => group.reasons.push((reason, vec![host])),
        }
    }

    /// The hosts of each cause.
    pub(super) fn causes(&self) -> impl Iterator<Item = (&'static str, &BTreeSet<HostId>)> {
        self.groups.iter().map(|(cause, group)| (*cause, &group.hosts))
    }

    /// The table, the causes of most hosts first; `more` is where all reasons of a cause are to be found.
    pub(super) fn text<'n>(&self, name: &dyn Fn(HostId) -> &'n str, more: &str) -> String {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|(cause, group)| (std::cmp::Reverse(group.hosts.len()), **cause));
        let mut text = String::new();
        for (cause, group) in groups {
            let folded = |hosts: &mut dyn Iterator<Item = &HostId>| fold(hosts.map(|host| name(*host)));
            let _ = writeln!(text, "{cause:<32} {}", folded(&mut group.hosts.iter()));
            for (reason, hosts) in group.reasons.iter().take(REASONS_MAX) {
                let whose = match (group.hosts.len(), hosts.as_slice()) {
                    (1, _) => String::new(),
                    (_, [only]) => format!("{}: ", name(*only)),
                    (_, hosts) if group.reasons.len() > 1 => format!("{}: ", folded(&mut hosts.iter())),
                    _ => String::new(),
                };
                let _ = writeln!(text, "    {whose}{reason}");
            }
            if let Some(rest) = group.reasons.len().checked_sub(REASONS_MAX).filter(|rest| *rest > 0) {
                let _ = writeln!(text, "    and {rest} more of the kind ({more})");
            }
            let _ = writeln!(text, "    next: {}\n", group.next_step);
        }
        text
    }
}
