//! Diagnostics of an agent: the run's log, which is its stderr, and what is told to the console of it. Both are bounded.

use std::collections::VecDeque;
use std::io::Write;

use crate::driver::Clock;

/// Most bytes written to the log.
const LOG_MAX: usize = 4 << 20;

/// Lines that wait to be told.
const UNTOLD_MAX: usize = 64;

/// Where lines for people go.
pub(super) struct Log {
    clock: Clock,
    left: usize,
    untold: VecDeque<String>,
}

impl Log {
    /// An empty log.
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, left: LOG_MAX, untold: VecDeque::new() }
    }

    /// Writes one line. A line that cannot be written is lost: there is nowhere else to say so.
    pub(super) fn line(&mut self, text: &str) {
        let seconds = self.clock.now().as_micros() as f64 / 1e6;
        let line = format!("{seconds:9.3} {text}");
        if let Some(left) = self.left.checked_sub(line.len() + 1) {
            self.left = left;
            let _ = writeln!(std::io::stderr(), "{line}");
        }
        if self.untold.len() >= UNTOLD_MAX {
            self.untold.pop_front();
        }
        self.untold.push_back(line);
    }

    /// The next line that the console was not told.
    pub(super) fn next_untold(&mut self) -> Option<String> {
        self.untold.pop_front()
    }
}
