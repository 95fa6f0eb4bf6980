//! How many runs show what the card counts, as tables of two axes.

use std::sync::Arc;

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
    text::Line,
};
use sweeps::ByAxis;
use sweeps::by_axis::{Cell, Matrix};
use sweeps::card::{label, named};

use super::Drawn;
use crate::colour::{Depth, strong};
use crate::list::List;
use crate::paint::{cut, cut_middle, put, put_right, rows};
use crate::scroll::Scroll;

/// Narrowest and widest column, with the gap before it.
const NARROWEST: u16 = 10;
const WIDEST: u16 = 26;

/// What is counted by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// One axis downwards, one to the right.
    Grid(String, String),
    /// One axis alone, to the right or downwards.
    Row(String),
    Column(String),
    /// Arm by arm, where they differ in no axis.
    Arms,
}

/// Says of a single axis that it lies downwards.
pub(super) const DOWN: &str = "down";

impl Asked {
    /// As it is typed behind `:outcomes`.
    pub(super) fn words(&self) -> Option<String> {
        match self {
            Self::Grid(down, right) => Some(format!("{down} {right}")),
            Self::Row(only) => Some(only.clone()),
            Self::Column(only) => Some(format!("{only} {DOWN}")),
            Self::Arms => None,
        }
    }
}

/// The counts, as the report has them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Counts {
    /// Keys of the axes and their values.
    down: (String, Vec<String>),
    right: (String, Vec<String>),
    /// One for each setting of the other axes, with its name; by row and column.
    panels: Vec<(String, Vec<Vec<Option<Cell>>>)>,
}

impl Counts {
    pub(super) fn of(by_axis: &ByAxis<'_>, asked: Asked) -> Self {
        let matrix = |down: Option<&str>, right: &str| by_axis.matrix(down, right);
        let all = || (String::new(), vec!["all".to_owned()]);
        let values = |values: &[toml::Value]| -> Vec<String> { values.iter().map(label).collect() };
        let found = match asked {
            Asked::Grid(down, right) => matrix(Some(&down), &right).map(|found| {
                let (rows, columns) = (values(&found.rows), values(&found.columns));
                Self::new((down, rows), (right, columns), found)
            }),
            Asked::Row(key) => matrix(None, &key).map(|found| {
                let columns = values(&found.columns);
                Self::new(all(), (key, columns), found)
            }),
            Asked::Column(key) => matrix(None, &key).map(|mut found| {
                for panel in &mut found.panels {
                    let cells = std::mem::take(&mut panel.cells).into_iter().flatten();
                    panel.cells = cells.map(|cell| vec![cell]).collect();
                }
                let rows = values(&found.columns);
                Self::new((key, rows), all(), found)
            }),
            Asked::Arms => None,
        };
        found.unwrap_or_else(|| Self::of_arms(by_axis))
    }

    fn new(down: (String, Vec<String>), right: (String, Vec<String>), found: Matrix) -> Self {
        let panel = |panel: sweeps::by_axis::Panel| {
            let parts = panel.at.iter().map(|(key, value)| named(key, value));
            (parts.collect::<Vec<_>>().join(" "), panel.cells)
        };
        Self {
            down,
            right,
            panels: found.panels.into_iter().map(panel).collect(),
        }
    }

    fn of_arms(by_axis: &ByAxis<'_>) -> Self {
        let cells = by_axis.cells();
        let arms = cells.iter().map(|cell| cell.arm.clone()).collect();
        let cells = cells.into_iter().map(|cell| vec![Some(cell)]).collect();
        Self {
            down: ("arm".to_owned(), arms),
            right: (String::new(), vec!["all".to_owned()]),
            panels: vec![(String::new(), cells)],
        }
    }

    fn cell(&self, spot: Spot) -> Option<&Cell> {
        let (_, cells) = self.panels.get(spot.panel)?;
        cells.get(spot.row)?.get(spot.column)?.as_ref()
    }
}

/// A place in the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spot {
    panel: usize,
    row: usize,
    column: usize,
}

/// One line of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    /// Name of the panel that follows.
    Name(usize),
    Cells {
        panel: usize,
        row: usize,
    },
}

/// The tables as they are drawn.
#[derive(Debug, Default)]
pub(super) struct Table {
    counts: Arc<Counts>,
    rows: Vec<Row>,
    list: List,
    /// The area with a frame around it.
    frame: Rect,
    /// The cell of the run under the cursor.
    here: Option<Spot>,
    /// Width of the values downwards, and of a column with the gap before it.
    gutter: u16,
    width: u16,
    /// The first column on the screen, and how many there are on it.
    first: usize,
    columns: usize,
}

impl Table {
    /// Takes counts in, with the arm of the run under the cursor.
    pub(super) fn show(&mut self, counts: &Arc<Counts>, here: Option<&str>, area: Rect) {
        self.counts = Arc::clone(counts);
        let several = counts.panels.len() > 1;
        let lines = counts
            .panels
            .iter()
            .enumerate()
            .flat_map(|(panel, (_, cells))| {
                let name = several.then_some(Row::Name(panel));
                let cells = (0..cells.len()).map(move |row| Row::Cells { panel, row });
                name.into_iter().chain(cells)
            });
        self.rows = lines.collect();
        self.here = here.and_then(|arm| self.spot_of(arm));
        self.frame = Rect {
            x: area.x.saturating_sub(1),
            y: area.y.saturating_sub(1),
            width: area.width.saturating_add(2),
            height: area.height.saturating_add(2),
        };
        let row = self
            .here
            .and_then(|here| self.line_of(here.panel, here.row));
        // The name of a panel stays above its first row.
        let first = self.list.offset.min(self.rows.len().saturating_sub(1));
        let row = row.unwrap_or(first);
        let page = List::page(self.frame);
        if page > 1 && row == 1 {
            self.list.fit(0, self.rows.len(), page);
        }
        self.list.fit(row, self.rows.len(), page);
        self.fit_columns(area);
    }

    fn fit_columns(&mut self, area: Rect) {
        let longest = |values: &[String]| {
            let widths = values.iter().map(|value| Line::raw(value.as_str()).width());
            widths.max().unwrap_or(0) as u16
        };
        let counts = &self.counts;
        let cells = counts
            .panels
            .iter()
            .flat_map(|(_, cells)| cells.iter().flatten());
        let texts = cells
            .flatten()
            .map(|cell| text(cell).chars().count() as u16);
        let room = area.width;
        self.gutter = (longest(&counts.down.1) + 2).clamp(4, (room / 3).max(4));
        let wanted = (longest(&counts.right.1) + 2).max(texts.max().unwrap_or(0) + 2);
        let room = room.saturating_sub(self.gutter).max(1);
        self.width = wanted.clamp(NARROWEST, WIDEST).min(room);
        self.columns = usize::from(room / self.width).max(1);
        let all = counts.right.1.len();
        let here = self.here.map_or(self.first, |here| here.column);
        let least = (here + 1).saturating_sub(self.columns);
        self.first = self.first.clamp(least, here.max(least));
        self.first = self.first.min(all.saturating_sub(self.columns));
    }

    fn spot_of(&self, arm: &str) -> Option<Spot> {
        self.spots().find(|spot| {
            let cell = self.counts.cell(*spot);
            cell.is_some_and(|cell| cell.arm == arm)
        })
    }

    fn spots(&self) -> impl Iterator<Item = Spot> {
        let columns = self.counts.right.1.len();
        self.cell_rows().flat_map(move |(panel, row)| {
            (0..columns).map(move |column| Spot { panel, row, column })
        })
    }

    fn cell_rows(&self) -> impl DoubleEndedIterator<Item = (usize, usize)> {
        self.rows.iter().filter_map(|row| match row {
            Row::Name(_) => None,
            Row::Cells { panel, row } => Some((*panel, *row)),
        })
    }

    fn line_of(&self, panel: usize, row: usize) -> Option<usize> {
        let wanted = Row::Cells { panel, row };
        self.rows.iter().position(|row| *row == wanted)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn title(&self) -> String {
        let axes = [(&self.counts.down.0, "↓"), (&self.counts.right.0, "→")];
        let axes = axes.into_iter().filter(|(key, _)| !key.is_empty());
        let axes = axes.map(|(key, arrow)| format!("· {arrow} {key} "));
        axes.collect::<Vec<_>>().concat()
    }

    /// Which rows and columns are on the screen, where others are not.
    pub(super) fn shown(&self) -> String {
        let rows = self.list.shown(self.frame).to_string();
        let all = self.counts.right.1.len();
        let last = (self.first + self.columns).min(all);
        if self.columns >= all {
            return rows;
        }
        let columns = format!(" columns {}–{last} of {all}, ← → ", self.first + 1);
        if rows.is_empty() {
            columns
        } else {
            format!("{}·{columns}", rows.replacen(' ', " rows ", 1))
        }
    }

    /// The arm that a movement leads to, of those that `can` be gone to.
    pub(super) fn moved(&self, by: Scroll, can: &dyn Fn(&str) -> bool) -> Option<&str> {
        let rows: Vec<(usize, usize)> = self.cell_rows().collect();
        let Some(here) = self.here else {
            return self.first_cell(can);
        };
        let place = rows.iter().position(|row| *row == (here.panel, here.row))?;
        let target = by.from(place, rows.len(), List::page(self.frame), 3);
        let onwards = rows.get(target..).unwrap_or_default().iter();
        let back = rows.get(..target).unwrap_or_default().iter().rev();
        let (onwards, back): (Vec<_>, Vec<_>) = (onwards.collect(), back.collect());
        // Behind the last row that can be gone to, the one before it.
        let order = if target >= place {
            [onwards, back].concat()
        } else {
            let at: Vec<_> = rows.get(target).into_iter().collect();
            [at, back, onwards].concat()
        };
        order.into_iter().find_map(|(panel, row)| {
            let spot = Spot {
                panel: *panel,
                row: *row,
                ..here
            };
            self.arm_of(spot, can)
        })
    }

    /// The same to the left or to the right.
    pub(super) fn across(&self, by: isize, can: &dyn Fn(&str) -> bool) -> Option<&str> {
        let Some(here) = self.here else {
            return self.first_cell(can);
        };
        let columns = 0..self.counts.right.1.len();
        let mut column = here.column;
        loop {
            column = column.checked_add_signed(by)?;
            if !columns.contains(&column) {
                return None;
            }
            if let Some(arm) = self.arm_of(Spot { column, ..here }, can) {
                return Some(arm);
            }
        }
    }

    fn first_cell(&self, can: &dyn Fn(&str) -> bool) -> Option<&str> {
        self.spots().find_map(|spot| self.arm_of(spot, can))
    }

    fn arm_of(&self, spot: Spot, can: &dyn Fn(&str) -> bool) -> Option<&str> {
        let cell = self.counts.cell(spot)?;
        can(&cell.arm).then_some(&*cell.arm)
    }

    /// The arm of the cell at a place on the screen.
    pub(super) fn arm_at(&self, at: Position, area: Rect) -> Option<&str> {
        let Row::Cells { panel, row } = *self.rows.get(self.list.row_at(at, self.frame)?)? else {
            return None;
        };
        let on_screen = self.first..self.first + self.columns;
        let is_here = |column: &usize| {
            self.column(*column, rows(area, 0, area.height))
                .contains(at)
        };
        let column = on_screen.into_iter().find(is_here)?;
        self.arm_of(Spot { panel, row, column }, &|_| true)
    }

    /// The part of an area that a column has.
    fn column(&self, column: usize, area: Rect) -> Rect {
        let place = column.saturating_sub(self.first) as u16;
        let x = area.x + self.gutter + self.width.saturating_mul(place);
        Rect {
            x: x.saturating_add(1),
            width: self.width.saturating_sub(1),
            ..area
        }
        .intersection(area)
    }

    /// All counts, for a file.
    pub(super) fn numbers(&self) -> Vec<Vec<String>> {
        let counts = &self.counts;
        let keys = [&counts.down.0, &counts.right.0].map(|key| match &**key {
            "" => "all".to_owned(),
            key => key.to_owned(),
        });
        let heads = ["others", "events", "judged", "runs"].map(str::to_owned);
        let mut table = vec![[keys.to_vec(), heads.into()].concat()];
        for (name, cells) in &counts.panels {
            for (value, cells) in counts.down.1.iter().zip(cells) {
                for (other, cell) in counts.right.1.iter().zip(cells) {
                    let Some(cell) = cell else { continue };
                    let numbers = [cell.count.events, cell.count.n, cell.runs];
                    let words = vec![value.clone(), other.clone(), name.clone()];
                    table.push([words, numbers.map(|number| number.to_string()).into()].concat());
                }
            }
        }
        table
    }
}

impl Drawn for Table {
    fn draw(&self, area: Rect, depth: Depth, buffer: &mut Buffer) {
        let on_screen = self.first..(self.first + self.columns).min(self.counts.right.1.len());
        let heading = rows(area, 0, 1);
        for column in on_screen.clone() {
            let head = self.column(column, heading);
            let value = cut_middle(&self.counts.right.1[column], head.width);
            put_right(buffer, head, head.right(), &value, depth.dim());
        }
        let lines = self.rows.iter().skip(self.list.offset);
        for (row, line) in lines.zip(area.rows().skip(1)) {
            let (panel, row) = match *row {
                Row::Cells { panel, row } => (panel, row),
                Row::Name(panel) => {
                    let name = cut(&self.counts.panels[panel].0, line.width.saturating_sub(2));
                    put(buffer, line, line.x + 1, &name, strong());
                    continue;
                }
            };
            let value = self.counts.down.1.get(row).map_or("", |value| value);
            let value = cut_middle(value, self.gutter.saturating_sub(1));
            put(buffer, line, line.x + 1, &value, depth.dim());
            for column in on_screen.clone() {
                let spot = Spot { panel, row, column };
                let place = self.column(column, line);
                draw_cell(self.counts.cell(spot), place, depth, buffer);
                if self.here == Some(spot) && !place.is_empty() {
                    put(buffer, line, place.x - 1, "▸", depth.accent());
                }
            }
        }
        self.list.scrollbar(self.frame, depth, buffer);
    }
}

/// Counts with `…` where some are to come.
fn text(cell: &Cell) -> String {
    let more = if cell.runs > cell.count.n { "…" } else { "" };
    match (cell.runs, cell.count.n) {
        (0, _) => "·".to_owned(),
        (_, 0) => "…".to_owned(),
        _ => format!("{}/{}{more} ", cell.count.events, cell.count.n),
    }
}

/// The share as the colour of the cell, from dark to bright; without colours the numbers have to do.
fn draw_cell(cell: Option<&Cell>, area: Rect, depth: Depth, buffer: &mut Buffer) {
    let Some(cell) = cell.filter(|_| !area.is_empty()) else {
        return;
    };
    let share = cell.count.share();
    let style = if cell.count.n == 0 {
        depth.dim()
    } else if depth.coloured() {
        depth.on_heat(share)
    } else if share >= 0.5 {
        depth.cursor()
    } else {
        Style::new()
    };
    if cell.count.n > 0 {
        buffer.set_style(area, style);
    }
    put_right(buffer, area, area.right(), &text(cell), style);
}
