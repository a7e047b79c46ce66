//! Where everything is: pure arithmetic that drawing and the cursor keys share.

use ratatui::layout::Rect;

use crate::console::model::{Density, Model, View};
use crate::rollout::Rollout;

/// The parts of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::console) struct Parts {
    pub(in crate::console) header: Rect,
    pub(in crate::console) body: Rect,
    /// The host under the cursor.
    pub(in crate::console) focus: Rect,
    pub(in crate::console) footer: Rect,
}

/// Below this there is a summary only.
pub(in crate::console) const COLUMNS_MIN: u16 = 30;
/// Below this there is a summary only.
pub(in crate::console) const ROWS_MIN: u16 = 6;

impl Parts {
    /// Cuts the screen for a view.
    pub(in crate::console) fn of(area: Rect, view: View) -> Self {
        let rows = area.height;
        let header = if rows >= 18 { 3 } else { rows.min(2) };
        let footer = if rows >= 12 { 2 } else { u16::from(rows >= 4) };
        let focus = u16::from(rows >= 10 && matches!(view, View::Grid | View::Table));
        let body = rows.saturating_sub(header + footer + focus);
        let row = |y: u16, height: u16| Rect { x: area.x, y: area.y + y, width: area.width, height };
        Self {
            header: row(0, header),
            body: row(header, body),
            focus: row(header + body, focus),
            footer: row(header + body + focus, footer),
        }
    }
}

/// How the fleet lies in the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::console) struct Grid {
    pub(in crate::console) density: Density,
    /// Cells in a row.
    pub(in crate::console) columns: usize,
    /// Columns of the terminal for a cell, the gap included.
    pub(in crate::console) cell_width: u16,
    /// Columns of the terminal for the name of a row's first host; 0: no names.
    pub(in crate::console) label: u16,
    /// Columns of a tile or card for its name; 0: no name.
    pub(in crate::console) name: u16,
    /// Hosts that share a cell.
    pub(in crate::console) per_cell: usize,
    /// Rows on the screen.
    pub(in crate::console) rows: usize,
}

/// Columns a card needs beside the name.
const CARD_MIN: u16 = 32;
const NAME_MAX: u16 = 28;

impl Grid {
    /// How the model's fleet lies in `body`.
    pub(in crate::console) fn of(model: &Model, body: Rect) -> Self {
        let rollout = model.shown();
        Self::fit(body, rollout.hosts().len(), Names::of(rollout).width, model.density)
    }

    /// The most detail that fits, or the chosen one.
    fn fit(body: Rect, hosts: usize, name: u16, chosen: Option<Density>) -> Self {
        let (width, rows) = (body.width.max(1), usize::from(body.height.max(1)));
        let name = name.min(NAME_MAX);
        let card = Self::card(width, rows, hosts, name);
        let named = Self::tile(width, rows, name);
        let bare = Self::tile(width, rows, 0);
        let cell = Self::cell(width, rows, hosts, name);
        let holds = |grid: &Self| grid.columns * grid.rows >= hosts;
        match chosen {
            None if holds(&card) => card,
            None if holds(&named) => named,
            None if holds(&bare) => bare,
            None if holds(&cell) => cell,
            Some(Density::Card) => card,
            Some(Density::Tile) if holds(&named) || !holds(&bare) => named,
            Some(Density::Tile) => bare,
            Some(Density::Cell) => cell,
            None | Some(Density::Aggregate) => Self::aggregate(width, rows, hosts),
        }
    }

    /// As few columns of cards as hold all hosts, so that each has room for words.
    fn card(width: u16, rows: usize, hosts: usize, name: u16) -> Self {
        let most = (width / (name + CARD_MIN)).max(1);
        let columns = u16::try_from(hosts.div_ceil(rows)).unwrap_or(most).clamp(1, most);
        Self {
            density: Density::Card,
            columns: usize::from(columns),
            cell_width: width / columns,
            label: 0,
            name,
            per_cell: 1,
            rows,
        }
    }

    /// `▄ web-0421  71%  `
    fn tile(width: u16, rows: usize, name: u16) -> Self {
        let cell_width = if name > 0 { name + 9 } else { 7 };
        let columns = usize::from((width + 2) / cell_width).max(1);
        Self { density: Density::Tile, columns, cell_width, label: 0, name, per_cell: 1, rows }
    }

    fn cell(width: u16, rows: usize, hosts: usize, name: u16) -> Self {
        let label = name + 2;
        let labelled = width.saturating_sub(label) / 10 * 10;
        let fits = labelled >= 10 && usize::from(labelled) * rows >= hosts;
        let (label, columns) = if fits { (label, labelled) } else { (0, width) };
        Self { density: Density::Cell, columns: usize::from(columns), cell_width: 1, label, name: 0, per_cell: 1, rows }
    }

    fn aggregate(width: u16, rows: usize, hosts: usize) -> Self {
        let columns = usize::from(width);
        let per_cell = hosts.div_ceil(columns * rows).max(2);
        Self { density: Density::Aggregate, columns, cell_width: 1, label: 0, name: 0, per_cell, rows }
    }

    /// The row and column of the host with this index in the fleet.
    pub(in crate::console) const fn place(&self, index: usize) -> (usize, usize) {
        let cell = index / self.per_cell;
        (cell / self.columns, cell % self.columns)
    }

    /// The first row that is shown when the cursor is on this host: whole pages, so that nothing moves on a page.
    pub(in crate::console) const fn first_row(&self, index: usize) -> usize {
        self.place(index).0 / self.rows * self.rows
    }
}

/// What the names of the fleet have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::console) struct Names {
    /// Bytes at the end that all share, and need not be shown: a domain.
    suffix: usize,
    /// Columns of the longest, without that.
    pub(in crate::console) width: u16,
}

impl Names {
    pub(in crate::console) fn of(rollout: &Rollout) -> Self {
        let hosts = || rollout.plan().hosts.iter().map(|host| host.name.as_str());
        let suffix = hosts().next().map_or(0, |first| {
            let dots = first.match_indices('.').map(|(at, _)| &first[at..]);
            let domain = |suffix: &&str| suffix.chars().any(|c| c.is_ascii_alphabetic());
            let shared = |suffix: &&str| hosts().all(|name| name.len() > suffix.len() && name.ends_with(suffix));
            if rollout.plan().hosts.len() < 2 { 0 } else { dots.filter(domain).find(shared).map_or(0, str::len) }
        });
        let width = hosts().map(|name| name.chars().count()).max().unwrap_or(0).saturating_sub(suffix);
        Self { suffix, width: u16::try_from(width).unwrap_or(u16::MAX) }
    }

    /// A name without what all share.
    pub(in crate::console) fn short<'a>(&self, name: &'a str) -> &'a str {
        name.get(..name.len().saturating_sub(self.suffix)).unwrap_or(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(width: u16, height: u16, hosts: usize) -> (Density, usize) {
        let body = Parts::of(Rect::new(0, 0, width, height), View::Grid).body;
        let grid = Grid::fit(body, hosts, 8, None);
        assert!(grid.columns * grid.rows * grid.per_cell >= hosts, "{hosts} hosts do not fit {width}x{height}");
        (grid.density, grid.per_cell)
    }

    #[test]
    fn detail_is_what_fits() {
        assert_eq!(grid(80, 24, 12), (Density::Card, 1));
        assert_eq!(grid(80, 24, 24), (Density::Card, 1));
        assert_eq!(grid(80, 24, 60), (Density::Tile, 1));
        assert_eq!(grid(80, 24, 1400), (Density::Cell, 1));
        assert_eq!(grid(200, 60, 10_000), (Density::Cell, 1));
        assert_eq!(grid(80, 24, 10_000), (Density::Aggregate, 7));
    }

    #[test]
    fn no_size_divides_by_nothing() {
        for (width, height) in [(1, 1), (1, 60), (200, 1), (30, 6)] {
            for hosts in [0, 1, 10_000] {
                grid(width, height, hosts);
            }
        }
    }
}
