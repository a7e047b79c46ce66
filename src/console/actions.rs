//! What the operator can do to the run, when it can be done, and what asks first.

use super::dialog::{CONFIRM_ABOVE, Dialog, Question};
use super::keymap::{Act, Verb};
use super::model::{Access, Model, Urgency, View, can_retry, is_failure};
use crate::base::ByteRate;
use crate::inventory::HostId;
use crate::rollout::{Action, Caps, Stage, Standing, StateName};

/// What a verb comes to.
pub(super) enum Decision {
    /// The rollout is told.
    Tell(Action),
    /// It is asked first.
    Ask(Question),
    /// It cannot be done now: why.
    Refuse(String),
}

/// Why a verb cannot be used now, in words for the operator; `None` when it can.
pub(super) fn refusal(model: &Model, verb: Verb) -> Option<String> {
    match verb {
        Verb::Act(act) => match decide(model, act) {
            Decision::Refuse(why) => Some(why),
            Decision::Tell(_) | Decision::Ask(_) => None,
        },
        Verb::NextFailed | Verb::PreviousFailed => {
            let counts = model.rollout.counts();
            let none = counts.of(StateName::Failed) + counts.of(StateName::Unreachable) == 0;
            none.then(|| "no host has failed".to_owned())
        }
        Verb::Sort | Verb::Reverse => {
            (model.view != View::Table).then(|| "only the table is sorted: 2 shows it".into())
        }
        Verb::Density => (model.view != View::Grid).then(|| "only the grid has levels of detail: 1 shows it".into()),
        Verb::Group if model.view != View::Grid => Some("only the grid is grouped: 1 shows it".into()),
        Verb::Group => {
            let none = model.parting.is_empty();
            none.then(|| "no label parts this fleet: the inventory gives hosts groups and tags".into())
        }
        Verb::Mark | Verb::Range | Verb::Invert => {
            (!has_hosts(model.view)).then(|| "hosts are marked in the grid and in the table".into())
        }
        Verb::Undo => {
            let nothing = model.grace.is_none() && model.past.is_empty();
            nothing.then(|| "there is nothing to take back".into())
        }
        Verb::Quit | Verb::QuitKeep if model.setup.access == Access::Watcher => match model.rollout.stage() {
            Stage::Ended(_) => None,
            Stage::Preparing { .. } | Stage::Distributing | Stage::Settled | Stage::Finishing { .. } => {
                Some("read-only: the run ends by itself; SIGTERM leaves it to be resumed".into())
            }
        },
        Verb::Suspend | Verb::Login if model.setup.access == Access::Watcher => {
            Some("read-only: this console watches and changes nothing".into())
        }
        Verb::Open => match model.view {
            View::Grid | View::Table => None,
            View::Failures => model.shown().failures().is_empty().then(|| "no host has failed".to_owned()),
            View::Events | View::Host | View::Log => {
                Some("hosts are opened in the grid (1) and in the table (2)".to_owned())
            }
        },
        Verb::Theme => (model.setup.themes.len() < 2).then(|| "there is one theme only".into()),
        Verb::Move(_)
        | Verb::NextView
        | Verb::PreviousView
        | Verb::Show(_)
        | Verb::Back
        | Verb::Filter
        | Verb::Command
        | Verb::Freeze
        | Verb::Report
        | Verb::Help
        | Verb::Redraw
        | Verb::Suspend
        | Verb::Quit
        | Verb::QuitKeep
        | Verb::Login
        | Verb::Copy
        | Verb::CopyReason => None,
    }
}

/// Why nothing can be done to the run now, whatever it is.
fn closed(model: &Model) -> Option<Decision> {
    let failed = model.rollout.hosts().iter().any(|host| host.state.failure().is_some());
    let again = if failed { "; run again with `--limit @failed`" } else { "" };
    let why = match (model.setup.access, model.rollout.stage()) {
        (Access::Watcher, _) => "read-only: this console watches and changes nothing".to_owned(),
        (Access::Operator, Stage::Finishing { .. }) => format!("the run is being cleaned up{again}"),
        (Access::Operator, Stage::Ended(_)) => format!("the run is over{again}"),
        (Access::Operator, Stage::Preparing { .. } | Stage::Distributing | Stage::Settled) => return None,
    };
    Some(Decision::Refuse(why))
}

/// What an act comes to now.
pub(super) fn decide(model: &Model, act: Act) -> Decision {
    if let Some(refusal) = closed(model) {
        return refusal;
    }
    let stage = model.rollout.stage();
    match act {
        Act::Retry => retry(model, &model.targets()),
        Act::RetryAll => retry_all(model),
        Act::Abort => abort(model, &model.targets()),
        Act::AbortRun if *stage == Stage::Settled => {
            Decision::Refuse("no host is under way: q ends the run and cleans up".to_owned())
        }
        Act::AbortRun => Decision::Ask(Question::AbortRun),
        Act::Proceed => proceed(model),
        Act::Pause if model.rollout.is_paused() => Decision::Tell(Action::Resume),
        Act::Pause => Decision::Tell(Action::Pause),
        Act::CapUp | Act::CapDown => cap(model, act == Act::CapUp),
    }
}

/// What retrying these hosts comes to now.
pub(super) fn decide_retry(model: &Model, hosts: &[HostId]) -> Decision {
    closed(model).unwrap_or_else(|| retry(model, hosts))
}

/// What aborting these hosts comes to now.
pub(super) fn decide_abort(model: &Model, hosts: &[HostId]) -> Decision {
    closed(model).unwrap_or_else(|| abort(model, hosts))
}

/// What new caps come to now.
pub(super) fn decide_caps(model: &Model, caps: Caps) -> Decision {
    closed(model).unwrap_or(Decision::Tell(Action::Caps(caps)))
}

/// What happens when a question is answered with yes; hosts that moved on meanwhile are left alone.
pub(super) fn confirmed(model: &Model, question: &Question) -> Option<Action> {
    match question {
        Question::Retry(hosts) => still(model, hosts, can_retry).map(Action::Retry),
        Question::Abort(hosts) => still(model, hosts, |state| !state.is_settled()).map(Action::Abort),
        Question::Gate | Question::Halted => (waiting(model).as_ref() == Some(question)).then_some(Action::Proceed),
        Question::AbortRun => under_way(model).then_some(Action::AbortRun),
        Question::Quit if under_way(model) => Some(Action::AbortRun),
        Question::Quit | Question::Finish => (*model.rollout.stage() == Stage::Settled).then_some(Action::Finish),
        Question::LeaveUncleaned | Question::Suspend => None,
    }
}

/// Whether hosts are under way, so that there is something to abort.
const fn under_way(model: &Model) -> bool {
    match model.rollout.stage() {
        Stage::Preparing { .. } | Stage::Distributing => true,
        Stage::Settled | Stage::Finishing { .. } | Stage::Ended(_) => false,
    }
}

/// What the run waits for the operator to decide, if it does.
pub(super) fn waiting(model: &Model) -> Option<Question> {
    match model.rollout.standing() {
        Standing::Underway => None,
        Standing::Asking => Some(Question::Gate),
        Standing::Halted(_) => Some(Question::Halted),
    }
}

/// Asks what the run waits for, once, and when nothing else is being asked or typed. Says whether it did.
pub(super) fn offer(model: &mut Model) -> Option<Question> {
    let question = waiting(model).filter(|_| under_way(model) && model.setup.access == Access::Operator);
    let Some(question) = question else {
        model.offered = None;
        return None;
    };
    let now = (model.rollout.wave().wave, question.clone());
    let busy = model.dialog.is_some() || model.prompt.is_some() || model.help.is_some() || model.grace.is_some();
    if busy || model.offered.as_ref() == Some(&now) {
        return None;
    }
    model.offered = Some(now);
    ask(model, question.clone());
    Some(question)
}

fn proceed(model: &Model) -> Decision {
    match waiting(model) {
        Some(question) => Decision::Ask(question),
        None if model.rollout.is_paused() => Decision::Refuse("the run is paused: p resumes it".to_owned()),
        None => Decision::Refuse("no wave waits to be opened, and nothing has stopped the run".to_owned()),
    }
}

/// Opens the question.
pub(super) fn ask(model: &mut Model, question: Question) {
    let release = model.release();
    model.dialog = Some(Dialog::new(question, &release, model.now));
}

/// Hosts that have not got the release.
pub(super) fn not_done(model: &Model) -> u32 {
    model.rollout.counts().total() - model.rollout.counts().of(StateName::Done)
}

/// Takes a question back that the run has answered meanwhile, or asks the one that has come in its place.
pub(super) fn reconsider(model: &mut Model) {
    let Some(dialog) = &model.dialog else { return };
    let stage = model.rollout.stage();
    let under_way = under_way(model);
    let answer = match &dialog.question {
        Question::Quit if *stage == Stage::Settled => return ask(model, Question::Finish),
        Question::Quit | Question::AbortRun if !under_way => "every host is settled: there is nothing left to abort",
        Question::Finish if *stage != Stage::Settled => "the run is no longer settled",
        Question::LeaveUncleaned if matches!(stage, Stage::Ended(_)) => "everything is cleaned up",
        question @ (Question::Gate | Question::Halted) if waiting(model).as_ref() != Some(question) => {
            "the run goes on: there is nothing to decide any more"
        }
        question @ (Question::Retry(_) | Question::Abort(_)) if confirmed(model, question).is_none() => {
            "nothing was done: these hosts moved on meanwhile"
        }
        Question::Quit
        | Question::AbortRun
        | Question::Gate
        | Question::Halted
        | Question::Finish
        | Question::LeaveUncleaned
        | Question::Suspend
        | Question::Retry(_)
        | Question::Abort(_) => return,
    };
    model.dialog = None;
    model.say(Urgency::Info, answer);
}

/// Tells the operator what an action did.
pub(super) fn acknowledge(model: &mut Model, action: &Action) {
    let text = match action {
        Action::Retry(hosts) => format!("retrying {}", count(hosts.len())),
        Action::Abort(hosts) => format!("aborting {}", count(hosts.len())),
        Action::AbortRun => "aborting the run: every agent is stopped and cleaned up".to_owned(),
        Action::Pause => "paused: no more hosts are launched, those under way go on (p resumes)".to_owned(),
        Action::Resume => "resumed".to_owned(),
        Action::Proceed => "going on".to_owned(),
        Action::Caps(caps) => match (caps.upload.cap(), caps.download.cap()) {
            (None, None) => "cap: none".to_owned(),
            (up, down) if up == down => format!("cap: {} per host, each way", caps.upload),
            (up, down) => {
                let rate = |cap: Option<u64>| cap.map_or_else(|| "none".to_owned(), |cap| ByteRate(cap).to_string());
                format!("cap per host: upload {}, download {}", rate(up), rate(down))
            }
        },
        Action::Finish => "ending the run: agents are stopped and cleaned up".to_owned(),
        Action::Watch(_) => return,
    };
    model.say(Urgency::Info, text);
}

pub(super) fn count(hosts: usize) -> String {
    if hosts == 1 { "1 host".to_owned() } else { format!("{hosts} hosts") }
}

/// Whether hosts are picked in the view.
pub(super) const fn has_hosts(view: View) -> bool {
    match view {
        View::Grid | View::Table => true,
        View::Failures | View::Events | View::Host | View::Log => false,
    }
}

fn still(model: &Model, hosts: &[HostId], applies: fn(StateName) -> bool) -> Option<Vec<HostId>> {
    let holds = |host: &HostId| model.rollout.host(*host).is_some_and(|host| applies(host.state.name()));
    let hosts: Vec<_> = hosts.iter().copied().filter(holds).collect();
    (!hosts.is_empty()).then_some(hosts)
}

/// Why nothing is done in a view that has no cursor.
const NO_HOST: &str = "no host is chosen here: choose it in the grid (1) or the table (2)";

fn retry(model: &Model, targets: &[HostId]) -> Decision {
    let Some(hosts) = still(model, targets, can_retry) else {
        let what = match targets.len() {
            0 => return Decision::Refuse(NO_HOST.to_owned()),
            1 => "this host has not",
            _ => "none of these hosts has",
        };
        return Decision::Refuse(format!("{what} failed, nor been aborted or skipped"));
    };
    let unseen = hosts.iter().any(|host| model.rollout.host(*host).is_some_and(|host| !model.passes(host)));
    if hosts.len() > CONFIRM_ABOVE || unseen {
        Decision::Ask(Question::Retry(hosts))
    } else {
        Decision::Tell(Action::Retry(hosts))
    }
}

fn retry_all(model: &Model) -> Decision {
    let failed = model.rollout.hosts().iter().filter(|host| is_failure(host.state.name()));
    let hosts: Vec<_> = failed.filter(|host| model.passes(host)).map(|host| host.id).collect();
    if hosts.is_empty() {
        let inside = if model.filter.is_empty() { "" } else { " in the filter" };
        return Decision::Refuse(format!("no host{inside} has failed"));
    }
    retry(model, &hosts)
}

fn abort(model: &Model, targets: &[HostId]) -> Decision {
    match still(model, targets, |state| !state.is_settled()) {
        Some(hosts) => Decision::Ask(Question::Abort(hosts)),
        None if targets.is_empty() => Decision::Refuse(NO_HOST.to_owned()),
        None if targets.len() == 1 => Decision::Refuse("this host is settled: there is nothing to abort".to_owned()),
        None => Decision::Refuse("these hosts are settled: there is nothing to abort".to_owned()),
    }
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// The steps of the cap; beyond the last there is none.
const STEPS: [u64; 13] = [
    256 * KIB,
    512 * KIB,
    MIB,
    2 * MIB,
    5 * MIB,
    10 * MIB,
    20 * MIB,
    50 * MIB,
    100 * MIB,
    200 * MIB,
    500 * MIB,
    1000 * MIB,
    2000 * MIB,
];

fn cap(model: &Model, up: bool) -> Decision {
    let caps = model.rollout.caps();
    let current = caps.upload.cap().into_iter().chain(caps.download.cap()).min();
    let next = match (up, current) {
        (true, None) => return Decision::Refuse("there is no cap to raise".to_owned()),
        (true, Some(cap)) => STEPS.into_iter().find(|step| *step > cap).unwrap_or(0),
        (false, Some(cap)) => match STEPS.into_iter().rev().find(|step| *step < cap) {
            Some(step) => step,
            None => return Decision::Refuse(format!("{} is the lowest cap; p pauses", ByteRate(cap))),
        },
        (false, None) => below_fastest(model),
    };
    Decision::Tell(Action::Caps(Caps { upload: ByteRate(next), download: ByteRate(next) }))
}

/// A first cap that is felt: the step below what the fastest host does now.
fn below_fastest(model: &Model) -> u64 {
    let rates = model.rollout.hosts().iter().map(|host| host.progress.rate_up.max(host.progress.rate_down).0);
    let fastest = rates.max().filter(|rate| *rate > 0).unwrap_or(200 * MIB);
    STEPS.into_iter().rev().find(|step| *step < fastest).unwrap_or(STEPS[0])
}
