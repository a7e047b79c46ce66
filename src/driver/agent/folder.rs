//! The run's folder on a host: its lock, so that one agent works for a run there, its socket, its log, and which payloads
//! it keeps.

use std::fs::{DirBuilder, File};
use std::io::{Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::process::Pid;

use super::supervisor::kills_for_memory;
use crate::base::InfoHash;
use crate::control::{AgentFailure, AgentId, RunId};

/// The file in the folder that names the payloads.
const PAYLOADS: &str = "payloads";

/// The socket in the folder.
const SOCKET: &str = "socket";

/// The file that is there as long as a console is attached.
const CONSOLE: &str = "console";

/// Payloads of one run that are looked at.
const PAYLOADS_MAX: usize = 64;

/// Runs that are looked at for what they left.
const RUNS_MAX: usize = 256;

/// `WORK_DIR/runs/RUN/HOST`, held by this process alone.
#[derive(Debug)]
pub(super) struct RunFolder {
    path: PathBuf,
    _lock: File,
}

/// The folder of an agent.
pub(super) fn folder_of(work_dir: &Path, id: &AgentId) -> PathBuf {
    work_dir.join("runs").join(id.run().as_str()).join(id.host())
}

/// Makes an agent's folder; only this user may look into it.
pub(super) fn make(folder: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Where the log of an agent goes.
pub(super) fn log_of(folder: &Path) -> PathBuf {
    folder.join("agent.log")
}

/// The folder's socket, by a path that is short enough for a socket however long the folder's is: through the open folder.
/// The path is good as long as the file is open.
pub(super) fn socket_of(folder: &Path) -> std::io::Result<(File, PathBuf)> {
    let open = File::open(folder)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", open.as_raw_fd()));
    Ok((open, path))
}

/// Whether the folder's socket is there: an agent that ends in good order removes it.
pub(super) fn has_socket(folder: &Path) -> bool {
    folder.join(SOCKET).symlink_metadata().is_ok()
}

/// Whether no agent holds the folder.
pub(super) fn is_free(folder: &Path) -> bool {
    !lock_path(folder).exists() || lock_ended(folder).is_some()
}

/// When a console was last heard by the agent of the folder; `None` when none was.
pub(super) fn console_of(folder: &Path) -> Option<std::time::SystemTime> {
    folder.join(CONSOLE).metadata().ok()?.modified().ok()
}

impl RunFolder {
    /// Makes the folder and takes its lock; `None` when another agent has it.
    pub(super) fn take(folder: &Path) -> Result<Option<Self>, AgentFailure> {
        Ok(try_lock(folder)?.map(|lock| Self { path: folder.to_owned(), _lock: lock }))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Notes that a console is there.
    pub(super) fn console_is_there(&self) {
        // Without it another run is told less.
        let _ = std::fs::write(self.path.join(CONSOLE), []);
    }

    /// Nobody is to attach any more; the rest of the folder is kept.
    pub(super) fn close(self) {
        for name in [CONSOLE, SOCKET] {
            let _ = std::fs::remove_file(self.path.join(name));
        }
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

    /// The payloads this run keeps, and where.
    pub(super) fn kept(&self) -> Vec<(InfoHash, PathBuf)> {
        let notes = self.notes();
        let kept = notes.iter().filter_map(|line| line.split_once(' '));
        kept.filter_map(|(hash, destination)| Some((hash.parse().ok()?, PathBuf::from(destination)))).collect()
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

fn kept(info_hash: InfoHash, destination: &Path) -> String {
    format!("{info_hash} {}", destination.display().to_string().escape_debug())
}

fn lock_path(folder: &Path) -> PathBuf {
    folder.join("lock")
}

/// Takes the lock and writes this process's id into it, and how many the kernel has killed for want of memory so far; `None` while another process has it.
fn try_lock(folder: &Path) -> Result<Option<File>, AgentFailure> {
    let path = lock_path(folder);
    let attempt = || -> std::io::Result<Option<File>> {
        make(folder)?;
        let mut file = File::options().create(true).truncate(false).read(true).write(true).mode(0o600).open(&path)?;
        if !hold(&file, &path)? {
            return Ok(None);
        }
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}\n{}", std::process::id(), kills_for_memory())?;
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

/// Whether a process is an agent that has not ended: its id may be another's by now. One that is ending holds its files until
/// it is a zombie.
pub(super) fn is_agent(pid: Pid) -> bool {
    let read = |what: &str| std::fs::read(format!("/proc/{}/{what}", pid.as_raw_nonzero())).unwrap_or_default();
    let (status, command) = (read("stat"), read("cmdline"));
    let state = String::from_utf8_lossy(&status).rsplit(')').next().and_then(|rest| rest.trim().chars().next());
    let ours = command.is_empty() || String::from_utf8_lossy(&command).contains("rookery-agent");
    state.is_some_and(|state| !matches!(state, 'Z' | 'X')) && ours
}

/// How many processes the kernel had killed for want of memory when a folder was taken.
pub(super) fn kills_before(folder: &Path) -> u64 {
    lock_lines(folder).and_then(|lines| lines.split('\n').nth(1)?.parse().ok()).unwrap_or_default()
}

fn lock_lines(folder: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(lock_path(folder)).ok()?.take(64).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The process that holds a folder, or held it.
pub(super) fn holder_of(folder: &Path) -> Option<Pid> {
    let pid = lock_lines(folder)?.split('\n').next()?.parse().ok()?;
    Pid::from_raw(pid).filter(|pid| pid.as_raw_nonzero().get() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: InfoHash = InfoHash::new([7; 20]);

    fn take(work_dir: &Path, id: &str) -> RunFolder {
        RunFolder::take(&folder_of(work_dir, &id.parse().unwrap())).unwrap().expect("nobody has it")
    }

    #[test]
    fn one_agent_holds_a_run_and_removes_its_folder() {
        let home = tempfile::tempdir().unwrap();
        let folder = take(home.path(), "r1/web1");
        assert!(RunFolder::take(folder.path()).unwrap().is_none() && !is_free(folder.path()));
        assert_eq!(holder_of(&folder.path).map(|pid| pid.as_raw_nonzero().get() as u32), Some(std::process::id()));
        assert_eq!(folder.remove(), None);
        assert!(!home.path().join("runs").exists());
    }

    #[test]
    fn hosts_that_share_a_folder_do_not_disturb_each_other() {
        let home = tempfile::tempdir().unwrap();
        let (one, other) = (take(home.path(), "r1/web1"), take(home.path(), "r1/../.web2"));
        assert_eq!(one.remove(), None);
        assert!(other.path.is_dir());
        assert_eq!(other.remove(), None);
        assert!(!home.path().join("runs").exists());
    }

    #[test]
    fn a_socket_has_a_short_path_however_deep_its_folder_is() {
        let home = tempfile::tempdir().unwrap();
        let folder = take(&home.path().join("deep".repeat(40)), "r1/web1");
        let (_open, path) = socket_of(folder.path()).unwrap();
        assert!(path.as_os_str().len() < 100);
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        std::os::unix::net::UnixStream::connect(&path).unwrap();
        listener.accept().unwrap();
        assert!(has_socket(folder.path()));
    }

    #[test]
    fn what_a_killed_run_left_is_found_by_the_next_with_the_same_payload() {
        let home = tempfile::tempdir().unwrap();
        for (id, hash) in [("killed", HASH), ("of-another-payload", InfoHash::new([8; 20])), ("at-work", HASH)] {
            take(home.path(), &format!("{id}/web1")).remember(hash, Path::new("/srv")).unwrap();
        }
        let at_work = take(home.path(), "at-work/web1");
        let folder = take(home.path(), "next/web1");
        folder.remember(HASH, Path::new("/srv")).unwrap();
        let names: Vec<_> = folder.abandoned().into_iter().map(|(run, _)| run.to_string()).collect();
        assert_eq!(names, ["killed"]);
        drop(at_work);
        assert_eq!(folder.abandoned().into_iter().filter_map(|(_, folder)| folder.remove()).count(), 0);
        assert_eq!(std::fs::read_dir(home.path().join("runs")).unwrap().count(), 2);
    }
}
