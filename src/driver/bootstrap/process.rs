//! Attaching to an agent, and proving that it is gone.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::command::finish;
use super::script::{ATTACH, CLEAN, END};
use super::{AgentImage, Link};
use crate::control::AgentId;
use crate::driver::channel::Channel;
use crate::driver::ssh::within;
use crate::rollout::{Failure, Phase};

/// Where an agent is on its host.
#[derive(Debug, Clone)]
pub struct AgentPlace {
    /// The work folder.
    pub work_dir: String,
    /// Its name.
    pub id: AgentId,
}

/// Attaches to an agent that runs, and leaves the channel to the caller: orders in, marker and statuses out.
pub async fn attach(link: &Link, image: &AgentImage, place: &AgentPlace, after: Duration) -> Result<Channel, Failure> {
    within(Phase::Start, after, async {
        let mut channel = link.exec(ATTACH).await?;
        let head = format!("{}\n{}\n{}\n", place.work_dir, image.sha256, place.id);
        match channel.input.write_all(head.as_bytes()).await {
            Ok(()) => Ok(channel),
            Err(error) => Err(Failure::AgentStart { why: error.to_string() }),
        }
    })
    .await?
}

/// What cleaning came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// What was there, and is gone.
    pub gone: Vec<String>,
    /// What is still there, and why.
    pub left: Vec<String>,
}

/// What becomes of a run that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live {
    /// It is named.
    Spare,
    /// It is ended.
    End,
}

/// Has the agent end and remove what earlier runs left there and in `destination`.
///
/// # Errors
/// [`Failure::AgentStart`] when it did not say so to the end.
pub async fn clean(
    link: &Link,
    image: &AgentImage,
    place: &AgentPlace,
    destination: &str,
    live: Live,
    after: Duration,
) -> Result<Cleaned, Failure> {
    let said = within(Phase::Exec, after, async {
        let mut channel = link.exec(CLEAN).await?;
        let how = match live {
            Live::Spare => "",
            Live::End => "force",
        };
        let head = format!("{}\n{}\n{}\n{destination}\n{how}\n", place.work_dir, image.sha256, place.id);
        // A host that does not read says why when it ends.
        channel.input.write_all(head.as_bytes()).await.ok();
        Ok::<_, Failure>(finish(channel).await)
    })
    .await??;
    if said.answer("end").is_none() {
        return Err(said.lost().unwrap_or_else(|| Failure::AgentStart { why: said.noise() }));
    }
    let all = |word| said.all(word).map(str::to_owned).collect();
    Ok(Cleaned { gone: all("gone"), left: all("left") })
}

/// Ends the agent by TERM and KILL if it still runs, and returns whether it is proved gone. Without its process id the one
/// that its lock names is meant.
pub async fn prove_gone(link: &Link, place: &AgentPlace, pid: Option<u32>, after: Duration) -> bool {
    let asked = timeout(after, async {
        let mut channel = link.exec(END).await?;
        let pid = pid.map_or_else(String::new, |pid| pid.to_string());
        let head = format!("{}\n{}\n{pid}\n", place.work_dir, place.id);
        channel.input.write_all(head.as_bytes()).await.ok();
        Ok::<_, Failure>(finish(channel).await)
    });
    matches!(asked.await, Ok(Ok(said)) if said.answer("gone").is_some())
}
