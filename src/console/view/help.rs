//! The keys, printed from the table of keys; those that do nothing now say why.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::text;
use crate::console::actions::refusal;
use crate::console::keymap::{Section, spell};
use crate::console::model::Model;
use crate::console::theme::{Glyphs, Scope, Theme};
use crate::rollout::StateName;

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
        let mut lines = lines(model, theme, sections, usize::from(column.width));
        if sections.contains(&Section::Program) {
            lines.extend(legend(theme));
        }
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

fn lines<'a>(model: &Model, theme: &Theme, sections: &[Section], width: usize) -> Vec<Line<'a>> {
    let mut lines = Vec::new();
    for section in sections {
        lines.push(Line::styled(format!(" {}", section.title()), theme.scope(Scope::Title)));
        for binding in model.setup.keymap.bindings().iter().filter(|binding| binding.section == *section) {
            let keys: Vec<_> = binding.keys.iter().map(|keys| spell(keys)).collect();
            let keys = Span::styled(format!("  {:<14}", keys.join(" ")), theme.scope(Scope::Key));
            let Some(why) = refusal(model, binding.verb) else {
                lines.push(Line::from(vec![keys, Span::styled(binding.does, theme.scope(Scope::Text))]));
                continue;
            };
            let why = Span::styled(format!("not now: {why}"), theme.scope(Scope::Warning));
            let does = Span::styled(binding.does, theme.scope(Scope::Muted));
            if keys.width() + does.width() + why.width() + 2 <= width {
                lines.push(Line::from(vec![keys, does, Span::raw("  "), why]));
            } else {
                lines.push(Line::from(vec![keys, does]));
                lines.push(Line::from(vec![Span::raw(" ".repeat(16)), why]));
            }
        }
    }
    lines
}

/// What each glyph of the map means.
fn legend<'a>(theme: &Theme) -> Vec<Line<'a>> {
    let mut lines = vec![Line::styled(" Map", theme.scope(Scope::Title))];
    for state in StateName::ALL {
        let glyph = match (state, theme.glyphs()) {
            (StateName::Fetching, Glyphs::Unicode) => "▁▂▃▄▅▆▇".to_owned(),
            (StateName::Fetching, Glyphs::Ascii) => "0-9".to_owned(),
            _ => theme.glyph(state).to_string(),
        };
        let pad = " ".repeat(14_usize.saturating_sub(Span::raw(glyph.clone()).width()));
        lines.push(Line::from(vec![
            Span::raw("  "),
            Span::styled(glyph, theme.state(state)),
            Span::raw(pad),
            Span::styled(state.as_str(), theme.scope(Scope::Text)),
        ]));
    }
    lines
}
