//! The run's folder on a host: its lock, so that one agent works for a run, and its log.

use std::fs::{DirBuilder, File};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
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

/// Payloads of one run that are looked at.
const PAYLOADS_MAX: usize = 64;

/// `WORK_DIR/runs/RUN`, held by this process alone.
#[derive(Debug)]
pub(super) struct RunFolder {
    path: PathBuf,
    _lock: File,
}

impl RunFolder {
    /// Makes the folder and takes its lock. An agent that a lost connection left behind is told to go first.
    pub(super) async fn take(work_dir: &Path, run: &RunId) -> Result<Self, AgentFailure> {
        let path = work_dir.join("runs").join(run.as_str());
        if let Some(lock) = try_lock(&path)? {
            return Ok(Self { path, _lock: lock });
        }
        for signal in [Signal::TERM, Signal::KILL] {
            let mut waited = Duration::ZERO;
            let mut told = None;
            while waited < LEAVE_AFTER {
                let holder = holder_of(&path);
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

    /// Notes that this run keeps the payload of `info_hash` on this host, for whoever is told to remove it.
    pub(super) fn remember(&self, info_hash: InfoHash) -> Result<(), AgentFailure> {
        let path = self.path.join(PAYLOADS);
        if self.remembered().contains(&info_hash) {
            return Ok(());
        }
        let noted = File::options().create(true).append(true).open(&path).and_then(|mut f| writeln!(f, "{info_hash}"));
        noted.map_err(|error| AgentFailure::from_io("write", &path, &error))
    }

    /// The payloads this run keeps on this host, an earlier agent's included.
    pub(super) fn remembered(&self) -> Vec<InfoHash> {
        let text = std::fs::read_to_string(self.path.join(PAYLOADS)).unwrap_or_default();
        text.lines().take(PAYLOADS_MAX).filter_map(|line| line.parse().ok()).collect()
    }

    /// Removes the folder; says what is left of it.
    pub(super) fn remove(self) -> Option<String> {
        let left = std::fs::remove_dir_all(&self.path).err().map(|error| format!("{}: {error}", self.path.display()));
        if let Some(runs) = self.path.parent() {
            // Other runs may still be there.
            let _ = std::fs::remove_dir(runs);
        }
        left
    }
}

fn lock_path(folder: &Path) -> PathBuf {
    folder.join("lock")
}

/// Takes the lock and writes this process's id into it; `None` while another process has it.
fn try_lock(folder: &Path) -> Result<Option<File>, AgentFailure> {
    let path = lock_path(folder);
    let attempt = || -> std::io::Result<Option<File>> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut file = File::options().create(true).truncate(false).read(true).write(true).open(&path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        }
        // Whoever had it may have removed it while this file was being opened.
        let (mine, there) = (file.metadata()?, std::fs::metadata(&path));
        if !there.is_ok_and(|there| (there.dev(), there.ino()) == (mine.dev(), mine.ino())) {
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

fn holder_of(folder: &Path) -> Option<Pid> {
    let mut text = String::new();
    File::open(lock_path(folder)).ok()?.take(32).read_to_string(&mut text).ok()?;
    let pid = text.strip_suffix('\n')?.parse().ok()?;
    Pid::from_raw(pid).filter(|pid| pid.as_raw_nonzero().get() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_agent_holds_a_run_and_removes_its_folder() {
        let home = tempfile::tempdir().unwrap();
        let run: RunId = "r1".parse().unwrap();
        let folder = RunFolder::take(home.path(), &run).await.unwrap();
        assert!(try_lock(&folder.path).unwrap().is_none());
        assert_eq!(holder_of(&folder.path).map(|pid| pid.as_raw_nonzero().get() as u32), Some(std::process::id()));
        assert_eq!(folder.remove(), None);
        assert!(!home.path().join("runs").exists());
    }
}
