//! Slumber: time that passed while this host did not run.
//!
//! A process that is stopped, a virtual machine that is moved, or a clock that jumps makes every wait seem over at once:
//! all peers would have been silent for an hour. So the machine has a time of its own, which stands still while the
//! host sleeps.

use std::time::Duration;

use crate::base::Instant;

/// What the machine's own time is behind by.
#[derive(Debug, Default)]
pub(super) struct Slumber {
    slept: Duration,
    last: Instant,
}

impl Slumber {
    /// The machine's own time now. When it was to be woken at `due`, in its own time, and that is longer ago than `max`,
    /// it slept since then. It never goes back.
    pub(super) fn wake(&mut self, now: Instant, due: Option<Instant>, max: Duration) -> Instant {
        let awake = Instant::after(now.since(Instant::after(self.slept)));
        let late = due.map_or(Duration::ZERO, |due| awake.since(due));
        let own = match due {
            Some(due) if late > max => {
                self.slept += late;
                due
            }
            Some(_) | None => awake,
        };
        self.last = own.max(self.last);
        self.last
    }

    /// A moment of the machine's own time, as everybody else calls it.
    pub(super) fn told(&self, own: Instant) -> Instant {
        own + self.slept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Duration = Duration::from_secs(3);

    fn at(secs: u64) -> Instant {
        Instant::after(Duration::from_secs(secs))
    }

    #[test]
    fn time_that_was_slept_through_does_not_count() {
        let mut slumber = Slumber::default();
        assert_eq!(slumber.wake(at(5), Some(at(5)), MAX), at(5));
        assert_eq!(slumber.wake(at(3605), Some(at(6)), MAX), at(6));
        assert_eq!(slumber.wake(at(3607), Some(at(7)), MAX), at(8));
        assert_eq!(slumber.told(at(8)), at(3607));
    }

    #[test]
    fn being_a_little_late_is_not_sleeping() {
        let mut slumber = Slumber::default();
        assert_eq!(slumber.wake(at(8), Some(at(5)), MAX), at(8));
        assert_eq!(slumber.wake(at(3600), None, MAX), at(3600));
    }

    #[test]
    fn time_never_goes_back() {
        let mut slumber = Slumber::default();
        assert_eq!(slumber.wake(at(5), None, MAX), at(5));
        assert_eq!(slumber.wake(at(2), None, MAX), at(5));
    }
}
