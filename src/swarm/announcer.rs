//! Announcer: when to ask the tracker again, and whether it answers.

use std::time::Duration;

use super::{Config, Tracker};
use crate::announce::AnnounceEvent;
use crate::base::Instant;

/// The tracker, as this host sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrackerHealth {
    /// Not asked yet.
    #[default]
    Unknown,
    /// The last announce was answered.
    Answering,
    /// The last announce was not.
    Silent,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Absent,
    Due(Instant),
    /// Asked, and waiting until then.
    Asked(Instant),
}

/// Announces for ever, less often while nobody answers.
#[derive(Debug)]
pub(super) struct Announcer {
    state: State,
    pub(super) health: TrackerHealth,
    failures: u32,
    /// What is to be told until it is answered, oldest first.
    started: bool,
    completed: bool,
    /// What the announce under way tells.
    saying: Option<AnnounceEvent>,
    /// When the last answer came.
    answered: Instant,
}

impl Announcer {
    pub(super) const fn new(tracker: Tracker) -> Self {
        let state = match tracker {
            Tracker::Present => State::Due(Instant::ZERO),
            Tracker::Absent => State::Absent,
        };
        Self {
            state,
            health: TrackerHealth::Unknown,
            failures: 0,
            started: false,
            completed: false,
            saying: None,
            answered: Instant::ZERO,
        }
    }

    /// There is a tracker, which knows nothing of us.
    pub(super) const fn appoint(&mut self, now: Instant) {
        self.state = State::Due(now);
        self.started = false;
        self.failures = 0;
    }

    /// The last piece has come: that is said at once.
    pub(super) const fn complete(&mut self, now: Instant) {
        self.completed = true;
        if let State::Due(_) = self.state {
            self.state = State::Due(now);
        }
    }

    /// Nobody has anything for us any more: the tracker is asked sooner than it wants, though not all the time.
    pub(super) fn hurry(&mut self, config: &Config) {
        let soon = self.answered + config.announce_after_max;
        match self.state {
            State::Due(at) if self.failures == 0 => self.state = State::Due(at.min(soon)),
            State::Due(_) | State::Absent | State::Asked(_) => {}
        }
    }

    /// Begins an announce, if it is time for one.
    pub(super) fn begin(&mut self, now: Instant, config: &Config) -> bool {
        match self.state {
            State::Due(due) if due <= now => {
                self.state = State::Asked(now + config.announce_timeout);
                self.saying = self.event();
                true
            }
            State::Absent | State::Due(_) | State::Asked(_) => false,
        }
    }

    /// What changed since the last answer.
    pub(super) const fn event(&self) -> Option<AnnounceEvent> {
        match (self.started, self.completed) {
            (false, _) => Some(AnnounceEvent::Started),
            (true, true) => Some(AnnounceEvent::Completed),
            (true, false) => None,
        }
    }

    /// Whether an announce has been waited for too long.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        match self.state {
            State::Asked(until) => until <= now,
            State::Absent | State::Due(_) => false,
        }
    }

    /// An answer has come; the next announce is in `after`. Says whether the tracker had been silent.
    pub(super) fn answered(&mut self, now: Instant, after: Duration) -> bool {
        match self.saying.take() {
            Some(AnnounceEvent::Started) => self.started = true,
            Some(AnnounceEvent::Completed) => self.completed = false,
            Some(AnnounceEvent::Stopped) | None => {}
        }
        self.failures = 0;
        self.answered = now;
        let after = if self.event().is_none() { after } else { Duration::ZERO };
        self.state = State::Due(now + after);
        std::mem::replace(&mut self.health, TrackerHealth::Answering) == TrackerHealth::Silent
    }

    /// No answer has come. Says whether the tracker had not been silent before.
    pub(super) fn failed(&mut self, now: Instant, config: &Config) -> bool {
        let wait = config.announce_every * 2_u32.saturating_pow(self.failures.min(8));
        self.failures = self.failures.saturating_add(1);
        self.state = State::Due(now + wait.min(config.announce_after_max));
        std::mem::replace(&mut self.health, TrackerHealth::Silent) != TrackerHealth::Silent
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Absent => None,
            State::Due(at) | State::Asked(at) => Some(at),
        }
    }
}
