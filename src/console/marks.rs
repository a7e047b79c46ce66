//! The marks: which hosts are meant, by their id; and the way back.

use std::collections::BTreeSet;

use super::keymap::Motion;
use super::model::{Model, Urgency, View};
use super::{grace, motion, order};
use crate::inventory::HostId;
use crate::rollout::StateName;

/// Steps back that are remembered.
const PAST_MAX: usize = 32;

/// A host that is done cannot be retried or aborted, so there is nothing to mark it for.
pub(super) fn can_mark(model: &Model, host: HostId) -> bool {
    model.rollout.host(host).is_some_and(|host| host.state.name() != StateName::Done)
}

/// Marks the host under the cursor, or unmarks it.
pub(super) fn toggle(model: &mut Model) {
    let Some(host) = model.cursor else { return };
    if !model.marks.contains(&host) && !can_mark(model, host) {
        let name = model.rollout.name(host).to_owned();
        model.say(Urgency::Warning, format!("{name} is done: it can be neither retried nor aborted"));
        return;
    }
    let mut marks = model.marks.clone();
    if !marks.remove(&host) {
        marks.insert(host);
    }
    set(model, marks);
    motion::travel(model, if model.view == View::Grid { Motion::Right } else { Motion::Down });
}

/// Begins a range at the cursor, or marks the one that was begun.
pub(super) fn range(model: &mut Model) {
    if model.anchor.is_none() {
        model.anchor = model.cursor;
        model.say(Urgency::Info, "range: move, then v marks it, esc forgets it");
        return;
    }
    let range = model.range();
    let marked = add(model, range);
    end_range(model);
    if marked == 0 {
        model.say(Urgency::Warning, "nothing marked: hosts that are done can be neither retried nor aborted");
    }
}

/// No range is being marked any more, and how to is not said any more.
pub(super) fn end_range(model: &mut Model) {
    if model.anchor.take().is_some() {
        model.toast = None;
    }
}

/// Marks these hosts too, as far as they can be marked; returns how many of them are marked.
pub(super) fn add(model: &mut Model, hosts: impl IntoIterator<Item = HostId>) -> usize {
    let hosts: BTreeSet<_> = hosts.into_iter().filter(|host| can_mark(model, *host)).collect();
    let marked = hosts.len();
    set(model, model.marks.union(&hosts).copied().collect());
    marked
}

/// Marks what is shown and not marked, and the other way round.
pub(super) fn invert(model: &mut Model) {
    let mut marks = model.marks.clone();
    for host in order::hosts(model) {
        if !marks.remove(&host) && can_mark(model, host) {
            marks.insert(host);
        }
    }
    end_range(model);
    set(model, marks);
}

/// Takes every mark away.
pub(super) fn clear(model: &mut Model) {
    set(model, BTreeSet::new());
}

/// Takes the last thing back that can be taken back: an abort in its grace, or else a change of the marks.
pub(super) fn undo(model: &mut Model) {
    if grace::take_back(model) {
        return;
    }
    let Some(before) = model.past.pop() else { return };
    model.marks = before.into_iter().filter(|host| can_mark(model, *host)).collect();
    model.say(Urgency::Info, format!("marks as they were: {}", model.marks.len()));
}

fn set(model: &mut Model, marks: BTreeSet<HostId>) {
    if marks == model.marks {
        return;
    }
    let before = std::mem::replace(&mut model.marks, marks);
    if model.past.len() == PAST_MAX {
        model.past.remove(0);
    }
    model.past.push(before);
}
