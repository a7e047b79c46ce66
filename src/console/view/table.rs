//! The fleet as a list, worst first. Only the rows that are seen are built.

use std::fmt::Write as _;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::grid::{Lit, caption};
use super::text::{self, age, fit, percent};
use crate::console::model::{Model, is_failure};
use crate::console::order;
use crate::console::theme::{Scope, Theme};
use crate::rollout::HostRecord;

/// Which columns there is room for.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is one column that is there or is not")]
struct Columns {
    width: u16,
    name: usize,
    down: bool,
    up: bool,
    peers: bool,
    attempt: bool,
    age: bool,
    wave: bool,
}

impl Columns {
    fn of(width: u16, name: u16, waves: usize) -> Self {
        Self {
            width,
            name: usize::from(name.clamp(4, if width < 80 { 16 } else { 32 })),
            down: width >= 56,
            peers: width >= 76,
            age: width >= 70,
            up: width >= 110,
            attempt: width >= 100,
            wave: width >= 90 && waves > 1,
        }
    }

    fn heading(self) -> String {
        let mut text = format!("   {:<name$}  {:<13}  got", "host", "state", name = self.name);
        for (shown, label) in [
            (self.down, "        down"),
            (self.up, "          up"),
            (self.peers, " peers"),
            (self.attempt, "  try"),
            (self.age, "  piece"),
            (self.wave, "  wave"),
        ] {
            if shown {
                text.push_str(label);
            }
        }
        if self.width >= 140 {
            text.push_str("  why");
        }
        text
    }

    fn share(host: &HostRecord) -> String {
        format!("  {:>3}%", percent(host.completion()))
    }

    fn row(self, host: &HostRecord, wave: Option<usize>, now: crate::base::Instant) -> String {
        let live = !host.state.name().is_settled();
        let rate = |rate: crate::base::ByteRate| if live && rate.0 > 0 { rate.to_string() } else { String::new() };
        let mut text = Self::share(host);
        if self.down {
            let _ = write!(text, "  {:>10}", rate(host.progress.rate_down));
        }
        if self.up {
            let _ = write!(text, "  {:>10}", rate(host.progress.rate_up));
        }
        if self.peers {
            let peers = if live && host.progress.peers > 0 { host.progress.peers.to_string() } else { String::new() };
            let _ = write!(text, " {peers:>5}");
        }
        if self.attempt {
            let attempt = if host.attempt.number > 0 { host.attempt.number.to_string() } else { String::new() };
            let _ = write!(text, "  {attempt:>3}");
        }
        if self.age {
            let advanced = host.advanced.filter(|_| live).map(|at| age(now.since(at))).unwrap_or_default();
            let _ = write!(text, "  {advanced:>5}");
        }
        if self.wave {
            let _ = write!(text, "  {:>4}", wave.unwrap_or_default());
        }
        text
    }
}

pub(super) fn draw(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    if area.height == 0 {
        return;
    }
    let rollout = model.shown();
    let names = model.names;
    let columns = Columns::of(area.width, names.width, rollout.wave().waves);
    let buffer = frame.buffer_mut();
    let heading = format!("{:<width$}", columns.heading(), width = usize::from(area.width));
    buffer.set_stringn(area.x, area.y, heading, usize::from(area.width), theme.scope(Scope::Rule));
    let hosts = order::hosts(model);
    let height = area.height - 1;
    if hosts.is_empty() {
        let line = Line::styled("  no host passes the filter (esc clears it)", theme.scope(Scope::Muted));
        text::put(buffer, area, 2, &line);
        return;
    }
    let at = model.cursor.and_then(|cursor| hosts.iter().position(|host| *host == cursor)).unwrap_or(0);
    let page = usize::from(height.max(1));
    let (shown, _) = text::window(&hosts, at / page * page, height);
    let lit = Lit::of(model);
    let mut cursor = None;
    for (row, id) in (1_u16..).zip(shown) {
        let Some(host) = rollout.host(*id) else { continue };
        let (under, lit) = (Some(*id) == model.cursor, lit.contains(*id));
        let name = names.short(rollout.name(*id));
        text::put(buffer, area, row, &self::row(model, theme, columns, host, (under, lit), name));
        if under {
            let words = Rect { x: area.x + 3, width: area.width.saturating_sub(3), ..text::row(area, row) };
            text::paint(buffer, words, theme.selected(Style::new()));
            cursor = Some((area.x, area.y + row));
        }
    }
    if let Some(cursor) = cursor {
        frame.set_cursor_position(cursor);
    }
}

fn row<'a>(
    model: &Model,
    theme: &Theme,
    columns: Columns,
    host: &HostRecord,
    (under, lit): (bool, bool),
    name: &str,
) -> Line<'a> {
    let now = model.shown_now();
    let state = host.state.name();
    let (glyph, style) = theme.host(state, host.completion());
    let words = caption(theme, state);
    let pointer = if under { theme.pick("▸", ">") } else { " " };
    let reason = text::reason(host, now);
    // Where there is little room, what is wrong matters more than the rates of what does not move.
    let narrow = columns.width < 140 && !reason.is_empty();
    let figures = match (narrow, is_failure(state)) {
        (true, true) => String::new(),
        (true, false) => Columns::share(host),
        (false, _) => columns.row(host, model.shown().wave_of(host.id), now),
    };
    let used = 3 + columns.name + 15 + Span::raw(figures.as_str()).width() + 2;
    let reason = text::squeeze(theme, &reason, usize::from(columns.width).saturating_sub(used));
    let name_style = if lit { words.patch(theme.scope(Scope::Mark)) } else { words };
    Line::from(vec![
        Span::styled(pointer, theme.scope(Scope::Key)),
        Span::styled(glyph.to_string(), style),
        Span::raw(if lit { "*" } else { " " }),
        Span::styled(format!("{:<width$}", fit(theme, name, columns.name), width = columns.name), name_style),
        Span::styled(format!("  {:<13}", state.as_str()), words),
        Span::styled(figures, theme.scope(Scope::Text)),
        Span::styled(format!("  {reason}"), words),
    ])
}
