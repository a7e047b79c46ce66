//! One authenticated connection.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use russh::client::{Handle, Msg};
use russh::{ChannelOpenFailure, ChannelStream, Disconnect};
use tokio::time::timeout;

use super::dial::Ends;
use super::exec;
use super::gate::{Gate, Reports, describe};
use super::stream::Lifeline;
use super::sudo::Sudo;
use crate::driver::channel::Channel;
use crate::rollout::{Failure, Phase};

/// For the last words on a connection.
const GOODBYE: Duration = Duration::from_secs(2);

/// What is known of a way from a host to an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Somebody answers there.
    Open,
    /// Nobody does, for this reason.
    Closed(String),
    /// sshd is not allowed to find out (`AllowTcpForwarding`, `PermitOpen`).
    Untold,
}

/// An authenticated connection to a host. It ends when this is dropped, whatever still runs on it.
pub struct Session {
    handle: Handle<Gate>,
    reports: Reports,
    ends: Ends,
    open: Duration,
    sudo: Option<Sudo>,
    _lifeline: Lifeline,
    _via: Option<Arc<Self>>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("ends", &self.ends).finish_non_exhaustive()
    }
}

impl Session {
    pub(super) const fn new(
        handle: Handle<Gate>,
        reports: Reports,
        lifeline: Lifeline,
        ends: Ends,
        via: Option<Arc<Self>>,
        open: Duration,
    ) -> Self {
        Self { handle, reports, ends, open, sudo: None, _lifeline: lifeline, _via: via }
    }

    /// The same, with commands that run as root.
    pub(super) fn with_sudo(self, sudo: Option<Sudo>) -> Self {
        Self { sudo, ..self }
    }

    /// Runs `command` in the user's login shell, as root where that is wanted.
    ///
    /// # Errors
    /// [`Failure::Sudo`] when it may not be root's, [`Failure::Timeout`] when the server does not answer, [`Failure::Ssh`] when it refuses,
    /// [`Failure::ConnectionLost`] when the connection is gone.
    pub async fn exec(&self, command: &str) -> Result<Channel, Failure> {
        let Some(sudo) = &self.sudo else { return self.open(command).await };
        match self.as_root(sudo, command).await {
            Err(failure) if sudo.wants_terminal(&failure) => self.as_root(sudo, command).await,
            entered => entered,
        }
    }

    async fn as_root(&self, sudo: &Sudo, command: &str) -> Result<Channel, Failure> {
        let mut channel = self.open(&sudo.command(command)).await?;
        sudo.enter(&mut channel, self.open).await?;
        Ok(channel)
    }

    async fn open(&self, command: &str) -> Result<Channel, Failure> {
        let opening = async {
            let channel = self.handle.channel_open_session().await?;
            channel.exec(true, command).await?;
            Ok::<_, russh::Error>(channel)
        };
        match timeout(self.open, opening).await {
            Ok(Ok(channel)) => Ok(exec::run(channel, self.reports.clone())),
            Ok(Err(error)) if self.is_closed() => Err(self.lost(&error)),
            Ok(Err(error)) => Err(Failure::Ssh { why: format!("cannot run a command: {}", describe(&error)) }),
            Err(_) => Err(Failure::Timeout { phase: Phase::Exec, after: self.open }),
        }
    }

    /// Opens a way through this host to another.
    pub(super) async fn tunnel(&self, address: &str, port: u16) -> Result<ChannelStream<Msg>, String> {
        let opened = self.handle.channel_open_direct_tcpip(address, u32::from(port), "127.0.0.1", 0).await;
        opened.map(russh::Channel::into_stream).map_err(|error| describe(&error))
    }

    /// Whether this host can reach an address, as its sshd finds out on our behalf.
    pub async fn way_to(&self, to: SocketAddr, after: Duration) -> Way {
        let opening = self.handle.channel_open_direct_tcpip(to.ip().to_string(), u32::from(to.port()), "127.0.0.1", 0);
        match timeout(after, opening).await {
            Ok(Ok(channel)) => {
                channel.close().await.ok();
                Way::Open
            }
            Ok(Err(russh::Error::ChannelOpenFailure(ChannelOpenFailure::AdministrativelyProhibited))) => Way::Untold,
            Ok(Err(error)) => {
                let said = self.reports.take_unopened().filter(|said| !said.is_empty());
                Way::Closed(said.unwrap_or_else(|| describe(&error)))
            }
            Err(_) => Way::Closed(format!("no answer within {} s", after.as_secs())),
        }
    }

    /// Whether nothing can be said over it any more.
    pub fn is_closed(&self) -> bool {
        self.handle.is_closed() || self.reports.ended().is_some()
    }

    /// Lines for the transcript since the last call: banners, keys.
    pub fn take_lines(&self) -> Vec<String> {
        self.reports.take_lines()
    }

    /// The host's address, unless it is behind a jump host.
    pub const fn peer(&self) -> Option<IpAddr> {
        self.ends.peer
    }

    /// This machine's address towards the host, unless it is behind a jump host.
    pub const fn local(&self) -> Option<IpAddr> {
        self.ends.local
    }

    /// Hangs up.
    pub async fn close(self) {
        timeout(GOODBYE, self.handle.disconnect(Disconnect::ByApplication, "", "en")).await.ok();
    }

    fn lost(&self, error: &russh::Error) -> Failure {
        Failure::ConnectionLost { why: self.reports.ended().unwrap_or_else(|| describe(error)) }
    }
}
