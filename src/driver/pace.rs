//! Pace: how long to let bytes gather before the next turn, when there are few.
//!
//! Over a slow network bytes trickle in, and to be woken for each packet costs more than the packet. So after a turn that
//! moved little the next one waits a moment, as a network card does before it interrupts; after one that moved much it does
//! not. In the middle of the payload a host has much to give and to ask for, and nobody waits for one message of it: more is
//! waited for there. The longest wait is shorter than what is queued at either end lasts ([`UNSENT_SPAN`](super::line::UNSENT_SPAN)).

use std::time::Duration;

/// Bytes moved in a turn below which the next one may wait longer: two blocks in and two out.
const FEW: usize = 64 << 10;

/// Bytes moved in a turn from which on the next one waits less.
const MANY: usize = 128 << 10;

/// The same in the middle of the payload.
const MANY_AMID: usize = 192 << 10;

/// Bytes moved in a turn after which the next one does not wait.
const PLENTY: usize = 256 << 10;

/// The first wait.
const PAUSE_MIN: Duration = Duration::from_micros(250);

/// The longest wait: a block takes that long at 1.6 MB/s, and a piece to be passed on many times as long.
const PAUSE_MAX: Duration = Duration::from_millis(10);

/// Part of the payload that is an edge of it.
const EDGE: u32 = 10;

/// Where in the payload a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has little to give, or little to ask for.
    Edge,
    /// It has much of both.
    Middle,
}

impl Stage {
    /// The stage of a host that has so many pieces of all.
    pub(super) const fn of(have: u32, all: u32) -> Self {
        let edge = all / EDGE;
        if have > edge && have < all - edge { Self::Middle } else { Self::Edge }
    }
}

/// How long the next wait is.
#[derive(Debug, Default)]
pub(super) struct Pace {
    pause: Duration,
}

impl Pace {
    /// How long to wait after a turn that moved so many bytes.
    pub(super) fn after(&mut self, moved: usize, stage: Stage) -> Duration {
        let many = match stage {
            Stage::Edge => MANY,
            Stage::Middle => MANY_AMID,
        };
        self.pause = match moved {
            0 => return Duration::ZERO,
            PLENTY.. => Duration::ZERO,
            _ if moved >= many && self.pause <= PAUSE_MIN => Duration::ZERO,
            _ if moved >= many => self.pause / 2,
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
        let mut after = |moved| pace.after(moved, Stage::Edge);
        assert_eq!(after(0), Duration::ZERO);
        assert_eq!(after(100), PAUSE_MIN);
        assert!((0..10).map(|_| after(100)).is_sorted());
        assert_eq!(after(80_000), PAUSE_MAX);
        assert_eq!(after(160_000), PAUSE_MAX / 2);
        assert_eq!(after(0), Duration::ZERO);
        assert_eq!(after(1 << 20), Duration::ZERO);
    }

    #[test]
    fn a_steady_stream_through_one_connection_is_never_held_up() {
        for stage in [Stage::Edge, Stage::Middle] {
            let mut pace = Pace::default();
            assert!((0..10).map(|_| pace.after(100, stage)).last() >= Some(PAUSE_MAX));
            assert_eq!((0..10).map(|_| pace.after(MANY_AMID, stage)).last(), Some(Duration::ZERO));
        }
    }

    #[test]
    fn the_middle_of_the_payload_is_waited_in_longer_than_its_edges() {
        use Stage::{Edge, Middle};
        let stages = [0, 10, 11, 89, 90, 100].map(|have| Stage::of(have, 100));
        assert_eq!(stages, [Edge, Edge, Middle, Middle, Edge, Edge]);
        assert_eq!((Stage::of(0, 1), Stage::of(1, 1)), (Edge, Edge));
        let mut pace = Pace::default();
        assert_eq!((0..10).map(|_| pace.after(100, Middle)).max(), Some(PAUSE_MAX));
        assert_eq!(pace.after(80_000, Middle), PAUSE_MAX);
        assert_eq!(pace.after(160_000, Middle), PAUSE_MAX);
        assert_eq!(pace.after(160_000, Edge), PAUSE_MAX / 2);
    }
}
