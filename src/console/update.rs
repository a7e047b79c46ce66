//! Takes a message, changes the model, says what to do next.

use std::time::Duration;

use super::actions::{self, Decision, acknowledge, count, decide, refusal};
use super::arrange::{Arrangement, candidates};
use super::dialog::{Answer, Question};
use super::events::Kind;
use super::filter::Filter;
use super::io::{Effect, Key, KeyCode, Leave, Msg, Signal};
use super::keymap::{Found, Motion, Verb};
use super::model::{Density, Frozen, Model, Urgency, View, is_failure};
use super::{motion, order};
use crate::base::Instant;
use crate::inventory::HostId;
use crate::rollout::{Action, Input, Notice, Output, Stage, StateName};

/// Takes a message. Time never runs backwards: an older `now` counts as the newest so far.
pub fn update(model: &mut Model, now: Instant, msg: Msg) -> Vec<Effect> {
    model.now = model.now.max(now);
    let mut effects = Vec::new();
    match msg {
        Msg::Fleet(input) => tell(model, input, &mut effects),
        Msg::Key(key) => press(model, key, &mut effects),
        Msg::Paste(text) => paste(model, &text),
        Msg::Resize { columns, rows } => (model.setup.columns, model.setup.rows) = (columns, rows),
        Msg::Tick => tick(model, &mut effects),
        Msg::Signal(Signal::Interrupt) => leave(model, &mut effects),
        Msg::Signal(signal) => effects.push(Effect::Quit(Leave::Signal(signal))),
        Msg::Suspend => stay(model),
        Msg::Resumed => effects.push(Effect::Redraw),
        Msg::ThemeLoaded { name, problem: None } => {
            model.say(Urgency::Info, format!("theme: {name}"));
            model.setup.theme = name;
        }
        Msg::ThemeLoaded { name, problem: Some(problem) } => {
            let line = problem.lines().next().unwrap_or_default();
            model.say(Urgency::Warning, format!("theme {name} stays out of use: {line}"));
        }
        Msg::ReportWritten(Ok(path)) => model.say(Urgency::Info, format!("report: {path}")),
        Msg::ReportWritten(Err(why)) => model.say(Urgency::Warning, format!("no report: {why}")),
    }
    watch(model, &mut effects);
    effects
}

/// Tells the rollout something, and takes what it says.
fn tell(model: &mut Model, input: Input, effects: &mut Vec<Effect>) {
    model.rollout.handle_input(model.now, input);
    while let Some(output) = model.rollout.poll_output() {
        if let Output::Notice(notice) = &output {
            notice_of(model, notice, effects);
        }
        let over = matches!(output, Output::Ended(_));
        effects.push(Effect::Rollout(output));
        if over {
            ring(model, effects);
            if model.leaving {
                effects.push(Effect::Quit(Leave::Ended));
            }
        }
    }
    let settled = *model.rollout.stage() == Stage::Settled;
    if settled && !model.settled {
        ring(model, effects);
        model.events.push(model.now, Kind::Note, None, "every host is settled".to_owned());
    }
    model.settled = settled;
    actions::reconsider(model);
}

fn notice_of(model: &mut Model, notice: &Notice, effects: &mut Vec<Effect>) {
    model.events.record(model.now, notice);
    if let Notice::HostState { host, state, .. } = notice {
        if *state == StateName::Done {
            model.marks.remove(host);
        }
        if is_failure(*state) && model.rung.is_none_or(|rung| model.now.since(rung) >= Duration::from_secs(30)) {
            ring(model, effects);
        }
    }
}

fn ring(model: &mut Model, effects: &mut Vec<Effect>) {
    model.rung = Some(model.now);
    effects.push(Effect::Bell);
}

fn tick(model: &mut Model, effects: &mut Vec<Effect>) {
    if model.rollout.deadline().is_some_and(|due| due <= model.now) {
        tell(model, Input::Elapsed, effects);
    }
    if model.toast.as_ref().is_some_and(|toast| toast.until <= model.now) {
        model.toast = None;
    }
    let title = title(model);
    if title != model.title {
        model.title.clone_from(&title);
        effects.push(Effect::Title(title));
    }
}

/// `web-2026.08.1 514/1400 15 failed`
fn title(model: &Model) -> String {
    let counts = model.rollout.counts();
    let failed = counts.of(StateName::Failed) + counts.of(StateName::Unreachable);
    let done = format!("{} {}/{}", model.release(), counts.of(StateName::Done), counts.total());
    if failed > 0 { format!("{done} {failed} failed") } else { done }
}

fn paste(model: &mut Model, text: &str) {
    if let Some(dialog) = &mut model.dialog {
        dialog.paste();
    } else if let Some(prompt) = &mut model.prompt {
        let room = Filter::LENGTH_MAX.saturating_sub(prompt.chars().count());
        prompt.extend(text.chars().take_while(|c| *c != '\n' && *c != '\r').filter(|c| !c.is_control()).take(room));
        refilter(model);
    } else {
        model.say(Urgency::Warning, "pasted text is ignored: keys are typed");
    }
}

fn press(model: &mut Model, key: Key, effects: &mut Vec<Effect>) {
    if model.dialog.is_some() {
        answer(model, key, effects);
    } else if model.prompt.is_some() {
        edit(model, key, effects);
    } else {
        model.pending.push(key);
        match model.setup.keymap.lookup(&model.pending) {
            Found::Prefix => {}
            Found::Verb(verb) => {
                model.pending.clear();
                obey(model, verb, effects);
            }
            Found::Nothing => {
                let again = model.pending.len() > 1;
                model.pending.clear();
                if again {
                    press(model, key, effects);
                }
            }
        }
    }
}

fn answer(model: &mut Model, key: Key, effects: &mut Vec<Effect>) {
    let Some(dialog) = &mut model.dialog else { return };
    match dialog.press(model.now, key) {
        Answer::Open => {}
        Answer::Cancelled => {
            model.dialog = None;
            model.say(Urgency::Info, "nothing was done");
        }
        Answer::Confirmed => {
            let Some(dialog) = model.dialog.take() else { return };
            match dialog.question {
                Question::LeaveUncleaned => effects.push(Effect::Quit(Leave::Uncleaned { left: left(model) })),
                Question::Quit | Question::Finish => model.leaving = true,
                Question::Retry(_) | Question::Abort(_) | Question::AbortRun => {}
            }
            match actions::confirmed(model, &dialog.question) {
                Some(action) => operate(model, action, effects),
                None if dialog.question == Question::LeaveUncleaned => {}
                None => model.say(Urgency::Warning, "nothing was done: these hosts moved on meanwhile"),
            }
        }
    }
}

fn edit(model: &mut Model, key: Key, effects: &mut Vec<Effect>) {
    let Some(prompt) = &mut model.prompt else { return };
    if let Some(character) = key.text() {
        if prompt.chars().count() < Filter::LENGTH_MAX {
            prompt.push(character);
        }
    } else if key.code == KeyCode::Backspace {
        if prompt.pop().is_none() {
            model.prompt = None;
        }
    } else if key == Key::ctrl('u') {
        prompt.clear();
    } else if key == Key::ctrl('w') {
        let kept = prompt.trim_end().rfind(' ').map_or(0, |space| space + 1);
        prompt.truncate(kept);
    } else if key.code == KeyCode::Enter {
        model.prompt = None;
    } else if key.code == KeyCode::Esc || key == Key::ctrl('c') {
        model.prompt = None;
        model.filter = Filter::default();
    } else if key == Key::ctrl('l') {
        effects.push(Effect::Redraw);
    }
    refilter(model);
}

/// The filter follows what is typed.
fn refilter(model: &mut Model) {
    if let Some(prompt) = &model.prompt {
        model.filter = Filter::parse(prompt);
    }
    motion::settle(model);
}

fn obey(model: &mut Model, verb: Verb, effects: &mut Vec<Effect>) {
    if let Some(why) = refusal(model, verb) {
        model.say(Urgency::Warning, why);
        return;
    }
    match verb {
        Verb::Move(motion) => motion::travel(model, motion),
        Verb::NextFailed | Verb::PreviousFailed => {
            if !motion::to_failed(model, verb == Verb::NextFailed) {
                model.say(Urgency::Warning, "no failed host passes the filter (esc clears it)");
            }
        }
        Verb::NextView => turn(model, 1),
        Verb::PreviousView => turn(model, View::ALL.len() - 1),
        Verb::Show(view) => show(model, view),
        Verb::Open => open(model),
        Verb::Back => back(model),
        Verb::Filter => model.prompt = Some(model.filter.text().to_owned()),
        Verb::Density => {
            model.density = Density::after(model.density);
            let text = model
                .density
                .map_or_else(|| "detail: as much as fits".to_owned(), |density| format!("detail: {}", density.title()));
            model.say(Urgency::Info, text);
        }
        Verb::Group => group(model),
        Verb::Sort => model.sort = model.sort.next(),
        Verb::Reverse => model.reversed = !model.reversed,
        Verb::Freeze => freeze(model),
        Verb::Theme => next_theme(model, effects),
        Verb::Mark => mark(model),
        Verb::Range => range(model),
        Verb::Invert => invert(model),
        Verb::Act(act) => match decide(model, act) {
            Decision::Tell(action) => operate(model, action, effects),
            Decision::Ask(question) => actions::ask(model, question),
            Decision::Refuse(why) => model.say(Urgency::Warning, why),
        },
        Verb::Report => effects.push(Effect::WriteReport),
        Verb::Help => model.help = if model.help.is_some() { None } else { Some(0) },
        Verb::Redraw => effects.push(Effect::Redraw),
        Verb::Suspend => stay(model),
        Verb::Quit => leave(model, effects),
    }
}

/// A console that stands still stops the run with it: launches, retries and deadlines are here.
fn stay(model: &mut Model) {
    model.say(Urgency::Warning, "a run is not suspended: its hosts would wait for it (q quits, p pauses launches)");
}

fn operate(model: &mut Model, action: Action, effects: &mut Vec<Effect>) {
    acknowledge(model, &action);
    if matches!(action, Action::Retry(_) | Action::Abort(_)) {
        model.marks.clear();
        model.anchor = None;
    }
    tell(model, Input::Operator(action), effects);
}

/// What `q` comes to: it asks while there is something to lose.
fn leave(model: &mut Model, effects: &mut Vec<Effect>) {
    match model.rollout.stage() {
        Stage::Ended(_) => effects.push(Effect::Quit(Leave::Ended)),
        Stage::Finishing { .. } => actions::ask(model, Question::LeaveUncleaned),
        Stage::Settled if actions::not_done(model) > 0 => actions::ask(model, Question::Finish),
        Stage::Settled => {
            model.leaving = true;
            operate(model, Action::Finish, effects);
        }
        Stage::Preparing { .. } | Stage::Distributing => actions::ask(model, Question::Quit),
    }
}

fn left(model: &Model) -> usize {
    match model.rollout.stage() {
        Stage::Finishing { left } => *left,
        Stage::Preparing { .. } | Stage::Distributing | Stage::Settled | Stage::Ended(_) => 0,
    }
}

fn turn(model: &mut Model, by: usize) {
    let at = View::ALL.iter().position(|view| *view == model.view).unwrap_or(0);
    show(model, View::ALL[(at + by) % View::ALL.len()]);
}

fn show(model: &mut Model, view: View) {
    model.help = None;
    if view != model.view {
        model.scroll = 0;
        model.anchor = None;
        if view == View::Host {
            model.back = model.view;
        }
        model.view = view;
    }
    if view == View::Table {
        let failed = model.cursor.and_then(|cursor| model.rollout.host(cursor));
        if !failed.is_some_and(|host| is_failure(host.state.name())) {
            model.cursor = order::hosts(model).first().copied().or(model.cursor);
        }
    }
    if view == View::Failures {
        let groups = model.shown().failures();
        if !groups.iter().any(|group| Some(group.cause) == model.cause) {
            model.cause = groups.first().map(|group| group.cause);
        }
    }
}

fn open(model: &mut Model) {
    match model.view {
        View::Grid | View::Table => show(model, View::Host),
        View::Failures => {
            let groups = model.shown().failures();
            let chosen = groups.iter().find(|group| Some(group.cause) == model.cause).or_else(|| groups.first());
            if let Some(group) = chosen {
                model.filter = Filter::of_cause(group.cause);
                model.cursor = group.hosts.first().copied();
                show(model, View::Grid);
                let hosts = count(group.hosts.len());
                model.say(Urgency::Info, format!("{hosts}: {} (esc shows all again)", group.cause));
            }
        }
        View::Events | View::Host => {}
    }
}

/// One step back; the last step does nothing, and above all does not quit.
fn back(model: &mut Model) {
    if model.help.is_some() {
        model.help = None;
    } else if model.anchor.is_some() {
        model.anchor = None;
    } else if model.view == View::Host {
        let to = if model.back == View::Host { View::Grid } else { model.back };
        show(model, to);
    } else if !model.filter.is_empty() {
        model.filter = Filter::default();
    } else if !model.marks.is_empty() {
        model.marks.clear();
    } else if model.view != View::Grid {
        show(model, View::Grid);
    } else {
        model.say(Urgency::Info, "q quits");
    }
}

fn freeze(model: &mut Model) {
    model.frozen = match model.frozen.take() {
        Some(_) => None,
        None => Some(Box::new(Frozen { rollout: model.rollout.clone(), at: model.now })),
    };
    motion::settle(model);
}

/// Arranges the map by the next label that parts the fleet, and at last by none.
fn group(model: &mut Model) {
    let hosts = &model.rollout.plan().hosts;
    let labels = candidates(&model.setup.labels, hosts);
    let next = match model.map.label() {
        None => labels.first(),
        Some(label) => labels.iter().skip_while(|other| *other != label).nth(1),
    };
    model.map = match next {
        Some(label) => Arrangement::by(label, &model.setup.labels, hosts),
        None => Arrangement::plain(hosts.len()),
    };
    let text =
        next.map_or_else(|| "grid: in the order of the inventory".to_owned(), |label| format!("grid: by {label}"));
    model.say(Urgency::Info, text);
}

fn next_theme(model: &mut Model, effects: &mut Vec<Effect>) {
    let themes = &model.setup.themes;
    let at = themes.iter().position(|theme| *theme == model.setup.theme).map_or(0, |at| at + 1);
    if let Some(next) = themes.get(at % themes.len().max(1)) {
        effects.push(Effect::LoadTheme(next.clone()));
    }
}

/// A host that is done cannot be retried or aborted, so there is nothing to mark it for.
fn can_mark(model: &Model, host: HostId) -> bool {
    model.rollout.host(host).is_some_and(|host| host.state.name() != StateName::Done)
}

fn mark(model: &mut Model) {
    let Some(host) = model.cursor else { return };
    if !model.marks.remove(&host) {
        if !can_mark(model, host) {
            let name = model.rollout.name(host).to_owned();
            model.say(Urgency::Warning, format!("{name} is done: it can be neither retried nor aborted"));
            return;
        }
        model.marks.insert(host);
    }
    motion::travel(model, if model.view == View::Grid { Motion::Right } else { Motion::Down });
}

fn range(model: &mut Model) {
    if model.anchor.is_none() {
        model.anchor = model.cursor;
        model.say(Urgency::Info, "range: move, then v marks it, esc forgets it");
        return;
    }
    let range: Vec<_> = model.range().into_iter().filter(|host| can_mark(model, *host)).collect();
    model.marks.extend(range);
    model.anchor = None;
}

fn invert(model: &mut Model) {
    for host in order::hosts(model) {
        if !model.marks.remove(&host) && can_mark(model, host) {
            model.marks.insert(host);
        }
    }
}

/// Asks for the peers of the host that is looked at, and no longer for those of another.
fn watch(model: &mut Model, effects: &mut Vec<Effect>) {
    let wanted = model.cursor.filter(|_| model.view == View::Host);
    if wanted != model.watched {
        model.watched = wanted;
        tell(model, Input::Operator(Action::Watch(wanted)), effects);
    }
}
