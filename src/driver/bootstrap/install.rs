//! Bringing the agent to a host.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;

use super::command::{Said, listen};
use super::script::INSTALL;
use super::{AgentImage, Link, Probe};
use crate::base::ByteCount;
use crate::control::AgentFailure;
use crate::driver::ssh::within;
use crate::rollout::{Failure, Phase};

/// Bytes written at once; progress is told after each.
const PART_LENGTH: usize = 64 << 10;

/// What must stay free beside the agent, in bytes.
const SPARE: u64 = 1 << 20;

/// Sends the agent, has it verified on the host, and puts it in its place, no longer than `after`. `sent` is told how far
/// it is.
///
/// # Errors
/// [`AgentFailure::DiskFull`] before a byte is sent, [`Failure::AgentDamaged`] when the host got something else.
pub async fn install(
    link: &Link,
    image: &AgentImage,
    probe: &Probe,
    after: Duration,
    mut sent: impl FnMut(ByteCount, ByteCount),
) -> Result<(), Failure> {
    let needed = ByteCount(image.raw_len + SPARE);
    if let Some(free) = probe.free.filter(|free| *free < needed) {
        let path = probe.work_dir.clone();
        return Err(Failure::Agent(AgentFailure::DiskFull { path, needed, free }));
    }
    let (how, bytes) = if probe.has_gzip { ("gzip", image.gzip.clone()) } else { ("cat", image.raw()) };
    let said = within(Phase::Push, after, async {
        let head = format!("{}\n{}\n{how}\n", probe.work_dir, image.sha256);
        send(link, &head, &bytes, &mut sent).await
    })
    .await??;
    if said.answer("stored").is_some() {
        return Ok(());
    }
    let why = said.answer("bad").map_or_else(|| said.noise(), |bad| format!("{bad}; {}", said.noise()));
    Err(said.lost().unwrap_or(Failure::AgentDamaged { why }))
}

async fn send(
    link: &Link,
    head: &str,
    bytes: &Bytes,
    sent: &mut impl FnMut(ByteCount, ByteCount),
) -> Result<Said, Failure> {
    let mut channel = link.exec(INSTALL).await?;
    let total = ByteCount(bytes.len() as u64);
    // A host that stops reading has ended, and says why.
    if channel.input.write_all(head.as_bytes()).await.is_ok() {
        let mut done = 0;
        for part in bytes.chunks(PART_LENGTH) {
            if channel.input.write_all(part).await.is_err() {
                break;
            }
            done += part.len() as u64;
            sent(ByteCount(done), total);
        }
    }
    channel.input.shutdown().await.ok();
    Ok(listen(channel).await)
}
