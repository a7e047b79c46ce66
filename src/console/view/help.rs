//! The keys, printed from the table of keys; those that do nothing now say why.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::dialog::wrap;
use super::text;
use crate::console::actions::refusal;
use crate::console::keymap::{Binding, Section, spell};
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
    let mut found = false;
    for (sections, column) in columns {
        let mut lines = lines(model, theme, sections, usize::from(column.width));
        if sections.contains(&Section::Program) && model.sought.is_empty() {
            lines.extend(legend(theme));
        }
        let (shown, top) = text::window(&lines, first, column.height);
        for (row, line) in (0_u16..).zip(shown) {
            text::put(buffer, column, row, line);
        }
        let below = lines.len() - top - shown.len();
        text::more(buffer, column, below + usize::from(below > 0), theme);
        found |= !lines.is_empty();
    }
    if !found {
        let line = Line::styled("  no key, action or word of these has that", theme.scope(Scope::Muted));
        text::put(buffer, area, 1, &line);
    }
}

fn lines<'a>(model: &Model, theme: &Theme, sections: &[Section], width: usize) -> Vec<Line<'a>> {
    let mut lines = Vec::new();
    for section in sections {
        let bindings = model.setup.keymap.bindings().iter();
        let mut found = bindings.filter(|binding| binding.section == *section && is_sought(model, binding)).peekable();
        if found.peek().is_some() {
            lines.push(Line::styled(format!(" {}", section.title()), theme.scope(Scope::Title)));
        }
        for binding in found {
            let keys: Vec<_> = binding.keys.iter().map(|keys| spell(keys)).collect();
            let keys = format!("  {:<14}", keys.join(" "));
            let room = width.saturating_sub(keys.len() + 1).max(1);
            let why = refusal(model, binding.verb).map(|why| format!("not now: {why}"));
            let (does, why_style) = match why {
                Some(_) => (theme.scope(Scope::Muted), theme.scope(Scope::Warning)),
                None => (theme.scope(Scope::Text), theme.scope(Scope::Text)),
            };
            let key_style = theme.scope(Scope::Key);
            let one_line = why.as_ref().is_some_and(|why| binding.does.len() + why.len() + 2 <= room);
            let mut told = vec![(binding.does.to_owned(), does)];
            told.extend(why.map(|why| (why, why_style)));
            if one_line {
                let mut spans = vec![Span::styled(keys, key_style)];
                spans.push(Span::styled(told[0].0.clone(), does));
                spans.push(Span::styled(format!("  {}", told[1].0), why_style));
                lines.push(Line::from(spans));
                continue;
            }
            let wrapped = told.iter().flat_map(|(text, style)| wrap(text, room).into_iter().map(|part| (part, *style)));
            for (at, (part, style)) in wrapped.enumerate() {
                let lead = if at == 0 { keys.clone() } else { " ".repeat(keys.len()) };
                lines.push(Line::from(vec![Span::styled(lead, key_style), Span::styled(part, style)]));
            }
        }
    }
    lines
}

/// Whether a key, the action's name or its words have what is looked for.
fn is_sought(model: &Model, binding: &Binding) -> bool {
    let sought = model.sought.as_str();
    let key = || binding.keys.iter().any(|keys| spell(keys).to_lowercase() == sought);
    binding.does.to_lowercase().contains(sought) || binding.name.contains(sought) || key()
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
