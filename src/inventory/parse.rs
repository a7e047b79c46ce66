//! TOML to [`Inventory`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Diagnostic, Diagnostics, Group, Host, HostId, HostSet, Roles, Severity, Standing, SwarmSettings};

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
    /// The file it came from.
    pub path: PathBuf,
    /// What is allowed but looks like a mistake.
    pub warnings: Vec<Diagnostic>,
    /// The hosts by name, in lower case.
    pub(super) names: BTreeMap<String, HostId>,
}

impl Inventory {
    /// Reads an inventory; `path` is only what errors call it.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Diagnostics> {
        let place = path.display().to_string();
        Err(Diagnostics::new(vec![Diagnostic::new(Severity::Error, &place, text, &(0..0), "not understood")]))
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
