//! What a host is like.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::AsyncWriteExt;

use super::command::{Said, finish, listen_for};
use super::script::PROBE;
use super::{AgentImage, Foothold, Link, Needs};
use crate::base::ByteCount;
use crate::control::AgentId;
use crate::driver::channel::Channel;
use crate::driver::ssh::within;
use crate::rollout::{Failure, Phase};

/// What is known about a host before anything is sent to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// `uname -s -m`.
    pub system: String,
    /// Why the agent cannot work there; empty when it can.
    pub faults: Vec<Failure>,
    /// This machine's address as the host sees it.
    pub console: Option<IpAddr>,
    /// The host's own address.
    pub address: Option<IpAddr>,
    /// Seconds the host's clock is ahead of this machine's, as far as that is certain; `None` if it does not tell.
    pub skew: Option<i64>,
    /// The folder to use; empty when none is fit.
    pub work_dir: String,
    /// The deepest folder on the way there that was there before, with a slash at its end.
    pub work_top: String,
    /// Bytes free there to this user, if the host tells.
    pub free: Option<ByteCount>,
    /// Whether our agent is there, intact.
    pub has_agent: bool,
    /// How many other agents are there.
    pub other_agents: u32,
    /// Whether gzip is there.
    pub has_gzip: bool,
    /// Folders that came first, and why they are not used.
    pub refused: Vec<String>,
    /// The folder of releases, if it was asked about.
    pub landing: Option<Landing>,
    /// Ports of the range that have a listener, if they were asked about.
    pub taken: Vec<u16>,
}

/// The folder of releases, as it is or could be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Landing {
    /// The part of its path that is there: what was tried was tried in it.
    pub base: String,
    /// Why nothing can be made there, in the host's words.
    pub refuses: Option<String>,
    /// Something on its path that is no folder.
    pub misfit: Option<String>,
    /// Our folder in it, when it is somebody else's.
    pub foreign: Option<String>,
    /// Who works in it now.
    pub holder: Option<Holder>,
    /// Bytes free to this user.
    pub free: Option<ByteCount>,
    /// Inodes free, where a file system counts them.
    pub inodes: Option<u64>,
    /// Bytes that have their room already: a payload fetched in part.
    pub partial: ByteCount,
    /// Whether a release of the tag is there.
    pub has_release: bool,
}

/// Who holds a folder of releases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The run, by its name.
    pub run: String,
    /// Whose it is, since when, from where and why.
    pub by: String,
}

/// What becomes of the work folder that a probe looks at, where it is not there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traces {
    /// It is made: it is about to be used.
    Stay,
    /// It is not: another stands in for it, and is removed.
    Go,
}

/// Looks at a host: one command, no longer than `after`.
///
/// # Errors
/// [`Failure::WorkDir`] when a folder cannot be asked about, [`Failure::AgentStart`] when the host does something else than
/// what it is told. What is wrong with the host itself is in [`Probe::faults`], and for [`Needs::faults`] to say.
pub async fn probe(
    link: &Link,
    image: &AgentImage,
    work_dir: &str,
    (needs, traces): (&Needs, Traces),
    after: Duration,
) -> Result<Probe, Failure> {
    let question = question(image, work_dir, None, (needs, traces))?;
    within(Phase::Exec, after, async {
        let (channel, asked) = ask(link, &question).await?;
        understand(&finish(channel).await, image, (asked, SystemTime::now()))
    })
    .await?
}

/// Looks at a host as [`probe`] does, ports left out, and stays there: the same shell brings the agent and becomes the way to it,
/// `id`. An agent that is there already looks itself, and is that agent then.
///
/// # Errors
/// Those of [`probe`].
pub async fn enter(
    link: &Link,
    image: &AgentImage,
    work_dir: &str,
    (id, needs): (&AgentId, &Needs),
    after: Duration,
) -> Result<(Probe, Foothold), Failure> {
    let question = question(image, work_dir, Some(id), (needs, Traces::Stay))?;
    within(Phase::Exec, after, async {
        let (mut channel, asked) = ask(link, &question).await?;
        let said = listen_for(&mut channel, "end").await;
        let probe = understand(&said, image, (asked, SystemTime::now()))?;
        Ok((probe, Foothold::new(channel)))
    })
    .await?
}

async fn ask(link: &Link, question: &str) -> Result<(Channel, SystemTime), Failure> {
    let mut channel = link.exec(PROBE).await?;
    // A host that does not read has ended: it says why.
    channel.input.write_all(question.as_bytes()).await.ok();
    Ok((channel, SystemTime::now()))
}

/// The lines that the probe reads.
fn question(
    image: &AgentImage,
    work_dir: &str,
    id: Option<&AgentId>,
    (needs, traces): (&Needs, Traces),
) -> Result<String, Failure> {
    // `test -L` looks through a link that is followed by a slash.
    let plain = |path: &str| match path.trim_end_matches('/') {
        "" if !path.is_empty() => "/".to_owned(),
        path => path.to_owned(),
    };
    let lines = [
        plain(work_dir),
        image.sha256.to_string(),
        id.map(ToString::to_string).unwrap_or_default(),
        if traces == Traces::Stay { "keep" } else { "undo" }.to_owned(),
        needs.destination.as_deref().map(plain).unwrap_or_default(),
        needs.tag.as_ref().map(ToString::to_string).unwrap_or_default(),
        needs.payload.map(|hash| hash.to_string()).unwrap_or_default(),
        needs.ports.map(|ports| format!("{} {}", ports.first, ports.last)).unwrap_or_default(),
        needs.address.map(|address| address.to_string()).unwrap_or_default(),
    ];
    match lines.iter().find(|line| line.contains(['\n', '\r', '\0'])) {
        Some(line) => Err(Failure::WorkDir { why: format!("{line:?} holds a line break") }),
        None => Ok(lines.map(|line| line + "\n").concat()),
    }
}

fn understand(said: &Said, image: &AgentImage, between: (SystemTime, SystemTime)) -> Result<Probe, Failure> {
    let (Some(system), Some(_)) = (said.answer("system"), said.answer("end")) else {
        let why = format!("the host does not run commands; it said {}", said.noise());
        return Err(said.lost().unwrap_or(Failure::AgentStart { why }));
    };
    let fits = system
        .split_once(' ')
        .is_some_and(|(kernel, machine)| kernel == "Linux" && image.machine.is_none_or(|ours| ours == machine));
    let mut faults = Vec::new();
    if !fits {
        faults.push(Failure::Unsupported { system: system.to_owned() });
    }
    let mut refused: Vec<String> = said.all("refused").map(str::to_owned).collect();
    refused.dedup();
    let work_dir = said.answer("folder").map(str::to_owned).unwrap_or_default();
    if work_dir.is_empty() {
        faults.push(Failure::WorkDir { why: refused.join("; ") });
    }
    let ends: Vec<&str> = said.answer("ssh").unwrap_or_default().split(' ').collect();
    let address = |at: usize| ends.get(at).and_then(|text| text.split('%').next()).and_then(|text| text.parse().ok());
    Ok(Probe {
        system: system.to_owned(),
        faults,
        console: address(0),
        address: address(2),
        skew: said.answer("time").and_then(|time| time.parse().ok()).map(|time| skew(time, between)),
        work_dir,
        free: said.answer("top").and_then(|top| Room::of(said, top)).map(|room| room.free),
        work_top: said.answer("top").unwrap_or_default().to_owned(),
        has_agent: said.answer("agent").is_some(),
        other_agents: said.answer("agents").and_then(|count| count.trim().parse().ok()).unwrap_or_default(),
        has_gzip: said.all("has").any(|found| found == "gzip"),
        refused,
        landing: said.answer("into").map(|base| landing(said, base)),
        taken: said.answer("taken").unwrap_or_default().split(' ').filter_map(|port| port.parse().ok()).collect(),
    })
}

fn landing(said: &Said, base: &str) -> Landing {
    let text = |word: &str| said.answer(word).map(str::to_owned);
    let room = Room::of(said, base);
    let base = base.trim_end_matches('/');
    Landing {
        base: if base.is_empty() { "/" } else { base }.to_owned(),
        refuses: text("refuses"),
        misfit: text("misfit"),
        foreign: text("foreign"),
        holder: said.answer("held").and_then(|held| {
            let (run, by) = held.split_once(' ')?;
            Some(Holder { run: run.to_owned(), by: by.to_owned() })
        }),
        free: room.as_ref().map(|room| room.free),
        inodes: room.and_then(|room| room.inodes),
        partial: ByteCount(said.answer("partial").and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) << 10),
        has_release: said.answer("release").is_some(),
    }
}

/// How far a clock that tells whole seconds is ahead of ours, when it was asked and had answered between two moments.
fn skew(time: i64, (asked, answered): (SystemTime, SystemTime)) -> i64 {
    let ours = |at: SystemTime| at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
    // It was `time` up to `time + 1`, and we were between both.
    let (behind, ahead) = (time + 1 - ours(asked), time - ours(answered) - 1);
    if ahead > 0 { ahead } else { behind.min(0) }
}

/// What is free on the file system of a folder.
#[derive(Debug, PartialEq, Eq)]
struct Room {
    free: ByteCount,
    inodes: Option<u64>,
}

impl Room {
    /// As `stat -f` told it.
    fn of(said: &Said, folder: &str) -> Option<Self> {
        said.all("room").find_map(|line| Self::parse(line, folder))
    }

    /// Free blocks, their size, inodes and free inodes (both 0 where they are not counted), and the folder.
    fn parse(line: &str, folder: &str) -> Option<Self> {
        let mut fields = line.splitn(5, ' ');
        let mut number = || fields.next()?.parse::<u64>().ok();
        let (blocks, size, inodes, free) = (number()?, number()?, number()?, number()?);
        let told = fields.next() == Some(folder);
        let inodes = (inodes > 0).then_some(free);
        told.then_some(Self { free: ByteCount(blocks.saturating_mul(size)), inodes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_space_is_that_of_the_folder_that_was_asked_about() {
        let room = |free, inodes| Some(Room { free: ByteCount(free), inodes });
        assert_eq!(Room::parse("40 4096 9 7 /mnt/my disk/", "/mnt/my disk/"), room(160 << 10, Some(7)));
        assert_eq!(Room::parse("40 1024 0 0 /", "/"), room(40 << 10, None));
        assert_eq!(Room::parse("40 1024 0 0 /srv/", "/"), None);
        assert_eq!(Room::parse("", ""), None);
    }

    #[test]
    fn a_clock_is_off_only_as_far_as_that_is_certain() {
        let at = |seconds: u64| UNIX_EPOCH + Duration::from_secs(seconds);
        for (time, expected) in [(100, 0), (99, 0), (101, 0), (104, 0), (110, 6), (50, -49)] {
            assert_eq!(skew(time, (at(100), at(103))), expected, "{time}");
        }
    }
}
