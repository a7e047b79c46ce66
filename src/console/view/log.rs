//! The log of one host: every state it came to, what was noted and done about it, and what its agent and SSH said; newest
//! at the bottom.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::dialog::wrap;
use super::grid::caption;
use super::reason;
use super::text::{self, Fields, clock};
use crate::base::Instant;
use crate::console::events::Kind;
use crate::console::model::Model;
use crate::console::theme::{Scope, Theme};
use crate::rollout::HostRecord;

/// Columns before the words: the time and a sign.
const LEAD: usize = 11;

/// A line before it is cut into rows.
struct Entry {
    at: Instant,
    sign: (String, Style),
    words: (String, Style),
}

pub(super) fn draw(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let rollout = model.shown();
    let Some(host) = model.cursor.and_then(|cursor| rollout.host(cursor)) else { return };
    let mut title = Fields::default();
    title.text(9, format!(" Log of {}", rollout.name(host.id)), theme.scope(Scope::Title));
    title.text(8, host.state.name().as_str(), caption(theme, host.state.name()));
    title.text(1, "states, notes, and the last lines of its agent and of SSH", theme.scope(Scope::Muted));
    text::put(frame.buffer_mut(), area, 0, &title.line(usize::from(area.width)).0);
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let entries = entries(model, theme, host);
    let width = usize::from(body.width).saturating_sub(LEAD + 1).max(1);
    let lines: Vec<Line<'_>> = entries.iter().flat_map(|entry| rows(theme, entry, width)).collect();
    if lines.is_empty() {
        text::put(frame.buffer_mut(), body, 0, &Line::styled("  nothing yet", theme.scope(Scope::Muted)));
    }
    let height = usize::from(body.height);
    let back = model.scroll.min(lines.len().saturating_sub(height));
    let end = lines.len() - back;
    for (row, line) in (0_u16..).zip(&lines[end.saturating_sub(height)..end]) {
        text::put(frame.buffer_mut(), body, row, line);
    }
    text::more(frame.buffer_mut(), body, back, theme);
}

/// Everything that is known of the host, in the order of time; of one moment, states first.
fn entries(model: &Model, theme: &Theme, host: &HostRecord) -> Vec<Entry> {
    let (plain, muted) = (theme.scope(Scope::Text), theme.scope(Scope::Muted));
    let states = host.history.iter().map(|step| {
        let style = caption(theme, step.state);
        let attempt = if step.attempt > 1 { format!(" (attempt {})", step.attempt) } else { String::new() };
        let reason = step.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
        let words = (format!("{}{attempt}{reason}", step.state), style);
        Entry { at: step.at, sign: (theme.glyph(step.state).to_string(), theme.state(step.state)), words }
    });
    let is_ours = |event: &&crate::console::events::Event| event.host == Some(host.id) && event.at <= model.shown_now();
    let notes = model.events.all().iter().filter(is_ours).filter_map(|event| {
        let (sign, style) = match event.kind {
            // The host's own history has these.
            Kind::State(_) => return None,
            Kind::Note => (" ", plain),
            Kind::Warning => ("!", theme.scope(Scope::Warning)),
            Kind::Operator => (">", theme.scope(Scope::Key)),
        };
        let told = event.cause.as_deref().map_or_else(|| event.text.clone(), |cause| reason::told(cause, &event.text));
        Some(Entry { at: event.at, sign: (sign.to_owned(), style), words: (told, style) })
    });
    let sign = theme.pick("│", "|");
    let said = host.transcript.iter().map(|said| Entry {
        at: said.at,
        sign: (sign.to_owned(), muted),
        words: (said.line.clone(), plain),
    });
    let mut entries: Vec<Entry> = states.chain(notes).chain(said).collect();
    entries.sort_by_key(|entry| entry.at);
    entries
}

/// Its rows: every word of it, none cut off.
fn rows<'a>(theme: &Theme, entry: &Entry, width: usize) -> Vec<Line<'a>> {
    let lead = |first: bool| {
        let time = clock(entry.at.since(Instant::ZERO));
        let (time, sign) = if first { (time, entry.sign.0.clone()) } else { (String::new(), " ".to_owned()) };
        [
            Span::styled(format!(" {time:>7} "), theme.scope(Scope::Muted)),
            Span::styled(format!("{sign} "), entry.sign.1),
        ]
    };
    let (words, style) = &entry.words;
    let parts = wrap(&text::plain(theme, words), width).into_iter().map(|part| Span::styled(part, *style)).enumerate();
    parts.map(|(at, part)| Line::from(lead(at == 0).into_iter().chain([part]).collect::<Vec<_>>())).collect()
}
