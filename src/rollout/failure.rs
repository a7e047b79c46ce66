//! Every way a host can fail: what it is called, whether trying again can help, and what the operator can do.

use std::time::Duration;

use crate::control::{AgentFailure, Remedy};

/// What a host was doing when its time was up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// TCP.
    Connect,
    /// The SSH banner and key exchange.
    KeyExchange,
    /// Authentication.
    Authenticate,
    /// A command of ours.
    Exec,
    /// Sending the agent.
    Push,
    /// Waiting for the agent's first word.
    Start,
    /// Hashing what is there and joining the swarm.
    Serve,
    /// Checking and unpacking.
    Deliver,
    /// Putting a release that is ready aside in its place.
    Switch,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Connect => "connect",
            Self::KeyExchange => "exchange keys",
            Self::Authenticate => "authenticate",
            Self::Exec => "run the probe",
            Self::Push => "push the agent",
            Self::Start => "start the agent",
            Self::Serve => "join the swarm",
            Self::Deliver => "verify and unpack",
            Self::Switch => "put the release in its place",
        })
    }
}

/// What a deadline over all phases is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// One host, from its launch.
    Host,
    /// The run.
    Run,
}

impl std::fmt::Display for Whole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Host => "its launch",
            Self::Run => "the run's start",
        })
    }
}

/// Whom a host has to reach on the swarm's ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Station {
    /// Who knows who is in the swarm.
    Tracker,
    /// Who has the payload first.
    Seeder,
}

impl std::fmt::Display for Station {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Tracker => "tracker",
            Self::Seeder => "seeder",
        })
    }
}

/// Why a host failed or could not be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The name has no address.
    #[error("cannot resolve `{name}`: {why}")]
    Resolve {
        /// The name.
        name: String,
        /// The resolver's words.
        why: String,
    },
    /// TCP was refused or the network has no way there.
    #[error("cannot connect to {address}: {why}")]
    Connect {
        /// Where.
        address: String,
        /// The operating system's words.
        why: String,
    },
    /// sshd hung up before it said who it is.
    #[error("{address} closed the connection before its banner")]
    ClosedBeforeBanner {
        /// Where.
        address: String,
    },
    /// A phase took longer than it may.
    #[error("no answer within {} while trying to {phase}", time(*.after))]
    Timeout {
        /// Which.
        phase: Phase,
        /// The deadline.
        after: Duration,
    },
    /// The key of the host is not known.
    #[error("unknown host key {fingerprint} ({algorithm})")]
    HostKeyUnknown {
        /// `ssh-ed25519` and the like.
        algorithm: String,
        /// `SHA256:…`.
        fingerprint: String,
    },
    /// The key of the host is not the known one.
    #[error("host key changed: {fingerprint} ({algorithm}) instead of the one at {known_at}")]
    HostKeyChanged {
        /// `ssh-ed25519` and the like.
        algorithm: String,
        /// `SHA256:…`.
        fingerprint: String,
        /// `file:line` of the known key.
        known_at: String,
    },
    /// The key of the host is revoked.
    #[error("host key {fingerprint} is revoked at {revoked_at}")]
    HostKeyRevoked {
        /// `SHA256:…`.
        fingerprint: String,
        /// `file:line`.
        revoked_at: String,
    },
    /// An authority for the host signed a certificate that does not hold.
    #[error("host certificate refused: {why}; {authority} would trust its authority")]
    HostCertificate {
        /// `file:line` of the `@cert-authority` line.
        authority: String,
        /// What is wrong with it.
        why: String,
    },
    /// No key was accepted.
    #[error("permission denied for {user}: {tried}")]
    Authentication {
        /// The user.
        user: String,
        /// The keys that were tried, and what the server would take.
        tried: String,
    },
    /// Nobody was let in, and so the others are not tried.
    #[error("not logged in: the first {refused} hosts all refused ({why})")]
    LoginsWithheld {
        /// How many there were.
        refused: u32,
        /// What one of them said.
        why: String,
    },
    /// Commands may not be root's.
    #[error("sudo: {why}")]
    Sudo {
        /// sudo's words.
        why: String,
    },
    /// SSH broke otherwise.
    #[error("ssh: {why}")]
    Ssh {
        /// What was wrong.
        why: String,
    },
    /// The session ended while the agent was at work.
    #[error("the SSH connection was lost: {why}")]
    ConnectionLost {
        /// What is known.
        why: String,
    },
    /// The session was lost, and could not be had again while the agent was at work.
    #[error("no SSH for {}: {why}", time(*.after))]
    OutOfReach {
        /// How long.
        after: Duration,
        /// Why the last try failed.
        why: String,
    },
    /// The jump host could not be passed.
    #[error("jump host {jump}: {why}")]
    Jump {
        /// Which.
        jump: String,
        /// Why.
        why: String,
    },
    /// The host has no place for the agent.
    #[error("no usable work folder: {why}")]
    WorkDir {
        /// What was tried and what was wrong with each.
        why: String,
    },
    /// There is no agent for that machine.
    #[error("no agent for {system}")]
    Unsupported {
        /// `uname -s -m`.
        system: String,
    },
    /// The agent that arrived is not the one that was sent.
    #[error("the pushed agent is not intact: {why}")]
    AgentDamaged {
        /// What was found.
        why: String,
    },
    /// The agent did not start.
    #[error("the agent did not start: {why}")]
    AgentStart {
        /// Its last words.
        why: String,
    },
    /// The agent ended without being told to.
    #[error("the agent died: {how}")]
    AgentDied {
        /// Exit status or signal, and its last words.
        how: String,
    },
    /// The agent speaks another version.
    #[error("the agent speaks protocol {found}, the console {expected}")]
    Version {
        /// The agent's.
        found: u32,
        /// Ours.
        expected: u32,
    },
    /// The host has no way to the tracker or the seeder.
    #[error("cannot reach the {station} at {address}: {why}")]
    NoWay {
        /// Whom.
        station: Station,
        /// Where it listens.
        address: std::net::SocketAddr,
        /// How that was found.
        why: String,
    },
    /// The host's clock is off.
    #[error("its clock is {} s {}", .skew.unsigned_abs(), if *.skew < 0 { "behind" } else { "ahead" })]
    Clock {
        /// Seconds it is ahead of this machine's, at least.
        skew: i64,
    },
    /// Nothing arrived for so long that it was given up.
    #[error("no new piece for {}: {reason}", time(*.after))]
    Stalled {
        /// How long.
        after: Duration,
        /// Why, as far as one can tell.
        reason: String,
    },
    /// The run had nothing to give: its seeder failed before a copy was out.
    #[error("the seeder failed: {why}")]
    Seeder {
        /// The seeder's failure.
        why: String,
    },
    /// The release is in place, and the health command says that the host is not well.
    #[error("not well with the release in place: {why}")]
    Unhealthy {
        /// How the command ended, and its last words.
        why: String,
    },
    /// A deadline over all phases has passed.
    #[error("not done within {} of {whole}", time(*.after))]
    Overdue {
        /// Whose.
        whole: Whole,
        /// The deadline.
        after: Duration,
    },
    /// The agent's own work failed.
    #[error(transparent)]
    Agent(AgentFailure),
}

fn time(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        _ => format!("{} s", duration.as_secs_f64().round()),
    }
}

impl Failure {
    /// Whether doing the same again may help by itself. Never true for authentication and host keys: a wrong key stays
    /// wrong, and servers punish those who go on (`OpenSSH` 9.8, `PerSourcePenalties`).
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::ClosedBeforeBanner { .. }
            | Self::Timeout { .. }
            | Self::Ssh { .. }
            | Self::ConnectionLost { .. }
            | Self::OutOfReach { .. }
            | Self::Jump { .. }
            | Self::AgentDamaged { .. }
            | Self::AgentDied { .. }
            | Self::Stalled { .. } => true,
            Self::Agent(failure) => matches!(failure.remedy(), Remedy::Retry),
            Self::Resolve { .. }
            | Self::HostKeyUnknown { .. }
            | Self::HostKeyChanged { .. }
            | Self::HostKeyRevoked { .. }
            | Self::HostCertificate { .. }
            | Self::Authentication { .. }
            | Self::LoginsWithheld { .. }
            | Self::Sudo { .. }
            | Self::WorkDir { .. }
            | Self::Unsupported { .. }
            | Self::AgentStart { .. }
            | Self::Version { .. }
            | Self::Unhealthy { .. }
            | Self::Overdue { .. }
            | Self::NoWay { .. }
            | Self::Clock { .. }
            | Self::Seeder { .. } => false,
        }
    }

    /// How long a host is left alone at least before it is tried again: an sshd that hangs up before its banner is
    /// overloaded, or counts every connection against us.
    pub const fn rest(&self) -> Duration {
        if matches!(self, Self::ClosedBeforeBanner { .. }) { Duration::from_secs(30) } else { Duration::ZERO }
    }

    /// Whether the host counts as `unreachable` rather than `failed`: SSH never got there.
    pub const fn is_unreachable(&self) -> bool {
        match self {
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::ClosedBeforeBanner { .. }
            | Self::OutOfReach { .. }
            | Self::Jump { .. } => true,
            Self::Timeout { phase, .. } => matches!(phase, Phase::Connect | Phase::KeyExchange),
            Self::HostKeyUnknown { .. }
            | Self::HostKeyChanged { .. }
            | Self::HostKeyRevoked { .. }
            | Self::HostCertificate { .. }
            | Self::Authentication { .. }
            | Self::LoginsWithheld { .. }
            | Self::Sudo { .. }
            | Self::Ssh { .. }
            | Self::ConnectionLost { .. }
            | Self::WorkDir { .. }
            | Self::Unsupported { .. }
            | Self::AgentDamaged { .. }
            | Self::AgentStart { .. }
            | Self::AgentDied { .. }
            | Self::Version { .. }
            | Self::NoWay { .. }
            | Self::Clock { .. }
            | Self::Stalled { .. }
            | Self::Seeder { .. }
            | Self::Unhealthy { .. }
            | Self::Overdue { .. }
            | Self::Agent(_) => false,
        }
    }

    /// A short name that groups hosts with the same cause.
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::Resolve { .. } => "name not resolved",
            Self::Connect { .. } => "cannot connect",
            Self::ClosedBeforeBanner { .. } => "closed before banner",
            Self::Timeout { phase, .. } => match phase {
                Phase::Connect => "connect timed out",
                Phase::KeyExchange => "key exchange timed out",
                Phase::Authenticate => "authentication timed out",
                Phase::Exec => "probe timed out",
                Phase::Push => "agent push timed out",
                Phase::Start => "agent start timed out",
                Phase::Serve => "joining the swarm timed out",
                Phase::Deliver => "unpacking timed out",
                Phase::Switch => "switching timed out",
            },
            Self::HostKeyUnknown { .. } => "host key unknown",
            Self::HostKeyChanged { .. } => "host key changed",
            Self::HostKeyRevoked { .. } => "host key revoked",
            Self::HostCertificate { .. } => "host certificate",
            Self::Authentication { .. } => "permission denied",
            Self::LoginsWithheld { .. } => "logins withheld",
            Self::Sudo { .. } => "sudo",
            Self::Ssh { .. } => "ssh error",
            Self::ConnectionLost { .. } => "connection lost",
            Self::OutOfReach { .. } => "out of reach",
            Self::Jump { .. } => "jump host",
            Self::WorkDir { .. } => "no usable work folder",
            Self::Unsupported { .. } => "no agent for this system",
            Self::AgentDamaged { .. } => "agent damaged on the way",
            Self::AgentStart { .. } => "agent did not start",
            Self::AgentDied { .. } => "agent died",
            Self::Version { .. } => "agent of another version",
            Self::NoWay { station: Station::Tracker, .. } => "no way to the tracker",
            Self::NoWay { station: Station::Seeder, .. } => "no way to the seeder",
            Self::Clock { .. } => "clock off",
            Self::Stalled { .. } => "stalled",
            Self::Seeder { .. } => "seeder failed",
            Self::Unhealthy { .. } => "health check failed",
            Self::Overdue { whole, .. } => match whole {
                Whole::Host => "host deadline passed",
                Whole::Run => "run deadline passed",
            },
            Self::Agent(failure) => failure.cause(),
        }
    }

    /// What the operator can do about it.
    pub const fn next_step(&self) -> &'static str {
        match self {
            Self::Resolve { .. } => "correct the name in the inventory, or give the host an `address`",
            Self::Connect { .. } => "check that the host is up and sshd listens there, then retry",
            Self::ClosedBeforeBanner { .. } => {
                "sshd is overloaded or penalises this machine: wait half a minute, then retry"
            }
            Self::Timeout { phase, .. } => match phase {
                Phase::Connect => "check that the host is up and no firewall drops its port, then retry",
                Phase::KeyExchange => "check the load of sshd there, then retry",
                Phase::Authenticate => "check what a login waits for there (DNS, PAM, a full disk), then retry",
                Phase::Exec => "check the host's load and its login shell, then retry",
                Phase::Push => "check the line to the host and its disk, then retry",
                Phase::Start => "check the host's load, then retry",
                Phase::Serve => "check the host's disk: hashing what is there took too long; then retry",
                Phase::Deliver | Phase::Switch => "check the host's disk, then retry: fetched pieces are kept",
            },
            Self::HostKeyUnknown { .. } => {
                "compare it with what the host says, `rookery hosts --keyscan --write` it, then retry"
            }
            Self::HostKeyChanged { .. } => "find out why it changed; only then replace the known key and retry",
            Self::HostKeyRevoked { .. } => "do not connect: the key is compromised; give the host a new one",
            Self::HostCertificate { .. } => {
                "have the host's certificate renewed for this name, or add the host's own key to known_hosts"
            }
            Self::Authentication { .. } => {
                "check user and identity for this host, or load the key into ssh-agent, then retry"
            }
            Self::LoginsWithheld { .. } => "check user and identity, or load the key into ssh-agent, then retry all",
            Self::Sudo { .. } => "let this user use sudo there (NOPASSWD, or a password with -K), then retry",
            Self::Ssh { .. } => "look at the transcript; try `ssh` to the host by hand",
            Self::ConnectionLost { .. } => "retry: fetched pieces are kept",
            Self::OutOfReach { .. } => "its agent keeps what it has: check the host and the way to it, then retry",
            Self::Jump { .. } => "check the jump host, then retry",
            Self::WorkDir { .. } => "give the host a `work_dir` that is writable, executable and not shared",
            Self::Unsupported { .. } => "name an agent for its system in `agents` or `agents_dir` (docs/agents.md)",
            Self::AgentDamaged { .. } => "retry; if it comes back, check the host's disk",
            Self::AgentStart { .. } => "look at the transcript for what the host said",
            Self::AgentDied { .. } => "retry: fetched pieces are kept; check the host for an OOM kill if it comes back",
            Self::Version { .. } => "retry with the agent of this console (remove `agent` from the inventory)",
            Self::NoWay { station: Station::Tracker, .. } => {
                "let hosts reach the tracker's host on swarm.tracker_port: look at firewalls and routes between them"
            }
            Self::NoWay { station: Station::Seeder, .. } => {
                "let hosts reach each other on the ports of swarm.port: look at firewalls and routes between them"
            }
            Self::Clock { .. } => "set the host's clock, and have it kept right (NTP)",
            Self::Stalled { .. } => "check that swarm ports are open between hosts, then retry",
            Self::Seeder { .. } => "mend the seeder, then retry all failed hosts",
            Self::Unhealthy { .. } => {
                "see what the command says on the host and mend it, then retry: the release stays"
            }
            Self::Overdue { .. } => "find out what took so long, then retry: fetched pieces are kept",
            Self::Agent(failure) => failure.next_step(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_punish_is_never_retried_by_itself() {
        let denied = Failure::Authentication { user: "deploy".to_owned(), tried: "one key".to_owned() };
        let unknown =
            Failure::HostKeyUnknown { algorithm: "ssh-ed25519".to_owned(), fingerprint: "SHA256:x".to_owned() };
        assert!(!denied.is_retryable() && !unknown.is_retryable());
    }

    #[test]
    fn a_deadline_says_what_it_waited_for() {
        let late = Failure::Timeout { phase: Phase::KeyExchange, after: Duration::from_secs(10) };
        assert_eq!(late.to_string(), "no answer within 10 s while trying to exchange keys");
        assert!(late.is_unreachable() && late.is_retryable());
        let soon = Failure::Overdue { whole: Whole::Host, after: Duration::from_millis(300) };
        assert!(soon.to_string().starts_with("not done within 300 ms of "), "{soon}");
    }
}
