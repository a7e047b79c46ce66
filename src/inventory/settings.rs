//! What defaults, groups and hosts may all say, and which of them is heard.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;

use super::{Host, HostKeyPolicy, SaidKey, SshConfig};
use crate::base::ByteRate;

/// What `[defaults]`, a group or a host says about hosts; `None`: nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    pub(super) user: Option<Spanned<String>>,
    pub(super) port: Option<Spanned<u16>>,
    pub(super) identity: Option<Spanned<Vec<String>>>,
    pub(super) certificate: Option<Spanned<Vec<String>>>,
    pub(super) strict_host_key: Option<Spanned<HostKeyPolicy>>,
    pub(super) known_hosts: Option<Spanned<Vec<String>>>,
    pub(super) connect_timeout: Option<Spanned<Duration>>,
    pub(super) jump: Option<Spanned<Vec<String>>>,
    pub(super) jump_connections: Option<Spanned<u16>>,
    pub(super) proxy_command: Option<Spanned<Vec<String>>>,
    pub(super) ssh_config: Option<Spanned<SshConfig>>,
    pub(super) to: Option<Spanned<String>>,
    pub(super) work_dir: Option<Spanned<String>>,
    pub(super) sudo: Option<Spanned<bool>>,
    pub(super) owner: Option<Spanned<String>>,
    pub(super) group: Option<Spanned<String>>,
    pub(super) mode: Option<Spanned<u32>>,
    pub(super) max_upload: Option<Spanned<ByteRate>>,
    pub(super) max_download: Option<Spanned<ByteRate>>,
    pub(super) agent: Option<Spanned<String>>,
    pub(super) agents: BTreeMap<String, Spanned<String>>,
    pub(super) agents_dir: Option<Spanned<String>>,
    pub(super) tags: BTreeMap<String, Spanned<String>>,
}

impl Settings {
    /// Gives `host` what is said here, over what was said before.
    pub(super) fn apply(&self, host: &mut Host) {
        fn set<T: Clone>(to: &mut T, from: Option<&Spanned<T>>) {
            if let Some(said) = from {
                to.clone_from(said.get_ref());
            }
        }
        fn set_some<T: Clone>(to: &mut Option<T>, from: Option<&Spanned<T>>) {
            if let Some(said) = from {
                *to = Some(said.get_ref().clone());
            }
        }
        set_some(&mut host.user, self.user.as_ref());
        set(&mut host.port, self.port.as_ref());
        set(&mut host.identity, self.identity.as_ref());
        set(&mut host.certificate, self.certificate.as_ref());
        set(&mut host.strict_host_key, self.strict_host_key.as_ref());
        set(&mut host.known_hosts, self.known_hosts.as_ref());
        set(&mut host.connect_timeout, self.connect_timeout.as_ref());
        set(&mut host.jump, self.jump.as_ref());
        set(&mut host.jump_connections, self.jump_connections.as_ref());
        set(&mut host.proxy_command, self.proxy_command.as_ref());
        set(&mut host.ssh_config, self.ssh_config.as_ref());
        host.said.extend(self.said_to_ssh());
        set_some(&mut host.to, self.to.as_ref());
        set(&mut host.work_dir, self.work_dir.as_ref());
        set(&mut host.sudo, self.sudo.as_ref());
        set_some(&mut host.owner, self.owner.as_ref());
        set_some(&mut host.group, self.group.as_ref());
        set_some(&mut host.mode, self.mode.as_ref());
        set_some(&mut host.max_upload, self.max_upload.as_ref());
        set_some(&mut host.max_download, self.max_download.as_ref());
        set_some(&mut host.agent, self.agent.as_ref());
        set_some(&mut host.agents_dir, self.agents_dir.as_ref());
        for (key, value) in &self.agents {
            host.agents.insert(key.clone(), value.get_ref().clone());
        }
        for (key, value) in &self.tags {
            host.tags.insert(key.clone(), value.get_ref().clone());
        }
    }

    /// The keys that are said here and that ssh's configuration has too.
    fn said_to_ssh(&self) -> impl Iterator<Item = SaidKey> {
        let keys = [
            (SaidKey::Port, self.port.is_some()),
            (SaidKey::Identity, self.identity.is_some()),
            (SaidKey::Certificate, self.certificate.is_some()),
            (SaidKey::StrictHostKey, self.strict_host_key.is_some()),
            (SaidKey::KnownHosts, self.known_hosts.is_some()),
            (SaidKey::ConnectTimeout, self.connect_timeout.is_some()),
            (SaidKey::Jump, self.jump.is_some()),
            (SaidKey::ProxyCommand, self.proxy_command.is_some()),
        ];
        keys.into_iter().filter_map(|(key, is_said)| is_said.then_some(key))
    }

    /// Every key that is said here, as text that is the same when the meaning is, and where.
    fn said(&self) -> BTreeMap<String, (String, Range<usize>)> {
        fn shown<T: std::fmt::Debug>(said: Option<&Spanned<T>>) -> Option<(String, Range<usize>)> {
            said.map(|said| (format!("{:?}", said.get_ref()), said.span()))
        }
        let keys = [
            ("user", shown(self.user.as_ref())),
            ("port", shown(self.port.as_ref())),
            ("identity", shown(self.identity.as_ref())),
            ("certificate", shown(self.certificate.as_ref())),
            ("strict_host_key", shown(self.strict_host_key.as_ref())),
            ("known_hosts", shown(self.known_hosts.as_ref())),
            ("connect_timeout", shown(self.connect_timeout.as_ref())),
            ("jump", shown(self.jump.as_ref())),
            ("jump_connections", shown(self.jump_connections.as_ref())),
            ("proxy_command", shown(self.proxy_command.as_ref())),
            ("ssh_config", shown(self.ssh_config.as_ref())),
            ("to", shown(self.to.as_ref())),
            ("work_dir", shown(self.work_dir.as_ref())),
            ("become", shown(self.sudo.as_ref())),
            ("owner", shown(self.owner.as_ref())),
            ("group", shown(self.group.as_ref())),
            ("mode", shown(self.mode.as_ref())),
            ("max_upload", shown(self.max_upload.as_ref())),
            ("max_download", shown(self.max_download.as_ref())),
            ("agent", shown(self.agent.as_ref())),
            ("agents_dir", shown(self.agents_dir.as_ref())),
        ];
        let keys = keys.into_iter().filter_map(|(key, said)| Some((key.to_owned(), said?)));
        let agents = self.agents.iter();
        let agents = agents.filter_map(|(key, value)| Some((format!("agents.{key}"), shown(Some(value))?)));
        let tags = self.tags.iter().filter_map(|(key, value)| Some((format!("tags.{key}"), shown(Some(value))?)));
        keys.chain(agents).chain(tags).collect()
    }
}

/// Two groups that say different things about a host they share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Conflict {
    /// The key both set.
    pub(super) key: String,
    /// The group that is overruled.
    pub(super) earlier: usize,
    /// The group that is heard.
    pub(super) later: usize,
    /// What the later one says, as bytes of the inventory.
    pub(super) span: (usize, usize),
}

/// Finds the conflicts between groups, each once however many hosts share it.
#[derive(Debug)]
pub(super) struct Conflicts {
    said: Vec<BTreeMap<String, (String, Range<usize>)>>,
    seen: BTreeSet<Vec<usize>>,
    /// A conflict and the first host it concerns.
    pub(super) found: BTreeMap<Conflict, String>,
}

impl Conflicts {
    /// Looks at the settings of all groups, in file order.
    pub(super) fn new<'a>(groups: impl Iterator<Item = &'a Settings>) -> Self {
        Self { said: groups.map(Settings::said).collect(), seen: BTreeSet::new(), found: BTreeMap::new() }
    }

    /// Compares the groups of one host; what the host says itself is no conflict.
    pub(super) fn compare(&mut self, host: &str, groups: &[usize], own: &[&Settings]) {
        if groups.len() < 2 || own.is_empty() && !self.seen.insert(groups.to_vec()) {
            return;
        }
        let overruled: BTreeSet<String> = own.iter().flat_map(|own| own.said().into_keys()).collect();
        let mut heard: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
        for later in groups {
            for (key, (value, span)) in &self.said[*later] {
                let Some((earlier, before)) = heard.insert(key, (*later, value)) else { continue };
                if before != value && !overruled.contains(key) {
                    let span = (span.start, span.end);
                    let conflict = Conflict { key: key.clone(), earlier, later: *later, span };
                    self.found.entry(conflict).or_insert_with(|| host.to_owned());
                }
            }
        }
    }
}
