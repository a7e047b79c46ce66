//! How often frames are drawn: as often as is wanted, and less where the terminal is slow to take them.

use std::time::Duration;

/// A frame that takes longer than this to reach the terminal holds up what the operator types.
const SLOW: Duration = Duration::from_millis(100);

/// Between two frames at most: the clock on the screen moves once a second.
const INTERVAL_MAX: Duration = Duration::from_secs(1);

/// The time between frames.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pacer {
    wanted: Duration,
    interval: Duration,
}

impl Pacer {
    pub(super) fn new(wanted: Duration) -> Self {
        Self { wanted, interval: wanted }
    }

    /// Between two frames at least.
    pub(super) const fn interval(&self) -> Duration {
        self.interval
    }

    /// Learns how long a frame took: half as many after a slow one, and after a quick one twice as many again.
    pub(super) fn took(&mut self, flush: Duration) {
        self.interval = if flush > SLOW {
            (self.interval * 2).min(INTERVAL_MAX).max(self.wanted)
        } else {
            (self.interval / 2).max(self.wanted)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_frames_halve_the_rate_and_quick_ones_restore_it() {
        let milliseconds = Duration::from_millis;
        let mut pacer = Pacer::new(milliseconds(100));
        let mut after = |flush| {
            pacer.took(milliseconds(flush));
            pacer.interval().as_millis()
        };
        assert_eq!([101, 150, 100, 3, 3].map(&mut after), [200, 400, 200, 100, 100]);
        assert_eq!([500; 6].map(&mut after), [200, 400, 800, 1000, 1000, 1000]);
        assert_eq!([1; 5].map(&mut after), [500, 250, 125, 100, 100]);
    }
}
