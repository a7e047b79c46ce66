//! What the driver has to know of each host, made from the inventory once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::driver::account;
use crate::driver::bootstrap::{AgentImage, Agents, ImageError, Needs};
use crate::driver::known_hosts::{KnownHosts, KnownHostsError};
use crate::driver::ssh::{Hop, Route};
use crate::inventory::{Host, JumpHost, JumpHostError};

/// One host.
#[derive(Debug, Clone)]
pub struct Target {
    /// How to get there.
    pub route: Route,
    /// The wanted folder on it.
    pub work_dir: String,
    /// The agents for it.
    pub agents: Agents,
    /// What is looked for before the agent is brought there; nothing, unless somebody says.
    pub needs: Needs,
}

/// Why a host cannot be dialled at all.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Its known keys cannot be read.
    #[error(transparent)]
    KnownHosts(#[from] KnownHostsError),
    /// Its agent cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A jump host that is none.
    #[error("host `{host}` has the jump host `{jump}`: {why}")]
    Jump {
        /// The host.
        host: String,
        /// Its jump host.
        jump: String,
        /// What is wrong with it.
        why: JumpHostError,
    },
}

/// Who and where the operator is.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// `$HOME`: what `~` means here.
    pub home: Option<PathBuf>,
    /// Who logs in where the inventory does not say.
    pub user: String,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process() -> Self {
        Self { home: account::variable("HOME").map(PathBuf::from), user: account::user() }
    }

    /// A path of the inventory, with `~/` resolved.
    pub fn path(&self, text: &str) -> PathBuf {
        match (&self.home, text.strip_prefix("~/")) {
            (Some(home), Some(rest)) => home.join(rest),
            (Some(_) | None, _) => PathBuf::from(text),
        }
    }
}

/// All hosts, and what was noticed on the way.
#[derive(Debug)]
pub struct Targets {
    /// One a host, by `HostId`.
    pub targets: Vec<Target>,
    /// Every key file of any of them, once.
    pub identities: Vec<PathBuf>,
    /// Lines of `known_hosts` files that are not used.
    pub warnings: Vec<String>,
}

impl Targets {
    /// Makes a target of every host: reads each `known_hosts` and each agent once.
    pub fn new(hosts: &[Host], surroundings: &Surroundings, carried: &Arc<AgentImage>) -> Result<Self, TargetError> {
        let mut maker = Maker {
            by_name: hosts.iter().map(|host| (host.name.as_str(), host)).collect(),
            surroundings,
            known: BTreeMap::new(),
            images: BTreeMap::new(),
            folders: BTreeMap::new(),
            identities: Vec::new(),
        };
        let targets = hosts.iter().map(|host| maker.target(host, carried)).collect::<Result<_, _>>()?;
        let mut warnings: Vec<String> = maker.known.values().flat_map(|known| known.warnings()).collect();
        warnings.sort_unstable();
        warnings.dedup();
        Ok(Self { targets, identities: maker.identities, warnings })
    }
}

struct Maker<'a> {
    by_name: BTreeMap<&'a str, &'a Host>,
    surroundings: &'a Surroundings,
    known: BTreeMap<Vec<PathBuf>, Arc<KnownHosts>>,
    images: BTreeMap<PathBuf, Arc<AgentImage>>,
    /// The agents in a folder, by machine.
    folders: BTreeMap<PathBuf, BTreeMap<String, Arc<AgentImage>>>,
    identities: Vec<PathBuf>,
}

impl Maker<'_> {
    fn target(&mut self, host: &Host, carried: &Arc<AgentImage>) -> Result<Target, TargetError> {
        let agents = self.agents(host, carried)?;
        // A proxy command is the whole way.
        let jumps = if host.proxy_command.is_empty() { host.jump.as_slice() } else { &[] };
        let jumps = jumps.iter().map(|jump| self.jump(host, jump)).collect::<Result<_, _>>()?;
        let route = Route { jumps, host: self.hop(host)?, sudo: host.sudo };
        Ok(Target { route, work_dir: host.work_dir.clone(), agents, needs: Needs::default() })
    }

    /// The agents that a host may get. One that is named for it alone is the only one.
    fn agents(&mut self, host: &Host, carried: &Arc<AgentImage>) -> Result<Agents, TargetError> {
        if let Some(path) = &host.agent {
            let path = self.surroundings.path(path);
            return Ok(Agents::new(self.image(&path, None)?, BTreeMap::new()));
        }
        let mut others = match &host.agents_dir {
            None => BTreeMap::new(),
            Some(folder) => self.folder(self.surroundings.path(folder))?,
        };
        for (machine, path) in &host.agents {
            let path = self.surroundings.path(path);
            others.insert(machine.clone(), self.image(&path, Some(machine))?);
        }
        Ok(Agents::new(carried.clone(), others))
    }

    fn folder(&mut self, folder: PathBuf) -> Result<BTreeMap<String, Arc<AgentImage>>, TargetError> {
        if let Some(found) = self.folders.get(&folder) {
            return Ok(found.clone());
        }
        let failed = |source| ImageError::Read { path: folder.clone(), source };
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if let Some(machine) = entry.file_name().to_str().and_then(|name| name.strip_prefix("rookery-agent-")) {
                found.insert(machine.to_owned(), self.image(&entry.path(), Some(machine))?);
            }
        }
        self.folders.insert(folder, found.clone());
        Ok(found)
    }

    fn image(&mut self, path: &Path, machine: Option<&str>) -> Result<Arc<AgentImage>, TargetError> {
        let image = match self.images.get(path) {
            Some(image) => image.clone(),
            None => Arc::new(AgentImage::from_file(path)?),
        };
        self.images.insert(path.to_owned(), image.clone());
        match (image.machine, machine) {
            (Some(found), Some(wanted)) if found != wanted => {
                let (path, wanted) = (path.to_owned(), wanted.to_owned());
                Err(ImageError::Machine { path, found, wanted }.into())
            }
            (Some(_) | None, _) => Ok(image),
        }
    }

    fn hop(&mut self, host: &Host) -> Result<Hop, TargetError> {
        let paths: Vec<PathBuf> = host.known_hosts.iter().map(|path| self.surroundings.path(path)).collect();
        let known_hosts = match self.known.get(&paths) {
            Some(known) => known.clone(),
            None => Arc::new(KnownHosts::load(&paths)?),
        };
        self.known.insert(paths, known_hosts.clone());
        let identities: Vec<PathBuf> = host.identity.iter().map(|path| self.surroundings.path(path)).collect();
        for identity in &identities {
            if !self.identities.contains(identity) {
                self.identities.push(identity.clone());
            }
        }
        let certificates = host.certificate.iter().map(|path| self.surroundings.path(path)).collect();
        Ok(Hop {
            name: host.name.clone(),
            address: host.address.clone(),
            port: host.port,
            user: host.user.clone().unwrap_or_else(|| self.surroundings.user.clone()),
            identities,
            certificates,
            policy: host.strict_host_key,
            known_hosts,
            key_alias: host.key_alias.clone(),
            proxy_command: host.proxy_command.clone(),
            connections: host.jump_connections,
            look: None,
            connect_timeout: host.connect_timeout,
        })
    }

    /// A jump host: as the inventory has it if it does, like the host behind it otherwise.
    fn jump(&mut self, behind: &Host, text: &str) -> Result<Hop, TargetError> {
        let failed = |why| TargetError::Jump { host: behind.name.clone(), jump: text.to_owned(), why };
        let jump: JumpHost = text.parse().map_err(failed)?;
        let known = self.by_name.get(jump.host.as_str()).copied();
        let mut host = known.cloned().unwrap_or_else(|| Host {
            name: jump.host.clone(),
            address: jump.host.clone(),
            port: 22,
            key_alias: None,
            proxy_command: Vec::new(),
            ..behind.clone()
        });
        host.user = jump.user.or(host.user);
        host.port = jump.port.unwrap_or(host.port);
        self.hop(&host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_host_of_the_inventory_is_dialled_as_it_says() {
        let bastion = Host { port: 2200, user: Some("gate".to_owned()), ..Host::new("bastion") };
        let behind = Host { jump: vec!["bastion".to_owned(), "me@other:23".to_owned()], ..Host::new("web1") };
        let surroundings = Surroundings { home: None, user: "deploy".to_owned() };
        let image = Arc::new(AgentImage::from_bytes(b"agent"));
        let hosts = [bastion, behind].map(|host| Host { known_hosts: Vec::new(), ..host });
        let all = Targets::new(&hosts, &surroundings, &image).unwrap();
        let route = &all.targets[1].route;
        let shown = route.jumps.iter().map(|hop| format!("{}@{}", hop.user, hop.endpoint())).collect::<Vec<_>>();
        assert_eq!(shown, ["gate@bastion:2200", "me@other:23"]);
        assert_eq!(route.host.user, "deploy");
    }
}
