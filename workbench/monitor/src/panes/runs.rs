//! The sweep table; with the screen to itself, also the details of the run under the cursor.

use std::borrow::Cow;

use sweeps::State;

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Position, Rect},
    style::Style,
    text::{Line, Span},
    widgets::Widget,
};

use crate::colour::{Depth, Ink, strong};
use crate::command::{self, Outcome, PaneCommand, commands};
use crate::keys::{Binding, bindings, ctrl, letter};
use crate::list::List;
use crate::number::{compact, count};
use crate::paint::{cut, cut_middle, gauge, highlight, hint, put, put_right};
use crate::pane::{Act, Corner, Entry, Keys, Pane, Place};
use crate::scroll::Scroll;
use crate::shared::Shared;
use crate::view::{Run, glyph};
use columns::Column;
use details::Said;
use reader::Reader;

mod columns;
mod curve;
mod details;
mod differences;
mod order;
mod reader;
mod table;

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
    /// What is said beside the title: the filter, what runs are grouped by.
    about: Vec<String>,
    /// How many runs are drawn as curves, how many are shown, and how many there are.
    drawn: (usize, usize, usize),
    /// The runs that are trained and are not on the screen.
    running: Option<String>,
    /// The keys that short names of arms leave out, where names are short.
    heading: Option<String>,
    details: Reader,
    /// The run that others are compared with, where one was chosen.
    against: Option<usize>,
}

/// A run as the table shows it.
struct TableRow {
    run: Run,
    name: String,
    ink: Ink,
    curve: String,
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
        [letter('e')] "e" "details" "details: events, differences of the configuration, console" |pane, _| pane.details.say_next();
        [letter('J')] "J" "scroll" "details: one row down" |pane, _| pane.details.scroll(Scroll::Rows(1));
        [letter('K')] "K" "" "details: one row up" |pane, _| pane.details.scroll(Scroll::Rows(-1));
        [ctrl('d')] "ctrl-d" "" "details: one page down" |pane, _| pane.details.scroll(Scroll::Pages(1));
        [ctrl('u')] "ctrl-u" "" "details: one page up" |pane, _| pane.details.scroll(Scroll::Pages(-1));
        [letter('N')] "N" "" "details: next row with the text of `:find`" |pane, _| pane.details.seek();
        [letter('c')] "c" "compare" "compare configurations with this run, or the nearest again" |pane, shared| pane.compare(shared.cursor);
        [letter('!')] "!" "failed first" "failed runs on top, whatever the order, or not" |_, shared| shared.failed_first = !shared.failed_first;
    ];

    const COMMANDS: &'static [PaneCommand<Self>] = commands![
        "sort" "COLUMN [down]" "sort the table" =>
            Self::sort_named,
            |_, _| Column::names().map(|(name, _)| name.to_owned()).chain(["down".to_owned()]).collect(),
            |pane, _| pane.sorted();
        "failed-first" "on|off" "failed runs on top" =>
            |_, shared, word| { shared.failed_first = command::one_of(word, [("on", true), ("", true), ("off", false)])?; Ok(()) },
            |_, _| ["on", "off"].map(str::to_owned).into(),
            |_, shared| shared.failed_first.then(|| "on".to_owned());
        "find" "TEXT" "search the details; alone no longer" =>
            |pane, _, text| { pane.details.search(text); Ok(()) },
            |_, _| Vec::new(),
            |pane, _| pane.details.searched();
        "details" "events|differences|console [ROW]" "what the details of a run say, from a row on" =>
            |pane, _, words| pane.details.set(words),
            |_, _| Said::ALL.map(|(name, _)| name.to_owned()).into(),
            |pane, _| pane.details.now();
        "compare" "RUN" "configurations against this run; alone, the nearest" =>
            |pane, shared, name| { pane.against = if name.is_empty() { None } else { Some(shared.find(name)?) }; Ok(()) },
            |_, shared| shared.sweep().runs.iter().map(|run| run.id.clone()).collect(),
            |pane, shared| Some(shared.run(pane.against?)?.id.clone());
        "select" "all|none|RUN …|!RUN …" "draw the curves of these runs, or of all but these" =>
            |_, shared, words| shared.select_named(words),
            |_, shared| ["all", "none"].map(str::to_owned).into_iter().chain(shared.sweep().runs.iter().map(|run| run.id.clone())).collect(),
            |_, shared| shared.selection();
    ];
}

impl Pane for Runs {
    fn prepare(&mut self, shared: &mut Shared, place: Option<Place>) {
        self.put_in_order(shared);
        shared.page = place.map_or(0, |place| List::page(areas(place).0));
        let Some(place) = place else { return };
        let (table, below) = areas(place);
        self.list.fit(shared.row(), shared.order.len(), shared.page);
        self.fit_columns(shared, place.inner().width);
        let visible = shared.order.iter().skip(self.list.offset);
        let visible: Vec<usize> = visible.take(List::page(table)).copied().collect();
        self.running = running(shared, &visible);
        let curve = self
            .columns
            .iter()
            .find(|(column, ..)| *column == Column::Curve);
        let curve = curve.map_or(0, |(_, _, width)| usize::from(*width));
        let row = |run: &usize| TableRow::of(shared, *run, curve, self.heading.is_some());
        self.rows = visible.iter().map(row).collect();
        self.about = about(shared);
        let drawn = shared.runs().filter(|run| shared.is_selected(*run));
        self.drawn = (drawn.count(), shared.order.len(), shared.runs().len());
        let against = self.against.filter(|run| *run != shared.cursor);
        self.details.prepare(shared, below, against);
    }

    fn draw(&self, place: Place, depth: Depth, buffer: &mut Buffer) {
        let (table, below) = areas(place);
        let place = Place {
            area: table,
            ..place
        };
        let (drawn, shown, all) = self.drawn;
        let shown = if shown < all {
            format!(" {shown} of {all} shown ·")
        } else {
            String::new()
        };
        let right = Line::styled(format!("{shown} {drawn} of {all} drawn "), depth.dim());
        let running = self.running.clone().unwrap_or_default();
        place
            .frame(self.title(depth), right, depth)
            .title_bottom(Line::styled(running, depth.state(State::Running)))
            .title_bottom(self.list.shown(table).style(depth.dim()))
            .render(table, buffer);
        self.headings(place.inner(), depth, buffer);
        let list = List::area(table);
        if self.rows.is_empty() {
            let why = if self.drawn.2 == 0 {
                "no runs yet"
            } else {
                "the filter takes no run; / changes it"
            };
            hint(buffer, list, why, depth);
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
        if let Some(area) = below {
            self.details.draw(area, depth, buffer);
        }
    }

    fn table(&self, shared: &mut Shared) -> Option<Vec<Vec<String>>> {
        Some(table::table(shared))
    }

    /// Over the details it scrolls them.
    fn wheel(&mut self, at: Position, notches: isize, place: Place, shared: &mut Shared) {
        let by = Scroll::Notches(notches);
        if areas(place).1.is_some_and(|details| details.contains(at)) {
            self.details.scroll(by);
        } else {
            shared.scroll(by);
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
            let run = shared.order[row];
            shared.go(run);
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

    /// Sets runs against this one, or against the nearest again.
    fn compare(&mut self, run: usize) {
        self.against = (self.against != Some(run)).then_some(run);
        self.details.say(Said::Differences);
    }

    /// The order of the table. The cursor stays on its run, or goes to the first one where the filter leaves that out.
    fn put_in_order(&self, shared: &mut Shared) {
        let runs = &shared.sweep().runs;
        let mut order = order::sorted(runs, |run| shared.arm(run), self.sort, self.descending);
        order.retain(|run| shared.is_shown(*run));
        if shared.groups.by.is_some() {
            order::ranked(runs, &mut order, |run| shared.arm(run));
        }
        if shared.failed_first {
            order::ranked(runs, &mut order, |run| order::failure(&runs[run]));
        }
        shared.order = order;
        if !shared.order.contains(&shared.cursor) {
            shared.cursor = shared.order.first().copied().unwrap_or(0);
        }
        shared.follow_running();
    }

    /// The columns that fit. Where names of arms do not, their keys go into the heading.
    fn fit_columns(&mut self, shared: &Shared, width: u16) {
        let runs = shared
            .order
            .iter()
            .map(|run| (*run, &shared.sweep().runs[*run]));
        let longest = |brief: bool| {
            let cells = runs
                .clone()
                .map(|(run, shown)| arm_cell(shown, shared.groups.arm_name(run, brief)));
            cells
                .map(|cell| Line::raw(cell).width() as u16)
                .max()
                .unwrap_or(0)
        };
        let whole = longest(false);
        self.columns = columns::fitting(width, whole);
        let room = self
            .columns
            .iter()
            .find(|(column, ..)| *column == Column::Arm);
        let fits = room.is_none_or(|(_, _, width)| whole <= *width);
        let heading = shared.groups.looks.heading();
        self.heading = Some(heading).filter(|heading| !fits && !heading.is_empty());
        if let Some(heading) = &self.heading {
            // With room for the arrow of the order.
            let head = Line::raw(heading.as_str()).width() as u16 + 1;
            self.columns = columns::fitting(width, longest(true).max(head));
        }
    }

    fn title(&self, depth: Depth) -> Line<'static> {
        let about = self
            .about
            .iter()
            .map(|about| Span::styled(format!("· {about} "), depth.accent()));
        let name = Span::styled(" Runs ", strong());
        std::iter::once(name).chain(about).collect()
    }

    fn sort_named(&mut self, _: &mut Shared, argument: &str) -> Outcome {
        let (name, direction) = command::split(argument);
        self.sort = command::one_of(name, Column::names())?;
        self.descending = command::one_of(direction, [("", false), ("up", false), ("down", true)])?;
        Ok(())
    }

    fn sorted(&self) -> Option<String> {
        let name = Column::names().find(|(_, column)| *column == self.sort)?.0;
        let down = if self.descending { " down" } else { "" };
        (self.descending || self.sort != Column::default()).then(|| format!("{name}{down}"))
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
            let heading = self.heading.as_deref().filter(|_| *column == Column::Arm);
            let text = format!("{}{arrow}", heading.unwrap_or(column.title()));
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
    fn of(shared: &mut Shared, run: usize, curve: usize, brief: bool) -> Self {
        Self {
            run: shared.sweep().runs[run].clone(),
            name: shared.groups.arm_name(run, brief).to_owned(),
            ink: shared.ink(run),
            curve: curve::bars(shared.losses(run), curve),
            drawn: shared.is_selected(run),
            under_cursor: run == shared.cursor,
        }
    }

    fn draw(&self, column: Column, cell: Rect, depth: Depth, buffer: &mut Buffer) {
        let run = &self.run;
        let state = depth.state(run.state);
        let none = ("–".to_owned(), depth.faint());
        let (text, style) = match column {
            Column::Plan if self.drawn => ("■".to_owned(), depth.arm(self.ink)),
            Column::Plan => ("·".to_owned(), depth.dim()),
            Column::Arm => {
                let name = arm_cell(run, &self.name);
                // Twins of a replay differ in their ends: `beta2-lower @122`, `beta2-lower-2 @122`.
                let cut = if run.branch.is_some() {
                    cut_middle
                } else {
                    cut
                };
                (cut(&name, cell.width), depth.arm(self.ink))
            }
            Column::Seed => match run.seed {
                Some(seed) => (seed.to_string(), Style::new()),
                None => ("–".to_owned(), depth.dim()),
            },
            Column::Progress => {
                return gauge(cell, run.progress(), state, depth.faint(), buffer);
            }
            Column::Step => (count(run.step), Style::new()),
            Column::Curve => (self.curve.clone(), depth.arm(self.ink)),
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
fn arm_cell<'a>(run: &Run, name: &'a str) -> Cow<'a, str> {
    match run.branch {
        Some(_) => Cow::Owned(format!("└ {name}")),
        None => Cow::Borrowed(name),
    }
}

/// What differs from the table at the start.
fn about(shared: &Shared) -> Vec<String> {
    let filter = Some(&shared.filter.text).filter(|text| !text.is_empty());
    let notes = [
        filter.map(|text| format!("filter {text}")),
        shared.groups.by.as_ref().map(|key| format!("by {key}")),
        shared.failed_first.then(|| "failed first".to_owned()),
        shared
            .follow
            .then(|| "following".to_owned())
            .filter(|_| shared.is_any_running()),
    ];
    notes.into_iter().flatten().collect()
}

/// The runs that are trained, where none of them is among those on the screen.
fn running(shared: &Shared, visible: &[usize]) -> Option<String> {
    let is_running = |run: &&usize| shared.sweep().runs[**run].state == State::Running;
    if visible.iter().any(|run| is_running(&run)) {
        return None;
    }
    let mut running = shared.order.iter().filter(is_running);
    let first = *running.next()?;
    let run = &shared.sweep().runs[first];
    let more = match running.count() {
        0 => String::new(),
        more => format!(" +{more}"),
    };
    let label = shared.label(first).text;
    Some(format!(
        " ● {label} {}/{}{more} · F follows ",
        count(run.step),
        count(run.steps)
    ))
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
