//! Failures by cause: how many, an example, the next step. Enter shows the hosts of one.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::text;
use crate::console::keymap::Verb;
use crate::console::model::Model;
use crate::console::theme::{Scope, Theme};
use crate::inventory::fold;
use crate::rollout::{CauseGroup, Rollout};

/// Rows of a cause, the empty one after it included.
const ROWS: usize = 5;
/// Names that are folded; with more, the first are named.
const FOLDED_MAX: usize = 400;

pub(super) fn draw(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let rollout = model.shown();
    let groups = rollout.failures();
    let buffer = frame.buffer_mut();
    if groups.is_empty() {
        let text = "  no host has failed";
        text::put(buffer, area, 1, &Line::styled(text, theme.scope(Scope::Good)));
        return;
    }
    let at = groups.iter().position(|group| Some(group.cause) == model.cause).unwrap_or(0);
    let page = (usize::from(area.height) / ROWS).max(1);
    let first = at / page * page;
    let mut cursor = None;
    for (row, (index, group)) in groups.iter().enumerate().skip(first).take(page).enumerate() {
        let top = (row * ROWS) as u16;
        for (line, text) in (0_u16..).zip(lines(model, theme, rollout, group, index == at)) {
            text::put(buffer, area, top + line, &text);
        }
        if index == at {
            let words = Rect { x: area.x + 2, width: area.width.saturating_sub(2), ..area };
            if top < area.height {
                text::paint(buffer, text::row(words, top), theme.selected(Style::new()));
            }
            cursor = Some((area.x, area.y + top.min(area.height.saturating_sub(1))));
        }
    }
    let below = groups.len().saturating_sub(first + page);
    if below > 0 && area.height > 1 {
        let text = format!("  {below} more causes below");
        text::put(buffer, area, area.height - 1, &Line::styled(text, theme.scope(Scope::Muted)));
    }
    if let Some(cursor) = cursor {
        frame.set_cursor_position(cursor);
    }
}

fn lines<'a>(model: &Model, theme: &Theme, rollout: &Rollout, group: &CauseGroup, under: bool) -> [Line<'a>; 4] {
    let muted = theme.scope(Scope::Muted);
    let pointer = if under { theme.pick("▸ ", "> ") } else { "  " };
    let count = format!("{:>5} {} {}", group.hosts.len(), theme.pick("×", "x"), group.cause);
    let line = |label: &'static str, text: String, style: Style| {
        Line::from(vec![Span::styled(label, muted), Span::styled(text::plain(theme, &text), style)])
    };
    let example = group.hosts.first().map(|host| format!("{}: {}", rollout.name(*host), group.example));
    let key = model.setup.keymap.key_of(Verb::Retry);
    let step = if group.next_step.contains("retry") {
        format!("{} ({key})", group.next_step)
    } else {
        group.next_step.to_owned()
    };
    [
        Line::from(vec![Span::styled(pointer, theme.scope(Scope::Key)), Span::styled(count, theme.scope(Scope::Bad))]),
        line("        hosts  ", names(rollout, group), theme.scope(Scope::Text)),
        line("         e.g.  ", example.unwrap_or_default(), theme.scope(Scope::Text)),
        line("         next  ", step, theme.scope(Scope::Warning)),
    ]
}

fn names(rollout: &Rollout, group: &CauseGroup) -> String {
    if group.hosts.len() <= FOLDED_MAX {
        return fold(group.hosts.iter().map(|host| rollout.name(*host)));
    }
    let first: Vec<_> = group.hosts.iter().take(10).map(|host| rollout.name(*host)).collect();
    format!("{} and {} more", first.join(" "), group.hosts.len() - first.len())
}
