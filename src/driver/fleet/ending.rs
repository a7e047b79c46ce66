//! The end of an agent's process, proved.

use std::fmt;

use super::Limits;
use crate::driver::bootstrap::{AgentPlace, Link, prove_gone};
use crate::driver::channel::{Channel, Exit};

/// What is known about an agent's process.
#[derive(Debug)]
pub(super) struct Agent {
    /// Its id, once it said hello.
    pub(super) pid: Option<u32>,
    /// How it ended, if that is known.
    pub(super) exit: Option<Exit>,
    /// Its channel.
    pub(super) channel: Channel,
}

impl Agent {
    /// Whether its end was proved by who carried its words.
    pub(super) const fn is_gone(&self) -> bool {
        matches!(self.exit, Some(Exit::Status(0)))
    }
}

/// How an agent is called that may still run.
struct Name(Option<u32>);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "agent process {pid}"),
            None => write!(f, "agent process (id not known)"),
        }
    }
}

/// Ends an agent that did not end when it was told to; returns its name if that cannot be proved.
pub(super) async fn end_agent(link: &Link, place: &AgentPlace, pid: Option<u32>, limits: &Limits) -> Option<String> {
    let gone = prove_gone(link, place, pid, limits.kill).await;
    (!gone).then(|| not_proved(pid, "it does not end"))
}

/// The name of an agent that may still run, and why that is not known.
pub(super) fn not_proved(pid: Option<u32>, why: &str) -> String {
    format!("{}: not proved gone ({why})", Name(pid))
}
