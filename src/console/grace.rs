//! The moment in which a confirmed abort can still be taken back.

use std::time::Duration;

use super::actions::{confirmed, count};
use super::dialog::Question;
use super::events::Kind;
use super::model::{Model, Urgency};
use crate::base::Instant;
use crate::inventory::HostId;
use crate::rollout::Action;

/// Long enough to see on the screen what was meant, short enough for an emergency.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// An abort that was confirmed and is not carried out yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grace {
    question: Question,
    pub(super) until: Instant,
}

impl Grace {
    /// The host it is about, if it is one.
    fn host(&self) -> Option<HostId> {
        match &self.question {
            Question::Abort(hosts) if hosts.len() == 1 => hosts.first().copied(),
            Question::Abort(_)
            | Question::AbortRun
            | Question::Quit
            | Question::Retry(_)
            | Question::Gate
            | Question::Halted
            | Question::Finish
            | Question::LeaveUncleaned
            | Question::Suspend => None,
        }
    }

    /// What will be done, in words.
    pub(super) fn what(&self) -> String {
        match &self.question {
            Question::Abort(hosts) => format!("aborting {}", count(hosts.len())),
            Question::Quit => "aborting the run and leaving".to_owned(),
            Question::AbortRun
            | Question::Retry(_)
            | Question::Gate
            | Question::Halted
            | Question::Finish
            | Question::LeaveUncleaned
            | Question::Suspend => "aborting the run".to_owned(),
        }
    }
}

/// Lets an abort wait for its moment; one that waits already is carried out at once.
pub(super) fn begin(model: &mut Model, question: Question) -> Option<Action> {
    let before = now(model);
    let grace = Grace { question, until: model.now + GRACE };
    let text = format!("{} in {} s, unless z takes it back", grace.what(), GRACE.as_secs());
    model.events.push(model.now, Kind::Operator, grace.host(), text);
    model.grace = Some(grace);
    before
}

/// What is to be done because its moment is over.
pub(super) fn due(model: &mut Model) -> Option<Action> {
    if model.grace.as_ref().is_some_and(|grace| grace.until <= model.now) { now(model) } else { None }
}

/// What the abort comes to now; hosts that moved on meanwhile are left alone.
fn now(model: &mut Model) -> Option<Action> {
    let grace = model.grace.take()?;
    let action = confirmed(model, &grace.question);
    if action.is_none() {
        model.say(Urgency::Warning, "nothing was aborted: these hosts moved on meanwhile");
    }
    action
}

/// Forgets the abort that waits; false when none does.
pub(super) fn take_back(model: &mut Model) -> bool {
    let Some(grace) = model.grace.take() else { return false };
    model.leaving = false;
    let text = format!("taken back: {}", grace.what());
    model.events.push(model.now, Kind::Operator, grace.host(), text.clone());
    model.say(Urgency::Info, text);
    true
}
