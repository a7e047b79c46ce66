//! Starting an agent, and proving that it is gone.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::command::finish;
use super::script::{END, START};
use super::{AgentImage, Link};
use crate::driver::channel::Channel;
use crate::driver::ssh::within;
use crate::rollout::{Failure, Phase};

/// Starts the agent in `work_dir`, and leaves its channel to the caller: orders in, marker and statuses out.
pub async fn start(link: &Link, image: &AgentImage, work_dir: &str, after: Duration) -> Result<Channel, Failure> {
    within(Phase::Start, after, async {
        let mut channel = link.exec(START).await?;
        let head = format!("{work_dir}\n{}\n", image.sha256);
        match channel.input.write_all(head.as_bytes()).await {
            Ok(()) => Ok(channel),
            Err(error) => Err(Failure::AgentStart { why: error.to_string() }),
        }
    })
    .await?
}

/// Ends the agent `pid` by TERM and KILL if it still runs, and returns whether it is proved gone.
pub async fn prove_gone(link: &Link, pid: u32, after: Duration) -> bool {
    let asked = timeout(after, async {
        let mut channel = link.exec(END).await?;
        channel.input.write_all(format!("{pid}\n").as_bytes()).await.ok();
        Ok::<_, Failure>(finish(channel).await)
    });
    matches!(asked.await, Ok(Ok(said)) if said.answer("gone").is_some())
}
