//! How long an agent lives: a lease that each word of a console renews, and each byte of the payload that comes or goes; and
//! a deadline that nothing moves.

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

impl Term {
    /// That of an agent which no console has greeted.
    pub(super) const fn unmet() -> Self {
        Self { lease: UNMET_MAX, ends: None }
    }

    /// That of a run, which began `now`.
    pub(super) fn of(order: &HelloOrder, now: Instant) -> Self {
        Self { lease: order.lease, ends: Some(now + order.deadline) }
    }

    /// Whether it is over, and why, when a console was last heard and something last moved then.
    pub(super) fn over(&self, now: Instant, heard: Instant, moved: Instant) -> Option<String> {
        if self.ends.is_some_and(|ends| now >= ends) {
            return Some("the run's deadline has passed".to_owned());
        }
        let silent = now.since(heard);
        let why = || format!("no console was heard for {:.0} s", silent.as_secs_f64());
        (now.since(heard.max(moved)) >= self.lease).then(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_of_a_console_renews_the_lease_and_none_moves_the_deadline() {
        let at = |seconds: u64| Instant::from_micros(seconds * 1_000_000);
        let term = Term { lease: Duration::from_secs(10), ends: Some(at(100)) };
        let never = at(0);
        assert!(term.over(at(19), at(10), never).is_none());
        assert!(term.over(at(20), at(10), never).is_some_and(|why| why.contains("10 s")));
        assert!(term.over(at(99), at(10), at(90)).is_none(), "a transfer that moves goes on");
        assert!(term.over(at(99), at(10), at(89)).is_some_and(|why| why.contains("89 s")));
        assert!(term.over(at(100), at(99), at(99)).is_some_and(|why| why.contains("deadline")));
        let unmet = Term::unmet();
        assert!(unmet.over(at(59), never, never).is_none() && unmet.over(at(60), never, never).is_some());
    }
}
