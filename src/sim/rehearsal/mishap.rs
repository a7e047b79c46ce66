//! Mishap: what goes wrong at hosts that an operator has to deal with, most of it before a swarm hears of them.

use std::time::Duration;

use serde::Deserialize;

use crate::base::ByteCount;
use crate::control::AgentFailure;
use crate::rollout::{Failure, Phase};

/// Something wrong with some hosts, wherever chance puts it. A measured run does without them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mishap {
    /// What.
    pub trouble: MishapKind,
    /// With how many.
    pub hosts: u32,
    /// So often it stops a host, then it is mended; 0: it is never mended.
    #[serde(default)]
    pub heals_after: u32,
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MishapKind {
    /// Nothing listens there.
    Unreachable,
    /// Nothing answers.
    TimesOut,
    /// Its host key is not the known one.
    HostKeyChanged,
    /// No key is accepted.
    PermissionDenied,
    /// No folder takes the agent.
    NoWorkDir,
    /// There is no room for the release.
    DiskFull,
    /// Its agent is killed half-way.
    AgentDies,
    /// Half-way no peer lets it ask any more.
    Stalls,
    /// Its line carries a sixth of the others'.
    Slow,
}

impl Mishap {
    /// Whether it is still so after it has stopped its host so often.
    pub(super) const fn holds(&self, struck: u32) -> bool {
        self.heals_after == 0 || struck < self.heals_after
    }
}

impl MishapKind {
    /// Why SSH does not get there, or the agent not to its start; what SSH says first; and after how long.
    pub(super) fn refusal(self, host: &str, address: &str) -> Option<(Failure, &'static str, Duration)> {
        let key = "SHA256:T2jK0cVfQ1yqg4mDq0mYgqS6bH0m7mY3ZcUo8wz4k1E";
        let (failure, said, after) = match self {
            Self::Unreachable => {
                let why = "connection refused".to_owned();
                (Failure::Connect { address: format!("{address}:22"), why }, "ssh: no connection", 300)
            }
            Self::TimesOut => {
                let after = Duration::from_secs(10);
                (Failure::Timeout { phase: Phase::Connect, after }, "ssh: no answer to SYN", 10_000)
            }
            Self::HostKeyChanged => {
                let (algorithm, fingerprint) = ("ssh-ed25519".to_owned(), key.to_owned());
                let known_at = "/home/you/.ssh/known_hosts:118".to_owned();
                (
                    Failure::HostKeyChanged { algorithm, fingerprint, known_at },
                    "ssh: the server's key is another one",
                    400,
                )
            }
            Self::PermissionDenied => {
                let tried = "1 key tried; the server takes publickey".to_owned();
                (Failure::Authentication { user: "deploy".to_owned(), tried }, "ssh: publickey refused", 700)
            }
            Self::NoWorkDir => {
                let why = format!("~/.cache/rookery of {host} is mounted noexec, and so is /tmp");
                (Failure::WorkDir { why }, "sh: rookery-agent: Permission denied", 900)
            }
            Self::DiskFull | Self::AgentDies | Self::Stalls | Self::Slow => return None,
        };
        Some((failure, said, Duration::from_millis(after)))
    }

    /// Why its agent's work fails, right after the order to serve.
    pub(super) fn failure(self, needed: ByteCount) -> Option<AgentFailure> {
        let free = ByteCount(needed.0 / 9);
        (self == Self::DiskFull).then(|| AgentFailure::DiskFull { path: "/srv/releases".to_owned(), needed, free })
    }
}
