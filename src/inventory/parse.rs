//! TOML to [`Inventory`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::DeTable;

use super::host_name::parse_host_name;
use super::membership;
use super::nearest::did_you_mean;
use super::reader::Reader;
use super::sections::Sections;
use super::settings::{Conflicts, Settings};
use super::{
    Diagnostic, Diagnostics, EXPANSION_MAX, Group, Host, HostId, HostPattern, HostSet, Place, Roles, RolloutSettings,
    Severity, Standing, SwarmSettings,
};

/// The fleet as its operator wrote it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// Every host once: those of the groups and `[host]` sections in file order, then those only `[roles]` names.
    pub hosts: Vec<Host>,
    /// The groups, in file order.
    pub groups: Vec<Group>,
    /// Who seeds and who tracks.
    pub roles: Roles,
    /// What the whole swarm has in common.
    pub swarm: SwarmSettings,
    /// How a run goes through the fleet.
    pub rollout: RolloutSettings,
    /// The file it came from.
    pub path: PathBuf,
    /// What is allowed but looks like a mistake.
    pub warnings: Vec<Diagnostic>,
    /// The hosts by name, in lower case.
    pub(super) names: BTreeMap<String, HostId>,
}

impl Inventory {
    /// Reads an inventory; `path` is only what errors call it.
    ///
    /// # Errors
    ///
    /// All that is wrong with the text; of a text that is not TOML, only what the TOML parser says.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Diagnostics> {
        let place = path.display().to_string();
        let mut reader = Reader::new(&place, text);
        if text.len() > TEXT_MAX {
            reader.error(
                &(0..0),
                format!("an inventory of more than {TEXT_MAX} bytes is not read; write ranges: `web[001-250]`"),
            );
            return Err(Diagnostics::new(reader.found));
        }
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let hint =
                if error.message() == "duplicate key" { "; a key stands once in a table: merge the two" } else { "" };
            reader.error(&error.span().unwrap_or_default(), format!("not TOML: {}{hint}", error.message()));
        }
        if !errors.is_empty() {
            return Err(Diagnostics::new(reader.found));
        }
        let sections = Sections::read(&mut reader, document.get_ref());
        let mut inventory = Self::named(path, &sections, &mut reader);
        inventory.settle(&sections, &mut reader);
        let (errors, warnings): (Vec<_>, Vec<_>) =
            reader.found.into_iter().partition(|diagnostic| diagnostic.severity == Severity::Error);
        if !errors.is_empty() {
            return Err(Diagnostics::new(errors));
        }
        inventory.warnings = Diagnostics::new(warnings).into();
        Ok(inventory)
    }

    /// Every host by name and every group with its members; helpers and settings are still to come.
    fn named(path: &Path, sections: &Sections, reader: &mut Reader<'_>) -> Self {
        let mut inventory = Self {
            hosts: Vec::new(),
            groups: Vec::new(),
            roles: Roles::default(),
            swarm: sections.swarm.clone(),
            rollout: sections.rollout.settings.clone(),
            path: path.to_owned(),
            warnings: Vec::new(),
            names: BTreeMap::new(),
        };
        let own = inventory.declare(sections, reader);
        let helpers = sections.helpers();
        for (id, host) in (0..).map(HostId).zip(&mut inventory.hosts) {
            if helpers.contains(&host.name.to_ascii_lowercase()) && !own.iter().any(|group| group.contains(id)) {
                host.standing = Standing::Helper;
            }
        }
        membership::settle_groups(&mut inventory, sections, &own, reader);
        inventory
    }

    /// Declares hosts in file order and groups with no member yet; returns the hosts each group names itself.
    fn declare(&mut self, sections: &Sections, reader: &mut Reader<'_>) -> Vec<HostSet> {
        enum Declaration<'a> {
            Group(usize, &'a Spanned<String>, &'a HostPattern),
            Host(&'a Spanned<String>, &'a HostPattern),
        }
        let mut own = vec![HostSet::new(); sections.groups.len()];
        let mut declarations = Vec::new();
        for (index, group) in sections.groups.iter().enumerate() {
            self.groups.push(Group { name: group.name.clone(), hosts: HostSet::new(), line: reader.line(&group.span) });
            declarations.extend(group.hosts.iter().map(|(text, pattern)| Declaration::Group(index, text, pattern)));
        }
        declarations.extend(sections.hosts.iter().map(|host| Declaration::Host(&host.name, &host.pattern)));
        declarations.sort_by_key(|declaration| match declaration {
            Declaration::Group(_, text, _) | Declaration::Host(text, _) => text.span().start,
        });
        for declaration in declarations {
            let (text, pattern) = match &declaration {
                Declaration::Group(_, text, pattern) | Declaration::Host(text, pattern) => (text, pattern),
            };
            if self.hosts.len() as u64 + pattern.count() > EXPANSION_MAX * 2 {
                reader.error(&text.span(), TOO_MANY_HOSTS);
                break;
            }
            for name in pattern.iter() {
                let id = self.add_host(&name);
                if let Declaration::Group(index, ..) = declaration {
                    own[index].insert(id);
                }
            }
            if self.hosts.len() as u64 > EXPANSION_MAX {
                reader.error(&text.span(), TOO_MANY_HOSTS);
                break;
            }
        }
        own
    }

    /// Adds a host that is only on the way to others, unless there is one of that name.
    pub fn add_helper(&mut self, host: Host) {
        if self.find(&host.name).is_none() {
            let id = self.add_host(&host.name);
            self.hosts[id.as_usize()] = Host { standing: Standing::Helper, ..host };
        }
    }

    /// Puts `host` in the place of the one with its name.
    pub fn replace(&mut self, host: Host) {
        if let Some(id) = self.find(&host.name) {
            self.hosts[id.as_usize()] = host;
        }
    }

    /// The host of that name, declared if it is new.
    fn add_host(&mut self, name: &str) -> HostId {
        let name = parse_host_name(name).unwrap_or_else(|_| name.to_owned());
        let next = HostId(self.hosts.len() as u32);
        let id = *self.names.entry(name.to_ascii_lowercase()).or_insert(next);
        if id == next {
            self.hosts.push(Host::new(&name));
        }
        id
    }

    /// Gives every host its groups, settings and standing, drops who was excluded everywhere, and fills the roles.
    fn settle(&mut self, sections: &Sections, reader: &mut Reader<'_>) {
        let mut own: BTreeMap<HostId, Vec<usize>> = BTreeMap::new();
        for (index, section) in sections.hosts.iter().enumerate() {
            for id in section.pattern.iter().filter_map(|name| self.find(&name)) {
                own.entry(id).or_default().push(index);
            }
        }
        self.drop_excluded(&mut own);
        let declared = self.hosts.len();
        self.roles.seeder = sections.seeder.as_ref().map(|name| self.place(name));
        self.roles.tracker = sections.tracker.as_ref().map(|name| self.place(name));
        settle_hosts(&mut self.hosts, &self.groups, sections, &own, reader);
        for (index, host) in self.hosts.iter_mut().enumerate() {
            let only_serves = host.standing == Standing::Helper || index >= declared;
            host.standing = if only_serves && host.groups.is_empty() { Standing::Helper } else { Standing::Fleet };
        }
        if let Some(zone) = &self.swarm.zone
            && !self.hosts.iter().any(|host| host.tags.contains_key(zone))
        {
            let hint = did_you_mean(zone, self.hosts.iter().flat_map(|host| host.tags.keys()).map(String::as_str));
            reader.warn(&sections.zone_span, format!("no host has the tag `{zone}`, so none is near another{hint}"));
        }
        sections.rollout.settle(self, reader);
        for (group, section) in self.groups.iter().zip(&sections.groups) {
            if self.find(&group.name).is_some() {
                let message = format!("`{}` is a group and a host; as a selector it means the group", group.name);
                reader.warn(&section.span, message);
            }
        }
    }

    /// Takes out the hosts that are in no group and have no section: every group that named them excludes them.
    fn drop_excluded(&mut self, own: &mut BTreeMap<HostId, Vec<usize>>) {
        let mut kept: HostSet = self.groups.iter().flat_map(|group| &group.hosts).collect();
        kept.extend(own.keys().copied());
        if kept.len() == self.hosts.len() {
            return;
        }
        let moved: BTreeMap<HostId, HostId> = kept.iter().zip((0..).map(HostId)).collect();
        for group in &mut self.groups {
            group.hosts = group.hosts.iter().filter_map(|id| moved.get(&id).copied()).collect();
        }
        let sections = std::mem::take(own);
        own.extend(sections.into_iter().filter_map(|(id, sections)| Some((*moved.get(&id)?, sections))));
        self.names = std::mem::take(&mut self.names)
            .into_iter()
            .filter_map(|(name, id)| Some((name, *moved.get(&id)?)))
            .collect();
        let hosts = std::mem::take(&mut self.hosts);
        self.hosts = (0..).map(HostId).zip(hosts).filter(|(id, _)| kept.contains(*id)).map(|(_, host)| host).collect();
    }

    fn place(&mut self, name: &Spanned<String>) -> Place {
        match name.get_ref().as_str() {
            "console" => Place::Console,
            name => Place::Host(self.add_host(name)),
        }
    }

    /// The host of that name, in any case.
    pub fn find(&self, name: &str) -> Option<HostId> {
        self.names.get(&name.to_ascii_lowercase()).copied()
    }

    /// What is known about a host; `None` for an id of another inventory.
    pub fn host(&self, id: HostId) -> Option<&Host> {
        self.hosts.get(id.as_usize())
    }

    /// The group of that name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// The hosts a run goes to unless it is limited: all but the helpers.
    pub fn fleet(&self) -> HostSet {
        let ids = (0..).map(HostId);
        ids.zip(&self.hosts).filter(|(_, host)| host.standing == Standing::Fleet).map(|(id, _)| id).collect()
    }

    /// The names of some hosts, in inventory order.
    pub fn names_of<'a>(&'a self, hosts: &'a HostSet) -> impl Iterator<Item = &'a str> {
        hosts.iter().filter_map(|id| self.host(id)).map(|host| host.name.as_str())
    }
}

/// Fills in every host from the defaults, its groups in file order, and its own sections; reports groups at odds.
fn settle_hosts(
    hosts: &mut [Host],
    groups: &[Group],
    sections: &Sections,
    own: &BTreeMap<HostId, Vec<usize>>,
    reader: &mut Reader<'_>,
) {
    let mut of_host: Vec<Vec<usize>> = vec![Vec::new(); hosts.len()];
    for (index, group) in groups.iter().enumerate() {
        for id in &group.hosts {
            of_host[id.as_usize()].push(index);
        }
    }
    let mut conflicts = Conflicts::new(sections.groups.iter().map(|group| &group.settings));
    for (index, host) in hosts.iter_mut().enumerate() {
        let own_sections = own.get(&HostId(index as u32)).into_iter().flatten();
        let own_sections: Vec<_> = own_sections.map(|section| &sections.hosts[*section]).collect();
        let own_settings: Vec<&Settings> = own_sections.iter().map(|section| &section.settings).collect();
        let group_settings = of_host[index].iter().map(|group| &sections.groups[*group].settings);
        for settings in [&sections.defaults].into_iter().chain(group_settings).chain(own_settings.iter().copied()) {
            settings.apply(host);
        }
        for section in own_sections {
            if let Some(address) = &section.address {
                host.address.clone_from(address.get_ref());
            }
            host.swarm_address =
                section.swarm_address.as_ref().map(|address| *address.get_ref()).or(host.swarm_address);
        }
        host.groups = of_host[index].iter().map(|group| groups[*group].name.clone()).collect();
        conflicts.compare(&host.name, &of_host[index], &own_settings);
    }
    for (conflict, host) in &conflicts.found {
        let (earlier, later) = (&groups[conflict.earlier].name, &groups[conflict.later].name);
        let message = format!(
            "`{}` differs from that of group `{earlier}`, which has hosts in common such as {host}; group `{later}` is later \
             and is heard: say it in [host.\"{host}\"], or reorder the groups",
            conflict.key,
        );
        reader.warn(&(conflict.span.0..conflict.span.1), message);
    }
}

const TOO_MANY_HOSTS: &str = "the inventory names more than 200000 hosts up to here; is a digit too many in a range?";

/// Bytes of an inventory.
const TEXT_MAX: usize = 16 << 20;
