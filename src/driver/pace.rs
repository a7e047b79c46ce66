//! Pace: how long to let bytes gather before the next turn, when there are few.
//!
//! Over a slow network bytes trickle in, and to be woken for each packet costs more than the packet. So after a turn that
//! moved little the next one waits a moment, as a network card does before it interrupts; after one that moved much it does
//! not. The wait is shorter than what is queued at either end lasts ([`UNSENT_SPAN`](super::line::UNSENT_SPAN)).

use std::time::Duration;

/// Bytes moved in a turn below which the next one may wait longer: two blocks in and two out.
const FEW: usize = 64 << 10;

/// Bytes moved in a turn from which on the next one waits less.
const MANY: usize = 128 << 10;

/// Bytes moved in a turn after which the next one does not wait.
const PLENTY: usize = 256 << 10;

/// The first wait.
const PAUSE_MIN: Duration = Duration::from_micros(250);

/// The longest wait: a block takes that long at 2 MB/s, and a piece to be passed on many times as long.
const PAUSE_MAX: Duration = Duration::from_millis(8);

/// How long the next wait is.
#[derive(Debug, Default)]
pub(super) struct Pace {
    pause: Duration,
}

impl Pace {
    /// How long to wait after a turn that moved so many bytes.
    pub(super) fn after(&mut self, moved: usize) -> Duration {
        self.pause = match moved {
            0 => return Duration::ZERO,
            PLENTY.. => Duration::ZERO,
            MANY.. if self.pause <= PAUSE_MIN => Duration::ZERO,
            MANY.. => self.pause / 2,
            FEW.. => self.pause,
            _ => (self.pause * 2).clamp(PAUSE_MIN, PAUSE_MAX),
        };
        self.pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_is_waited_for_longer_and_longer_and_a_flood_is_not() {
        let mut pace = Pace::default();
        assert_eq!(pace.after(0), Duration::ZERO);
        assert_eq!(pace.after(100), PAUSE_MIN);
        assert!((0..10).map(|_| pace.after(100)).is_sorted());
        assert_eq!(pace.after(80_000), PAUSE_MAX);
        assert_eq!(pace.after(160_000), PAUSE_MAX / 2);
        assert_eq!(pace.after(0), Duration::ZERO);
        assert_eq!(pace.after(1 << 20), Duration::ZERO);
    }

    #[test]
    fn a_steady_stream_through_one_connection_is_never_held_up() {
        let mut pace = Pace::default();
        assert_eq!((0..10).map(|_| pace.after(100)).last(), Some(PAUSE_MAX));
        assert_eq!((0..10).map(|_| pace.after(MANY)).last(), Some(Duration::ZERO));
    }
}
