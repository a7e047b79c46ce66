//! The folder of one run on this machine: its journal, its log, its report, and for its time the payload.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::exit::{Ending, Or};
use super::out::tell;
use crate::control::RunId;

/// Dropped, it removes the payload; before [`keep`](Self::keep), it removes itself.
#[derive(Debug)]
pub(super) struct RunFolder {
    run: RunId,
    path: PathBuf,
    kept: bool,
}

impl RunFolder {
    /// Makes the folder of a new run, readable by its operator alone.
    pub(super) fn create(state: &Path) -> Result<Self, Ending> {
        let now = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S");
        let run: RunId = format!("{now}-{:04x}", fastrand::u16(..)).parse().or_unexpected("name the run")?;
        let path = state.join("runs").join(run.as_str());
        let created = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        created.or_unexpected(format_args!("make the run's folder {}", path.display()))?;
        Ok(Self { run, path, kept: false })
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

    /// The run begins: what is told of it stays.
    pub(super) fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        let removed = if self.kept { fs::remove_file(self.payload()) } else { fs::remove_dir_all(&self.path) };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let what = if self.kept { self.payload() } else { self.path.clone() };
                tell(format_args!("rookery: left behind on this machine: {} ({error})", what.display()));
            }
            Ok(()) | Err(_) => {}
        }
        if !self.kept {
            // The folders above it were made with it if they are empty now.
            let above = self.path.ancestors().skip(1).take(2);
            let _ = above.map(fs::remove_dir).find(Result::is_err);
        }
    }
}
