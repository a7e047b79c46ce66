//! What a host is like.

use std::net::IpAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::command::{Said, finish};
use super::script::PROBE;
use super::{AgentImage, Link};
use crate::base::ByteCount;
use crate::driver::ssh::within;
use crate::rollout::{Failure, Phase};

/// What is known about a host before anything is sent to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// `uname -s -m`.
    pub system: String,
    /// This machine's address as the host sees it.
    pub console: Option<IpAddr>,
    /// The host's own address.
    pub address: Option<IpAddr>,
    /// The host's clock, in seconds since 1970.
    pub time: Option<u64>,
    /// The folder to use.
    pub work_dir: String,
    /// Bytes free there to this user, if the host tells.
    pub free: Option<ByteCount>,
    /// Whether our agent is there, intact.
    pub has_agent: bool,
    /// Whether gzip is there.
    pub has_gzip: bool,
    /// Folders that came first, and why they are not used.
    pub refused: Vec<String>,
}

/// Looks at a host: one command, no longer than `after`.
///
/// # Errors
/// [`Failure::WorkDir`] when no folder is fit, [`Failure::Unsupported`] when the agent cannot run there,
/// [`Failure::AgentStart`] when the host does something else than what it is told.
pub async fn probe(link: &Link, image: &AgentImage, work_dir: &str, after: Duration) -> Result<Probe, Failure> {
    if work_dir.contains(['\n', '\r', '\0']) {
        return Err(Failure::WorkDir { why: format!("{work_dir:?} holds a line break") });
    }
    // `test -L` looks through a link that is followed by a slash.
    let work_dir = if work_dir == "/" { work_dir } else { work_dir.trim_end_matches('/') };
    let said = within(Phase::Exec, after, async {
        let mut channel = link.exec(PROBE).await?;
        // A host that does not read has ended: it says why.
        channel.input.write_all(format!("{work_dir}\n{}\n", image.sha256).as_bytes()).await.ok();
        Ok::<_, Failure>(finish(channel).await)
    })
    .await??;
    understand(&said, image)
}

fn understand(said: &Said, image: &AgentImage) -> Result<Probe, Failure> {
    let (Some(system), Some(_)) = (said.answer("system"), said.answer("end")) else {
        let why = format!("the host does not run commands; it said {}", said.noise());
        return Err(said.lost().unwrap_or(Failure::AgentStart { why }));
    };
    let fits = system
        .split_once(' ')
        .is_some_and(|(kernel, machine)| kernel == "Linux" && image.machine.is_none_or(|ours| ours == machine));
    if !fits {
        return Err(Failure::Unsupported { system: system.to_owned() });
    }
    let has = |tool: &str| said.all("has").any(|found| found == tool);
    if !has("sha256sum") {
        return Err(Failure::Unsupported { system: format!("{system} without sha256sum") });
    }
    let mut refused: Vec<String> = said.all("refused").map(str::to_owned).collect();
    refused.dedup();
    let Some(work_dir) = said.answer("folder").map(str::to_owned) else {
        return Err(Failure::WorkDir { why: refused.join("; ") });
    };
    let ends: Vec<&str> = said.answer("ssh").unwrap_or_default().split(' ').collect();
    let address = |at: usize| ends.get(at).and_then(|text| text.split('%').next()).and_then(|text| text.parse().ok());
    Ok(Probe {
        system: system.to_owned(),
        console: address(0),
        address: address(2),
        time: said.answer("time").and_then(|time| time.parse().ok()),
        work_dir,
        free: said.answer("space").and_then(free_of),
        has_agent: said.answer("agent").is_some(),
        has_gzip: has("gzip"),
        refused,
    })
}

/// Free bytes of a line of `df -Pk`: what is before the percentage.
fn free_of(line: &str) -> Option<ByteCount> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let percent = fields.iter().position(|field| field.ends_with('%'))?;
    let kibibytes: u64 = fields.get(percent.checked_sub(1)?)?.parse().ok()?;
    Some(ByteCount(kibibytes.saturating_mul(1024)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_space_is_found_whatever_the_device_is_called() {
        assert_eq!(free_of("/dev/sda1 100 60 40 60% /"), Some(ByteCount(40 << 10)));
        assert_eq!(free_of("//nas/a share 100 60 40 60% /mnt/my disk"), Some(ByteCount(40 << 10)));
        assert_eq!(free_of(""), None);
    }
}
