//! Words and numbers in little space.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::base::Instant;
use crate::console::theme::{Glyphs, Scope, Theme};
use crate::rollout::{BootStep, Detail, Failure, HostRecord, HostState, SSH_LOST};

/// A text of at most `width` columns; what is left out is shown as left out.
pub(super) fn fit(theme: &Theme, text: &str, width: usize) -> String {
    if Span::raw(text).width() <= width {
        return text.to_owned();
    }
    let (sign, sign_width) = match theme.glyphs() {
        Glyphs::Unicode => ("…", 1),
        Glyphs::Ascii => ("..", 2),
    };
    let mut kept = String::new();
    let mut used = sign_width;
    for character in text.chars() {
        used += Span::raw(character.to_string()).width();
        if used > width {
            break;
        }
        kept.push(character);
    }
    if width >= sign_width {
        kept.push_str(sign);
    }
    kept
}

/// A text without what ASCII does not have, where it must be so.
pub(super) fn plain(theme: &Theme, text: &str) -> String {
    match theme.glyphs() {
        Glyphs::Unicode => text.to_owned(),
        Glyphs::Ascii => text
            .chars()
            .map(|character| match character {
                '…' | '·' => '.',
                '–' => '-',
                '×' => 'x',
                '→' => '>',
                other if other.is_ascii() => other,
                _ => '?',
            })
            .collect(),
    }
}

/// `02:14`, `1:02:14`.
pub(super) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes:02}:{seconds:02}") }
}

/// `14s`, `2m`, `3h`: at most four columns.
pub(super) fn age(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..100 => format!("{seconds}s"),
        seconds @ 100..6000 => format!("{}m", seconds / 60),
        seconds => format!("{}h", (seconds / 3600).min(999)),
    }
}

/// Whole percents: 100 only when it is all.
pub(super) fn percent(share: f64) -> u32 {
    if share >= 1.0 { 100 } else { ((share.max(0.0) * 100.0) as u32).min(99) }
}

/// A sentence of at most `width` columns that keeps its beginning and its end, in the theme's characters.
pub(super) fn squeeze(theme: &Theme, text: &str, width: usize) -> String {
    super::reason::squeeze(&plain(theme, text), width, theme.pick("…", ".."))
}

/// The words of a sentence that fit.
pub(super) fn begin(theme: &Theme, text: &str, width: usize) -> String {
    super::reason::begin(&plain(theme, text), width, theme.pick("…", ".."))
}

/// How many peers a host has.
pub(super) fn peers(count: u16) -> String {
    if count == 1 { "1 peer".to_owned() } else { format!("{count} peers") }
}

/// Why a host is where it is, in a few words; empty when its state says it all.
pub(super) fn reason(record: &HostRecord, now: Instant) -> String {
    if let Some(why) = record.ssh_lost.as_ref().filter(|_| !record.state.name().is_settled()) {
        return format!("{SSH_LOST}: {why}");
    }
    if let Some(detail) = detail(record, now) {
        return detail;
    }
    match &record.state {
        HostState::Waiting { not_before: Some(at) } if *at > now => {
            let seconds = at.since(now).as_secs_f64().ceil();
            format!("tries again in {seconds} s")
        }
        HostState::Bootstrapping { step: BootStep::Probing } => "looking at the host".to_owned(),
        HostState::Bootstrapping { step: BootStep::Pushing { sent, total } } => {
            format!("pushing the agent, {}%", percent(sent.0 as f64 / total.0.max(1) as f64))
        }
        HostState::Bootstrapping { step: BootStep::Starting } => "starting the agent".to_owned(),
        HostState::Stalled { since, reason } => {
            let from = record.advanced.unwrap_or(*since);
            format!("no new piece for {}s: {reason}", now.since(from).as_secs())
        }
        HostState::Done { already: true } => "was there already".to_owned(),
        HostState::Failed { failure } | HostState::Unreachable { failure } => {
            super::reason::told(failure.cause(), &failure.to_string())
        }
        HostState::Waiting { .. }
        | HostState::Connecting
        | HostState::Fetching
        | HostState::Verifying
        | HostState::Unpacking
        | HostState::Done { already: false }
        | HostState::Aborted
        | HostState::Skipped => String::new(),
    }
}

/// What the operator can do for a host that failed or stalls.
pub(super) fn next_step(record: &HostRecord) -> Option<&'static str> {
    if let HostState::Stalled { reason, .. } = &record.state {
        // When the connection is lost it is known why, and it is dialled again.
        return record.ssh_lost.is_none().then(|| reason.next_step());
    }
    record.state.failure().map(Failure::next_step)
}

/// What a host does within its state, where that is known.
fn detail(record: &HostRecord, now: Instant) -> Option<String> {
    match record.detail {
        Detail::None => None,
        Detail::Staged => Some("staged: waits for its turn".to_owned()),
        Detail::Switching => Some("is put in its place".to_owned()),
        Detail::Checking { attempt: 1 } => Some("health check".to_owned()),
        Detail::Checking { attempt } => Some(format!("health check, try {attempt}")),
        Detail::Unwell { attempt, again } => {
            let seconds = again.since(now).as_secs_f64().ceil();
            Some(format!("not well after {attempt}, looked at again in {seconds} s"))
        }
    }
}

/// State and reason together, where there is hardly any room; `None` where the state says it all.
pub(super) fn brief(record: &HostRecord) -> Option<String> {
    match record.detail {
        Detail::None => {}
        Detail::Staged => return Some("staged".to_owned()),
        Detail::Switching => return Some("switching".to_owned()),
        Detail::Checking { .. } => return Some("health check".to_owned()),
        Detail::Unwell { .. } => return Some("not well".to_owned()),
    }
    match &record.state {
        HostState::Stalled { reason, .. } => Some(format!("stalled: {reason}")),
        HostState::Bootstrapping { step: BootStep::Probing } => Some("looking at it".to_owned()),
        HostState::Bootstrapping { step: BootStep::Pushing { sent, total } } => {
            Some(format!("agent {}%", percent(sent.0 as f64 / total.0.max(1) as f64)))
        }
        HostState::Bootstrapping { step: BootStep::Starting } => Some("agent starts".to_owned()),
        HostState::Failed { failure } | HostState::Unreachable { failure } => Some(failure.cause().to_owned()),
        HostState::Waiting { .. }
        | HostState::Connecting
        | HostState::Fetching
        | HostState::Verifying
        | HostState::Unpacking
        | HostState::Done { .. }
        | HostState::Aborted
        | HostState::Skipped => None,
    }
}

/// A line that gives up its least important parts when there is no room.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    parts: Vec<(u8, Vec<Span<'a>>)>,
}

impl<'a> Fields<'a> {
    /// Adds a part; parts with a low rank go first, and rank 9 never.
    pub(super) fn push(&mut self, rank: u8, spans: Vec<Span<'a>>) {
        if !spans.is_empty() {
            self.parts.push((rank, spans));
        }
    }

    /// Whether it has no part.
    pub(super) const fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Adds a part in one style.
    pub(super) fn text(&mut self, rank: u8, text: impl Into<String>, style: Style) {
        self.push(rank, vec![Span::styled(text.into(), style)]);
    }

    /// The line, with two columns between parts, and how wide it is.
    pub(super) fn line(mut self, width: usize) -> (Line<'a>, usize) {
        let wide = |parts: &[(u8, Vec<Span<'a>>)]| {
            let gaps = 2 * parts.len().saturating_sub(1);
            gaps + parts.iter().flat_map(|(_, spans)| spans).map(Span::width).sum::<usize>()
        };
        while wide(&self.parts) > width {
            let lowest = self.parts.iter().map(|(rank, _)| *rank).min().unwrap_or(9);
            if lowest >= 9 {
                break;
            }
            let last = self.parts.iter().rposition(|(rank, _)| *rank == lowest).expect("a lowest rank is there");
            self.parts.remove(last);
        }
        let used = wide(&self.parts);
        let mut spans = Vec::new();
        for (at, (_, part)) in self.parts.into_iter().enumerate() {
            if at > 0 {
                spans.push(Span::raw("  "));
            }
            spans.extend(part);
        }
        (Line::from(spans), used)
    }
}

/// Writes a line into a row of the area; rows outside of it are not written.
pub(super) fn put(buffer: &mut Buffer, area: Rect, row: u16, line: &Line<'_>) {
    if row < area.height && area.width > 0 {
        buffer.set_line(area.x, area.y + row, line, area.width);
    }
}

/// A row of the area.
pub(super) const fn row(area: Rect, row: u16) -> Rect {
    Rect { x: area.x, y: area.y + row, width: area.width, height: 1 }
}

/// Lays a style over a whole row.
pub(super) fn paint(buffer: &mut Buffer, area: Rect, style: Style) {
    buffer.set_style(area, style);
}

/// The lines that are shown when `first` should be on top, and that first one: the last page stays full.
pub(super) fn window<T>(lines: &[T], first: usize, height: u16) -> (&[T], usize) {
    let first = first.min(lines.len().saturating_sub(usize::from(height)));
    (&lines[first..lines.len().min(first + usize::from(height))], first)
}

/// Says on the last row of an area how many lines are hidden, that row's own included, if any are.
pub(super) fn more(buffer: &mut Buffer, area: Rect, hidden: usize, theme: &Theme) {
    if hidden == 0 || area.is_empty() {
        return;
    }
    let note = format!("{hidden} more below (j) ");
    let blank = usize::from(area.width).saturating_sub(note.len());
    let line = Line::styled(" ".repeat(blank) + &note, theme.scope(Scope::Key));
    put(buffer, area, area.height - 1, &line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_goes_by_rank() {
        let mut fields = Fields::default();
        for (rank, text) in [(9, "failed"), (1, "rate"), (5, "eta")] {
            fields.text(rank, text, Style::new());
        }
        assert_eq!(fields.line(12).0.to_string(), "failed  eta");
    }

    #[test]
    fn times_read_at_a_glance() {
        assert_eq!(
            (clock(Duration::from_secs(134)), clock(Duration::from_secs(3734))),
            ("02:14".into(), "1:02:14".into())
        );
        assert_eq!((age(Duration::from_secs(99)), age(Duration::from_secs(125))), ("99s".into(), "2m".into()));
        assert_eq!((percent(0.999), percent(1.0), percent(f64::NAN)), (99, 100, 0));
    }

    #[test]
    fn what_is_left_out_is_shown_as_left_out() {
        let theme = Theme::builtin("mono").unwrap();
        assert_eq!(fit(&theme, "web-0421", 5), "web-…");
        assert_eq!(fit(&theme, "web", 3), "web");
        assert_eq!(fit(&theme, "web", 0), "");
    }
}
