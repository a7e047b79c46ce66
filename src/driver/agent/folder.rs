//! The run's folder on a host: its lock, so that one agent works for a run there, its log, and which payloads it keeps.

use std::fs::{DirBuilder, File};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};

use crate::base::InfoHash;
use crate::control::{AgentFailure, RunId};

/// How long another agent of the run is given to leave when asked to, and again when made to.
const LEAVE_AFTER: Duration = Duration::from_secs(5);

const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// The file in the folder that names the payloads.
const PAYLOADS: &str = "payloads";

/// Letters of a host's name in the name of its folder.
const NAME_MAX: usize = 200;

/// Payloads of one run that are looked at.
const PAYLOADS_MAX: usize = 64;

/// Runs that are looked at for what they left.
const RUNS_MAX: usize = 256;

/// `WORK_DIR/runs/RUN/HOST`, held by this process alone. Hosts may share a work folder (a home on NFS), and the agent of
/// another host must never be taken for one that was left behind on this one.
#[derive(Debug)]
pub(super) struct RunFolder {
    path: PathBuf,
    _lock: File,
}

impl RunFolder {
    /// Makes the folder and takes its lock. An agent that a lost connection left behind is told to go first.
    pub(super) async fn take(work_dir: &Path, run: &RunId, host: &str) -> Result<Self, AgentFailure> {
        let path = work_dir.join("runs").join(run.as_str()).join(folder_name(host));
        if let Some(lock) = try_lock(&path)? {
            return Ok(Self { path, _lock: lock });
        }
        for signal in [Signal::TERM, Signal::KILL] {
            let mut waited = Duration::ZERO;
            let mut told = None;
            while waited < LEAVE_AFTER {
                let holder = holder_of(&path).filter(|pid| is_agent(*pid));
                if holder != told {
                    // Gone in the meantime is as good.
                    holder.map(|pid| kill_process(pid, signal));
                    told = holder;
                }
                tokio::time::sleep(LOOK_AGAIN_AFTER).await;
                waited += LOOK_AGAIN_AFTER;
                if let Some(lock) = try_lock(&path)? {
                    return Ok(Self { path, _lock: lock });
                }
            }
        }
        let why = "another agent of this run holds it and does not go away".to_owned();
        Err(AgentFailure::Io { operation: "lock".to_owned(), path: path.display().to_string(), why })
    }

    /// Where the run's log goes.
    pub(super) fn log(&self) -> PathBuf {
        self.path.join("agent.log")
    }

    /// Notes that this run keeps the payload of `info_hash` in `destination`, for whoever is told to remove it.
    pub(super) fn remember(&self, info_hash: InfoHash, destination: &Path) -> Result<(), AgentFailure> {
        let (path, line) = (self.path.join(PAYLOADS), kept(info_hash, destination));
        if self.notes().contains(&line) {
            return Ok(());
        }
        let noted = File::options()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| writeln!(file, "{line}"));
        noted.map_err(|error| AgentFailure::from_io("write", &path, &error))
    }

    /// The payloads this run keeps on this host, an earlier agent's included.
    pub(super) fn remembered(&self) -> Vec<InfoHash> {
        self.notes().iter().filter_map(|line| line.split(' ').next()?.parse().ok()).collect()
    }

    /// Takes the folders of runs that nobody works for any more on this host, and that kept nothing but what this run
    /// keeps too: a console that was killed leaves them.
    pub(super) fn abandoned(&self) -> Vec<(RunId, Self)> {
        let Some((run, host)) = self.path.parent().zip(self.path.file_name()) else { return Vec::new() };
        let Some(runs) = run.parent().and_then(|runs| std::fs::read_dir(runs).ok()) else { return Vec::new() };
        let ours = self.notes();
        let others = runs.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path != run);
        let taken = others.take(RUNS_MAX).filter_map(|path| {
            let id = path.file_name()?.to_str()?.parse().ok()?;
            let path = path.join(host);
            let folder = Self { _lock: lock_ended(&path)?, path };
            folder.notes().iter().all(|line| ours.contains(line)).then_some((id, folder))
        });
        taken.collect()
    }

    /// Removes the folder; says what is left of it.
    pub(super) fn remove(self) -> Option<String> {
        let left = std::fs::remove_dir_all(&self.path).err().map(|error| format!("{}: {error}", self.path.display()));
        for above in self.path.ancestors().skip(1).take(2) {
            // Other hosts and other runs may still be there.
            let _ = std::fs::remove_dir(above);
        }
        left
    }

    fn notes(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path.join(PAYLOADS)).unwrap_or_default();
        text.lines().take(PAYLOADS_MAX).map(str::to_owned).collect()
    }
}

/// A host's name as one of a folder.
fn folder_name(host: &str) -> String {
    let plain =
        |at: usize, letter: char| letter.is_ascii_alphanumeric() || "-_:".contains(letter) || letter == '.' && at > 0;
    host.chars().take(NAME_MAX).enumerate().map(|(at, letter)| if plain(at, letter) { letter } else { '_' }).collect()
}

fn kept(info_hash: InfoHash, destination: &Path) -> String {
    format!("{info_hash} {}", destination.display().to_string().escape_debug())
}

fn lock_path(folder: &Path) -> PathBuf {
    folder.join("lock")
}

/// Takes the lock and writes this process's id into it; `None` while another process has it.
fn try_lock(folder: &Path) -> Result<Option<File>, AgentFailure> {
    let path = lock_path(folder);
    let attempt = || -> std::io::Result<Option<File>> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut file = File::options().create(true).truncate(false).read(true).write(true).mode(0o600).open(&path)?;
        if !hold(&file, &path)? {
            return Ok(None);
        }
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Some(file))
    };
    match attempt() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        result => result.map_err(|error| AgentFailure::from_io("lock", &path, &error)),
    }
}

/// Takes the lock of a folder whose agent has ended.
fn lock_ended(folder: &Path) -> Option<File> {
    let path = lock_path(folder);
    let file = File::options().write(true).open(&path).ok()?;
    hold(&file, &path).ok()?.then_some(file)
}

/// Locks a file; false when another process has it, or has removed it while it was being opened.
fn hold(file: &File, path: &Path) -> std::io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(false),
        Err(errno) => return Err(errno.into()),
    }
    let (mine, there) = (file.metadata()?, std::fs::metadata(path));
    Ok(there.is_ok_and(|there| (there.dev(), there.ino()) == (mine.dev(), mine.ino())))
}

/// Whether a process is an agent: its id may be another's by now.
fn is_agent(pid: Pid) -> bool {
    let command = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
    String::from_utf8_lossy(&command).contains("rookery-agent")
}

fn holder_of(folder: &Path) -> Option<Pid> {
    let mut text = String::new();
    File::open(lock_path(folder)).ok()?.take(32).read_to_string(&mut text).ok()?;
    let pid = text.strip_suffix('\n')?.parse().ok()?;
    Pid::from_raw(pid).filter(|pid| pid.as_raw_nonzero().get() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: InfoHash = InfoHash::new([7; 20]);

    fn run(name: &str) -> RunId {
        name.parse().unwrap()
    }

    #[tokio::test]
    async fn one_agent_holds_a_run_and_removes_its_folder() {
        let home = tempfile::tempdir().unwrap();
        let folder = RunFolder::take(home.path(), &run("r1"), "web1").await.unwrap();
        assert!(try_lock(&folder.path).unwrap().is_none());
        assert_eq!(holder_of(&folder.path).map(|pid| pid.as_raw_nonzero().get() as u32), Some(std::process::id()));
        assert_eq!(folder.remove(), None);
        assert!(!home.path().join("runs").exists());
    }

    #[tokio::test]
    async fn hosts_that_share_a_folder_do_not_disturb_each_other() {
        let home = tempfile::tempdir().unwrap();
        let one = RunFolder::take(home.path(), &run("r1"), "web1").await.unwrap();
        let other = RunFolder::take(home.path(), &run("r1"), "../.web2").await.unwrap();
        assert_eq!(one.remove(), None);
        assert!(other.path.is_dir());
        assert_eq!(other.remove(), None);
        assert!(!home.path().join("runs").exists());
    }

    #[tokio::test]
    async fn what_a_killed_run_left_is_found_by_the_next_with_the_same_payload() {
        let home = tempfile::tempdir().unwrap();
        let take = async |name: &str| RunFolder::take(home.path(), &run(name), "web1").await.unwrap();
        for (name, hash) in [("killed", HASH), ("of-another-payload", InfoHash::new([8; 20])), ("at-work", HASH)] {
            take(name).await.remember(hash, Path::new("/srv")).unwrap();
        }
        let at_work = take("at-work").await;
        let folder = take("next").await;
        folder.remember(HASH, Path::new("/srv")).unwrap();
        let names: Vec<_> = folder.abandoned().into_iter().map(|(run, _)| run).collect();
        assert_eq!(names, [run("killed")]);
        drop(at_work);
        assert_eq!(folder.abandoned().into_iter().filter_map(|(_, folder)| folder.remove()).count(), 0);
        assert_eq!(std::fs::read_dir(home.path().join("runs")).unwrap().count(), 2);
    }
}
