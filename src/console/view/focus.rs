//! The host under the cursor, in a line.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::grid::caption;
use super::text::{self, Fields, percent};
use crate::console::model::Model;
use crate::console::theme::{Scope, Theme};

pub(super) fn draw(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let rollout = model.shown();
    let Some(host) = model.cursor.and_then(|cursor| rollout.host(cursor)) else { return };
    let (now, state) = (model.shown_now(), host.state.name());
    let (glyph, style) = theme.host(state, host.completion());
    let (plain, words) = (theme.scope(Scope::Text), caption(theme, state));
    let mut fields = Fields::default();
    let full = rollout.name(host.id);
    let name = if area.width < 120 { model.names.short(full) } else { full };
    let name = text::fit(theme, name, 40);
    let mark = if model.marks.contains(&host.id) { "*" } else { " " };
    fields.push(
        9,
        vec![
            Span::styled(theme.pick("▸", ">"), theme.scope(Scope::Key)),
            Span::styled(glyph.to_string(), style),
            Span::raw(mark),
            Span::styled(name.clone(), theme.scope(Scope::Title)),
        ],
    );
    fields.text(9, state.as_str(), words);
    let used = 3 + Span::raw(name.as_str()).width() + 2 + state.as_str().len() + 2;
    let reason = text::squeeze(theme, &text::reason(host, now), usize::from(area.width).saturating_sub(used));
    if !reason.is_empty() {
        fields.text(9, reason, words);
    }
    if !state.is_settled() && host.completion() > 0.0 {
        fields.text(8, format!("{}%", percent(host.completion())), plain);
    }
    if !state.is_settled() && host.progress.peers > 0 {
        fields.text(7, format!("{} in", host.progress.rate_down), plain);
        fields.text(4, format!("{} out", host.progress.rate_up), plain);
        fields.text(6, text::peers(host.progress.peers), plain);
    }
    if host.attempt.number > 1 {
        fields.text(5, format!("attempt {}", host.attempt.number), plain);
    }
    if let (Some(launched), Some(settled)) = (host.attempt.launched, host.attempt.settled) {
        fields.text(3, format!("took {}", text::clock(settled.since(launched))), plain);
    }
    let (line, _) = fields.line(usize::from(area.width));
    text::put(frame.buffer_mut(), area, 0, &line);
}
