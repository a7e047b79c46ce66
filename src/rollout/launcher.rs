//! Who is launched next: ranks, fan-out and pace.

use super::Config;
use super::session::Slot;
use crate::base::Instant;
use std::collections::BTreeSet;

/// Who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Seeder and tracker: nobody gets anything before them. Neither fan-out nor a pause holds them.
    Station,
    /// The operator asked for it by hand: a pause does not hold it.
    Operator,
    /// It was launched before, and is tried again by itself.
    Again,
    /// In the order of the plan.
    Fleet,
    /// It is only looked at.
    Look,
}

/// Hosts that are ready to be launched.
#[derive(Debug, Clone, Default)]
pub(super) struct Launcher {
    ready: BTreeSet<(Rank, Slot)>,
    admitted: usize,
    next_at: Instant,
    pub(super) paused: bool,
    /// The run has stopped: hosts that were launched go on, others are not.
    pub(super) halted: bool,
    /// Nobody is looked at yet.
    pub(super) looks_held: bool,
}

impl Launcher {
    /// Lines a host up.
    pub(super) fn push(&mut self, rank: Rank, slot: Slot) {
        self.withdraw(slot);
        self.ready.insert((rank, slot));
    }

    /// Takes a host out of the line.
    pub(super) fn withdraw(&mut self, slot: Slot) {
        for rank in [Rank::Station, Rank::Operator, Rank::Again, Rank::Fleet, Rank::Look] {
            self.ready.remove(&(rank, slot));
        }
    }

    /// Sends everybody home.
    pub(super) fn clear(&mut self) {
        self.ready.clear();
    }

    /// Whether a host is in the line.
    pub(super) fn is_ready(&self, slot: Slot) -> bool {
        [Rank::Station, Rank::Operator, Rank::Again, Rank::Fleet].iter().any(|rank| self.ready.contains(&(*rank, slot)))
    }

    /// Whether somebody of a rank is in the line.
    pub(super) fn waits(&self, rank: Rank) -> bool {
        self.first_of(rank).is_some()
    }

    fn first_of(&self, rank: Rank) -> Option<(Rank, Slot)> {
        self.ready.range((rank, Slot(0))..=(rank, Slot(usize::MAX))).next().copied()
    }

    /// Nobody else is looked at.
    pub(super) fn look_no_more(&mut self) {
        self.ready.retain(|(rank, _)| *rank != Rank::Look);
    }

    /// Takes the next host that may be launched, or looked at, now.
    pub(super) fn next(&mut self, now: Instant, config: &Config) -> Option<(Rank, Slot)> {
        let at = self.candidate(config)?;
        if now < self.next_at {
            return None;
        }
        self.ready.remove(&at);
        self.next_at = now + config.launch_interval;
        Some(at)
    }

    /// When [`Self::next`] has somebody, if nothing else changes.
    pub(super) fn due(&self, config: &Config) -> Option<Instant> {
        self.candidate(config).map(|_| self.next_at)
    }

    /// One more host is on its way.
    pub(super) const fn admit(&mut self) {
        self.admitted += 1;
    }

    /// One host less is on its way.
    pub(super) const fn release(&mut self) {
        self.admitted = self.admitted.saturating_sub(1);
    }

    fn candidate(&self, config: &Config) -> Option<(Rank, Slot)> {
        let first = *self.ready.first()?;
        let room = self.admitted < config.fanout.max(1);
        let free = match first.0 {
            Rank::Station => true,
            Rank::Operator => room,
            Rank::Look => room && !self.looks_held,
            Rank::Again => room && !self.paused,
            Rank::Fleet => room && !self.paused && !self.halted,
        };
        // A look changes nothing: what holds the others does not hold it.
        if free { Some(first) } else { self.first_of(Rank::Look).filter(|_| room && !self.looks_held) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn stations_go_first_and_a_pause_holds_the_fleet_only() {
        let config = Config { fanout: 2, ..Config::default() };
        let mut launcher = Launcher { paused: true, ..Launcher::default() };
        launcher.push(Rank::Fleet, Slot(0));
        launcher.push(Rank::Station, Slot(9));
        let mut now = Instant::ZERO;
        launcher.push(Rank::Look, Slot(1));
        assert_eq!(launcher.next(now, &config), Some((Rank::Station, Slot(9))));
        now = now + config.launch_interval;
        assert_eq!(launcher.next(now, &config), Some((Rank::Look, Slot(1))));
        now = now + config.launch_interval;
        assert_eq!(launcher.next(now, &config), None);
        launcher.push(Rank::Operator, Slot(0));
        assert_eq!(launcher.next(now, &config), Some((Rank::Operator, Slot(0))));
        assert_eq!(launcher.due(&config), None);
    }

    #[test]
    fn the_fan_out_is_never_exceeded() {
        let config = Config { fanout: 1, launch_interval: Duration::ZERO, ..Config::default() };
        let mut launcher = Launcher::default();
        launcher.push(Rank::Fleet, Slot(0));
        launcher.push(Rank::Fleet, Slot(1));
        assert_eq!(launcher.next(Instant::ZERO, &config), Some((Rank::Fleet, Slot(0))));
        launcher.admit();
        assert_eq!(launcher.next(Instant::ZERO, &config), None);
        launcher.release();
        assert_eq!(launcher.next(Instant::ZERO, &config), Some((Rank::Fleet, Slot(1))));
    }
}
