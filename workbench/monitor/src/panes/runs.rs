//! The sweep table; with the screen to itself, also the details of the run under the cursor.

use std::borrow::Cow;

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Position, Rect},
    style::Style,
    text::Line,
    widgets::Widget,
};

use crate::colour::{Depth, strong};
use crate::keys::{Binding, bindings, letter};
use crate::list::List;
use crate::number::{compact, count};
use crate::paint::{cut, cut_middle, gauge, highlight, hint, put, put_right};
use crate::pane::{Act, Corner, Entry, Keys, Pane, Place};
use crate::shared::Shared;
use crate::view::{Run, glyph};
use columns::Column;
use details::Detailed;

mod columns;
mod details;
mod order;

pub(super) const ENTRY: Entry = Entry {
    name: "runs",
    title: "Runs",
    about: "runs, with details of the run under the cursor",
    corner: Some(Corner::UpperLeft),
    make: || Box::new(Runs::default()),
};

#[derive(Default)]
struct Runs {
    sort: Column,
    descending: bool,
    list: List,
    /// Columns that fit: offset and width of each.
    columns: Vec<(Column, u16, u16)>,
    /// The rows on the screen.
    rows: Vec<TableRow>,
    /// How many runs are drawn as curves, and how many there are.
    drawn: (usize, usize),
    /// None while there is no room for the details.
    details: Option<Detailed>,
}

/// A run as the table shows it.
struct TableRow {
    run: Run,
    arm: usize,
    /// Whether its curves are drawn.
    drawn: bool,
    under_cursor: bool,
}

impl Keys for Runs {
    const BINDINGS: &'static [Binding<Act<Self>>] = bindings![
        [letter(' ')] "space" "select" "draw this run's curves, or drop them" |_, shared| shared.toggle(|shared, run| run == shared.cursor);
        [letter('o')] "o" "only this" "draw only this run" |_, shared| shared.select(|shared, run| run == shared.cursor);
        [letter('a')] "a" "all/none" "draw all runs, or none" |_, shared| shared.toggle(|_, _| true);
        [letter('A')] "A" "arm" "draw all runs of this arm, or drop them" |_, shared| shared.toggle(|shared, run| shared.arm(run) == shared.arm(shared.cursor));
        [letter('s')] "s" "sort" "sort by the next column (or click a heading)" |pane, _| pane.sort_by(pane.sort.next());
        [letter('r')] "r" "reverse" "turn the order around" |pane, _| pane.descending = !pane.descending;
    ];
}

impl Pane for Runs {
    fn prepare(&mut self, shared: &mut Shared, place: Option<Place>) {
        let runs = &shared.sweep().runs;
        shared.order = order::sorted(runs, |run| shared.arm(run), self.sort, self.descending);
        shared.cursor = shared.cursor.min(shared.order.len().saturating_sub(1));
        shared.page = place.map_or(0, |place| List::page(areas(place).0));
        let Some(place) = place else { return };
        let (table, below) = areas(place);
        self.list.fit(shared.row(), shared.order.len(), shared.page);
        let runs = shared.sweep().runs.iter();
        let longest = runs.map(|run| Line::raw(arm_cell(run)).width() as u16);
        let width = place.inner().width;
        self.columns = columns::fitting(width, longest.max().unwrap_or(0));
        let visible = shared.order.iter().skip(self.list.offset);
        let visible = visible.take(List::page(table));
        self.rows = visible.map(|run| TableRow::of(shared, *run)).collect();
        let drawn = shared.runs().filter(|run| shared.is_selected(*run));
        self.drawn = (drawn.count(), shared.runs().len());
        self.details = below.map(|_| Detailed::of(shared));
    }

    fn draw(&self, place: Place, depth: Depth, buffer: &mut Buffer) {
        let (table, below) = areas(place);
        let place = Place {
            area: table,
            ..place
        };
        let (drawn, all) = self.drawn;
        let right = Line::styled(format!(" {drawn} of {all} drawn "), depth.dim());
        place
            .frame(Line::styled(" Runs ", strong()), right, depth)
            .title_bottom(self.list.shown(table).style(depth.dim()))
            .render(table, buffer);
        self.headings(place.inner(), depth, buffer);
        let list = List::area(table);
        if self.rows.is_empty() {
            hint(buffer, list, "no runs yet", depth);
        }
        for (run, row) in self.rows.iter().zip(list.rows()) {
            for (column, x, width) in &self.columns {
                let cell = Rect::new(row.x + x, row.y, *width, 1);
                run.draw(*column, cell, depth, buffer);
            }
            if run.under_cursor {
                highlight(row, depth, buffer);
            }
        }
        self.list.scrollbar(table, depth, buffer);
        if let Some((details, area)) = self.details.as_ref().zip(below) {
            details.draw(area, depth, buffer);
        }
    }

    /// On a run, its mark or a heading.
    fn click(&mut self, at: Position, place: Place, shared: &mut Shared) {
        let (table, _) = areas(place);
        let inner = place.inner();
        // The gap after a column counts as part of it.
        let column = at.x.checked_sub(inner.x).and_then(|x| {
            let mut columns = self.columns.iter();
            columns.find(|(_, from, width)| (*from..=from + width).contains(&x))
        });
        let column = column.map(|(column, ..)| *column);
        if let Some(row) = self.list.row_at(at, table) {
            shared.cursor = shared.order[row];
            if column == Some(Column::Plan) {
                shared.toggle(|shared, run| run == shared.cursor);
            }
        } else if let Some(column) = column.filter(|_| at.y == inner.y) {
            self.sort_by(column);
        }
    }
}

/// The table and, where there is room, the details below it.
fn areas(place: Place) -> (Rect, Option<Rect>) {
    let area = place.area;
    if !place.alone || area.height < 14 {
        return (area, None);
    }
    // The details want 14 lines; the table keeps at least half.
    let details = Constraint::Length((area.height / 2).min(16));
    let [table, details] = Layout::vertical([Constraint::Fill(1), details]).areas(area);
    (table, Some(details))
}

impl Runs {
    /// Sorts by a column; the same column again turns the order around.
    fn sort_by(&mut self, column: Column) {
        self.descending = self.sort == column && !self.descending;
        self.sort = column;
    }

    fn headings(&self, inner: Rect, depth: Depth, buffer: &mut Buffer) {
        for (column, x, width) in &self.columns {
            if *column == Column::State && *width < 5 {
                continue;
            }
            let sorted = self.sort == *column && *column != Column::Plan;
            let arrow = match (sorted, self.descending) {
                (false, _) => "",
                (true, false) => "↑",
                (true, true) => "↓",
            };
            let style = if sorted { depth.accent() } else { depth.dim() };
            let text = format!("{}{arrow}", column.title());
            let cell = Rect::new(inner.x + x, inner.y, *width, 1);
            aligned(*column, cell.intersection(inner), &text, style, buffer);
        }
    }
}

/// Writes a cell: numbers on its right, everything else on its left.
fn aligned(column: Column, cell: Rect, text: &str, style: Style, buffer: &mut Buffer) {
    if column.is_number() {
        put_right(buffer, cell, cell.right(), text, style);
    } else {
        put(buffer, cell, cell.x, text, style);
    }
}

impl TableRow {
    fn of(shared: &Shared, run: usize) -> Self {
        Self {
            run: shared.sweep().runs[run].clone(),
            arm: shared.arm(run),
            drawn: shared.is_selected(run),
            under_cursor: run == shared.cursor,
        }
    }

    fn draw(&self, column: Column, cell: Rect, depth: Depth, buffer: &mut Buffer) {
        let run = &self.run;
        let state = depth.state(run.state);
        let none = ("–".to_owned(), depth.faint());
        let (text, style) = match column {
            Column::Plan if self.drawn => ("■".to_owned(), depth.arm(self.arm)),
            Column::Plan => ("·".to_owned(), depth.dim()),
            Column::Arm => {
                let name = arm_cell(run);
                // Twins of a replay differ in their ends: `beta2-lower @122`, `beta2-lower-2 @122`.
                let cut = if run.branch.is_some() {
                    cut_middle
                } else {
                    cut
                };
                (cut(&name, cell.width), depth.arm(self.arm))
            }
            Column::Seed => match run.seed {
                Some(seed) => (seed.to_string(), Style::new()),
                None => ("–".to_owned(), depth.dim()),
            },
            Column::Progress => {
                return gauge(cell, run.progress(), state, depth.faint(), buffer);
            }
            Column::Step => (count(run.step), Style::new()),
            Column::Loss => run.loss.map_or(none, |loss| value(loss, depth)),
            Column::HeldOut => run.held_out.map_or(none, |loss| value(loss, depth)),
            Column::Outcome => run.outcome.map_or(none, |outcome| {
                (outcome.name().to_owned(), depth.outcome(outcome))
            }),
            Column::State => {
                let x = put(buffer, cell, cell.x, glyph(run.state), state);
                put(buffer, cell, x + 1, run.state.name(), depth.dim());
                return;
            }
        };
        aligned(column, cell, &text, style, buffer);
    }
}

/// The arm; a branch is indented.
fn arm_cell(run: &Run) -> Cow<'_, str> {
    match run.branch {
        Some(_) => Cow::Owned(format!("└ {}", run.arm)),
        None => Cow::Borrowed(&run.arm),
    }
}

fn value(value: f64, depth: Depth) -> (String, Style) {
    let style = if value.is_finite() {
        Style::new()
    } else {
        depth.bad()
    };
    (compact(value), style)
}

#[cfg(test)]
mod tests;
