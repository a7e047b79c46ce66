//! Who is in which group, once groups include and exclude each other.

use toml::Spanned;

use super::reader::Reader;
use super::sections::Sections;
use super::selector::{Selector, TermKind};
use super::{HostSet, Inventory};

/// Fills in the members of every group: its own hosts and what it includes, less what it excludes.
pub(super) fn settle_groups(inventory: &mut Inventory, sections: &Sections, own: &[HostSet], reader: &mut Reader<'_>) {
    let marks = vec![Mark::New; sections.groups.len()];
    let mut walk = Walk { inventory, sections, own, reader, marks, path: Vec::new() };
    for index in 0..sections.groups.len() {
        walk.settle(index);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    Underway,
    Settled,
}

/// A walk through the groups, each after those it refers to.
struct Walk<'a, 'r> {
    inventory: &'a mut Inventory,
    sections: &'a Sections,
    own: &'a [HostSet],
    reader: &'a mut Reader<'r>,
    marks: Vec<Mark>,
    /// The groups under way, from the first.
    path: Vec<usize>,
}

impl<'a> Walk<'a, '_> {
    fn settle(&mut self, index: usize) {
        if self.marks[index] != Mark::New {
            return;
        }
        self.marks[index] = Mark::Underway;
        self.path.push(index);
        let group = &self.sections.groups[index];
        let mut hosts = self.own[index].clone();
        for entry in &group.include {
            hosts.extend(&self.members(entry));
        }
        for entry in &group.exclude {
            let out = self.members(entry);
            if !out.is_empty() && hosts.intersection(&out).is_empty() {
                let message = format!("`{}` takes nobody out of group `{}`", entry.0.get_ref(), group.name);
                self.reader.warn(&entry.0.span(), message);
            }
            hosts = hosts.minus(&out);
        }
        self.inventory.groups[index].hosts = hosts;
        self.path.pop();
        self.marks[index] = Mark::Settled;
    }

    /// The hosts that an include or exclude means, after the groups it names are settled.
    fn members(&mut self, (text, selector): &'a (Spanned<String>, Selector)) -> HostSet {
        for term in selector.terms() {
            let (TermKind::Name(name) | TermKind::At(name)) = &term.kind else { continue };
            let Some(index) = self.sections.groups.iter().position(|group| group.name == *name) else { continue };
            let span = self.reader.within(text, &term.span);
            if self.marks[index] == Mark::Underway {
                let message = self.cycle(index);
                self.reader.error(&span, message);
                return HostSet::new();
            }
            if self.path.len() >= DEPTH_MAX {
                self.reader
                    .error(&span, format!("groups refer to each other more than {DEPTH_MAX} deep; name hosts here"));
                return HostSet::new();
            }
            self.settle(index);
        }
        match self.inventory.select_within(text.get_ref(), selector) {
            Ok(hosts) => hosts,
            Err((span, fault)) => {
                let span = self.reader.within(text, &span);
                self.reader.error(&span, fault.to_string());
                HostSet::new()
            }
        }
    }

    fn cycle(&self, index: usize) -> String {
        let groups = &self.sections.groups;
        let start = self.path.iter().position(|group| *group == index).unwrap_or(0);
        let round = self.path[start..].iter().chain([&index]);
        let names: Vec<String> = round.map(|group| format!("`{}`", groups[*group].name)).collect();
        let declared = self.reader.whereabouts(&groups[index].span);
        format!(
            "group {} (declared at {declared}) refers to itself: {}; take one of them out",
            names[0],
            names.join(" → ")
        )
    }
}

/// Groups that refer to groups that refer to groups.
const DEPTH_MAX: usize = 64;
