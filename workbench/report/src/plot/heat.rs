//! A heat map: a per-layer signal over the steps of one run, layer 0 at the bottom.

use super::axis::Axis;
use super::canvas::{self, Chart, Drawn, Frame, Key, Layer};
use super::data::{Table, number};
use super::palette::{INK, SHADES, shade};
use crate::error::ReportError;
use crate::prose::significant;
use logs::Record;
use plotters::element::Rectangle;
use plotters::style::Color;

/// Columns of a map at most: more would make the page heavy and show little more.
const COLUMNS: u64 = 48;
/// Width and height of a map in CSS pixels.
const SIZE: (i32, i32) = (400, 280);

/// The largest values of every layer, by column. `None` where nothing was recorded, NaN where something was not finite.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grid {
    /// Steps before the first column, and of each.
    first: u64,
    stride: u64,
    /// By layer, then by column.
    cells: Vec<Vec<Option<f64>>>,
}

impl Grid {
    /// None where the signal was not recorded at two steps or more.
    pub(crate) fn of(records: &[Record], signal: &str) -> Option<Self> {
        let recorded = records.iter();
        let recorded: Vec<(u64, &Vec<f64>)> = recorded
            .filter_map(|record| Some((record.step, record.layers.get(signal)?)))
            .collect();
        let (first, last) = (recorded.first()?.0, recorded.last()?.0);
        let layers = recorded.iter().map(|(_, values)| values.len()).max()?;
        if first == last || layers == 0 {
            return None;
        }
        let stride = (last - first + 1).div_ceil(COLUMNS);
        let columns = (last - first) / stride + 1;
        let mut cells = vec![vec![None; columns as usize]; layers];
        for (step, values) in recorded {
            let column = ((step - first) / stride) as usize;
            for (layer, value) in values.iter().enumerate() {
                let cell: &mut Option<f64> = &mut cells[layer][column];
                let value = if value.is_finite() {
                    value.abs()
                } else {
                    f64::NAN
                };
                // The largest is kept, and what is not finite is larger than anything.
                *cell = Some(cell.map_or(value, |old| {
                    if old.is_nan() || old > value {
                        old
                    } else {
                        value
                    }
                }));
            }
        }
        Some(Self {
            first,
            stride,
            cells,
        })
    }

    /// Least and greatest value above zero.
    fn range(&self) -> Option<(f64, f64)> {
        let values = self.cells.iter().flatten().flatten().copied();
        let positive = values.filter(|value| *value > 0.0);
        positive
            .map(|value| (value, value))
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// Steps from the first column's begin to the last one's end.
    fn end(&self) -> u64 {
        let columns = self.cells.first().map_or(0, Vec::len) as u64;
        self.first + self.stride * columns
    }
}

/// The range of several maps that have a colour scale in common.
pub(crate) fn range(grids: &[&Grid]) -> Option<(f64, f64)> {
    let ranges = grids.iter().filter_map(|grid| grid.range());
    ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

/// The step of a value on a logarithmic scale; `None` for what is not finite.
fn step(value: f64, (low, high): (f64, f64)) -> Option<usize> {
    if value.is_nan() {
        return None;
    }
    let share = (value.max(low).ln() - low.ln()) / (high.ln() - low.ln());
    // Where all values are the same, there is no share.
    let share = if share.is_finite() { share } else { 1.0 };
    Some(((share * SHADES as f64) as usize).min(SHADES - 1))
}

/// Draws a map with its name, title and description, and a scale from the least to the greatest value.
pub(crate) fn draw(
    grid: &Grid,
    range: (f64, f64),
    (name, title, description): (&str, &str, &str),
) -> Result<String, ReportError> {
    let x = Axis::steps(grid.end() as f64, 5);
    let y = Axis::steps(grid.cells.len() as f64, 6);
    let mut legend: Vec<(Key, String)> = (0..SHADES)
        .map(|step| {
            let share = step as f64 / SHADES as f64;
            let from = (range.0.ln() + share * (range.1.ln() - range.0.ln())).exp();
            (
                Key::Dot(shade(step)),
                format!("from {}", significant(from, 2)),
            )
        })
        .collect();
    if grid
        .cells
        .iter()
        .flatten()
        .flatten()
        .any(|value| value.is_nan())
    {
        legend.push((Key::Dot(INK), "not finite".to_owned()));
    }
    let size = (SIZE.0, SIZE.1 + canvas::more_legend(&legend, SIZE.0));
    let frame = Frame {
        name,
        title,
        description,
        size,
        left: 26 + y.label_width(),
        legend,
        names: Vec::new(),
        x: &x,
        x_label: "step",
        y: &y,
        y_label: "layer",
    };
    canvas::draw_layers(&frame, &[Layer::fixed(|chart| paint(chart, grid, range))])
}

/// Neighbours of one colour are one rectangle.
fn paint(chart: &mut Chart<'_, '_>, grid: &Grid, range: (f64, f64)) -> Drawn {
    let area = chart.plotting_area();
    let x = |column: usize| (grid.first + grid.stride * column as u64) as f64;
    for (layer, cells) in grid.cells.iter().enumerate() {
        let mut column = 0;
        let colour = |cell: Option<f64>| Some(step(cell?, range).map_or(INK, shade));
        for same in cells.chunk_by(|a, b| colour(*a) == colour(*b)) {
            let corners = [
                (x(column), layer as f64),
                (x(column + same.len()), layer as f64 + 1.0),
            ];
            column += same.len();
            if let Some(colour) = colour(same[0]) {
                area.draw(&Rectangle::new(corners, colour.rgb().filled()))?;
            }
        }
    }
    Ok(())
}

/// A row a cell: the run, the column's first step, the layer and its largest value there.
pub(crate) fn table<'a>(grids: impl Iterator<Item = (&'a str, &'a Grid)>) -> Table {
    let mut table = Table::new(["arm", "step", "layer", "largest"]);
    for (arm, grid) in grids {
        for (layer, cells) in grid.cells.iter().enumerate() {
            for (column, value) in cells.iter().enumerate() {
                let Some(value) = value else { continue };
                let step = grid.first + grid.stride * column as u64;
                let value = if value.is_nan() {
                    number(f64::NAN)
                } else {
                    significant(*value, 4)
                };
                table.row([arm.to_owned(), step.to_string(), layer.to_string(), value]);
            }
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(steps: u64) -> Vec<Record> {
        let record = |step: u64| {
            let mut record = Record::new(step);
            let spike = if step == 500 { 1e3 } else { 1.0 };
            let lost = if step == 700 { f64::INFINITY } else { 10.0 };
            record.set_layers_named("layer_grad_norm", vec![spike, lost]);
            record
        };
        (1..=steps).map(record).collect()
    }

    #[test]
    fn a_spike_of_one_step_and_what_was_not_finite_stay() {
        let grid = Grid::of(&records(1000), "layer_grad_norm").unwrap();
        assert!(grid.cells[0].len() <= COLUMNS as usize);
        assert_eq!(
            grid.cells[0]
                .iter()
                .filter(|cell| **cell == Some(1e3))
                .count(),
            1
        );
        assert_eq!(
            grid.cells[1]
                .iter()
                .flatten()
                .filter(|cell| cell.is_nan())
                .count(),
            1
        );
        assert_eq!(range(&[&grid]), Some((1.0, 1e3)));
        assert_eq!(step(1.0, (1.0, 1e3)), Some(0));
        assert_eq!(step(1e3, (1.0, 1e3)), Some(SHADES - 1));
        assert_eq!(
            (step(0.0, (1.0, 1e3)), step(2.0, (2.0, 2.0))),
            (Some(0), Some(SHADES - 1))
        );
        assert_eq!(step(f64::NAN, (1.0, 1e3)), None);
        let svg = draw(&grid, (1.0, 1e3), ("m", "t", "d")).unwrap();
        assert!(
            svg.matches("<rect").count() < 40,
            "neighbours are joined: {svg}"
        );
        assert!(svg.contains("not finite"));
    }

    #[test]
    fn one_step_or_nothing_is_no_map() {
        assert_eq!(Grid::of(&records(1), "layer_grad_norm"), None);
        assert_eq!(Grid::of(&records(9), "layer_param_norm"), None);
        assert_eq!(Grid::of(&[], "layer_grad_norm"), None);
    }
}
