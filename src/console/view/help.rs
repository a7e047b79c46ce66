//! The keys, printed from the table of keys; those that do nothing now say why.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::text;
use crate::console::actions::refusal;
use crate::console::keymap::{Section, spell};
use crate::console::model::Model;
use crate::console::theme::{Scope, Theme};

/// Two columns of keys from this width on.
const WIDE: u16 = 150;

pub(super) fn draw(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect, first: usize) {
    let buffer = frame.buffer_mut();
    let (left, right): (&[Section], &[Section]) = if area.width >= WIDE {
        (&[Section::Act, Section::Select, Section::Program], &[Section::Move, Section::Look])
    } else {
        (&Section::ALL, &[])
    };
    let half = area.width / 2;
    let columns = if right.is_empty() {
        [(left, area), (right, Rect { width: 0, ..area })]
    } else {
        [(left, Rect { width: half, ..area }), (right, Rect { x: area.x + half, width: area.width - half, ..area })]
    };
    for (sections, column) in columns {
        let lines = lines(model, theme, sections);
        let (shown, top) = text::window(&lines, first, column.height);
        for (row, line) in (0_u16..).zip(shown) {
            text::put(buffer, column, row, line);
        }
        let below = lines.len() - top - shown.len();
        if below > 0 && column.width > 20 {
            let note = format!(" {below} more below (j) ");
            let x = column.width.saturating_sub(note.len() as u16);
            let corner = Rect { x: column.x + x, width: column.width - x, ..column };
            text::put(buffer, corner, column.height.saturating_sub(1), &Line::styled(note, theme.scope(Scope::Key)));
        }
    }
}

fn lines<'a>(model: &Model, theme: &Theme, sections: &[Section]) -> Vec<Line<'a>> {
    let mut lines = Vec::new();
    for section in sections {
        lines.push(Line::styled(format!(" {}", section.title()), theme.scope(Scope::Title)));
        for binding in model.setup.keymap.bindings().iter().filter(|binding| binding.section == *section) {
            let keys: Vec<_> = binding.keys.iter().map(|keys| spell(keys)).collect();
            let mut spans = vec![Span::styled(format!("  {:<14}", keys.join(" ")), theme.scope(Scope::Key))];
            match refusal(model, binding.verb) {
                Some(why) => {
                    spans.push(Span::styled(binding.does, theme.scope(Scope::Muted)));
                    spans.push(Span::styled(format!("  (now: {why})"), theme.scope(Scope::Warning)));
                }
                None => spans.push(Span::styled(binding.does, theme.scope(Scope::Text))),
            }
            lines.push(Line::from(spans));
        }
    }
    lines
}
