//! Events onto a file, a line each, only ever appended.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::Event;
use crate::control::RunId;

/// Bytes of events that may wait for a flush.
const WAITING_MAX: usize = 64 << 10;

/// Where the journal of a run is, in the user's state folder.
pub fn journal_path(state: &Path, run: &RunId) -> PathBuf {
    state.join("runs").join(run.as_str()).join("journal.jsonl")
}

/// Writes events. What is urgent is written at once; progress waits for it, within a bound.
#[derive(Debug)]
pub struct Writer<W> {
    target: W,
    waiting: Vec<u8>,
    /// A part of a line may be there.
    torn: bool,
}

impl Writer<File> {
    /// Opens the journal of a run, its folder made if need be; only this user may read either. A line that a crash cut
    /// off is ended first, so that the next one is whole.
    pub fn open(state: &Path, run: &RunId) -> io::Result<Self> {
        let path = journal_path(state, run);
        let folder = path.parent().expect("a journal lies in a folder");
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path)?;
        let mut last = [b'\n'];
        if file.metadata()?.len() > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        let mut writer = Self::new(file);
        if last != [b'\n'] {
            writer.target.write_all(b"\n")?;
        }
        Ok(writer)
    }
}

impl<W: Write> Writer<W> {
    /// Writes to anything.
    pub const fn new(target: W) -> Self {
        Self { target, waiting: Vec::new(), torn: false }
    }

    /// Takes one event.
    ///
    /// # Errors
    ///
    /// When the target takes no bytes: what waited is dropped, so that a full disk stops no run, and the caller says so
    /// once.
    pub fn write(&mut self, event: &Event) -> io::Result<()> {
        if std::mem::take(&mut self.torn) {
            self.waiting.push(b'\n');
        }
        self.waiting.extend_from_slice(event.to_line().as_bytes());
        if event.is_urgent() || self.waiting.len() > WAITING_MAX { self.flush() } else { Ok(()) }
    }

    /// Writes what waits.
    ///
    /// # Errors
    ///
    /// As [`Self::write`].
    pub fn flush(&mut self) -> io::Result<()> {
        let written = self.target.write_all(&self.waiting).and_then(|()| self.target.flush());
        self.waiting.clear();
        self.torn = written.is_err();
        written
    }
}

impl<W> Writer<W> {
    /// The target; whatever waits is dropped.
    pub fn into_inner(self) -> W {
        self.target
    }
}
