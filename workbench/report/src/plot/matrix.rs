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
    for (row, cells) in matrix.cells.iter().rev().enumerate() {
        for (place, cell) in cells.iter().enumerate() {
            layers.push(Layer::fixed(move |chart| {
                paint(chart, (place as f64, row as f64), *cell)
            }));
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
