//! How long an agent lives: a lease that each word of a console renews, and each byte of the payload that comes or goes, but
//! not what is fetched again and again because it comes corrupt; and a deadline that nothing moves, nor what keeps the agent
//! from looking at its clock.

use std::io::Write;
use std::process::exit;
use std::thread;
use std::time::Duration;

use super::aside;
use crate::base::Instant;
use crate::control::HelloOrder;

/// How long an agent waits to be told what it is for.
const UNMET_MAX: Duration = Duration::from_secs(60);

/// How long an agent may take to end once its time is over: to let go of swarm, jobs and files, and to say so.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// Ends this process after `after`, whatever it is at then: a thread that waits for a dead disk, too.
pub(super) fn end_after(after: Duration) {
    aside(Box::new(move || {
        thread::sleep(after);
        // A log that cannot be written tells nobody.
        let _ = std::io::stderr().write_all(b"its time is long over; ended without cleaning up\n");
        exit(1);
    }));
}

/// The most bytes of the payload that have come, and gone, while it is gathered, and when there were more the last time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Headway {
    most: (u64, u64),
    pub(super) at: Instant,
}

impl Headway {
    /// It is gathered anew.
    pub(super) fn restart(&mut self) {
        self.most = (0, 0);
    }

    /// So much had come and gone `now`: a piece that turns out corrupt is less, and no more when it comes again.
    pub(super) fn advance(&mut self, now: Instant, (come, gone): (u64, u64)) {
        if come > self.most.0 || gone > self.most.1 {
            self.most = (come.max(self.most.0), gone.max(self.most.1));
            self.at = now;
        }
    }
}

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

    /// That of a run, which began `now`. What does not end with the run's deadline is ended a little later.
    pub(super) fn of(order: &HelloOrder, now: Instant) -> Self {
        end_after(order.deadline.saturating_add(ENDS_WITHIN));
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

    /// The agent is ending: what holds it up ends it in a while.
    pub(super) fn close() {
        end_after(ENDS_WITHIN);
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
    #[test]
    fn a_piece_that_comes_corrupt_again_and_again_is_no_headway() {
        let at = |seconds: u64| Instant::from_micros(seconds * 1_000_000);
        let mut headway = Headway::default();
        for (second, come, moved) in [(1, 60, 1), (2, 100, 2), (3, 50, 2), (4, 100, 2), (5, 50, 2), (6, 101, 6)] {
            headway.advance(at(second), (come, 0));
            assert_eq!(headway.at, at(moved), "after {second} s");
        }
        headway.advance(at(7), (50, 1));
        assert_eq!(headway.at, at(7), "what goes counts by itself");
        headway.restart();
        headway.advance(at(8), (1, 0));
        assert_eq!(headway.at, at(8));
    }
}
