//! How many runs show an event, by two axes: a table whose cells are coloured by their share.

use super::axis::Axis;
use super::canvas::{self, Chart, Drawn, Frame, Layer, PX, WIDTH, text};
use super::label::{shorten, text_width};
use super::palette::{FAINT, GRID, share};
use crate::error::ReportError;
use plotters::element::{Rectangle, Text};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use sweeps::stats::Proportion;

/// Height of a row and least width of a column, CSS pixels.
const ROW: i32 = 34;
const COLUMN: i32 = 62;
const LONGEST_NAME: usize = 16;

/// One table.
pub(crate) struct Matrix<'a> {
    pub(crate) name: &'a str,
    pub(crate) title: &'a str,
    pub(crate) description: &'a str,
    /// What the axes are called, and their values.
    pub(crate) rows: (&'a str, &'a [String]),
    pub(crate) columns: (&'a str, &'a [String]),
    /// By row and column; none where there is no such arm.
    pub(crate) cells: &'a [Vec<Option<Proportion>>],
}

/// Draws the table, the first row on top.
pub(crate) fn draw(matrix: &Matrix<'_>) -> Result<String, ReportError> {
    let short = |name: &String| shorten(name, LONGEST_NAME);
    let x = Axis::named(matrix.columns.1.iter().map(short).collect(), 0.0);
    let y = Axis::named(matrix.rows.1.iter().rev().map(short).collect(), 0.0);
    let widest = matrix
        .columns
        .1
        .iter()
        .map(|name| text_width(&short(name)) + 12)
        .max();
    let column = widest.unwrap_or(0).max(COLUMN);
    let left = 26 + y.label_width();
    let width = left + 30 + column * matrix.columns.1.len() as i32;
    let mut layers = Vec::new();
    let rows = matrix.cells.len();
    for (row, cells) in matrix.cells.iter().rev().enumerate() {
        for (place, cell) in cells.iter().enumerate() {
            let at = (place as f64, row as f64);
            let cell = *cell;
            let layer = Layer::fixed(move |chart| paint(chart, at, cell));
            layers.push(layer.titled(told(matrix, (rows - 1 - row, place), cell)));
        }
    }
    let frame = Frame {
        name: matrix.name,
        title: matrix.title,
        description: matrix.description,
        size: (width.max(WIDTH / 2), 60 + ROW * matrix.cells.len() as i32),
        left,
        legend: Vec::new(),
        names: Vec::new(),
        x: &x,
        x_label: matrix.columns.0,
        y: &y,
        y_label: matrix.rows.0,
    };
    canvas::draw_layers(&frame, &layers)
}

/// What a pointer on a cell is told: `heads=8 lr=0.01: 3 of 5`.
fn told(matrix: &Matrix<'_>, (row, column): (usize, usize), cell: Option<Proportion>) -> String {
    let named = |(key, values): (&str, &[String]), place: usize| {
        let value = values.get(place).filter(|value| !value.is_empty())?;
        Some(format!("{key}={value}"))
    };
    let place = [named(matrix.rows, row), named(matrix.columns, column)];
    let place: Vec<String> = place.into_iter().flatten().collect();
    let found = match cell {
        None => "no such arm".to_owned(),
        Some(Proportion { n: 0, .. }) => "no run with an outcome".to_owned(),
        Some(Proportion { events, n }) => format!("{events} of {n}"),
    };
    format!("{}: {found}", place.join(" "))
}

fn paint(chart: &mut Chart<'_, '_>, (x, y): (f64, f64), cell: Option<Proportion>) -> Drawn {
    let area = chart.plotting_area();
    let corners = [(x - 0.47, y - 0.45), (x + 0.47, y + 0.45)];
    let known = cell.filter(|cell| cell.n > 0);
    let (fill, ink) = known.map_or((GRID, FAINT), |cell| share(cell.share()));
    area.draw(&Rectangle::new(corners, fill.rgb().filled()))?;
    area.draw(&Rectangle::new(corners, canvas::stroke(FAINT, 1)))?;
    let words = match cell {
        None => "none".to_owned(),
        Some(cell) if cell.n == 0 => "–".to_owned(),
        Some(cell) => format!("{}/{}", cell.events, cell.n),
    };
    let style = text(ink).pos(Pos::new(HPos::Center, VPos::Center));
    let (px, py) = area.map_coordinate(&(x, y));
    let (x0, y0) = area.get_base_pixel();
    let place = (px - x0, py - y0 + PX);
    area.strip_coord_spec()
        .draw(&Text::new(words, place, style))
}
