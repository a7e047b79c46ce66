//! Meter: how fast bytes move, over the last ticks.

use std::time::Duration;

use crate::base::{ByteCount, ByteRate};

const TICKS: usize = 8;

/// Bytes in each of the last ticks, and altogether.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter {
    ticks: [u64; TICKS],
    at: usize,
    turned: usize,
    total: u64,
}

impl Meter {
    /// Counts bytes that moved.
    pub(super) fn add(&mut self, bytes: u64) {
        self.ticks[self.at] += bytes;
        self.total += bytes;
    }

    /// A tick is over; says how many bytes moved in it.
    pub(super) fn turn(&mut self) -> ByteCount {
        let moved = self.ticks[self.at];
        self.at = (self.at + 1) % TICKS;
        self.ticks[self.at] = 0;
        self.turned = (self.turned + 1).min(TICKS - 1);
        ByteCount(moved)
    }

    /// The rate over the ticks that are over, or over the first one while it lasts.
    pub(super) fn rate(&self, tick: Duration) -> ByteRate {
        let bytes: u64 = self.ticks.iter().sum();
        let now = if self.turned == 0 { 0 } else { self.ticks[self.at] };
        ByteRate::over(ByteCount(bytes - now), tick * self.turned.max(1) as u32)
    }

    /// Whether nothing moved in any of the last ticks: the rate is 0, and stays so without further ticks.
    pub(super) fn is_at_rest(&self) -> bool {
        self.ticks.iter().all(|bytes| *bytes == 0)
    }

    /// All bytes ever.
    pub(super) const fn total(&self) -> ByteCount {
        ByteCount(self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_flow_is_measured_from_the_first_tick_on() {
        let (mut meter, tick) = (Meter::default(), Duration::from_millis(250));
        for _ in 0..40 {
            meter.add(250);
            assert_eq!(meter.rate(tick), ByteRate(1000));
            assert_eq!(meter.turn(), ByteCount(250));
        }
        assert_eq!(meter.total(), ByteCount(10_000));
        assert!(!meter.is_at_rest());
        (0..TICKS).for_each(|_| assert_eq!(meter.turn(), ByteCount(0)));
        assert_eq!(meter.rate(tick), ByteRate(0));
        assert!(meter.is_at_rest());
    }
}
