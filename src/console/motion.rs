//! The cursor: always on a host by its id, never on a place of the screen.

use ratatui::layout::Rect;

use super::keymap::Motion;
use super::model::{Model, View, is_failure, severity};
use super::order;
use super::view::{Grid, Parts, Spot};
use crate::inventory::HostId;

/// Moves the cursor, or scrolls where there is nothing to move between.
pub(super) fn travel(model: &mut Model, motion: Motion) {
    if model.help.is_some() {
        let first = model.help.unwrap_or(0);
        model.help = Some(scrolled(model, first, motion));
        return;
    }
    match model.view {
        View::Grid => across(model, motion),
        View::Table => along(model, motion),
        View::Failures => causes(model, motion),
        View::Log if matches!(motion, Motion::Left | Motion::Right) => {
            model.scroll = 0;
            step(model, if motion == Motion::Left { -1 } else { 1 });
        }
        View::Events | View::Log => {
            // The newest is at the bottom: up is away from it.
            let turned = match motion {
                Motion::Up => Motion::Down,
                Motion::Down => Motion::Up,
                Motion::HalfUp => Motion::HalfDown,
                Motion::HalfDown => Motion::HalfUp,
                Motion::Top => Motion::Bottom,
                Motion::Bottom => Motion::Top,
                Motion::Left | Motion::Right => return,
            };
            model.scroll = scrolled(model, model.scroll, turned);
        }
        View::Host => match motion {
            Motion::Left | Motion::Right => {
                model.scroll = 0;
                step(model, if motion == Motion::Left { -1 } else { 1 });
            }
            Motion::Up | Motion::Down | Motion::HalfUp | Motion::HalfDown | Motion::Top | Motion::Bottom => {
                model.scroll = scrolled(model, model.scroll, motion);
            }
        },
    }
}

/// Puts the cursor on the next or previous failed host of the fleet that passes the filter.
pub(super) fn to_failed(model: &mut Model, forward: bool) -> bool {
    let hosts = order::hosts(model);
    let at = model.cursor.and_then(|cursor| hosts.iter().position(|host| *host == cursor)).unwrap_or(0);
    let failed = |host: &HostId| model.shown().host(*host).is_some_and(|host| is_failure(host.state.name()));
    let (before, after) = hosts.split_at((at + usize::from(forward)).min(hosts.len()));
    let found = if forward {
        after.iter().chain(before).copied().find(failed)
    } else {
        before.iter().rev().chain(after.iter().rev()).copied().find(failed)
    };
    if found.is_some() {
        model.cursor = found;
    }
    found.is_some()
}

/// Puts the cursor on the host that was clicked, if one was, and a question or a line that is typed is not in the way.
pub(super) fn click(model: &mut Model, (column, row): (u16, u16)) {
    let body = parts(model).body;
    let inside = (body.y..body.bottom()).contains(&row);
    if !inside || model.dialog.is_some() || model.prompt.is_some() || model.help.is_some() {
        return;
    }
    let row = usize::from(row - body.y);
    let clicked = match model.view {
        View::Grid => on_map(model, body, (column, row)),
        View::Table => in_table(model, body, row),
        View::Failures | View::Events | View::Host | View::Log => None,
    };
    model.cursor = clicked.or(model.cursor);
}

fn on_map(model: &Model, body: Rect, (column, row): (u16, usize)) -> Option<HostId> {
    let grid = Grid::of(model, body);
    let index = model.shown().hosts().iter().position(|host| Some(host.id) == model.cursor).unwrap_or(0);
    let row = grid.first_row(model.map.position(index)) + row;
    let is_there = |stop: &&Stop| {
        stop.spot.row == row && (stop.spot.x..stop.spot.x + grid.cell_width).contains(&(column.saturating_sub(body.x)))
    };
    stops(model, &grid).iter().find(is_there).map(|stop| stop.host)
}

fn in_table(model: &Model, body: Rect, row: usize) -> Option<HostId> {
    let hosts = order::hosts(model);
    // The first row is the heading.
    let page = usize::from(body.height.saturating_sub(1).max(1));
    let at = hosts.iter().position(|host| Some(*host) == model.cursor).unwrap_or(0);
    let first = (at / page * page).min(hosts.len().saturating_sub(page));
    hosts.get(first + row.checked_sub(1)?).copied()
}

/// Puts the cursor on a host that is shown, when it is on one that is not.
pub(super) fn settle(model: &mut Model) {
    let shown = model.cursor.and_then(|cursor| model.shown().host(cursor)).is_some_and(|host| model.passes(host));
    if !shown && let Some(first) = order::hosts(model).first() {
        model.cursor = Some(*first);
    }
}

/// The parts of the screen as the terminal is now.
pub(super) fn parts(model: &Model) -> Parts {
    Parts::of(Rect::new(0, 0, model.setup.columns, model.setup.rows), model.view)
}

fn page(model: &Model) -> usize {
    usize::from(parts(model).body.height / 2).max(1)
}

fn scrolled(model: &Model, from: usize, motion: Motion) -> usize {
    /// More lines than any view has; drawing stops at the last.
    const LAST: usize = 1 << 20;
    match motion {
        Motion::Up => from.saturating_sub(1),
        Motion::Down => (from + 1).min(LAST),
        Motion::HalfUp => from.saturating_sub(page(model)),
        Motion::HalfDown => (from + page(model)).min(LAST),
        Motion::Top => 0,
        Motion::Bottom => LAST,
        Motion::Left | Motion::Right => from,
    }
}

/// One host on or back in the order of the view.
fn step(model: &mut Model, by: isize) {
    let hosts = order::hosts(model);
    if hosts.is_empty() {
        return;
    }
    let at = model.cursor.and_then(|cursor| hosts.iter().position(|host| *host == cursor));
    let to = at.map_or(0, |at| at.saturating_add_signed(by).min(hosts.len() - 1));
    model.cursor = Some(hosts[to]);
}

/// In the table.
fn along(model: &mut Model, motion: Motion) {
    let far = isize::MAX / 2;
    let page = page(model).cast_signed();
    match motion {
        Motion::Up | Motion::Left => step(model, -1),
        Motion::Down | Motion::Right => step(model, 1),
        Motion::HalfUp => step(model, -page),
        Motion::HalfDown => step(model, page),
        Motion::Top => step(model, -far),
        Motion::Bottom => step(model, far),
    }
}

fn causes(model: &mut Model, motion: Motion) {
    let groups = model.shown().failures();
    if groups.is_empty() {
        return;
    }
    let at = groups.iter().position(|group| Some(group.cause) == model.cause).unwrap_or(0);
    let last = groups.len() - 1;
    let to = match motion {
        Motion::Up | Motion::Left => at.saturating_sub(1),
        Motion::Down | Motion::Right => (at + 1).min(last),
        Motion::HalfUp => at.saturating_sub(4),
        Motion::HalfDown => (at + 4).min(last),
        Motion::Top => 0,
        Motion::Bottom => last,
    };
    model.cause = Some(groups[to].cause);
    model.cursor = groups[to].hosts.first().copied();
}

/// Chooses the cause of the host under the cursor; where it has none, puts the cursor on the first host of the cause that
/// was chosen: what a key does to one host, it does to one of that cause.
pub(super) fn to_cause(model: &mut Model) {
    let groups = model.shown().failures();
    let of_cursor = groups.iter().find(|group| model.cursor.is_some_and(|cursor| group.hosts.contains(&cursor)));
    let chosen = || groups.iter().find(|group| Some(group.cause) == model.cause).or_else(|| groups.first());
    let (cause, host) = match (of_cursor, chosen()) {
        (Some(group), _) => (Some(group.cause), model.cursor),
        (None, Some(group)) => (Some(group.cause), group.hosts.first().copied()),
        (None, None) => (None, model.cursor),
    };
    (model.cause, model.cursor) = (cause, host);
}

/// A host that can be moved to, and where it is.
struct Stop {
    host: HostId,
    spot: Spot,
}

/// In the grid: by cells, over those the filter leaves blank.
fn across(model: &mut Model, motion: Motion) {
    let grid = Grid::of(model, parts(model).body);
    let stops = stops(model, &grid);
    let Some(cursor) = model.cursor else { return };
    let Some(index) = model.shown().hosts().iter().position(|host| host.id == cursor) else { return };
    let here = grid.place(model.map.position(index));
    let at = stops.iter().position(|stop| stop.spot >= here).unwrap_or_else(|| stops.len().saturating_sub(1));
    let half = (grid.rows / 2).max(1);
    let target = match motion {
        Motion::Left => at.checked_sub(1),
        Motion::Right => Some(at + 1),
        Motion::Top => Some(0),
        Motion::Bottom => stops.len().checked_sub(1),
        Motion::Up => vertical(&stops, here.row.checked_sub(1), 0, here.x),
        Motion::Down => vertical(&stops, Some(here.row + 1), usize::MAX, here.x),
        Motion::HalfUp => vertical(&stops, Some(here.row.saturating_sub(half)), 0, here.x),
        Motion::HalfDown => {
            let last = stops.iter().map(|stop| stop.spot.row).max().unwrap_or(here.row);
            vertical(&stops, Some((here.row + half).min(last)), usize::MAX, here.x)
        }
    };
    let host = target.and_then(|target| stops.get(target)).map(|stop| stop.host);
    model.cursor = host.or(model.cursor);
}

/// The stop nearest to column `x` in the first row that has one, from `row` towards `end`.
fn vertical(stops: &[Stop], row: Option<usize>, end: usize, x: u16) -> Option<usize> {
    let row = row?;
    let (low, high) = (row.min(end), row.max(end));
    let inside = stops.iter().enumerate().filter(|(_, stop)| (low..=high).contains(&stop.spot.row));
    inside.min_by_key(|(_, stop)| (stop.spot.row.abs_diff(row), stop.spot.x.abs_diff(x))).map(|(at, _)| at)
}

/// The worst host of each cell that has one which passes the filter.
fn stops(model: &Model, grid: &Grid<'_>) -> Vec<Stop> {
    let mut stops: Vec<Stop> = Vec::new();
    let mut worst = 0;
    for (position, index) in model.map.order().iter().enumerate() {
        let Some(host) = model.shown().hosts().get(*index).filter(|host| model.passes(host)) else { continue };
        let spot = grid.place(position);
        let bad = severity(host.state.name());
        match stops.last_mut() {
            Some(stop) if stop.spot == spot => {
                if bad > worst {
                    (stop.host, worst) = (host.id, bad);
                }
            }
            Some(_) | None => {
                worst = bad;
                stops.push(Stop { host: host.id, spot });
            }
        }
    }
    stops
}
