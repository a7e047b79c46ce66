//! The folder of one run on this machine: its journal, its log, its report, and for its time the payload and what another
//! console needs to take the run up.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::exit::{Ending, Exit, Or};
use super::kept::Kept;
use super::out::tell;
use crate::control::RunId;
use crate::driver::bootstrap::Cleaned;
use crate::journal::journal_path;

/// Held by the console of the run.
pub(super) const LOCK: &str = "console.lock";

/// How often a lock is tried that somebody may only have looked at, and how long that takes.
const GLANCES: u32 = 5;
const GLANCE_TAKES: Duration = Duration::from_millis(20);

/// A folder that was made so lately may be about to be locked.
const BEGINS_WITHIN: Duration = Duration::from_secs(60);

/// What becomes of a folder when its console is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Nothing has begun: it goes.
    Goes,
    /// The run is over: what was only for its time goes.
    Stays,
    /// The run goes on without this console.
    Left,
}

/// Held by the one console of the run. Dropped, it removes what is not needed any more; before [`keep`](Self::keep), itself.
#[derive(Debug)]
pub(super) struct RunFolder {
    run: RunId,
    path: PathBuf,
    fate: Fate,
    _lock: File,
}

impl RunFolder {
    /// Makes the folder of a new run, readable by its operator alone.
    pub(super) fn create(state: &Path) -> Result<Self, Ending> {
        let now = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S");
        let run: RunId = format!("{now}-{:04x}", fastrand::u16(..)).parse().or_unexpected("name the run")?;
        let path = state.join("runs").join(run.as_str());
        let created = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        created.map_err(|error| {
            let path = path.display();
            let why =
                format!("failed to make the run's folder {path}: {error}; $XDG_STATE_HOME names another place for it");
            Ending::new(Exit::Unexpected, why)
        })?;
        let lock = lock(&path)?.ok_or_else(|| Ending::new(Exit::Unexpected, format!("run {run} is there already")))?;
        Ok(Self { run, path, fate: Fate::Goes, _lock: lock })
    }

    /// Takes the folder of a run whose console is gone.
    pub(super) fn take(state: &Path, run: &RunId) -> Result<Self, Ending> {
        let path = state.join("runs").join(run.as_str());
        let mut taken = lock(&path)?;
        for _ in 0..GLANCES {
            if taken.is_some() {
                break;
            }
            // Somebody may only have looked whether it is held.
            std::thread::sleep(GLANCE_TAKES);
            taken = lock(&path)?;
        }
        let lock = taken.ok_or_else(|| {
            let why = format!(
                "run {run} has a console on this machine; `rookery attach {run} --read-only` watches it, and `rookery resume \
                 RUN` takes up another"
            );
            Ending::new(Exit::Usage, why)
        })?;
        Ok(Self { run: run.clone(), path, fate: Fate::Left, _lock: lock })
    }

    /// Removes what consoles left that were killed before their run began: no journal knows of it, and a payload may be
    /// large. Says what is gone, and what is not and why.
    pub(super) fn sweep(state: &Path) -> Cleaned {
        let mut found = Cleaned::default();
        let entries = fs::read_dir(state.join("runs")).into_iter().flatten().filter_map(Result::ok);
        for entry in entries {
            let (name, path) = (entry.file_name(), entry.path());
            let Some(run) = name.to_str().and_then(|name| name.parse::<RunId>().ok()) else { continue };
            let age = entry.metadata().and_then(|folder| folder.modified()).map(|at| at.elapsed().unwrap_or_default());
            if journal_path(state, &run).exists() || age.is_ok_and(|age| age < BEGINS_WITHIN) {
                continue;
            }
            match lock(&path).map(|lock| lock.map(|_held| fs::remove_dir_all(&path))) {
                Ok(Some(Ok(()))) => found.gone.push(path.display().to_string()),
                Ok(Some(Err(error))) => found.left.push(format!("{}: {error}", path.display())),
                Ok(None) => {}
                Err(ending) => found.left.push(ending.message),
            }
        }
        found
    }

    /// Whether a console has the run in its hands.
    pub(super) fn is_held(state: &Path, run: &RunId) -> bool {
        let lock = File::open(state.join("runs").join(run.as_str()).join(LOCK));
        lock.is_ok_and(|lock| flock(&lock, FlockOperation::NonBlockingLockShared).is_err())
    }

    /// The run.
    pub(super) fn run(&self) -> &RunId {
        &self.run
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where a payload that is made for this run lies.
    pub(super) fn payload(&self) -> PathBuf {
        self.path.join("payload")
    }

    /// A new run begins, or any is over: what is told of it stays, and what takes it up goes with this.
    pub(super) fn keep(&mut self) {
        self.fate = Fate::Stays;
    }

    /// The run goes on without this console: everything stays.
    pub(super) fn leave(&mut self) {
        self.fate = Fate::Left;
    }
}

/// What is said when a run that was named is not here.
pub(super) fn no_run(state: &Path, run: &RunId) -> Ending {
    let state = state.display();
    let why = format!(
        "no run `{run}` in {state}: a run lies on the machine, and with the user, that began it, and is watched and taken up \
         there; `rookery runs` lists those that are here"
    );
    Ending::new(Exit::Usage, why)
}

/// Takes the lock of a run's folder; `None` when another console has it.
fn lock(folder: &Path) -> Result<Option<File>, Ending> {
    let path = folder.join(LOCK);
    let opened = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = opened.or_unexpected(format_args!("open {}", path.display()))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(Ending::new(Exit::Unexpected, format!("failed to lock {}: {error}", path.display()))),
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        let removed = match self.fate {
            Fate::Goes => fs::remove_dir_all(&self.path),
            Fate::Stays => Kept::remove(&self.path).and_then(|()| fs::remove_file(self.payload())),
            Fate::Left => Ok(()),
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let what = if self.fate == Fate::Stays { self.payload() } else { self.path.clone() };
                tell(format_args!("rookery: left behind on this machine: {} ({error})", what.display()));
            }
            Ok(()) | Err(_) => {}
        }
        if self.fate == Fate::Goes {
            // The folders above it were made with it if they are empty now.
            let above = self.path.ancestors().skip(1).take(2);
            let _ = above.map(fs::remove_dir).find(Result::is_err);
        }
    }
}
