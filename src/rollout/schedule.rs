//! Who is to be woken when.

use std::collections::{BTreeMap, BTreeSet};

use super::session::Slot;
use crate::base::Instant;

/// What is woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The next launch.
    Launch,
    /// The first look at the fleet has taken long enough.
    Preflight,
    /// The next round of agents is told what they waited for.
    Release,
    /// Hosts waited for the tracker long enough.
    TrackerWait,
    /// The fleet waited for the seeder long enough.
    SeederWait,
    /// Telling hosts about new peers.
    Tell,
    /// The notice about the swarm.
    Swarm,
    /// The next look for agents that have fallen silent.
    Silence,
    /// The end of the time the whole run has.
    RunDeadline,
    /// The end of the time a host has, whatever it does.
    HostDeadline(Slot),
    /// A place's own deadline.
    Slot(Slot),
}

/// At most one moment for each timer.
#[derive(Debug, Clone, Default)]
pub(super) struct Schedule {
    due: BTreeMap<Timer, Instant>,
    order: BTreeSet<(Instant, Timer)>,
}

impl Schedule {
    /// Sets the timer to another moment, or to none.
    pub(super) fn set(&mut self, timer: Timer, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.due.insert(timer, at),
            None => self.due.remove(&timer),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.order.remove(&(before, timer));
        }
        if let Some(at) = at {
            self.order.insert((at, timer));
        }
    }

    /// Whether the timer is set.
    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.due.contains_key(&timer)
    }

    /// The earliest moment.
    pub(super) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes a timer whose moment has come.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let (at, timer) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.set(timer, None);
        Some(timer)
    }

    /// Forgets every timer.
    pub(super) fn clear(&mut self) {
        self.due.clear();
        self.order.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_that_is_set_again_rings_once() {
        let mut schedule = Schedule::default();
        let at = Instant::from_micros;
        schedule.set(Timer::Tell, Some(at(5)));
        schedule.set(Timer::Slot(Slot(3)), Some(at(4)));
        schedule.set(Timer::Tell, Some(at(3)));
        assert_eq!(schedule.next(), Some(at(3)));
        assert_eq!(schedule.pop_due(at(2)), None);
        assert_eq!(schedule.pop_due(at(9)), Some(Timer::Tell));
        assert_eq!(schedule.pop_due(at(9)), Some(Timer::Slot(Slot(3))));
        assert_eq!((schedule.pop_due(at(9)), schedule.next()), (None, None));
    }
}
