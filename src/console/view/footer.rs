//! The last lines: what was just said or is typed, and the keys that matter here.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::geometry::{Grid, Parts};
use super::text::{self, Fields};
use crate::console::actions::{self, count, refusal};
use crate::console::command;
use crate::console::hits::Hits;
use crate::console::keymap::{Act, Motion, Verb};
use crate::console::model::{Density, Model, Urgency, View, is_failure};
use crate::console::prompt::{Prompt, Purpose};
use crate::console::theme::{Scope, Theme};
use crate::rollout::{Stage, Standing, StateName};

pub(super) fn draw(model: &Model, theme: &Theme, frame: &mut Frame<'_>, parts: &Parts, hits: &Hits) {
    let area = parts.footer;
    if area.height == 0 {
        return;
    }
    status(model, theme, frame, parts, hits);
    if area.height > 1 {
        let (line, _) = hints(model, theme).line(usize::from(area.width));
        text::put(frame.buffer_mut(), area, 1, &line);
    }
}

fn status(model: &Model, theme: &Theme, frame: &mut Frame<'_>, parts: &Parts, hits: &Hits) {
    let row = text::row(parts.footer, 0);
    if let Some(prompt) = &model.prompt {
        typed(model, prompt, theme, frame, row, hits);
        return;
    }
    let (words, style) = message(model, theme);
    // What is said now goes before what was chosen: choices that do not matter make room.
    let wanted = Span::raw(words.as_str()).width() + usize::from(!words.is_empty()) * 3;
    let width = usize::from(row.width);
    let (mut side, mut side_width) = choices(model, theme, parts, hits).line(width.saturating_sub(wanted));
    let (told, told_width) = chosen(model, theme, hits).line(width * 2 / 5);
    if side_width < told_width {
        // Which hosts are shown and marked is told whatever else there is to say.
        (side, side_width) = (told, told_width);
    }
    let room = width.saturating_sub(side_width + usize::from(side_width > 0) * 2);
    let words = text::begin(theme, &format!(" {words}"), room);
    let buffer = frame.buffer_mut();
    text::put(buffer, row, 0, &Line::styled(words, style));
    let start = row.width.saturating_sub(side_width as u16);
    text::put(buffer, Rect { x: row.x + start, width: row.width - start, ..row }, 0, &side);
}

/// The line that is typed, what it comes to, and what may be meant.
fn typed(model: &Model, prompt: &Prompt, theme: &Theme, frame: &mut Frame<'_>, row: Rect, hits: &Hits) {
    let shown: String = tail(&prompt.text, usize::from(row.width).saturating_sub(20));
    let sign = match prompt.purpose {
        Purpose::Filter | Purpose::Help => " /",
        Purpose::Command => " :",
    };
    let mut spans =
        vec![Span::styled(sign, theme.scope(Scope::Key)), Span::styled(shown.clone(), theme.scope(Scope::Prompt))];
    match prompt.purpose {
        Purpose::Filter => {
            let fault = model.filter.fault().map(|why| (text::plain(theme, why), Scope::Warning));
            let (words, scope) = fault.unwrap_or_else(|| (count(hits.count()), Scope::Muted));
            spans.push(Span::styled(format!("   {words}"), theme.scope(scope)));
        }
        Purpose::Command => {
            let takes = command::takes(&prompt.text).map(|takes| format!(" {takes}"));
            spans.extend(takes.map(|takes| Span::styled(takes, theme.scope(Scope::Muted))));
            let refused = command::refused(model, &prompt.text).map(|why| format!("   not now: {why}"));
            spans.extend(refused.map(|why| Span::styled(why, theme.scope(Scope::Warning))));
        }
        Purpose::Help => spans.push(Span::styled("   in the help", theme.scope(Scope::Muted))),
    }
    let mut room = usize::from(row.width).saturating_sub(spans.iter().map(Span::width).sum::<usize>() + 6);
    let offered = command::completions(model, prompt.purpose, &prompt.text);
    let words = offered.iter().filter(|line| **line != prompt.text).map(|line| line.rsplit(' ').next().unwrap_or(line));
    let mut gap = "   tab: ";
    for word in words.take_while(|word| {
        let fits = word.len() + 2 <= room;
        room = room.saturating_sub(word.len() + 2);
        fits
    }) {
        spans.push(Span::styled(format!("{gap}{word}"), theme.scope(Scope::Muted)));
        gap = "  ";
    }
    text::put(frame.buffer_mut(), row, 0, &Line::from(spans));
    let x = row.x + 2 + Span::raw(shown).width() as u16;
    frame.set_cursor_position((x.min(row.x + row.width.saturating_sub(1)), row.y));
}

/// What the operator should read now.
fn message(model: &Model, theme: &Theme) -> (String, Style) {
    if let Some(grace) = &model.grace {
        let seconds = grace.until.since(model.now).as_secs_f64().ceil().max(1.0);
        let key = key(model, Verb::Undo);
        return (format!("{} in {seconds} s: {key} takes it back", grace.what()), theme.scope(Scope::Bad));
    }
    if let Some(toast) = &model.toast {
        let scope = match toast.urgency {
            Urgency::Info => Scope::Good,
            Urgency::Warning | Urgency::Refusal => Scope::Warning,
        };
        return (toast.text.clone(), theme.scope(scope));
    }
    let counts = model.rollout().counts();
    let failed = counts.of(StateName::Failed) + counts.of(StateName::Unreachable);
    let (retry, retry_all, quit) =
        (key(model, Verb::Act(Act::Retry)), key(model, Verb::Act(Act::RetryAll)), key(model, Verb::Quit));
    if let Some(waits) = waits(model) {
        return (waits, theme.scope(Scope::Warning));
    }
    match model.rollout().stage() {
        Stage::Settled if failed > 0 => {
            let text = format!("all settled, {failed} failed: {retry_all} retries them, {quit} ends and cleans up");
            (text, theme.scope(Scope::Bad))
        }
        Stage::Settled => (format!("all settled: {quit} ends and cleans up"), theme.scope(Scope::Good)),
        Stage::Finishing { left } => (
            format!("cleaning up {}: agents are stopped, temporary files removed", count(*left)),
            theme.scope(Scope::Warning),
        ),
        Stage::Ended(summary) if summary.left_behind.is_empty() => {
            (format!("the run is over and nothing is left behind: {quit} leaves"), theme.scope(Scope::Good))
        }
        Stage::Ended(summary) => {
            let things = summary.left_behind.len();
            (format!("the run is over; {things} left behind (see 4 events): {quit} leaves"), theme.scope(Scope::Bad))
        }
        Stage::Preparing { .. } | Stage::Distributing => {
            let shown = matches!(model.view, View::Grid | View::Table);
            let host = model.cursor.and_then(|cursor| model.shown().host(cursor)).filter(|_| shown);
            let step = host.and_then(|host| text::next_step(host).map(|step| (step, host.state.failure().is_some())));
            match step {
                Some((step, true)) => (format!("→ {step} ({retry})"), theme.scope(Scope::Warning)),
                Some((step, false)) => (format!("→ {step}"), theme.scope(Scope::Warning)),
                None => (String::new(), theme.scope(Scope::Muted)),
            }
        }
    }
}

/// What the run waits for, when the operator has put the question off.
fn waits(model: &Model) -> Option<String> {
    let (go_on, abort) = (key(model, Verb::Act(Act::Proceed)), key(model, Verb::Act(Act::AbortRun)));
    let wave = model.rollout().wave();
    match model.rollout().stage() {
        Stage::Preparing { .. } | Stage::Distributing => {}
        Stage::Settled | Stage::Finishing { .. } | Stage::Ended(_) => return None,
    }
    match wave.standing {
        Standing::Underway => None,
        Standing::Asking => {
            let (over, next) = (wave.wave, wave.wave + 1);
            let hosts = count(wave.next);
            Some(format!("wave {over} is over: {go_on} opens wave {next} ({hosts}), {abort} aborts the run"))
        }
        Standing::Halted(halt) => Some(format!("stopped: {halt}; {go_on} goes on, {abort} aborts the run")),
    }
}

/// Which hosts the operator chose: filter, range, marks.
fn chosen<'a>(model: &Model, theme: &Theme, hits: &Hits) -> Fields<'a> {
    let mut fields = Fields::default();
    let strong = theme.scope(Scope::Prompt);
    if model.help.is_some() && !model.sought.is_empty() {
        let sought = text::fit(theme, &model.sought, 30);
        fields.push(9, vec![Span::styled("/", theme.scope(Scope::Key)), Span::styled(sought, strong)]);
        fields.text(5, "in the help", theme.scope(Scope::Muted));
        return fields;
    }
    if !model.filter.is_empty() {
        let (text, hits) = (text::fit(theme, model.filter.text(), 30), hits.count());
        fields.push(
            8,
            vec![Span::styled("/", theme.scope(Scope::Key)), Span::styled(format!("{text} ({hits})"), strong)],
        );
    }
    if model.anchor.is_some() {
        fields.text(7, format!("range {}", model.range().len()), theme.scope(Scope::Mark));
    }
    if !model.marks.is_empty() {
        let unseen =
            model.marks.iter().filter(|host| model.shown().host(**host).is_some_and(|host| !model.passes(host)));
        let unseen = unseen.count();
        let hidden = if unseen > 0 { format!(", {unseen} hidden") } else { String::new() };
        fields.text(9, format!("{} marked{hidden}", model.marks.len()), theme.scope(Scope::Mark));
    }
    fields
}

/// All that the operator chose: these, order, detail.
fn choices<'a>(model: &Model, theme: &Theme, parts: &Parts, hits: &Hits) -> Fields<'a> {
    let mut fields = chosen(model, theme, hits);
    let (strong, muted) = (theme.scope(Scope::Prompt), theme.scope(Scope::Muted));
    match model.view {
        View::Table => {
            fields.text(2, model.order_title(), muted);
        }
        View::Grid => {
            let grid = Grid::of(model, parts.body);
            if grid.density == Density::Aggregate {
                fields.text(
                    6,
                    format!("1 cell = {} hosts, the worst shown", grid.per_cell),
                    theme.scope(Scope::Warning),
                );
            }
            if let Some(label) = model.map.label() {
                let text = if grid.is_nameless() { own_group(model, label) } else { format!("by {label}") };
                fields.text(5, text, muted);
            }
            if grid.height() > grid.rows {
                let at = model.cursor.and_then(|c| model.shown().hosts().iter().position(|host| host.id == c));
                let page = grid.first_row(model.map.position(at.unwrap_or(0))) / grid.rows + 1;
                fields.text(6, format!("page {page} of {}", grid.height().div_ceil(grid.rows)), muted);
            }
        }
        View::Failures | View::Events | View::Host | View::Log => {}
    }
    let pending: Vec<_> = model.pending.clone();
    if !pending.is_empty() {
        fields.text(9, format!("{}_", crate::console::keymap::spell(&pending)), strong);
    }
    if !fields.is_empty() {
        fields.text(9, "", muted);
    }
    fields
}

/// The group that the cursor is in, where the map has no room for names.
fn own_group(model: &Model, label: &str) -> String {
    let at = model.cursor.and_then(|cursor| model.shown().hosts().iter().position(|host| host.id == cursor));
    let group = at.and_then(|at| model.map.group_at(model.map.position(at)));
    group.map_or_else(String::new, |group| {
        let group = &model.map.groups()[group];
        format!("{label} {} ({})", group.name, count(group.len))
    })
}

/// The key that ends the wait of a run that waits for the operator.
const fn on_hold(model: &Model) -> &'static [(u8, Verb, &'static str)] {
    match model.rollout().standing() {
        Standing::Underway => &[],
        Standing::Asking => &[(8, Verb::Act(Act::Proceed), "next wave")],
        Standing::Halted(_) => &[(8, Verb::Act(Act::Proceed), "go on")],
    }
}

/// The keys for failures: what retries them, what goes to the next, and where they are not told apart, what tells why.
fn on_failures(model: &Model) -> &'static [(u8, Verb, &'static str)] {
    const RETRY: (u8, Verb, &str) = (8, Verb::Act(Act::Retry), "retry");
    const ALL: (u8, Verb, &str) = (7, Verb::Act(Act::RetryAll), "retry all failed");
    const WHY: (u8, Verb, &str) = (6, Verb::Show(View::Failures), "why");
    let counts = model.rollout().counts();
    if counts.of(StateName::Failed) + counts.of(StateName::Unreachable) == 0 {
        return &[];
    }
    let first = model.targets().first().copied();
    let has_failed =
        first.and_then(|host| model.rollout().host(host)).is_some_and(|host| is_failure(host.state.name()));
    match (has_failed, actions::has_hosts(model.view)) {
        (true, true) => &[RETRY, ALL, (6, Verb::NextFailed, "next failed"), WHY],
        (true, false) => &[RETRY, ALL, (6, Verb::NextFailed, "next failed")],
        (false, true) => &[ALL, (7, Verb::NextFailed, "next failed"), WHY],
        (false, false) => &[ALL, (7, Verb::NextFailed, "next failed")],
    }
}

/// The keys that matter on this screen, the most needed first.
fn hints<'a>(model: &Model, theme: &Theme) -> Fields<'a> {
    if model.help.is_some() {
        let mut fields = Fields::default();
        let keys = [Verb::Back, Verb::Filter, Verb::Move(Motion::Down), Verb::Move(Motion::Up)];
        for (verb, what) in keys.into_iter().zip(["back", "search", "down", "up"]) {
            let key = Span::styled(format!(" {}", key(model, verb)), theme.scope(Scope::Key));
            fields.push(9, vec![key, Span::styled(format!(" {what}"), theme.scope(Scope::Muted))]);
        }
        return fields;
    }
    let view: &[(u8, Verb, &str)] = match model.view {
        View::Grid => &[
            (6, Verb::Open, "host"),
            (5, Verb::Filter, "filter"),
            (4, Verb::Mark, "mark"),
            (3, Verb::Act(Act::Abort), "abort"),
            (3, Verb::Act(Act::Pause), "pause"),
            (2, Verb::Show(View::Log), "log"),
            (1, Verb::Density, "detail"),
        ],
        View::Table => &[
            (6, Verb::Open, "host"),
            (5, Verb::Filter, "filter"),
            (4, Verb::Mark, "mark"),
            (3, Verb::Act(Act::Abort), "abort"),
            (2, Verb::Sort, "sort"),
        ],
        View::Failures => &[(6, Verb::Open, "show these hosts")],
        View::Events => &[
            (5, Verb::Filter, "filter"),
            (5, Verb::Move(Motion::Top), "oldest"),
            (5, Verb::Move(Motion::Bottom), "newest"),
        ],
        View::Host => &[
            (6, Verb::Back, "back"),
            (5, Verb::Move(Motion::Down), "scroll"),
            (5, Verb::Show(View::Log), "log"),
            (4, Verb::Move(Motion::Right), "next host"),
            (3, Verb::Act(Act::Abort), "abort"),
        ],
        View::Log => &[
            (6, Verb::Back, "back"),
            (5, Verb::Move(Motion::Top), "oldest"),
            (5, Verb::Move(Motion::Bottom), "newest"),
            (4, Verb::Move(Motion::Right), "next host"),
        ],
    };
    let last: &[(u8, Verb, &str)] = &[(2, Verb::NextView, "view"), (9, Verb::Help, "help"), (8, Verb::Quit, "quit")];
    let mut fields = Fields::default();
    for (rank, verb, what) in on_hold(model).iter().chain(on_failures(model)).chain(view).chain(last) {
        let lead = if fields.is_empty() { " " } else { "" };
        // What cannot be done now stays, and is dim: `?` says why.
        let scope = if refusal(model, *verb).is_some() { Scope::Muted } else { Scope::Key };
        let key = model.setup.keymap.key_in(*verb, model.view);
        let key = Span::styled(format!("{lead}{key}"), theme.scope(scope));
        fields.push(*rank, vec![key, Span::styled(format!(" {what}"), theme.scope(Scope::Muted))]);
    }
    fields
}

fn key(model: &Model, verb: Verb) -> String {
    model.setup.keymap.key_of(verb)
}

/// The end of a text: where one types.
fn tail(text: &str, width: usize) -> String {
    let skipped = text.chars().count().saturating_sub(width);
    text.chars().skip(skipped).collect()
}
