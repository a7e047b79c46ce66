//! What happened, newest at the bottom; the filter picks hosts, and texts by a part of them.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::reason;
use super::text::{self, clock, fit};
use crate::base::Instant;
use crate::console::events::{Event, Kind};
use crate::console::model::Model;
use crate::console::theme::{Scope, Theme};

pub(super) fn draw(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let shown: Vec<&Event> = {
        let shown = |event: &&Event| event.at <= model.shown_now() && passes(model, event);
        model.events.all().iter().filter(shown).collect()
    };
    let height = usize::from(area.height);
    let back = model.scroll.min(shown.len().saturating_sub(height));
    let end = shown.len() - back;
    let buffer = frame.buffer_mut();
    if shown.is_empty() {
        text::put(buffer, area, 1, &Line::styled("  nothing yet", theme.scope(Scope::Muted)));
    }
    for (row, event) in (0_u16..).zip(&shown[end.saturating_sub(height)..end]) {
        text::put(buffer, area, row, &line(model, theme, event, usize::from(area.width)));
    }
    let note = match (back, model.events.forgotten()) {
        (0, 0) => return,
        (0, _) if end > height => return,
        (0, forgotten) => format!(" {forgotten} older events are in the journal only "),
        (back, _) => format!(" {back} newer below "),
    };
    let x = area.width.saturating_sub(note.len() as u16);
    let corner = Rect { x: area.x + x, width: area.width - x, ..area };
    text::put(buffer, corner, area.height.saturating_sub(1), &Line::styled(note, theme.scope(Scope::Warning)));
}

fn passes(model: &Model, event: &Event) -> bool {
    if model.filter.is_empty() {
        return true;
    }
    let host = event.host.and_then(|host| model.shown().host(host));
    let word = match event.kind {
        Kind::State(state) => state.as_str(),
        Kind::Note => "note",
        Kind::Warning => "warning",
        Kind::Operator => "operator",
    };
    let line = format!("{word} {} {}", event.cause.as_deref().unwrap_or_default(), event.text);
    model.filter.means(host.map(|host| model.subject(host)).as_ref(), &line)
}

fn line<'a>(model: &Model, theme: &Theme, event: &Event, room: usize) -> Line<'a> {
    let host = event.host.map_or("", |host| model.names.short(model.shown().name(host)));
    let width = usize::from(model.names.width.clamp(7, 28));
    let (sign, word, style) = match event.kind {
        Kind::State(state) => (theme.glyph(state), state.as_str(), theme.state(state)),
        Kind::Note => (' ', "", theme.scope(Scope::Text)),
        Kind::Warning => ('!', "", theme.scope(Scope::Warning)),
        Kind::Operator => ('>', "operator", theme.scope(Scope::Key)),
    };
    let words = match event.kind {
        Kind::State(state) => super::grid::caption(theme, state),
        Kind::Note => theme.scope(Scope::Text),
        Kind::Warning => theme.scope(Scope::Warning),
        Kind::Operator => theme.scope(Scope::Key),
    };
    let told = event.cause.as_deref().map_or_else(|| event.text.clone(), |cause| reason::told(cause, &event.text));
    if host.is_empty() {
        return Line::from(vec![
            Span::styled(format!(" {:>7} ", clock(event.at.since(Instant::ZERO))), theme.scope(Scope::Muted)),
            Span::styled(format!("{sign} {}", text::squeeze(theme, &told, room.saturating_sub(11))), words),
        ]);
    }
    let told = text::squeeze(theme, &told, room.saturating_sub(width + 26));
    Line::from(vec![
        Span::styled(format!(" {:>7} ", clock(event.at.since(Instant::ZERO))), theme.scope(Scope::Muted)),
        Span::styled(sign.to_string(), style),
        Span::styled(format!(" {:<width$} {word:<13} ", fit(theme, host, width)), words),
        Span::styled(told, theme.scope(Scope::Text)),
    ])
}
