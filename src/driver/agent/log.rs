//! Diagnostics of an agent: stderr, and the run's log once there is one. Both are bounded.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::driver::Clock;

/// Most bytes written to stderr: the console keeps the last lines only.
const STDERR_MAX: usize = 64 << 10;

/// Most bytes written to the run's log.
const FILE_MAX: usize = 4 << 20;

/// Where lines for people go.
pub(super) struct Log {
    clock: Clock,
    stderr_left: usize,
    file: Option<File>,
    file_left: usize,
}

impl Log {
    /// Logs to stderr.
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, stderr_left: STDERR_MAX, file: None, file_left: FILE_MAX }
    }

    /// Logs to the file at `path` too, from now on.
    pub(super) fn also_to(&mut self, path: &Path) {
        self.file = File::options().create(true).append(true).mode(0o600).open(path).ok();
        let length = self.file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |about| about.len());
        self.file_left = FILE_MAX.saturating_sub(length as usize);
    }

    /// Writes one line. A line that cannot be written is lost: there is nowhere else to say so.
    pub(super) fn line(&mut self, text: &str) {
        let seconds = self.clock.now().as_micros() as f64 / 1e6;
        let line = format!("{seconds:9.3} {text}\n");
        if let Some(left) = self.stderr_left.checked_sub(line.len()) {
            self.stderr_left = left;
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
        if let (Some(file), Some(left)) = (&mut self.file, self.file_left.checked_sub(line.len())) {
            self.file_left = left;
            let _ = file.write_all(line.as_bytes());
        }
    }
}
