//! One host: what is known about it before anybody speaks to it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::ByteRate;

/// A host's place in the inventory: a dense index into [`Inventory::hosts`](super::Inventory::hosts).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostId(pub u32);

impl HostId {
    /// The index as an offset into a table.
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

/// What to do with a host key that `known_hosts` does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HostKeyPolicy {
    /// Refuse it.
    #[default]
    Yes,
    /// Trust it the first time; a changed key is refused all the same.
    AcceptNew,
}

/// Whether ssh's own configuration is asked about a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum SshConfig {
    /// No.
    #[default]
    Off,
    /// The one ssh would read.
    Usual,
    /// This one; a leading `~/` is kept.
    File(String),
}

/// A key of the inventory that ssh's configuration has too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SaidKey {
    /// `port`.
    Port,
    /// `identity`.
    Identity,
    /// `certificate`.
    Certificate,
    /// `strict_host_key`.
    StrictHostKey,
    /// `known_hosts`.
    KnownHosts,
    /// `connect_timeout`.
    ConnectTimeout,
    /// `jump`.
    Jump,
    /// `proxy_command`.
    ProxyCommand,
}

/// Whether a run goes to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// It is in a group, or has a `[host]` section of its own: runs go to it.
    #[default]
    Fleet,
    /// It is in no group and only serves, as seeder, tracker or jump host: a run goes to it when it is named, not otherwise.
    Helper,
}

/// A host, with everything inherited from its groups and the defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name in the inventory: a host name (RFC 1123) or an IP address.
    pub name: String,
    /// The name or address to dial; an IPv6 address is without brackets.
    pub address: String,
    /// The port of its sshd.
    pub port: u16,
    /// The user to log in as; `None`: the operator's own.
    pub user: Option<String>,
    /// Private keys to try, in order; a leading `~/` is kept.
    pub identity: Vec<String>,
    /// Certificates for any of the keys, beside those that lie next to a key; a leading `~/` is kept.
    pub certificate: Vec<String>,
    /// What to do with an unknown host key.
    pub strict_host_key: HostKeyPolicy,
    /// Where its key is looked up; a leading `~/` is kept.
    pub known_hosts: Vec<String>,
    /// How long a connection may take until the host greets.
    pub connect_timeout: Duration,
    /// Hosts to go through, nearest first, each `[user@]host[:port]`.
    pub jump: Vec<String>,
    /// How many connections to each jump host the hosts behind it share.
    pub jump_connections: u16,
    /// The program, with its arguments, whose stdin and stdout lead to it, with `%h`, `%p`, `%r` and `%n`; instead of `jump`.
    pub proxy_command: Vec<String>,
    /// Where ssh's own configuration is asked for what is not said here.
    pub ssh_config: SshConfig,
    /// What its key is looked up by, when ssh's configuration says so.
    pub key_alias: Option<String>,
    /// Which keys the inventory says, of those that ssh's configuration knows too.
    pub said: BTreeSet<SaidKey>,
    /// Where releases land on it; `None` unless the inventory says.
    pub to: Option<String>,
    /// The folder for agent, partial data and logs on it; a leading `~/` is kept.
    pub work_dir: String,
    /// Whether commands on it run as root, through sudo.
    pub sudo: bool,
    /// The user its releases are given to; a name or a number.
    pub owner: Option<String>,
    /// The group its releases are given to; a name or a number.
    pub group: Option<String>,
    /// The `rwx` bits of what is in its releases; execution only of directories and of what could be executed already.
    pub mode: Option<u32>,
    /// Its own upload cap, instead of the swarm's.
    pub max_upload: Option<ByteRate>,
    /// Its own download cap, instead of the swarm's.
    pub max_download: Option<ByteRate>,
    /// What other peers dial, when it is not `address`.
    pub swarm_address: Option<IpAddr>,
    /// Its tags, merged key by key.
    pub tags: BTreeMap<String, String>,
    /// The groups it is in, in file order.
    pub groups: Vec<String>,
    /// A file on this machine that is the agent for it, instead of the one carried inside.
    pub agent: Option<String>,
    /// Files on this machine that are agents for it, by what `uname -m` says there.
    pub agents: BTreeMap<String, String>,
    /// A folder on this machine with more of them: `rookery-agent-MACHINE`.
    pub agents_dir: Option<String>,
    /// Whether a run goes to it.
    pub standing: Standing,
}

impl Host {
    /// A host of which only the name is known: everything else is the default.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            address: name.to_owned(),
            port: 22,
            user: None,
            identity: Vec::new(),
            certificate: Vec::new(),
            strict_host_key: HostKeyPolicy::default(),
            known_hosts: ["~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts"].map(str::to_owned).to_vec(),
            connect_timeout: Duration::from_secs(10),
            jump: Vec::new(),
            jump_connections: 1,
            proxy_command: Vec::new(),
            ssh_config: SshConfig::default(),
            key_alias: None,
            said: BTreeSet::new(),
            to: None,
            work_dir: "~/.cache/rookery".to_owned(),
            sudo: false,
            owner: None,
            group: None,
            mode: None,
            max_upload: None,
            max_download: None,
            swarm_address: None,
            tags: BTreeMap::new(),
            groups: Vec::new(),
            agent: None,
            agents: BTreeMap::new(),
            agents_dir: None,
            standing: Standing::default(),
        }
    }
}
