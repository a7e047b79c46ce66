//! What reaches the operator outside of the screen: the terminal's title and task bar, a notice, the clipboard, a login.

use super::actions::count;
use super::io::{Effect, Progress};
use super::model::{Model, Urgency};
use super::popup::Popup;
use crate::rollout::{HostState, Stage, StateName};

/// Hosts whose names are copied at once: what every terminal's clipboard takes.
const COPY_MAX: usize = 1000;

/// Tells title and task bar what has changed.
pub(super) fn announce(model: &mut Model, effects: &mut Vec<Effect>) {
    let (title, progress) = (title(model), progress(model));
    if title != model.title {
        model.title.clone_from(&title);
        effects.push(Effect::Title(title));
    }
    if progress != model.progress {
        model.progress = progress;
        effects.push(Effect::Progress(progress));
    }
}

/// Rings, and says why to whoever is to be told.
pub(super) fn ring(model: &mut Model, what: &str, effects: &mut Vec<Effect>) {
    model.rung = Some(model.now);
    effects.push(Effect::Bell);
    let counts = model.rollout.counts();
    let (done, total, failed) = (counts.of(StateName::Done), counts.total(), failed(model));
    effects.push(Effect::Notify(format!("{} {what}: {done}/{total} done, {failed} failed", model.release())));
}

fn failed(model: &Model) -> u32 {
    let counts = model.rollout.counts();
    counts.of(StateName::Failed) + counts.of(StateName::Unreachable)
}

/// Whole percents of all bytes; of all hosts before there is a payload.
fn percent(model: &Model) -> u8 {
    let (totals, counts) = (model.rollout.totals(model.now), model.rollout.counts());
    let (part, whole) = if totals.bytes_total.0 > 0 {
        (totals.bytes_done.0, totals.bytes_total.0)
    } else {
        (u64::from(counts.of(StateName::Done)), u64::from(counts.total().max(1)))
    };
    if part >= whole { 100 } else { (u128::from(part) * 100 / u128::from(whole)) as u8 }
}

/// `web-2026.08.1 61% 15 failed`
fn title(model: &Model) -> String {
    let far = format!("{} {}%", model.release(), percent(model));
    match failed(model) {
        0 => far,
        failed => format!("{far} {failed} failed"),
    }
}

fn progress(model: &Model) -> Progress {
    match model.rollout.stage() {
        Stage::Ended(_) => Progress::None,
        Stage::Preparing { .. } | Stage::Distributing | Stage::Settled | Stage::Finishing { .. } => match failed(model)
        {
            0 if model.rollout.is_paused() => Progress::Paused(percent(model)),
            0 => Progress::Running(percent(model)),
            _ => Progress::Failing(percent(model)),
        },
    }
}

/// What of a host is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copied {
    /// Its name.
    Name,
    /// Its name, and why it is where it is.
    Reason,
}

/// Copies the hosts a key acts on, and shows what was copied: not every terminal takes it.
pub(super) fn copy(model: &mut Model, what: Copied, effects: &mut Vec<Effect>) {
    let hosts = model.targets();
    let lines: Vec<String> = hosts
        .iter()
        .take(COPY_MAX)
        .filter_map(|host| {
            let name = model.rollout.name(*host);
            let state = &model.rollout.host(*host)?.state;
            Some(match (what, state) {
                (Copied::Name, _) => name.to_owned(),
                (Copied::Reason, HostState::Failed { failure } | HostState::Unreachable { failure }) => {
                    format!("{name}: {failure}; {}", failure.next_step())
                }
                (Copied::Reason, HostState::Stalled { reason, .. }) => format!("{name}: stalled, {reason}"),
                (Copied::Reason, state) => format!("{name}: {}", state.name()),
            })
        })
        .collect();
    if lines.is_empty() {
        return model.say(Urgency::Warning, "there is no host here to copy");
    }
    effects.push(Effect::Copy(lines.join("\n")));
    let title = format!("copied {}, where the terminal takes it; else select it here ", count(lines.len()));
    model.popup = Some(Popup { title, lines });
}

/// Logs in to the host under the cursor.
pub(super) fn login(model: &mut Model, effects: &mut Vec<Effect>) {
    match model.cursor {
        Some(host) => effects.push(Effect::Login(host)),
        None => model.say(Urgency::Warning, "there is no host here to log in to"),
    }
}
