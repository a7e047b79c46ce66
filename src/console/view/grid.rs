//! The fleet as a map: each host has one place for the whole run.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::geometry::Grid;
use super::text::{self, fit, percent};
use crate::console::hits::Hits;
use crate::console::model::{Density, Model, is_failure, severity};
use crate::console::theme::{Scope, Theme};
use crate::inventory::HostId;
use crate::rollout::{HostRecord, StateName};

/// The hosts that are lit: marks, and the range that is being marked.
pub(super) struct Lit {
    hosts: std::collections::BTreeSet<HostId>,
}

impl Lit {
    pub(super) fn of(model: &Model) -> Self {
        let mut hosts = model.range();
        hosts.extend(&model.marks);
        Self { hosts }
    }

    pub(super) fn contains(&self, host: HostId) -> bool {
        self.hosts.contains(&host)
    }
}

/// Columns of a card's bar.
const BAR_MIN: usize = 4;
const BAR_MAX: usize = 24;

/// A card with less room than this behind its name has no room for a state and a reason.
const WORDY: usize = 54;

pub(super) fn draw(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect, hits: &Hits) {
    if area.is_empty() {
        return;
    }
    if hits.count() == 0 {
        let line = Line::styled("  no host passes the filter (esc clears it)", theme.scope(Scope::Muted));
        text::put(frame.buffer_mut(), area, 1, &line);
        return;
    }
    let grid = Grid::of(model, area);
    let lit = Lit::of(model);
    let cursor = model.cursor.and_then(|cursor| model.shown().hosts().iter().position(|host| host.id == cursor));
    let own = cursor.and_then(|cursor| model.map.group_at(model.map.position(cursor)));
    let top = grid.first_row(model.map.position(cursor.unwrap_or(0)));
    for at in grid.groups_between(top, top + grid.rows) {
        block(model, theme, frame, area, &Page { grid: &grid, hits, lit: &lit, top, own }, at);
    }
}

/// What of the map is on the screen.
struct Page<'a> {
    grid: &'a Grid<'a>,
    hits: &'a Hits,
    lit: &'a Lit,
    /// The first row.
    top: usize,
    /// The group of the cursor.
    own: Option<usize>,
}

/// The cells of one group that are on the page, and what their rows are called.
fn block(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect, page: &Page<'_>, at: usize) {
    let (grid, group) = (page.grid, &model.map.groups()[at]);
    let hosts = model.shown().hosts();
    let (mut bad, mut members) = (false, Vec::with_capacity(grid.per_cell));
    // Where groups have no names, the one the cursor is in is underlined.
    let own = grid.is_nameless() && page.own == Some(at);
    let order = &model.map.order()[group.first..group.first + group.len];
    for (cell, indices) in order.chunks(grid.per_cell).enumerate() {
        let spot = grid.spot(at, cell);
        members.clear();
        members.extend(indices.iter().filter_map(|index| hosts.get(*index)));
        bad |= members.iter().any(|host| is_failure(host.state.name()));
        let Some(row) = spot.row.checked_sub(page.top).filter(|row| *row < grid.rows) else { continue };
        let (x, y) = (area.x + spot.x, area.y + row as u16);
        let width = grid.cell_width.min((area.x + area.width).saturating_sub(x));
        if width == 0 {
            continue;
        }
        let place = Rect { x, y, width, height: 1 };
        if cell % grid.columns == 0 && grid.label > 0 && group.name.is_empty() {
            let name = model.names.short(model.shown().name(members[0].id));
            let name = fit(theme, name, usize::from(grid.label - 1));
            frame.buffer_mut().set_string(area.x, y, name, theme.scope(Scope::Muted));
        }
        let Some(worst) = worst(hosts, indices, page.hits) else { continue };
        let under = members.iter().any(|host| Some(host.id) == model.cursor);
        let lit = members.iter().any(|host| page.lit.contains(host.id));
        self::cell(model, theme, frame.buffer_mut(), place, &Cell { grid, worst, under, lit, own });
        if under {
            frame.set_cursor_position(Position { x: place.x, y: place.y });
        }
    }
    mark(theme, frame.buffer_mut(), area, page, (at, bad));
    let Some(row) = grid.spot(at, 0).row.checked_sub(page.top).filter(|row| *row < grid.rows) else { return };
    if grid.label > 0 && !group.name.is_empty() {
        let style = theme.scope(if bad { Scope::Bad } else { Scope::Muted });
        let name = fit(theme, &group.name, usize::from(grid.label - 1));
        frame.buffer_mut().set_string(area.x + grid.block(at), area.y + row as u16, name, style);
    }
}

/// The mark in front of a group that runs on behind another.
fn mark(theme: &Theme, buffer: &mut Buffer, area: Rect, page: &Page<'_>, (group, bad): (usize, bool)) {
    let Some((row, x)) = page.grid.mark(group) else { return };
    if let Some(row) = row.checked_sub(page.top).filter(|row| *row < page.grid.rows) {
        let style = theme.scope(if bad { Scope::Bad } else { Scope::Rule });
        buffer.set_string(area.x + x, area.y + row as u16, theme.pick("│", "|"), style);
    }
}

/// What a cell shows.
struct Cell<'a> {
    grid: &'a Grid<'a>,
    worst: &'a HostRecord,
    under: bool,
    lit: bool,
    /// In the group of the cursor, whose name is nowhere near.
    own: bool,
}

/// The host that stands for a cell: the worst that passes the filter; of those alike, the least complete.
fn worst<'a>(hosts: &'a [HostRecord], indices: &[usize], hits: &Hits) -> Option<&'a HostRecord> {
    let mut passing = indices.iter().filter(|index| hits.has(**index)).filter_map(|index| hosts.get(*index));
    if indices.len() == 1 {
        return passing.next();
    }
    let rank = |host: &HostRecord| (severity(host.state.name()), 1000 - (host.completion() * 1000.0) as u32);
    passing.reduce(|worst, host| if rank(host) > rank(worst) { host } else { worst })
}

fn cell(model: &Model, theme: &Theme, buffer: &mut Buffer, place: Rect, cell: &Cell<'_>) {
    let host = cell.worst;
    let (glyph, style) = theme.host(host.state.name(), host.completion());
    match cell.grid.density {
        Density::Cell | Density::Aggregate => {
            let style = dressed(theme, style, cell);
            buffer.set_string(place.x, place.y, glyph.to_string(), style);
        }
        Density::Tile => {
            let name = usize::from(cell.grid.name);
            let label = match cell.grid.name {
                0 => format!("{:>4}{}", share(host), sign(cell)),
                _ => format!("{}{:<name$} {:>4} ", sign(cell), fit(theme, short(model, cell), name), share(host)),
            };
            let width = usize::from(place.width.saturating_sub(1));
            let label = fit(theme, label.trim_end(), width);
            let spans = vec![
                Span::styled(glyph.to_string(), style),
                Span::styled(label, dressed(theme, caption(theme, host.state.name()), cell)),
            ];
            buffer.set_line(place.x, place.y, &Line::from(spans), place.width);
        }
        Density::Card => card(model, theme, buffer, place, cell, (glyph, style)),
    }
}

/// A line a host: name, state, bar, share, rates, peers, age of the last piece.
fn card(model: &Model, theme: &Theme, buffer: &mut Buffer, place: Rect, cell: &Cell<'_>, look: (char, Style)) {
    let host = cell.worst;
    let state = host.state.name();
    let name = usize::from(cell.grid.name);
    let text = theme.scope(Scope::Text);
    let caption = caption(theme, state);
    let pointer = if cell.under { theme.pick("▸", ">") } else { " " };
    let mut spans = vec![
        Span::styled(pointer, theme.scope(Scope::Key)),
        Span::styled(look.0.to_string(), look.1),
        Span::styled(
            format!("{}{:<name$} ", sign(cell), fit(theme, short(model, cell), name)),
            dressed(theme, caption, cell),
        ),
    ];
    let now = model.shown_now();
    let room =
        |spans: &[Span<'_>]| usize::from(place.width).saturating_sub(spans.iter().map(Span::width).sum::<usize>() + 1);
    let whole = room(&spans);
    if whole < WORDY
        && let Some(words) = text::brief(host)
    {
        let words = text::squeeze(theme, &words, whole.saturating_sub(1));
        spans.push(Span::styled(format!(" {words}"), caption));
        buffer.set_line(place.x, place.y, &Line::from(spans), place.width.saturating_sub(1));
        return;
    }
    spans.push(Span::styled(format!(" {:<13} ", state.as_str()), caption));
    let room = room(&spans);
    let reason = text::reason(host, now);
    let waits = matches!(state, StateName::Waiting | StateName::Connecting | StateName::Aborted | StateName::Skipped);
    if waits && reason.is_empty() {
        // Its state says it all.
    } else if reason.is_empty() {
        // Whole or not at all, and for every host alike: a number that is cut off is a wrong number.
        let mut used = BAR_MIN + 5;
        let fitting = FIGURES.iter().take_while(|width| {
            used += **width;
            used <= room
        });
        let fitting = fitting.count();
        let words: usize = FIGURES[..fitting].iter().sum();
        let bar = room.saturating_sub(words + 5).min(BAR_MAX);
        let full = (host.completion() * bar as f64) as usize;
        spans.push(Span::styled(theme.pick("━", "=").repeat(full), theme.scope(Scope::Bar)));
        spans.push(Span::styled(theme.pick("─", ".").repeat(bar - full), theme.scope(Scope::Muted)));
        spans.push(Span::styled(format!(" {:>4}", share(host)), text));
        if state == StateName::Fetching && host.progress.peers > 0 {
            spans.extend(figures(model, host).into_iter().take(fitting).map(|figure| Span::styled(figure, text)));
        }
    } else {
        spans.push(Span::styled(text::squeeze(theme, &reason, room), text));
    }
    buffer.set_line(place.x, place.y, &Line::from(spans), place.width.saturating_sub(1));
}

/// Columns of what is told of a host under way, the most telling first.
const FIGURES: [usize; 5] = [11, 11, 5, 10, 15];

fn figures(model: &Model, host: &HostRecord) -> [String; 5] {
    let now = model.shown_now();
    let eta = model.shown().eta_of(host.id, now).filter(|eta| eta.as_secs() < 100 * 3600);
    let age = host.advanced.map_or_else(String::new, |advanced| text::age(now.since(advanced)));
    [
        format!(" {:>10}", host.progress.rate_down.to_string()),
        format!("  ETA {:<5}", eta.map_or_else(|| "--:--".to_owned(), text::clock)),
        format!(" {age:>4}"),
        format!("{:>10}", text::peers(host.progress.peers)),
        format!(" {:>10} out", host.progress.rate_up.to_string()),
    ]
}

fn short<'a>(model: &'a Model, cell: &Cell<'_>) -> &'a str {
    model.names.short(model.shown().name(cell.worst.id))
}

/// How far a host is, in four columns; for those that are not under way, nothing.
fn share(host: &HostRecord) -> String {
    match host.state.name() {
        StateName::Waiting | StateName::Connecting | StateName::Aborted | StateName::Skipped => String::new(),
        StateName::Failed => "fail".to_owned(),
        StateName::Unreachable => "lost".to_owned(),
        StateName::Bootstrapping
        | StateName::Fetching
        | StateName::Stalled
        | StateName::Verifying
        | StateName::Unpacking
        | StateName::Done => format!("{}%", percent(host.completion())),
    }
}

/// The words beside a glyph: those that need the operator stand out.
pub(super) fn caption(theme: &Theme, state: StateName) -> Style {
    match state {
        StateName::Failed | StateName::Unreachable => theme.scope(Scope::Bad),
        StateName::Stalled => theme.scope(Scope::Warning),
        StateName::Waiting | StateName::Aborted | StateName::Skipped => theme.scope(Scope::Muted),
        StateName::Connecting
        | StateName::Bootstrapping
        | StateName::Fetching
        | StateName::Verifying
        | StateName::Unpacking
        | StateName::Done => theme.scope(Scope::Text),
    }
}

/// What stands beside a name: a mark is seen without colour too.
const fn sign(cell: &Cell<'_>) -> &'static str {
    if cell.lit { "*" } else { " " }
}

fn dressed(theme: &Theme, style: Style, cell: &Cell<'_>) -> Style {
    let style = if cell.own { style.add_modifier(Modifier::UNDERLINED) } else { style };
    let style = if cell.lit { style.patch(theme.scope(Scope::Mark)) } else { style };
    if cell.under { theme.selected(style) } else { style }
}
