//! What happened, newest last: a bounded memory of notices, and of nothing about a host that the rollout knows.

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::base::Instant;
use crate::inventory::{HostId, Place};
use crate::rollout::{Fault, Notice, StateName, TAKEN_OVER, WaveStep};

/// What kind of event it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A host came to this state.
    State(StateName),
    /// Something to know.
    Note,
    /// Something to look at.
    Warning,
    /// The operator did it.
    Operator,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) at: Instant,
    pub(super) kind: Kind,
    pub(super) host: Option<HostId>,
    /// What a failure is called.
    pub(super) cause: Option<Cow<'static, str>>,
    pub(super) text: String,
}

/// The last events of the run.
#[derive(Debug, Clone, Default)]
pub(super) struct Events {
    ring: VecDeque<Event>,
    forgotten: u64,
    swarm: Option<(bool, bool)>,
}

impl Events {
    /// Events kept; the journal keeps all.
    pub(super) const MAX: usize = 5000;

    pub(super) const fn all(&self) -> &VecDeque<Event> {
        &self.ring
    }

    /// How many are no longer here.
    pub(super) const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub(super) fn push(&mut self, at: Instant, kind: Kind, host: Option<HostId>, text: String) {
        self.add(Event { at, kind, host, cause: None, text });
    }

    /// What the journal tells of the time before this console.
    pub(super) fn retold(events: impl IntoIterator<Item = Event>, forgotten: u64) -> Self {
        let mut all = Self { forgotten, ..Self::default() };
        events.into_iter().for_each(|event| all.add(event));
        all
    }

    fn add(&mut self, event: Event) {
        if self.ring.len() == Self::MAX {
            self.ring.pop_front();
            self.forgotten += 1;
        }
        self.ring.push_back(event);
    }

    /// Remembers a notice, if it is one that people want to read.
    pub(super) fn record(&mut self, at: Instant, notice: &Notice) {
        match notice {
            // Its own event is retold.
            Notice::HostState { reason: Some(reason), .. } if reason == TAKEN_OVER && !self.ring.is_empty() => {}
            Notice::HostState { host, state, attempt, reason, cause, .. } => {
                let text = state_text(reason.as_deref(), *attempt);
                let cause = cause.map(Cow::Borrowed);
                self.add(Event { at, kind: Kind::State(*state), host: Some(*host), cause, text });
            }
            Notice::HostProgress { .. } => {}
            Notice::Swarm { tracker, seeder, .. } => {
                let now = (*tracker, *seeder);
                let before = self.swarm.replace(now).unwrap_or((false, false));
                for (was, is, who) in [(before.0, now.0, "tracker"), (before.1, now.1, "seeder")] {
                    match (was, is) {
                        (false, true) => self.push(at, Kind::Note, None, format!("the {who} is up")),
                        (true, false) => self.push(at, Kind::Warning, None, format!("the {who} is gone")),
                        (true, true) | (false, false) => {}
                    }
                }
            }
            Notice::Payload { payload } => {
                let size = crate::base::ByteCount(payload.layout.total());
                let text = format!("the payload is {size} in {} pieces", payload.layout.piece_count());
                self.push(at, Kind::Note, None, text);
            }
            Notice::Note { at: place, text } => {
                let host = match place {
                    Place::Host(host) => Some(*host),
                    Place::Console => None,
                };
                self.push(at, Kind::Note, host, text.clone());
            }
            Notice::Role { at: place, duty, reason } => {
                let host = match place {
                    Place::Host(host) => Some(*host),
                    Place::Console => None,
                };
                self.push(at, Kind::Note, host, format!("{duty} from now on, as {reason}"));
            }
            Notice::Preflight { hosts, ready, after, faults } => {
                let kind = if faults.is_empty() { Kind::Note } else { Kind::Warning };
                let text = format!("{ready} of {hosts} hosts are ready after {:.1} s", after.as_secs_f64());
                self.push(at, kind, None, text);
                for Fault { cause, next_step, hosts } in faults {
                    let (host, reason) = match hosts.as_slice() {
                        [(host, reason)] => (Some(*host), reason.clone()),
                        hosts => (None, format!("{} hosts; {next_step}", hosts.len())),
                    };
                    self.add(Event { at, kind: Kind::Warning, host, cause: Some(Cow::Borrowed(cause)), text: reason });
                }
            }
            Notice::Wave { wave, waves, step, detail } => {
                let kind = match step {
                    WaveStep::Opened => Kind::Note,
                    WaveStep::Gate | WaveStep::Stopped => Kind::Warning,
                };
                let text = format!("wave {wave} of {waves} {}: {detail}", said(*step));
                self.push(at, kind, None, text);
            }
            Notice::Action { verb, hosts, detail } => {
                let host = if let [only] = hosts.as_slice() { Some(*only) } else { None };
                let count = if hosts.len() > 1 { format!(" {} hosts", hosts.len()) } else { String::new() };
                let text =
                    if detail.is_empty() { format!("{verb}{count}") } else { format!("{verb}{count}: {detail}") };
                self.push(at, Kind::Operator, host, text);
            }
        }
    }
}

/// Why a host came to its state, and with which attempt.
pub(super) fn state_text(reason: Option<&str>, attempt: u32) -> String {
    match (reason, attempt > 1) {
        (None, false) => String::new(),
        (None, true) => format!("attempt {attempt}"),
        (Some(reason), false) => reason.to_owned(),
        (Some(reason), true) => format!("{reason} (attempt {attempt})"),
    }
}

const fn said(step: WaveStep) -> &'static str {
    match step {
        WaveStep::Opened => "has its turn",
        WaveStep::Gate => "is over",
        WaveStep::Stopped => "stops",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_bounded_and_says_what_it_forgot() {
        let mut events = Events::default();
        for number in 0..Events::MAX + 3 {
            events.push(Instant::ZERO, Kind::Note, None, number.to_string());
        }
        assert_eq!((events.all().len(), events.forgotten()), (Events::MAX, 3));
        assert_eq!(events.all()[0].text, "3");
    }

    #[test]
    fn the_swarm_is_an_event_when_it_changes() {
        let mut events = Events::default();
        for tracker in [true, true, false] {
            events.record(Instant::ZERO, &Notice::Swarm { tracker, seeder: true, rarest: 1 });
        }
        let texts: Vec<_> = events.all().iter().map(|event| event.text.as_str()).collect();
        assert_eq!(texts, ["the tracker is up", "the seeder is up", "the tracker is gone"]);
    }
}
