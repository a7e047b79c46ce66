//! The end of an agent's process, proved.

use std::fmt;

use tokio::time::{Duration, timeout};

use super::Limits;
use crate::driver::bootstrap::{Link, prove_gone};
use crate::driver::channel::{Channel, Exit, Signal};

/// For a signal to have its effect.
const SIGNAL_WAIT: Duration = Duration::from_secs(3);

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
    /// Whether its end was reported by who waited for it.
    pub(super) const fn is_gone(&self) -> bool {
        matches!(self.exit, Some(Exit::Status(_) | Exit::Signal(_)))
    }
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "agent process {pid}"),
            None => write!(f, "agent process (id not known)"),
        }
    }
}

/// Ends an agent that did not end when its input did; returns its name if that cannot be proved.
pub(super) async fn end_agent(link: &Link, mut agent: Agent, limits: &Limits) -> Option<String> {
    if let Some(pid) = agent.pid {
        if prove_gone(link, pid, limits.kill).await {
            return None;
        }
    } else if agent.exit.is_none() {
        for signal in [Signal::Term, Signal::Kill] {
            if agent.channel.signals.send(signal).await.is_err() {
                break;
            }
            if let Ok(Ok(exit)) = timeout(SIGNAL_WAIT, &mut agent.channel.exit).await {
                agent.exit = Some(exit);
                break;
            }
        }
        if agent.is_gone() {
            return None;
        }
    }
    Some(format!("{agent}: not proved gone"))
}
