//! A pushed payload moves when everybody who was told to serve has answered, or soon after in any case.
//!
//! Without it the first hosts move the payload while the last ones still begin, and each piece has the fewest takers when it
//! is rarest.

use std::time::Duration;

use super::machine::Rollout;
use super::schedule::Timer;
use super::session::Slot;
use super::{Output, Pushed};
use crate::base::{ByteCount, Instant};

/// A host that does not answer holds the others no longer than this: what a busy host takes to join, and no run is seen to be
/// longer by.
const WITHIN: Duration = Duration::from_secs(1);

/// A payload that waits for those who were told to serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opening {
    /// It waits no longer than until then.
    due: Instant,
    /// Everybody before this one has answered, or is not waited for.
    next: Slot,
}

impl Rollout {
    /// The payload is pushed to the seeder, once the hosts that are told to serve now have answered.
    pub(super) fn await_peers(&mut self) {
        self.measure_push();
        self.seeder.opening = Some(Opening { due: self.now + WITHIN, next: Slot(0) });
    }

    /// Has the payload pushed, if nobody is waited for.
    pub(super) fn review_opening(&mut self) {
        let Some(mut opening) = self.seeder.opening else { return };
        let is_open = |slot: Slot| {
            let session = &self.sessions[slot.0];
            session.served && !session.serving && session.placed.is_none()
        };
        while opening.next.0 < self.sessions.len() && !is_open(opening.next) {
            opening.next.0 += 1;
        }
        let answered = self.released.is_none() && opening.next.0 == self.sessions.len();
        if !answered && opening.due > self.now {
            self.seeder.opening = Some(opening);
            return self.schedule.set(Timer::Opening, Some(opening.due));
        }
        self.seeder.opening = None;
        self.schedule.set(Timer::Opening, None);
        if self.sessions[self.seeder.slot.0].serving {
            self.push();
        }
    }

    /// Has the seeder sent what it lacks.
    pub(super) fn push(&mut self) {
        let slot = self.seeder.slot;
        self.seeder.opening = None;
        self.measure_push();
        let Some(have) = self.records[slot.0].pieces.clone() else { return };
        let (at, attempt) = (self.sessions[slot.0].place, self.records[slot.0].attempt.number);
        self.outputs.push_back(Output::Push { at, attempt, have });
    }

    /// Finds out how much is to be pushed.
    fn measure_push(&mut self) {
        let (Some(have), Some(payload)) = (&self.records[self.seeder.slot.0].pieces, &self.payload) else { return };
        let total = payload.layout.total();
        let missing: u64 = have.missing().map(|piece| u64::from(payload.layout.piece_length(piece))).sum();
        self.seeder.pushed = Some(Pushed { sent: ByteCount(total - missing), total: ByteCount(total) });
        self.seeder.push_base = ByteCount(total - missing);
    }
}
