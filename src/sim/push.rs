//! Push: the payload comes to the seeder from a console, piece by piece, while others are there already.

use std::time::Duration;

use super::events::Event;
use super::host::Content;
use super::{Scenario, Violation, World};
use crate::base::{Instant, PieceIndex};
use crate::swarm::Input;

impl Scenario {
    /// When a piece has come to the seeder: the first begins as the seeder starts, one follows the other. `None` when it is
    /// there from the start.
    pub(super) fn pushed_at(&self, piece: PieceIndex) -> Option<Instant> {
        let rate = self.push.cap()?;
        let micros = (u64::from(piece.0) + 1).saturating_mul(self.piece_length.0).saturating_mul(1_000_000) / rate;
        Some(Instant::after(Duration::from_micros(micros)))
    }
}

impl World {
    /// Sees to it that a piece comes to the seeder when it is time.
    pub(super) fn push(&mut self, piece: PieceIndex) {
        if let Some(at) = self.scenario.pushed_at(piece).filter(|_| self.layout.contains(piece)) {
            self.events.push(at, Event::Pushed(piece));
        }
    }

    /// A piece has come to the seeder; the next one is on its way.
    pub(super) fn pushed(&mut self, piece: PieceIndex) -> Result<(), Violation> {
        self.push(PieceIndex(piece.0 + 1));
        for block in self.layout.blocks(piece) {
            self.hosts[0].disk.write(block, Content::Right);
        }
        self.feed(0, Input::Injected { piece })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scenario;
    use super::*;

    #[test]
    fn pieces_come_one_after_the_other_at_the_rate_of_the_push() {
        let text = "hosts = 2\npieces = 3\npiece_length = '16KiB'\npush = '32K/s'";
        let scenario = Scenario::parse(text).unwrap();
        let at = |piece| scenario.pushed_at(PieceIndex(piece));
        assert_eq!((at(0), at(2)), (Some(Instant::from_micros(500_000)), Some(Instant::from_micros(1_500_000))));
        let report = World::new(&scenario).run().unwrap();
        assert_eq!(report.complete, 2);
        assert!(report.hosts[1].complete_at > at(2), "what was not there yet cannot have been given");
        assert_eq!(Scenario::of(2, 3).pushed_at(PieceIndex(0)), None);
    }
}
