//! Differences between two arms, seed by seed: a dot for each pair, the mean with its interval, one row for each two arms.

use super::axis::{Axis, Scale};
use super::canvas::{self, Chart, Drawn, Frame, Layer, PX, WIDTH, stroke};
use super::dots::spread;
use super::label::shorten;
use super::palette::{FAINT, INK, Paint};
use crate::error::ReportError;
use plotters::element::{Circle, DashedPathElement, PathElement};
use plotters::style::Color;
use sweeps::stats::{Estimate, Interval};

/// Height of a row, CSS pixels.
const ROW: i32 = 30;

/// Two arms.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) paint: Paint,
    /// Seed and difference.
    pub(crate) differences: Vec<(u64, f64)>,
    pub(crate) estimate: Option<Estimate>,
}

/// Draws the rows, the first on top.
pub(crate) fn draw(
    rows: &[Row],
    (title, description, unit): (&str, &str, &str),
) -> Result<String, ReportError> {
    let names = rows.iter().rev().map(|row| shorten(&row.name, 30));
    let y = Axis::named(names.collect(), 0.0);
    let ends = |row: &Row| {
        row.estimate
            .and_then(|found| found.interval)
            .map(|ends| [ends.low, ends.high])
    };
    let dots = |row: &Row| {
        row.differences
            .iter()
            .map(|(_, difference)| *difference)
            .collect::<Vec<_>>()
    };
    let values = rows
        .iter()
        .flat_map(|row| dots(row).into_iter().chain(ends(row).into_iter().flatten()));
    let x = Axis::new(Scale::Linear, values.chain([0.0]), 5);
    let mut layers = vec![Layer::fixed(|chart| zero(chart, &y))];
    for (row, height) in rows.iter().rev().zip(0..) {
        let height = f64::from(height);
        let told = row.estimate.map(|found| match found.interval {
            Some(ends) => format!(
                "{}: mean {:+.4} ({:+.4} to {:+.4})",
                row.name, found.mean, ends.low, ends.high
            ),
            None => format!("{}: mean {:+.4}", row.name, found.mean),
        });
        layers.push(Layer {
            title: told,
            ..Layer::fixed(move |chart| mean(chart, row, height))
        });
        let count = row.differences.len() as i32;
        for ((seed, difference), i) in row.differences.iter().zip(0..) {
            let at = (*difference, height + spread(i, count));
            let colour = row.paint.colour();
            let dot = move |chart: &mut Chart<'_, '_>| {
                chart
                    .plotting_area()
                    .draw(&Circle::new(at, 4 * PX, colour.rgb().filled()))
            };
            layers.push(
                Layer::fixed(dot).titled(format!("{}, seed {seed}: {difference:+.4}", row.name)),
            );
        }
    }
    let frame = Frame {
        name: "paired-differences",
        title,
        description,
        size: (WIDTH, 80 + ROW * rows.len() as i32),
        left: 12 + y.label_width(),
        legend: Vec::new(),
        names: Vec::new(),
        x: &x,
        x_label: unit,
        y: &y,
        y_label: "",
    };
    canvas::draw_layers(&frame, &layers)
}

fn zero(chart: &mut Chart<'_, '_>, y: &Axis) -> Drawn {
    let (bottom, top) = y.ends();
    let ends = [(0.0, bottom), (0.0, top)];
    chart.plotting_area().draw(&DashedPathElement::new(
        ends,
        5 * PX,
        4 * PX,
        stroke(INK, 1),
    ))
}

/// The mean as a tick, its interval as a line.
fn mean(chart: &mut Chart<'_, '_>, row: &Row, height: f64) -> Drawn {
    let Some(found) = row.estimate else {
        return Ok(());
    };
    let area = chart.plotting_area();
    if let Some(Interval { low, high }) = found.interval {
        let line = vec![(low, height), (high, height)];
        area.draw(&PathElement::new(line, stroke(FAINT, 3)))?;
    }
    let tick = vec![(found.mean, height - 0.35), (found.mean, height + 0.35)];
    area.draw(&PathElement::new(tick, stroke(INK, 2)))
}
