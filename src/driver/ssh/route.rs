//! The way to a host.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::scan::{Look, Seen};
use crate::driver::known_hosts::{KnownHosts, KnownHostsError};
use crate::inventory::HostKeyPolicy;

/// One SSH server on the way.
#[derive(Debug, Clone)]
pub struct Hop {
    /// What the inventory calls it; its key is looked up by this name first.
    pub name: String,
    /// The name or address to dial.
    pub address: String,
    /// The port of its sshd.
    pub port: u16,
    /// The user to log in as.
    pub user: String,
    /// Private key files to try first, resolved.
    pub identities: Vec<PathBuf>,
    /// Certificates for any of the keys, resolved.
    pub certificates: Vec<PathBuf>,
    /// What to do with an unknown key.
    pub policy: HostKeyPolicy,
    /// Where its key is looked up.
    pub known_hosts: Arc<KnownHosts>,
    /// What its key is looked up by instead of its name and address.
    pub key_alias: Option<String>,
    /// The program, with its arguments, whose stdin and stdout are the connection; empty: TCP.
    pub proxy_command: Vec<String>,
    /// How many connections to it may be shared by the hosts behind it.
    pub connections: u16,
    /// Where its key is put, when it is only looked at.
    pub(in crate::driver) look: Look,
    /// For the name, the TCP connection and the banner, each.
    pub connect_timeout: Duration,
}

impl Hop {
    /// What its key is written down by.
    pub(super) fn key_name(&self) -> &str {
        self.key_alias.as_deref().unwrap_or(&self.name)
    }

    /// Writes down a key that was looked at.
    ///
    /// # Errors
    /// When the file of known hosts cannot be written.
    pub fn learn(&self, seen: &Seen) -> Result<(), KnownHostsError> {
        self.known_hosts.accept(self.key_name(), self.port, &seen.key)
    }

    /// `address:port`, with brackets where they are needed.
    pub fn endpoint(&self) -> String {
        if self.address.contains(':') {
            format!("[{}]:{}", self.address, self.port)
        } else {
            format!("{}:{}", self.address, self.port)
        }
    }
}

/// Jump hosts, nearest first, and the host.
#[derive(Debug, Clone)]
pub struct Route {
    /// The hosts to go through.
    pub jumps: Vec<Hop>,
    /// The host.
    pub host: Hop,
    /// Whether commands on it run as root, through sudo.
    pub sudo: bool,
}
