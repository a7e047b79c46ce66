//! Bringing the agent to a host.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::command::{Said, finish, listen_for};
use super::script::{BECOME, INSTALL, TAKE_IN};
use super::{AgentImage, Link, Probe};
use crate::base::ByteCount;
use crate::control::AgentFailure;
use crate::driver::channel::Channel;
use crate::driver::ssh::within;
use crate::rollout::{Failure, Phase};

/// Bytes written at once; progress is told after each.
const PART_LENGTH: usize = 64 << 10;

/// What must stay free beside the agent, in bytes.
const SPARE: u64 = 1 << 20;

/// A shell on a host that has found a folder for the agent, and waits to be told more.
#[derive(Debug)]
pub struct Foothold {
    channel: Channel,
}

impl Foothold {
    pub(super) const fn new(channel: Channel) -> Self {
        Self { channel }
    }

    /// Sends the agent, has it verified on the host, and puts it in its place, no longer than `after`. `sent` is told how far
    /// it is.
    ///
    /// # Errors
    /// Those of [`install`].
    pub async fn install(
        &mut self,
        image: &AgentImage,
        probe: &Probe,
        after: Duration,
        sent: impl FnMut(ByteCount, ByteCount),
    ) -> Result<(), Failure> {
        check_room(image, probe)?;
        let head = format!("{TAKE_IN}\n");
        let said = within(Phase::Push, after, async {
            send(&mut self.channel, &head, (image, probe), sent).await;
            listen_for(&mut self.channel, "stored").await
        });
        verdict(&said.await?)
    }

    /// Starts the agent, or attaches to it as [`attach`](super::attach) does if it runs already.
    ///
    /// # Errors
    /// [`Failure::AgentStart`] when the host takes nothing.
    pub async fn start(mut self, after: Duration) -> Result<Channel, Failure> {
        let head = format!("{BECOME}\n");
        match within(Phase::Start, after, self.channel.input.write_all(head.as_bytes())).await? {
            Ok(()) => Ok(self.channel),
            Err(error) => Err(Failure::AgentStart { why: error.to_string() }),
        }
    }
}

/// Sends the agent to a host that was looked at, as [`Foothold::install`] does, by a command of its own.
///
/// # Errors
/// [`AgentFailure::DiskFull`] before a byte is sent, [`Failure::AgentDamaged`] when the host got something else.
pub async fn install(link: &Link, image: &AgentImage, probe: &Probe, after: Duration) -> Result<(), Failure> {
    check_room(image, probe)?;
    let said = within(Phase::Push, after, async {
        let mut channel = link.exec(INSTALL).await?;
        let head = format!("{}\n{}\n", probe.work_dir, image.sha256);
        send(&mut channel, &head, (image, probe), |_, _| {}).await;
        Ok::<_, Failure>(finish(channel).await)
    });
    verdict(&said.await??)
}

fn check_room(image: &AgentImage, probe: &Probe) -> Result<(), Failure> {
    let needed = ByteCount(image.raw_len + SPARE);
    match probe.free.filter(|free| *free < needed) {
        Some(free) => Err(Failure::Agent(AgentFailure::DiskFull { path: probe.work_dir.clone(), needed, free })),
        None => Ok(()),
    }
}

/// Sends the agent after `head`. A host that stops reading has ended, and says why.
async fn send(
    channel: &mut Channel,
    head: &str,
    (image, probe): (&AgentImage, &Probe),
    mut sent: impl FnMut(ByteCount, ByteCount),
) {
    let (how, bytes) = if probe.has_gzip { ("gzip", image.gzip.clone()) } else { ("cat", image.raw()) };
    let head = format!("{head}{how}\n{}\n", bytes.len());
    if channel.input.write_all(head.as_bytes()).await.is_err() {
        return;
    }
    let (mut done, total) = (0, ByteCount(bytes.len() as u64));
    for part in bytes.chunks(PART_LENGTH) {
        if channel.input.write_all(part).await.is_err() {
            return;
        }
        done += part.len() as u64;
        sent(ByteCount(done), total);
    }
    channel.input.flush().await.ok();
}

fn verdict(said: &Said) -> Result<(), Failure> {
    if said.answer("stored").is_some() {
        return Ok(());
    }
    let why = said.answer("bad").map_or_else(|| said.noise(), |bad| format!("{bad}; {}", said.noise()));
    Err(said.lost().unwrap_or(Failure::AgentDamaged { why }))
}
