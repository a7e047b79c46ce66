//! Where everything is: pure arithmetic that drawing and the cursor keys share.

use ratatui::layout::Rect;

use crate::console::arrange::Group;
use crate::console::model::{Density, Model, View};
use crate::rollout::PlannedHost;

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

/// How the fleet lies in the grid: groups are blocks, side by side where they are small, each on rows of its own; where
/// that takes too many rows, they run on in the lines as words do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::console) struct Grid<'a> {
    pub(in crate::console) density: Density,
    /// Columns of the terminal for a cell, the gap included.
    pub(in crate::console) cell_width: u16,
    /// Columns of the terminal for what a row is called; 0: nothing.
    pub(in crate::console) label: u16,
    /// Columns of a tile or card for its name; 0: no name.
    pub(in crate::console) name: u16,
    /// Hosts that share a cell.
    pub(in crate::console) per_cell: usize,
    /// Rows on the screen.
    pub(in crate::console) rows: usize,
    /// Cells in a row of a block.
    pub(in crate::console) columns: usize,
    /// Columns of the terminal from one block to the next.
    block_width: u16,
    /// The first row of each row of blocks, and the row behind the last.
    tops: Vec<usize>,
    /// Blocks side by side.
    blocks: usize,
    lie: Lie,
    groups: &'a [Group],
}

/// How groups lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::console) enum Lie {
    /// Each on rows of its own, with its name in front.
    Blocks,
    /// One behind the other, with so many cells between them for a mark.
    Flow {
        /// 1, or 0 where there is no room for marks.
        mark: usize,
    },
}

/// Where a host is on the map. Ordered as the cursor goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::console) struct Spot {
    group: usize,
    cell: usize,
    /// The row, from the first of the whole map.
    pub(in crate::console) row: usize,
    /// The column of the terminal, from the left of the map.
    pub(in crate::console) x: u16,
}

/// Columns a card needs beside the name.
const CARD_MIN: u16 = 32;
const NAME_MAX: u16 = 28;
/// Columns of a group's name.
const LABEL_MAX: u16 = 14;
/// Columns between two blocks.
const GAP: u16 = 2;
/// Blocks side by side: enough for a wide screen of small groups.
const BLOCKS_MAX: usize = 32;

/// What of a map is decided before it is cut into rows.
#[derive(Clone, Copy)]
struct Cut<'a> {
    width: u16,
    rows: usize,
    groups: &'a [Group],
}

impl<'a> Grid<'a> {
    /// How the model's fleet lies in `body`.
    pub(in crate::console) fn of(model: &'a Model, body: Rect) -> Self {
        Self::fit(body, model.map.groups(), model.names.width, model.density)
    }

    /// The most detail that fits, or the chosen one.
    fn fit(body: Rect, groups: &'a [Group], name: u16, chosen: Option<Density>) -> Self {
        let cut = Cut { width: body.width.max(1), rows: usize::from(body.height.max(1)), groups };
        let name = name.min(NAME_MAX);
        let holds = |grid: &Self| grid.height() <= grid.rows;
        let tile = |name| cut.blocks(Density::Tile, if name > 0 { name + 9 } else { 7 }, name, 1);
        match chosen {
            None => [cut.card(name), tile(name), tile(0), cut.cell(name), cut.flow(1), cut.flow(0)]
                .into_iter()
                .find(holds)
                .unwrap_or_else(|| cut.aggregate()),
            Some(Density::Card) => cut.card(name),
            Some(Density::Tile) => {
                Some(tile(0)).filter(|bare| holds(bare) && !holds(&tile(name))).unwrap_or_else(|| tile(name))
            }
            Some(Density::Cell) => {
                let all = [cut.cell(name), cut.flow(1), cut.flow(0)];
                all.into_iter().find(holds).unwrap_or_else(|| cut.cell(name))
            }
            Some(Density::Aggregate) => cut.aggregate(),
        }
    }

    /// Where the host at this position of the map is.
    pub(in crate::console) fn place(&self, position: usize) -> Spot {
        let group = self.groups.partition_point(|group| group.first <= position).saturating_sub(1);
        let first = self.groups.get(group).map_or(0, |group| group.first);
        self.spot(group, (position - first.min(position)) / self.per_cell)
    }

    /// Where a cell of a group is.
    pub(in crate::console) fn spot(&self, group: usize, cell: usize) -> Spot {
        if let Lie::Flow { mark } = self.lie {
            let at = self.flows_from(group, mark) + cell;
            return Spot { group, cell, row: at / self.columns, x: (at % self.columns) as u16 };
        }
        let row = self.tops[group / self.blocks] + cell / self.columns;
        let block = (group % self.blocks) as u16 * self.block_width;
        Spot { group, cell, row, x: block + self.label + (cell % self.columns) as u16 * self.cell_width }
    }

    /// The cell of the map at which a group begins that runs on.
    fn flows_from(&self, group: usize, mark: usize) -> usize {
        self.groups.get(group).map_or(0, |group| group.first) + group * mark
    }

    /// Where the mark in front of a group is, if there is one: row and column.
    pub(in crate::console) fn mark(&self, group: usize) -> Option<(usize, u16)> {
        let Lie::Flow { mark: mark @ 1.. } = self.lie else { return None };
        let at = self.flows_from(group, mark).checked_sub(mark)?;
        Some((at / self.columns, (at % self.columns) as u16))
    }

    /// Whether groups have no names on the map.
    pub(in crate::console) fn is_nameless(&self) -> bool {
        matches!(self.lie, Lie::Flow { .. })
    }

    /// Where the name of a group's first row is.
    pub(in crate::console) fn block(&self, group: usize) -> u16 {
        (group % self.blocks) as u16 * self.block_width
    }

    /// Rows of the whole map.
    pub(in crate::console) fn height(&self) -> usize {
        self.tops.last().copied().unwrap_or_default()
    }

    /// The first row that is shown when the cursor is on the host at this position: whole pages, so that nothing moves
    /// on a page.
    pub(in crate::console) fn first_row(&self, position: usize) -> usize {
        self.place(position).row / self.rows * self.rows
    }

    /// The groups that have a row between these two.
    pub(in crate::console) fn groups_between(&self, first: usize, last: usize) -> std::ops::Range<usize> {
        if let Lie::Flow { mark } = self.lie {
            let begins = |group: usize| self.flows_from(group, mark) / self.columns;
            let from = (0..self.groups.len()).rev().find(|group| begins(*group) < first).unwrap_or(0);
            return from..(from..self.groups.len()).find(|group| begins(*group) >= last).unwrap_or(self.groups.len());
        }
        let from = self.tops.partition_point(|top| *top <= first).saturating_sub(1);
        let to = self.tops.partition_point(|top| *top < last);
        (from * self.blocks).min(self.groups.len())..(to * self.blocks).min(self.groups.len())
    }
}

impl<'a> Cut<'a> {
    /// Columns for the names of groups; 0 when there is one group only.
    fn label(&self) -> u16 {
        let longest = self.groups.iter().map(|group| group.name.chars().count()).max().unwrap_or_default() as u16;
        if longest == 0 { 0 } else { (longest.min(LABEL_MAX) + 1).min(self.width / 3) }
    }

    /// A map of blocks with this many cells in a row.
    fn lay(&self, blocks: usize, columns: usize, cell: (Density, u16, u16, usize)) -> Grid<'a> {
        let (density, cell_width, name, per_cell) = cell;
        let label = self.label();
        let mut tops = vec![0];
        for band in self.groups.chunks(blocks) {
            let highest = band.iter().map(|group| group.len.div_ceil(per_cell).div_ceil(columns)).max();
            tops.push(tops[tops.len() - 1] + highest.unwrap_or_default());
        }
        let block_width = label + columns as u16 * cell_width + GAP;
        let (rows, groups) = (self.rows, self.groups);
        let lie = Lie::Blocks;
        Grid { density, cell_width, label, name, per_cell, rows, columns, block_width, tops, blocks, lie, groups }
    }

    /// A glyph a host, and one group behind the other: no cell is lost at the end of a group.
    fn flow(&self, mark: usize) -> Grid<'a> {
        let hosts: usize = self.groups.iter().map(|group| group.len).sum();
        let cells = hosts + self.groups.len().saturating_sub(1) * mark;
        let columns = usize::from(self.width);
        let tops = vec![0, cells.div_ceil(columns)];
        let (rows, blocks, lie) = (self.rows, self.groups.len().max(1), Lie::Flow { mark });
        let (density, cell_width, label, name, per_cell, block_width) = (Density::Cell, 1, 0, 0, 1, self.width);
        Grid {
            density,
            cell_width,
            label,
            name,
            per_cell,
            rows,
            columns,
            block_width,
            tops,
            blocks,
            lie,
            groups: self.groups,
        }
    }

    /// As many blocks side by side as take the fewest rows.
    fn blocks(&self, density: Density, cell_width: u16, name: u16, per_cell: usize) -> Grid<'a> {
        let most = self.groups.len().clamp(1, BLOCKS_MAX);
        // The last cell needs no gap.
        let slack = if density == Density::Tile { 2 } else { 0 };
        let columns = |blocks: usize| {
            let room = (self.width + GAP) / blocks as u16;
            usize::from((room + slack).saturating_sub(self.label() + GAP) / cell_width)
        };
        let tries = (1..=most).map(|blocks| (blocks, columns(blocks))).take_while(|(_, columns)| *columns > 0);
        let grids = tries.map(|(blocks, columns)| self.lay(blocks, columns, (density, cell_width, name, per_cell)));
        grids.min_by_key(Grid::height).unwrap_or_else(|| self.lay(1, 1, (density, cell_width, name, per_cell)))
    }

    /// As few columns of cards as hold all hosts, so that each has room for words.
    fn card(&self, name: u16) -> Grid<'a> {
        let room = self.width.saturating_sub(self.label()).max(1);
        let most = (room / (name + CARD_MIN)).max(1);
        let card = |columns: u16| self.lay(1, usize::from(columns), (Density::Card, room / columns, name, 1));
        (1..=most).map(card).find(|grid| grid.height() <= self.rows).unwrap_or_else(|| card(most))
    }

    /// A glyph a host; where there is room, rows of tens with the name of their first host.
    fn cell(&self, name: u16) -> Grid<'a> {
        let mut grid = self.blocks(Density::Cell, 1, 0, 1);
        let label = name + 2;
        let tens = self.width.saturating_sub(label) / 10 * 10;
        if self.label() == 0 && tens >= 10 {
            let mut named = self.lay(1, usize::from(tens), (Density::Cell, 1, 0, 1));
            named.label = label;
            if named.height() <= self.rows {
                grid = named;
            }
        }
        grid
    }

    /// As few hosts a cell as fit.
    fn aggregate(&self) -> Grid<'a> {
        let largest = self.groups.iter().map(|group| group.len).max().unwrap_or_default();
        let (mut low, mut high) = (2, largest.max(2));
        let grid = |per_cell| self.blocks(Density::Aggregate, 1, 0, per_cell);
        while low < high {
            let middle = usize::midpoint(low, high);
            if grid(middle).height() <= self.rows {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        grid(low)
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
    pub(in crate::console) fn of(hosts: &[PlannedHost]) -> Self {
        let few = hosts.len() < 2;
        let hosts = || hosts.iter().map(|host| host.name.as_str());
        let suffix = hosts().next().map_or(0, |first| {
            let dots = first.match_indices('.').map(|(at, _)| &first[at..]);
            let domain = |suffix: &&str| suffix.chars().any(|c| c.is_ascii_alphabetic());
            let shared = |suffix: &&str| hosts().all(|name| name.len() > suffix.len() && name.ends_with(suffix));
            if few { 0 } else { dots.filter(domain).find(shared).map_or(0, str::len) }
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

    fn body(width: u16, height: u16) -> Rect {
        Parts::of(Rect::new(0, 0, width, height), View::Grid).body
    }

    fn groups(sizes: &[usize]) -> Vec<Group> {
        let mut first = 0;
        let group = |(at, len): (usize, &usize)| {
            first += len;
            Group {
                name: if sizes.len() > 1 { format!("r{at}") } else { String::new() },
                first: first - len,
                len: *len,
            }
        };
        sizes.iter().enumerate().map(group).collect()
    }

    fn grid(width: u16, height: u16, hosts: usize) -> (Density, usize) {
        let groups = groups(&[hosts]);
        let grid = Grid::fit(body(width, height), &groups, 8, None);
        assert!(grid.height() <= grid.rows, "{hosts} hosts do not fit {width}x{height}");
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
            for density in
                [None, Some(Density::Card), Some(Density::Tile), Some(Density::Cell), Some(Density::Aggregate)]
            {
                let groups = groups(&[3, 40, 1, 900]);
                Grid::fit(body(width, height), &groups, 8, density).place(943);
            }
        }
    }

    #[test]
    fn small_groups_lie_side_by_side_and_large_ones_below_each_other() {
        let racks = groups(&[20; 50]);
        let grid = Grid::fit(body(80, 24), &racks, 8, Some(Density::Cell));
        assert_eq!((grid.blocks, grid.height()), (3, 17), "50 racks of 20");
        let halls = groups(&[70; 18]);
        let grid = Grid::fit(body(80, 24), &halls, 8, None);
        assert_eq!((grid.density, grid.blocks, grid.height()), (Density::Cell, 1, 18));
    }

    #[test]
    fn groups_that_take_too_many_rows_run_on_so_that_a_cell_is_one_host() {
        for (sizes, mark) in [(vec![20; 70], 0), (vec![40; 35], 1), (vec![100; 14], 1), (vec![35; 40], 1)] {
            let racks = groups(&sizes);
            let grid = Grid::fit(body(80, 24), &racks, 8, None);
            assert_eq!(
                (grid.density, grid.per_cell, grid.lie),
                (Density::Cell, 1, Lie::Flow { mark }),
                "{}",
                sizes.len()
            );
            assert!(grid.height() <= grid.rows);
            let marks: std::collections::BTreeSet<_> = (0..racks.len()).filter_map(|group| grid.mark(group)).collect();
            assert_eq!(marks.len(), if mark == 1 { racks.len() - 1 } else { 0 });
            let hosts = (0..1400).map(|position| grid.place(position)).map(|spot| (spot.row, spot.x));
            assert!(hosts.into_iter().all(|place| !marks.contains(&place)), "no host lies under a mark");
            for (first, last) in [(0, 1), (3, 4), (0, 18), (17, 18)] {
                let shown = grid.groups_between(first, last);
                for (group, rack) in racks.iter().enumerate() {
                    let rows = grid.spot(group, 0).row..=grid.spot(group, rack.len - 1).row;
                    let is_there = *rows.start() < last && *rows.end() >= first;
                    assert!(!is_there || shown.contains(&group), "group {group} of rows {rows:?} in {first}..{last}");
                }
            }
        }
    }

    #[test]
    fn no_two_cells_share_a_place() {
        for sizes in [&[7, 1, 30, 12][..], &[500, 300, 600], &[20; 70], &[9]] {
            for (width, height) in [(80, 24), (60, 15), (200, 60), (33, 9)] {
                for density in
                    [None, Some(Density::Card), Some(Density::Tile), Some(Density::Cell), Some(Density::Aggregate)]
                {
                    let groups = groups(sizes);
                    let grid = Grid::fit(body(width, height), &groups, 8, density);
                    let mut seen = std::collections::BTreeMap::new();
                    for position in 0..sizes.iter().sum() {
                        let spot = grid.place(position);
                        let before = seen.insert((spot.row, spot.x), spot);
                        assert!(before.is_none_or(|before| before == spot && grid.per_cell > 1), "{spot:?}");
                        assert!(grid.cell_width > width || spot.x + grid.cell_width <= width + 2, "{grid:?} {spot:?}");
                    }
                }
            }
        }
    }
}
