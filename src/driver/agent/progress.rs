//! When to tell the console how far a host is.

use std::time::Duration;

use crate::base::Instant;
use crate::control::Progress;

/// Time between looks, and the least between two statuses.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The most between two statuses.
const TELL_AT_LEAST_EVERY: Duration = Duration::from_secs(5);

/// Time between two lists of peers.
const PEERS_EVERY: Duration = Duration::from_secs(1);

/// What was told last, and when.
#[derive(Debug, Default)]
pub(super) struct Told {
    progress: Progress,
    progress_at: Instant,
    peers_at: Instant,
    packing_at: Instant,
}

impl Told {
    /// Whether `progress` should be told now.
    pub(super) fn is_due(&self, now: Instant, progress: &Progress) -> bool {
        let changed = !progress.completed.is_empty() || *progress != self.progress;
        changed || self.is_quiet(now)
    }

    /// Whether nothing was told for so long that the console might think we are gone.
    pub(super) fn is_quiet(&self, now: Instant) -> bool {
        now.since(self.progress_at) >= TELL_AT_LEAST_EVERY
    }

    /// Something was told that shows we are alive.
    pub(super) fn alive(&mut self, now: Instant) {
        self.progress_at = now;
    }

    /// All that was told is to be told again.
    pub(super) fn forget(&mut self) {
        self.progress = Progress::default();
    }

    /// `progress` is told.
    pub(super) fn told(&mut self, now: Instant, progress: &Progress) {
        self.progress = Progress { completed: Vec::new(), ..progress.clone() };
        self.progress_at = now;
    }

    /// Whether the peers should be told now; if so, they count as told.
    pub(super) fn peers_are_due(&mut self, now: Instant) -> bool {
        is_due(&mut self.peers_at, now, PEERS_EVERY)
    }

    /// Whether it should be told how far packing is; if so, it counts as told.
    pub(super) fn packing_is_due(&mut self, now: Instant) -> bool {
        is_due(&mut self.packing_at, now, LOOK_EVERY)
    }
}

fn is_due(last: &mut Instant, now: Instant, every: Duration) -> bool {
    let due = now.since(*last) >= every;
    if due {
        *last = now;
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_change_is_told_every_five_seconds() {
        let at = |millis: u64| Instant::from_micros(millis * 1000);
        let mut told = Told::default();
        let progress = Progress { pieces: 3, completed: vec![(0, 3)], ..Progress::default() };
        assert!(told.is_due(at(10), &progress));
        told.told(at(10), &progress);
        let same = Progress { completed: Vec::new(), ..progress };
        assert!(!told.is_due(at(260), &same));
        assert!(told.is_due(at(5010), &same));
        assert!(told.is_due(at(260), &Progress { peers: 1, ..same }));
    }
}
