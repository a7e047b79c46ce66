//! Failures by cause: how many, an example, the next step. Enter shows the hosts of one.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::dialog::wrap;
use super::geometry::Names;
use super::text;
use crate::console::keymap::{Act, Verb};
use crate::console::model::Model;
use crate::console::theme::{Scope, Theme};
use crate::inventory::fold_patterns;
use crate::rollout::{CauseGroup, Fault, Rollout};

/// Names that are folded; with more, the first are named.
const FOLDED_MAX: usize = 400;

pub(super) fn draw(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let rollout = model.shown();
    let groups = rollout.failures();
    let ailments = rollout.ailments();
    let buffer = frame.buffer_mut();
    if groups.is_empty() && ailments.is_empty() {
        let text = "  no host has failed";
        text::put(buffer, area, 1, &Line::styled(text, theme.scope(Scope::Good)));
        return;
    }
    let at = groups.iter().position(|group| Some(group.cause) == model.cause).unwrap_or(0);
    let width = usize::from(area.width);
    let row = |under| Row { under, scope: Scope::Bad, width };
    let mut blocks: Vec<_> = (groups.iter().enumerate())
        .map(|(index, group)| lines(model, theme, rollout, group, &row(index == at)))
        .collect();
    blocks.extend(ailments.into_iter().enumerate().map(|(index, fault)| {
        let row = Row { under: false, scope: Scope::Warning, width };
        let block = lines(model, theme, rollout, &group_of(fault), &row);
        let heading = (index == 0).then(|| Line::styled(AILMENTS, theme.scope(Scope::Muted)));
        heading.into_iter().chain(block).collect()
    }));
    let first = first_block(&blocks, at, usize::from(area.height));
    let (mut top, mut cursor, mut below) = (0, None, 0);
    for (index, block) in blocks.iter().enumerate().skip(first) {
        if top >= area.height {
            below += 1;
            continue;
        }
        for (line, text) in (top..).zip(block) {
            text::put(buffer, area, line, text);
        }
        if index == at && !groups.is_empty() {
            let words = Rect { x: area.x + 2, width: area.width.saturating_sub(2), ..area };
            text::paint(buffer, text::row(words, top), theme.selected(Style::new()));
            cursor = Some((area.x, area.y + top));
        }
        top = top.saturating_add(block.len() as u16 + 1);
    }
    text::more(buffer, area, below, theme);
    if let Some(cursor) = cursor {
        frame.set_cursor_position(cursor);
    }
}

/// The first block that is shown, so that the one under the cursor is seen whole, with as many before it as fit.
fn first_block(blocks: &[Vec<Line<'_>>], at: usize, height: usize) -> usize {
    let mut used = 0;
    let fitting = blocks[..=at].iter().rev().take_while(|block| {
        used += block.len() + 1;
        used <= height + 1
    });
    at + 1 - fitting.count().max(1)
}

struct Row {
    under: bool,
    scope: Scope,
    width: usize,
}

/// Over what the first look found at hosts that are not settled.
const AILMENTS: &str = "  found before the payload moved, at hosts that have not failed:";

fn group_of(Fault { cause, next_step, hosts }: Fault) -> CauseGroup {
    let example = hosts.first().map(|(_, reason)| reason.clone()).unwrap_or_default();
    CauseGroup { cause, next_step, hosts: hosts.into_iter().map(|(host, _)| host).collect(), example }
}

fn lines<'a>(model: &Model, theme: &Theme, rollout: &Rollout, group: &CauseGroup, row: &Row) -> Vec<Line<'a>> {
    let muted = theme.scope(Scope::Muted);
    let pointer = if row.under { theme.pick("▸ ", "> ") } else { "  " };
    let count = format!("{:>5} {} {}", group.hosts.len(), theme.pick("×", "x"), group.cause);
    let mut lines = vec![Line::from(vec![
        Span::styled(pointer, theme.scope(Scope::Key)),
        Span::styled(count, theme.scope(row.scope)),
    ])];
    let room = row.width.saturating_sub(15).max(1);
    let short = model.names;
    let first = group.hosts.first().map_or("", |host| short.short(rollout.name(*host)));
    let squeezed = |width: usize| format!("{first}: {}", text::squeeze(theme, &group.example, width));
    let mut example = squeezed((2 * room).saturating_sub(first.len() + 12));
    if wrap(&text::plain(theme, &example), room).len() > 2 {
        // A path as long as a line leaves the one before it empty: better the path is cut than what is said of it.
        example = squeezed(room.saturating_sub(first.len() + 2));
    }
    let key = model.setup.keymap.key_of(Verb::Act(Act::Retry));
    let again = if group.next_step.contains("retry") { format!(" ({key})") } else { String::new() };
    for (label, text, scope, most) in [
        ("hosts", names(rollout, group, &short), Scope::Text, 2),
        ("e.g.", example, Scope::Text, 2),
        ("next", format!("{}{again}", group.next_step), Scope::Warning, 3),
    ] {
        let mut wrapped = wrap(&text::plain(theme, &text), room);
        if wrapped.len() > most {
            let rest = wrapped.split_off(most - 1).join(" ");
            wrapped.push(text::begin(theme, &rest, room));
        }
        for (at, part) in wrapped.into_iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            lines.push(Line::from(vec![
                Span::styled(format!("{label:>13}  "), muted),
                Span::styled(part, theme.scope(scope)),
            ]));
        }
    }
    lines
}

fn names(rollout: &Rollout, group: &CauseGroup, short: &Names) -> String {
    let names = || group.hosts.iter().map(|host| short.short(rollout.name(*host)));
    if group.hosts.len() <= FOLDED_MAX {
        return fold_patterns(names()).join(", ").replace(',', ", ").replace(",  ", ", ");
    }
    let first: Vec<_> = names().take(10).collect();
    format!("{} and {} more", first.join(", "), group.hosts.len() - first.len())
}
