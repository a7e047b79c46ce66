//! How long an agent lives: a lease that each word of a console renews, and a deadline that nothing moves.

use std::time::Duration;

use crate::base::Instant;
use crate::control::HelloOrder;

/// How long an agent waits to be told what it is for.
const UNMET_MAX: Duration = Duration::from_secs(60);

/// An agent's time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Term {
    lease: Duration,
    ends: Option<Instant>,
}

/// The end of it.
#[derive(Debug)]
pub(super) struct Over {
    /// Why.
    pub(super) why: String,
    /// Not even a release that is being unpacked is waited for.
    pub(super) at_once: bool,
}

impl Term {
    /// That of an agent which no console has greeted.
    pub(super) const fn unmet() -> Self {
        Self { lease: UNMET_MAX, ends: None }
    }

    /// That of a run, which began `now`.
    pub(super) fn of(order: &HelloOrder, now: Instant) -> Self {
        Self { lease: order.lease, ends: Some(now + order.deadline) }
    }

    /// Whether it is over, and why, when a console was last heard then.
    pub(super) fn over(&self, now: Instant, heard: Instant) -> Option<Over> {
        if self.ends.is_some_and(|ends| now >= ends) {
            return Some(Over { why: "the run's deadline has passed".to_owned(), at_once: true });
        }
        let silent = now.since(heard);
        let why = || format!("no console was heard for {:.0} s", silent.as_secs_f64());
        (silent >= self.lease).then(|| Over { why: why(), at_once: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_of_a_console_renews_the_lease_and_none_moves_the_deadline() {
        let at = |seconds: u64| Instant::from_micros(seconds * 1_000_000);
        let term = Term { lease: Duration::from_secs(10), ends: Some(at(100)) };
        assert!(term.over(at(19), at(10)).is_none());
        assert!(term.over(at(20), at(10)).is_some_and(|over| over.why.contains("10 s") && !over.at_once));
        assert!(term.over(at(100), at(99)).is_some_and(|over| over.why.contains("deadline") && over.at_once));
        assert!(Term::unmet().over(at(59), at(0)).is_none() && Term::unmet().over(at(60), at(0)).is_some());
    }
}
