//! Takes a message, changes the model, says what to do next.

use std::time::Duration;

use super::actions::{self, Decision, acknowledge, count, decide, refusal};
use super::arrange::Arrangement;
use super::command::{self, Command};
use super::dialog::{Answer, Question};
use super::events::Kind;
use super::filter::Filter;
use super::io::{Effect, Key, LastScreen, Leave, Msg, Signal};
use super::keymap::{Act, Found, Verb};
use super::model::{Density, Frozen, Model, Urgency, View, is_failure};
use super::outside::{self, Copied, ring};
use super::popup::Popup;
use super::prompt::{self, Purpose};
use super::settings::{Settings, ThemeChoice};
use super::{grace, marks, motion, order};
use crate::base::Instant;
use crate::rollout::{Action, Input, Notice, Output, Stage, StateName};

/// Takes a message. Time never runs backwards: an older `now` counts as the newest so far.
pub fn update(model: &mut Model, now: Instant, msg: Msg) -> Vec<Effect> {
    model.now = model.now.max(now);
    let mut effects = Vec::new();
    match msg {
        Msg::Fleet(input) => tell(model, input, &mut effects),
        Msg::Key(key) => press(model, key, &mut effects),
        Msg::Paste(text) => paste(model, &text),
        Msg::Click { column, row } => motion::click(model, (column, row)),
        Msg::Resize { columns, rows } => (model.setup.columns, model.setup.rows) = (columns, rows),
        Msg::Tick => tick(model, &mut effects),
        Msg::Signal(Signal::Interrupt) => leave(model, &mut effects),
        Msg::Signal(signal) => effects.push(Effect::Quit(Leave::Signal(signal))),
        Msg::Suspend => suspend(model, &mut effects),
        Msg::Resumed => {
            come_back(model);
            effects.push(Effect::Redraw);
        }
        Msg::ThemeLoaded { name, problem: None } => {
            model.say(Urgency::Info, format!("theme: {name}"));
            model.setup.theme = name;
        }
        Msg::ThemeLoaded { name, problem: Some(problem) } => {
            let line = problem.lines().next().unwrap_or_default();
            model.say(Urgency::Warning, format!("theme {name} stays out of use: {line}"));
        }
        Msg::SettingsChanged(Ok(settings)) => follow_settings(model, *settings, &mut effects),
        Msg::SettingsChanged(Err(problem)) => {
            // The folder is known to whoever has just saved there, and the reason has to fit.
            let line = problem.lines().next().unwrap_or_default();
            let (place, why) = line.split_once(": ").unwrap_or((line, ""));
            let file = place.rsplit('/').next().unwrap_or(place);
            model.say(Urgency::Warning, format!("settings kept as they were: {file}: {why}"));
        }
        Msg::ReportWritten(Ok(path)) => {
            model.events.push(model.now, Kind::Note, None, format!("report: {path}"));
            let title = "the report of the run as it is now, in this file ".to_owned();
            model.popup = Some(Popup { title, lines: vec![path] });
        }
        Msg::LoginEnded(ended) => {
            come_back(model);
            if let Err(why) = ended {
                model.say(Urgency::Warning, why);
            }
        }
        Msg::ReportWritten(Err(why)) => model.say(Urgency::Warning, format!("no report: {why}")),
    }
    watch(model, &mut effects);
    if let Some(question) = actions::offer(model) {
        let what = if question == Question::Gate { "waits at a gate" } else { "has stopped" };
        ring(model, what, &mut effects);
    }
    effects
}

/// The terminal is the console's again: what was typed for another program answers nothing here.
fn come_back(model: &mut Model) {
    model.pending.clear();
    if let Some(dialog) = &mut model.dialog {
        dialog.shown_again(model.now);
    }
}

/// Takes the keys as they are set now, and the theme if another one is set.
fn follow_settings(model: &mut Model, settings: Settings, effects: &mut Vec<Effect>) {
    if settings.keymap != model.setup.keymap {
        model.setup.keymap = settings.keymap;
        model.pending.clear();
        model.say(Urgency::Info, "keys as they are set now");
    }
    if let Some(ThemeChoice::One(theme)) = settings.theme
        && theme != model.setup.theme
    {
        effects.push(Effect::LoadTheme(theme));
    }
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
            ring(model, "is over", effects);
            if model.leaving {
                effects.push(Effect::Quit(Leave::Ended));
            }
        }
    }
    let settled = *model.rollout.stage() == Stage::Settled;
    if settled && !model.settled {
        ring(model, "is settled", effects);
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
            ring(model, "has failures", effects);
        }
    }
}

fn tick(model: &mut Model, effects: &mut Vec<Effect>) {
    if let Some(action) = grace::due(model) {
        operate(model, action, effects);
    }
    if model.rollout.deadline().is_some_and(|due| due <= model.now) {
        tell(model, Input::Elapsed, effects);
    }
    if model.toast.as_ref().is_some_and(|toast| toast.until <= model.now) {
        model.toast = None;
    }
    outside::announce(model, effects);
}

fn paste(model: &mut Model, text: &str) {
    if let Some(dialog) = &mut model.dialog {
        dialog.paste();
    } else if model.prompt.is_some() {
        prompt::paste(model, text);
    } else {
        model.say(Urgency::Warning, "pasted text is ignored: keys are typed");
    }
}

fn press(model: &mut Model, key: Key, effects: &mut Vec<Effect>) {
    if model.popup.take().is_some() && Popup::takes(key) {
        return;
    }
    if model.dialog.is_some() {
        answer(model, key, effects);
    } else if model.prompt.is_some() {
        if let Some(line) = prompt::press(model, key, effects) {
            command(model, &line, effects);
        }
    } else {
        model.pending.push(key);
        match model.setup.keymap.lookup(&model.pending, model.view) {
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
                } else {
                    unbound(model, key);
                }
            }
        }
    }
}

/// A key that means nothing says so, and which one tells what the others mean.
fn unbound(model: &mut Model, key: Key) {
    let help = model.setup.keymap.key_of(Verb::Help);
    let way = if help.is_empty() { String::new() } else { format!(": {help} shows the keys") };
    model.say(Urgency::Refusal, format!("{key} does nothing{way}"));
}

fn answer(model: &mut Model, key: Key, effects: &mut Vec<Effect>) {
    let Some(dialog) = &mut model.dialog else { return };
    match dialog.press(model.now, key) {
        Answer::Open => {}
        Answer::Cancelled => {
            let put_off = matches!(dialog.question, Question::Gate | Question::Halted);
            model.dialog = None;
            // What the run waits for is said instead, and stays.
            if !put_off {
                model.say(Urgency::Info, "nothing was done");
            }
        }
        Answer::Confirmed => {
            let Some(dialog) = model.dialog.take() else { return };
            confirm(model, dialog.question, effects);
        }
        Answer::AbortRun => {
            model.dialog = None;
            obey(model, Verb::Act(Act::AbortRun), effects);
        }
    }
}

/// Does what was asked, or lets it wait while it can be taken back.
fn confirm(model: &mut Model, question: Question, effects: &mut Vec<Effect>) {
    match question {
        Question::LeaveUncleaned => effects.push(Effect::Quit(Leave::Uncleaned { left: left(model) })),
        Question::Suspend => effects.push(Effect::Suspend),
        Question::Abort(_) | Question::AbortRun | Question::Quit => {
            model.leaving |= question == Question::Quit;
            if let Some(before) = grace::begin(model, question) {
                operate(model, before, effects);
            }
        }
        Question::Retry(_) | Question::Finish | Question::Gate | Question::Halted => {
            model.leaving |= question == Question::Finish;
            match actions::confirmed(model, &question) {
                Some(action) => operate(model, action, effects),
                None => model.say(Urgency::Warning, "nothing was done: these hosts moved on meanwhile"),
            }
        }
    }
}

/// Does what a line after `:` says.
fn command(model: &mut Model, line: &str, effects: &mut Vec<Effect>) {
    match command::parse(model, line) {
        Err(why) => model.say(Urgency::Warning, why),
        Ok(Command::Verb(verb)) => obey(model, verb, effects),
        Ok(Command::Decide(decision)) => carry_out(model, decision, effects),
        Ok(Command::Filter(filter)) => {
            model.filter = filter;
            motion::settle(model);
        }
        Ok(Command::Mark(hosts)) => {
            let marked = marks::add(model, hosts);
            model.say(Urgency::Info, format!("{} marked", count(marked)));
        }
        Ok(Command::Host(host)) => {
            model.cursor = Some(host);
            show(model, View::Host);
        }
        Ok(Command::Group(label)) => {
            show(model, View::Grid);
            group(model, label.as_deref());
        }
        Ok(Command::Sort(order)) => {
            show(model, View::Table);
            model.sort_by(order);
        }
        Ok(Command::Theme(theme)) => effects.push(Effect::LoadTheme(theme)),
    }
}

fn carry_out(model: &mut Model, decision: Decision, effects: &mut Vec<Effect>) {
    match decision {
        Decision::Tell(action) => operate(model, action, effects),
        Decision::Ask(question) => actions::ask(model, question),
        Decision::Refuse(why) => model.say(Urgency::Refusal, why),
    }
}

fn obey(model: &mut Model, verb: Verb, effects: &mut Vec<Effect>) {
    if let Some(why) = refusal(model, verb) {
        model.say(Urgency::Refusal, why);
        return;
    }
    model.forget_refusal();
    match verb {
        Verb::Move(motion) => motion::travel(model, motion),
        Verb::NextFailed | Verb::PreviousFailed => {
            if !motion::to_failed(model, verb == Verb::NextFailed) {
                model.say(Urgency::Refusal, "no failed host passes the filter (esc clears it)");
            }
        }
        Verb::NextView => turn(model, 1),
        Verb::PreviousView => turn(model, View::ALL.len() - 1),
        Verb::Show(view) => show(model, view),
        Verb::Open => open(model),
        Verb::Back => back(model),
        Verb::Filter if model.help.is_some() => prompt::open(model, Purpose::Help),
        Verb::Filter => prompt::open(model, Purpose::Filter),
        Verb::Command => prompt::open(model, Purpose::Command),
        Verb::Density => {
            model.density = Density::after(model.density);
            let text = model
                .density
                .map_or_else(|| "detail: as much as fits".to_owned(), |density| format!("detail: {}", density.title()));
            model.say(Urgency::Info, text);
        }
        Verb::Group => next_group(model),
        Verb::Sort => model.sort_by(model.sort.next()),
        Verb::Reverse => model.turn_round(),
        Verb::Freeze => freeze(model),
        Verb::Theme => next_theme(model, effects),
        Verb::Mark => marks::toggle(model),
        Verb::Range => marks::range(model),
        Verb::Invert => marks::invert(model),
        Verb::Undo => marks::undo(model),
        Verb::Act(act) => {
            let decision = decide(model, act);
            carry_out(model, decision, effects);
        }
        Verb::Report => effects.push(Effect::WriteReport),
        Verb::Help => model.help = if model.help.is_some() { None } else { Some(0) },
        Verb::Redraw => effects.push(Effect::Redraw),
        Verb::Suspend => suspend(model, effects),
        Verb::Login => outside::login(model, effects),
        Verb::Copy => outside::copy(model, Copied::Name, effects),
        Verb::CopyReason => outside::copy(model, Copied::Reason, effects),
        Verb::Quit | Verb::QuitKeep => {
            model.last_screen = if verb == Verb::Quit { LastScreen::Goes } else { LastScreen::Stays };
            leave(model, effects);
        }
    }
}

/// A console that stands still stops the run with it: launches, retries and deadlines are here. So it asks first.
fn suspend(model: &mut Model, effects: &mut Vec<Effect>) {
    if let Some(why) = refusal(model, Verb::Suspend) {
        return model.say(Urgency::Warning, why);
    }
    match model.rollout.stage() {
        Stage::Ended(_) => effects.push(Effect::Suspend),
        Stage::Preparing { .. } | Stage::Distributing | Stage::Settled | Stage::Finishing { .. } => {
            actions::ask(model, Question::Suspend);
        }
    }
}

fn operate(model: &mut Model, action: Action, effects: &mut Vec<Effect>) {
    acknowledge(model, &action);
    if matches!(action, Action::Retry(_) | Action::Abort(_)) {
        marks::clear(model);
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
        if view == View::Log {
            model.log_back = model.view;
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
        motion::to_cause(model);
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
        View::Events | View::Host | View::Log => {}
    }
}

/// One step back; the last step does nothing, and above all does not quit.
fn back(model: &mut Model) {
    if model.help.is_some() {
        model.help = None;
        model.sought.clear();
    } else if model.anchor.is_some() {
        marks::end_range(model);
    } else if model.view == View::Host {
        let to = if matches!(model.back, View::Host | View::Log) { View::Grid } else { model.back };
        show(model, to);
    } else if model.view == View::Log {
        let (to, before) = (model.log_back, model.back);
        show(model, to);
        model.back = before;
    } else if !model.filter.is_empty() {
        model.filter = Filter::default();
    } else if !model.marks.is_empty() {
        marks::clear(model);
        model.say(Urgency::Info, "marks taken away (z brings them back)");
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
fn next_group(model: &mut Model) {
    let next = match model.map.label() {
        None => model.parting.first(),
        Some(label) => model.parting.iter().skip_while(|other| *other != label).nth(1),
    };
    let next = next.cloned();
    group(model, next.as_deref());
}

/// Arranges the map by a label, or in the order of the inventory.
fn group(model: &mut Model, label: Option<&str>) {
    let hosts = &model.rollout.plan().hosts;
    let (map, text) = match label {
        Some(label) => (Arrangement::by(label, &model.setup.labels, hosts), format!("grid: by {label}")),
        None => (Arrangement::plain(hosts.len()), "grid: in the order of the inventory".to_owned()),
    };
    model.map = map;
    model.say(Urgency::Info, text);
}

fn next_theme(model: &mut Model, effects: &mut Vec<Effect>) {
    let themes = &model.setup.themes;
    let at = themes.iter().position(|theme| *theme == model.setup.theme).map_or(0, |at| at + 1);
    if let Some(next) = themes.get(at % themes.len().max(1)) {
        effects.push(Effect::LoadTheme(next.clone()));
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
