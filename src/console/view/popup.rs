//! A text over the screen, without a frame at its sides: so that whole lines of it can be selected by hand.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

use super::dialog::wrap;
use super::text;
use crate::console::popup::Popup;
use crate::console::theme::{Scope, Theme};

pub(super) fn draw(popup: &Popup, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let width = usize::from(area.width);
    let inside = usize::from(area.height.saturating_sub(2));
    let mut lines: Vec<String> = Vec::new();
    for (at, line) in popup.lines.iter().enumerate() {
        let wrapped = wrap(&text::plain(theme, line), width.max(1));
        if lines.len() + wrapped.len() + usize::from(at + 1 < popup.lines.len()) > inside {
            lines.push(format!("and {} more", popup.lines.len() - at));
            break;
        }
        lines.extend(wrapped);
    }
    let height = area.height.min(lines.len() as u16 + 2);
    let place = Rect { y: area.y + (area.height - height) / 2, height, ..area };
    Clear.render(place, frame.buffer_mut());
    let rule = |words: &str| {
        let words = text::fit(theme, words, width);
        let rest = width.saturating_sub(Span::raw(words.as_str()).width());
        Line::styled(format!("{words}{}", theme.pick("─", "-").repeat(rest)), theme.scope(Scope::Dialog))
    };
    let buffer = frame.buffer_mut();
    text::put(buffer, place, 0, &rule(&popup.title));
    for (row, line) in (1_u16..height.saturating_sub(1)).zip(&lines) {
        text::put(buffer, place, row, &Line::styled(line.as_str(), theme.scope(Scope::Text)));
    }
    if height > 1 {
        text::put(buffer, place, height - 1, &rule("any key closes this "));
    }
}
