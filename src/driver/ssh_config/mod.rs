//! What the operator's own ssh configuration says about hosts: asked of `ssh -G`, so that `Match`, `Include` and tokens mean
//! what they mean to ssh.
//!
//! Only for hosts whose inventory wants it, and only for what the inventory does not say itself. It reads no
//! configuration of its own and dials nobody.

mod ask;
mod words;

use std::collections::BTreeMap;
use std::num::ParseIntError;
use std::time::Duration;

use ask::{Answer, Question, ask_all};
pub use words::{WordsError, expand};

use crate::inventory::{Host, HostId, HostKeyPolicy, Inventory, JumpHost, SaidKey, SshConfig, Standing};

/// Jump hosts in a row that the configuration may name, each behind the next.
const CHAIN_MAX: usize = 8;

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SshConfigError {
    /// ssh cannot be started.
    #[error("cannot ask `ssh -G` for {host}: {why}; install ssh, or set `ssh_config = \"off\"`")]
    Start {
        /// The host.
        host: String,
        /// The operating system's words.
        why: String,
    },
    /// ssh does not like its configuration.
    #[error("`ssh -G {host}` failed: {why}")]
    Failed {
        /// The host.
        host: String,
        /// ssh's words.
        why: String,
    },
    /// Its answer cannot be carried out.
    #[error("the ssh configuration of {host} has `{line}`: {why}")]
    Line {
        /// The host.
        host: String,
        /// The line of the answer.
        line: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Completes `wanted` hosts, and the jump hosts on the way to them, by what ssh would do.
///
/// # Errors
/// When ssh fails, or wants something for which there is no way here.
pub fn complete(inventory: &mut Inventory, wanted: &[HostId]) -> Result<(), SshConfigError> {
    let mut answers: BTreeMap<Question, Answer> = BTreeMap::new();
    let asks = |host: &&Host| host.ssh_config != SshConfig::Off;
    let hosts: Vec<Host> = wanted.iter().filter_map(|id| inventory.host(*id)).filter(asks).cloned().collect();
    if hosts.is_empty() {
        return Ok(());
    }
    ask_all(hosts.iter().map(Question::of).collect(), &mut answers)?;
    // The jump hosts on the way, and those in front of them.
    let mut behind = hosts;
    for _ in 0..CHAIN_MAX {
        let jumps = new_jumps(inventory, &behind, &answers);
        if jumps.is_empty() {
            break;
        }
        ask_all(jumps.iter().map(Question::of).collect(), &mut answers)?;
        for jump in &jumps {
            inventory.add_helper(jump.clone());
        }
        behind = jumps;
    }
    let changed: Vec<Host> = inventory.hosts.iter().filter(asks).cloned().collect();
    for mut host in changed {
        let Some(answer) = answers.get(&Question::of(&host)) else { continue };
        let jumps = chain(inventory, &host, &answers);
        apply(&mut host, answer, jumps)?;
        inventory.replace(host);
    }
    Ok(())
}

/// The jump hosts that nobody asked about yet: those of the inventory that want it, and those that it does not know.
fn new_jumps(inventory: &Inventory, hosts: &[Host], answers: &BTreeMap<Question, Answer>) -> Vec<Host> {
    let mut found: Vec<Host> = Vec::new();
    for host in hosts {
        for jump in jumps_of(host, answers).iter().filter_map(|jump| jump.parse::<JumpHost>().ok()) {
            let known = inventory.find(&jump.host).and_then(|id| inventory.host(id)).cloned();
            let asked = known.unwrap_or_else(|| Host {
                ssh_config: host.ssh_config.clone(),
                standing: Standing::Helper,
                ..Host::new(&jump.host)
            });
            let is_open = asked.ssh_config != SshConfig::Off && !answers.contains_key(&Question::of(&asked));
            if is_open && !found.iter().any(|other| other.name == asked.name) {
                found.push(asked);
            }
        }
    }
    found
}

/// The jumps of one host: the inventory's own, or those of its configuration.
fn jumps_of(host: &Host, answers: &BTreeMap<Question, Answer>) -> Vec<String> {
    if host.said.contains(&SaidKey::Jump) {
        return host.jump.clone();
    }
    answers.get(&Question::of(host)).map(Answer::jumps).unwrap_or_default()
}

/// The jumps of a host with those of its first jump host in front, and so on.
fn chain(inventory: &Inventory, host: &Host, answers: &BTreeMap<Question, Answer>) -> Vec<String> {
    let mut jumps = jumps_of(host, answers);
    if host.said.contains(&SaidKey::Jump) {
        return jumps;
    }
    while let Some(first) = jumps.first().and_then(|jump| jump.parse::<JumpHost>().ok()) {
        let before = inventory.find(&first.host).and_then(|id| inventory.host(id));
        let before = before.map(|host| jumps_of(host, answers)).unwrap_or_default();
        if before.is_empty() || jumps.len() + before.len() > CHAIN_MAX {
            break;
        }
        jumps.splice(..0, before);
    }
    jumps
}

/// Gives a host what it does not say itself.
fn apply(host: &mut Host, answer: &Answer, jumps: Vec<String>) -> Result<(), SshConfigError> {
    let is_said = |key| host.said.contains(&key);
    let fault = |key: &str, why: String| SshConfigError::Line {
        host: host.name.clone(),
        line: format!("{key} {}", answer.first(key).unwrap_or_default()),
        why,
    };
    let (identity, certificate) = (answer.identities(), answer.all("certificatefile"));
    let known_hosts = answer.known_hosts();
    let mut completed = host.clone();
    if host.address == host.name
        && let Some(name) = answer.first("hostname")
    {
        name.trim_matches(['[', ']']).clone_into(&mut completed.address);
    }
    if host.user.is_none() {
        completed.user = answer.first("user").map(str::to_owned);
    }
    if !is_said(SaidKey::Port)
        && let Some(port) = answer.first("port")
    {
        completed.port = port.parse().map_err(|error: ParseIntError| fault("port", error.to_string()))?;
    }
    if !is_said(SaidKey::Identity) {
        completed.identity = identity;
    }
    if !is_said(SaidKey::Certificate) {
        completed.certificate = certificate;
    }
    if !is_said(SaidKey::KnownHosts) && !known_hosts.is_empty() {
        completed.known_hosts = known_hosts;
    }
    if !is_said(SaidKey::StrictHostKey) && answer.first("stricthostkeychecking") == Some("accept-new") {
        completed.strict_host_key = HostKeyPolicy::AcceptNew;
    }
    if !is_said(SaidKey::ConnectTimeout)
        && let Some(seconds) =
            answer.first("connecttimeout").and_then(|text| text.parse().ok()).filter(|time| *time > 0)
    {
        completed.connect_timeout = Duration::from_secs(seconds);
    }
    completed.key_alias = answer.first("hostkeyalias").map(str::to_owned);
    let own_way = is_said(SaidKey::Jump) || is_said(SaidKey::ProxyCommand);
    if !own_way {
        completed.jump = jumps;
        if let Some(command) = answer.first("proxycommand").filter(|command| *command != "none") {
            completed.proxy_command =
                words::split(command).map_err(|error| fault("proxycommand", error.to_string()))?;
        }
    }
    *host = completed;
    Ok(())
}
