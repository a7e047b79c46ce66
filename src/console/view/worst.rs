//! The hosts that need the operator, under a grid that has no room for words of its own.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::geometry::Grid;
use super::grid::caption;
use super::text::{self, fit};
use crate::console::hits::Hits;
use crate::console::keymap::Verb;
use crate::console::model::{Density, Model, View, is_failure, severity};
use crate::console::theme::{Scope, Theme};
use crate::rollout::{HostRecord, StateName};

/// Columns of a name at most.
const NAME_MAX: u16 = 24;

/// Draws as many as fit into the rows that the grid leaves free, the worst first.
pub(super) fn draw(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect, hits: &Hits) {
    let rollout = model.shown();
    let grid = Grid::of(model, area);
    let used = grid.height();
    // A row to keep them apart.
    let free = usize::from(area.height).saturating_sub(used + 1);
    let told_already = grid.density == Density::Card && grid.columns == 1;
    let needy = rollout.hosts().iter().enumerate().filter(|(_, host)| needs_a_look(host.state.name()));
    let mut worst: Vec<&HostRecord> = needy.filter(|(at, _)| hits.has(*at)).map(|(_, host)| host).collect();
    if free == 0 || told_already || worst.is_empty() {
        return;
    }
    worst.sort_by_key(|host| std::cmp::Reverse(severity(host.state.name())));
    let top = area.height - free as u16;
    let shown = if worst.len() > free { free - 1 } else { worst.len() };
    for (row, host) in (top..).zip(&worst[..shown]) {
        text::put(frame.buffer_mut(), area, row, &line(model, theme, host, area.width));
    }
    if shown < worst.len() {
        // Causes are of failures only; what stalls is first in the table.
        let failed = worst[shown..].iter().any(|host| is_failure(host.state.name()));
        let view = if failed { View::Failures } else { View::Table };
        let key = model.setup.keymap.key_of(Verb::Show(view));
        let way = if failed { "shows failures by cause" } else { "lists them" };
        let rest = match (shown, worst.len()) {
            (0, 1) => format!(" 1 host needs a look: {key} {way}"),
            (0, count) => format!(" {count} hosts need a look: {key} {way}"),
            (_, count) => format!(" {} more: {key} {way}", count - shown),
        };
        let rest = text::begin(theme, &rest, usize::from(area.width));
        text::put(frame.buffer_mut(), area, area.height - 1, &Line::styled(rest, theme.scope(Scope::Muted)));
    }
}

/// Whether somebody should look at a host of that state.
pub(super) const fn needs_a_look(state: StateName) -> bool {
    match state {
        StateName::Failed | StateName::Unreachable | StateName::Stalled => true,
        StateName::Waiting
        | StateName::Connecting
        | StateName::Bootstrapping
        | StateName::Fetching
        | StateName::Verifying
        | StateName::Unpacking
        | StateName::Done
        | StateName::Aborted
        | StateName::Skipped => false,
    }
}

fn line<'a>(model: &Model, theme: &Theme, host: &HostRecord, columns: u16) -> Line<'a> {
    let state = host.state.name();
    let (glyph, style) = theme.host(state, host.completion());
    let width = usize::from(model.names.width.min(NAME_MAX));
    let name = fit(theme, model.names.short(model.shown().name(host.id)), width);
    let room = usize::from(columns).saturating_sub(width + 5);
    let why = text::squeeze(theme, &text::reason(host, model.shown_now()), room);
    Line::from(vec![
        Span::raw(" "),
        Span::styled(glyph.to_string(), style),
        Span::styled(format!(" {name:<width$}  "), caption(theme, state)),
        Span::styled(why, theme.scope(Scope::Text)),
    ])
}
