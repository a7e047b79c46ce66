//! Figures: what a run comes to, against what would have been possible.

use std::time::Duration;

use super::{Report, Scenario};
use crate::base::{ByteCount, Instant};

/// What a run comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Hosts alive at the end, and of these the complete ones; the seeder is one of them.
    pub alive: usize,
    /// Hosts alive and complete at the end.
    pub complete: usize,
    /// The time before which nobody could have finished ([`Scenario::optimum`]).
    pub optimum: Duration,
    /// When the last host was complete; `None` when none was.
    pub last: Option<Duration>,
    /// When half of those that became complete were.
    pub median: Option<Duration>,
    /// Payload the seeder sent, in copies of the whole; `None` when it is dead and nobody knows any more.
    pub copies: Option<f64>,
    /// Bytes that were received in vain.
    pub wasted: ByteCount,
    /// Connections that were ended because a peer misbehaved.
    pub faults: usize,
    /// Simulated time until the end.
    pub ended: Duration,
    /// Events that happened.
    pub events: u64,
}

impl Figures {
    /// Sums up a run of a scenario.
    pub fn of(scenario: &Scenario, report: &Report) -> Self {
        let mut times: Vec<Instant> = report.hosts.iter().filter_map(|host| host.complete_at).collect();
        times.sort_unstable();
        let time = |at: Option<&Instant>| at.map(|at| at.since(Instant::ZERO));
        let seeder = report.hosts.first().filter(|host| host.alive);
        Self {
            alive: report.alive,
            complete: report.complete,
            optimum: scenario.optimum(),
            last: time(times.last()),
            median: time(times.get(times.len() / 2)),
            copies: seeder.map(|host| host.totals.up.0 as f64 / scenario.payload().0.max(1) as f64),
            wasted: report.hosts.iter().map(|host| host.totals.wasted).sum(),
            faults: report.faults.iter().filter(|(_, _, fault)| fault.is_misconduct()).count(),
            ended: report.ended.since(Instant::ZERO),
            events: report.events,
        }
    }

    /// How many times the optimum the last host took; `None` when one that is alive is not complete, for nobody knows how long
    /// it would take.
    pub fn ratio(&self) -> Option<f64> {
        let optimum = Some(self.optimum.as_secs_f64()).filter(|optimum| *optimum > 0.0 && self.is_complete())?;
        Some(self.last?.as_secs_f64() / optimum)
    }

    /// Whether every host that is alive has every piece.
    pub const fn is_complete(&self) -> bool {
        self.complete == self.alive
    }
}

#[cfg(test)]
mod tests {
    use super::super::World;
    use super::*;

    #[test]
    fn a_run_is_never_better_than_the_bound() {
        let mut scenario = Scenario::of(6, 64);
        scenario.host.up = crate::base::ByteRate(1 << 20);
        let figures = Figures::of(&scenario, &World::new(&scenario).run().unwrap());
        assert!(figures.is_complete() && figures.alive == 6);
        assert!(figures.ratio().is_some_and(|ratio| ratio >= 1.0), "{figures:?}");
        assert!(figures.copies.is_some_and(|copies| copies >= 1.0), "{figures:?}");
        assert!(figures.median <= figures.last);
    }

    #[test]
    fn a_run_in_which_a_host_was_left_out_has_no_ratio() {
        let text = "hosts = 4\npieces = 8\npiece_length = '16KiB'\nlimit = '2s'\n[[fault]]\nhost = 3\ntrouble = 'slow'\nrate = '8K/s'";
        let scenario = Scenario::parse(text).unwrap();
        let figures = Figures::of(&scenario, &World::new(&scenario).run().unwrap());
        assert!(figures.complete < figures.alive && figures.last.is_some(), "{figures:?}");
        assert_eq!(figures.ratio(), None);
    }
}
