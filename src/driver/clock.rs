//! The clock of one process, read for the machines.

use crate::base::Instant;

/// Turns the time of the operating system into the machines' own, and back for timers.
///
/// It never goes back, and does not mind what becomes of the time of day. While the whole machine is suspended it stands
/// still (`CLOCK_MONOTONIC`); while only this process is stopped it runs on, so that the next moment is much later. The
/// machines take both.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    /// Begins now.
    pub fn start() -> Self {
        Self { origin: std::time::Instant::now() }
    }

    /// One that began `ago`: the clock of something that goes on.
    pub fn begun(ago: std::time::Duration) -> Self {
        let now = std::time::Instant::now();
        Self { origin: now.checked_sub(ago).unwrap_or(now) }
    }

    /// The moment it is.
    pub fn now(&self) -> Instant {
        Instant::after(self.origin.elapsed())
    }

    /// The same moment for a timer.
    pub fn timer(&self, moment: Instant) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.origin + moment.since(Instant::ZERO))
    }
}
