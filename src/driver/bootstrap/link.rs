//! A place where commands can run: a host behind SSH, or this machine.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::local;
use crate::driver::channel::Channel;
use crate::driver::ssh::{Session, Way};
use crate::rollout::Failure;

/// Somewhere to run commands.
#[derive(Debug)]
pub enum Link {
    /// Over SSH.
    Ssh(Box<Session>),
    /// On this machine.
    Local,
}

impl Link {
    /// Runs `command`, which a login shell reads.
    pub async fn exec(&self, command: &str) -> Result<Channel, Failure> {
        match self {
            Self::Ssh(session) => session.exec(command).await,
            Self::Local => local::exec(command)
                .map_err(|error| Failure::AgentStart { why: format!("cannot run /bin/sh here: {error}") }),
        }
    }

    /// Whether this place can reach an address, as far as that can be told without a program of ours there.
    pub async fn way_to(&self, to: SocketAddr, after: Duration) -> Way {
        match self {
            Self::Ssh(session) => session.way_to(to, after).await,
            Self::Local => match timeout(after, TcpStream::connect(to)).await {
                Ok(Ok(_)) => Way::Open,
                Ok(Err(error)) => Way::Closed(error.to_string()),
                Err(_) => Way::Closed(format!("no answer within {} s", after.as_secs())),
            },
        }
    }

    /// Whether no command can run there any more.
    pub fn is_closed(&self) -> bool {
        match self {
            Self::Ssh(session) => session.is_closed(),
            Self::Local => false,
        }
    }

    /// Lines for the transcript since the last call.
    pub fn take_lines(&self) -> Vec<String> {
        match self {
            Self::Ssh(session) => session.take_lines(),
            Self::Local => Vec::new(),
        }
    }

    /// The other end's address and ours, as far as the connection tells.
    pub fn addresses(&self) -> (Option<IpAddr>, Option<IpAddr>) {
        match self {
            Self::Ssh(session) => (session.peer(), session.local()),
            Self::Local => (Some(IpAddr::from([127, 0, 0, 1])), Some(IpAddr::from([127, 0, 0, 1]))),
        }
    }

    /// Hangs up.
    pub async fn close(self) {
        match self {
            Self::Ssh(session) => session.close().await,
            Self::Local => {}
        }
    }
}
