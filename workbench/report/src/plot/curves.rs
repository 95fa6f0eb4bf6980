//! A signal over the steps of a run: per arm the median over seeds as a line, their range as a
//! band, and a cross on the upper edge wherever a value was not finite.

use super::Figure;
use super::axis::{Axis, Scale};
use super::canvas::{self, Chart, Drawn, Frame, Key, PX, stroke};
use super::palette::{self, FAINT};
use crate::band::{Band, Column};
use crate::error::ReportError;
use crate::prose::significant;
use plotters::element::{Circle, Cross, DashedPathElement, PathElement, Polygon};
use plotters::style::Color;
use std::fmt::Write as _;

/// Dash and gap of a [`Level`], CSS pixels; no arm uses it.
const LEVEL_DASH: (i32, i32) = (5, 4);

/// How far apart lines of a [`Scale::Log2`] figure are drawn, as a share of its height.
const DODGE: f64 = 0.018;

/// One arm's curve.
#[derive(Debug, Clone)]
pub(crate) struct Curve {
    /// Name of the arm.
    pub(crate) label: String,
    /// Number of the arm, which decides its colour.
    pub(crate) arm: usize,
    pub(crate) band: Band,
}

/// A horizontal line with a meaning, such as the unigram entropy.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Level {
    pub(crate) value: f64,
    /// What it is and where it comes from.
    pub(crate) label: String,
    /// What it is, in a few words.
    pub(crate) short: String,
}

/// What to draw.
pub(crate) struct Plot<'a> {
    pub(crate) name: &'a str,
    pub(crate) title: &'a str,
    pub(crate) caption: &'a str,
    pub(crate) y_label: &'a str,
    pub(crate) scale: Scale,
    pub(crate) curves: &'a [Curve],
    pub(crate) levels: &'a [Level],
    pub(crate) height: i32,
}

/// Draws the figure, or nothing where no arm recorded the signal at two steps or more.
pub(crate) fn draw(plot: &Plot<'_>) -> Result<Option<Figure>, ReportError> {
    let points = |curve: &Curve| curve.band.columns.len() + curve.band.marks.len();
    let curves: Vec<&Curve> = plot
        .curves
        .iter()
        .filter(|curve| points(curve) > 0)
        .collect();
    if curves.iter().all(|curve| points(curve) < 2) {
        return Ok(None);
    }
    let last = curves.iter().map(|curve| curve.band.last).max();
    let x = Axis::steps(last.unwrap_or(0) as f64, 6);
    let levels = plot.levels.iter().map(|level| level.value);
    let values = curves.iter().flat_map(|curve| curve.band.values());
    let y = Axis::new(plot.scale, values.chain(levels), 6);
    let description = describe(&curves, plot);
    let svg = canvas::draw(
        &Frame {
            name: plot.name,
            title: plot.title,
            description: &description,
            height: plot.height,
            left: 26 + y.label_width(),
            legend: legend(&curves, plot.levels),
            x: &x,
            x_label: "step",
            y: &y,
            y_label: plot.y_label,
        },
        |chart| {
            for curve in &curves {
                band(chart, curve)?;
            }
            for (i, curve) in curves.iter().enumerate() {
                line(chart, curve, dodge(plot.scale, i), (&x, &y))?;
            }
            for level in plot.levels {
                reference(chart, level, &x)?;
            }
            Ok(())
        },
    )?;
    Ok(Some(Figure {
        name: plot.name.to_owned(),
        title: plot.title.to_owned(),
        description,
        caption: caption(&curves, plot, &y),
        svg,
    }))
}

/// Arms, the cross if there is one, then the levels (named here and not at their line, where
/// curves would cross the letters).
fn legend(curves: &[&Curve], levels: &[Level]) -> Vec<(Key, String)> {
    let line = |curve: &&Curve| {
        let key = Key::Line(palette::arm(curve.arm), palette::dash(curve.arm));
        (key, curve.label.clone())
    };
    let mut entries: Vec<_> = curves.iter().map(line).collect();
    if curves.iter().any(|curve| !curve.band.marks.is_empty()) {
        entries.push((Key::Cross(FAINT), "not finite".to_owned()));
    }
    let dashed = Key::Line(palette::INK, Some(LEVEL_DASH));
    entries.extend(levels.iter().map(|level| (dashed, level.label.clone())));
    entries
}

/// How much lower the line of the arm at a position is drawn. Loss scales often coincide exactly
/// and would hide one another.
fn dodge(scale: Scale, position: usize) -> f64 {
    if scale == Scale::Log2 {
        DODGE * position as f64
    } else {
        0.0
    }
}

fn band(chart: &mut Chart<'_, '_>, curve: &Curve) -> Drawn {
    let columns = &curve.band.columns;
    // One run has no range, and a polygon of no area would only fray the line.
    if columns.iter().all(|column| column.low == column.high) {
        return Ok(());
    }
    let low = columns.iter().map(|column| (column.step, column.low));
    let high = columns
        .iter()
        .rev()
        .map(|column| (column.step, column.high));
    let outline: Vec<(f64, f64)> = low.chain(high).collect();
    chart.plotting_area().draw(&Polygon::new(
        outline,
        palette::arm(curve.arm).rgb().mix(0.18),
    ))
}

fn line(chart: &mut Chart<'_, '_>, curve: &Curve, apart: f64, (x, y): (&Axis, &Axis)) -> Drawn {
    let area = chart.plotting_area();
    let style = stroke(palette::arm(curve.arm), 2);
    let place = |column: &Column| (column.step, y.lower(column.median, apart));
    let points: Vec<(f64, f64)> = curve.band.columns.iter().map(place).collect();
    match (points.as_slice(), palette::dash(curve.arm)) {
        ([], _) => {}
        ([only], _) => area.draw(&Circle::new(*only, 3 * PX, style.filled()))?,
        (_, None) => area.draw(&PathElement::new(points, style))?,
        (_, Some((dash, gap))) => {
            area.draw(&DashedPathElement::new(points, dash * PX, gap * PX, style))?;
        }
    }
    // A run that stays NaN would put a cross on every step: apart by their own width is enough.
    let (mut before, apart) = (f64::NEG_INFINITY, x.ends().1 / 40.0);
    for &step in &curve.band.marks {
        if step - before >= apart {
            before = step;
            area.draw(&Cross::new((step, y.ends().1), 4 * PX, style))?;
        }
    }
    Ok(())
}

fn reference(chart: &mut Chart<'_, '_>, level: &Level, x: &Axis) -> Drawn {
    let (from, to) = x.ends();
    let ends = [(from, level.value), (to, level.value)];
    let (dash, gap) = LEVEL_DASH;
    let style = stroke(palette::INK, 1);
    chart
        .plotting_area()
        .draw(&DashedPathElement::new(ends, dash * PX, gap * PX, style))
}

fn caption(curves: &[&Curve], plot: &Plot<'_>, y: &Axis) -> String {
    let stride = curves
        .iter()
        .map(|curve| curve.band.stride)
        .max()
        .unwrap_or(1);
    let mut caption = plot.caption.to_owned();
    if plot.scale == Scale::Log2 && curves.len() > 1 {
        caption +=
            " Lines of later arms are drawn a little lower, so that equal ones stay visible.";
    }
    if y.is_log() {
        caption += " Logarithmic axis.";
    }
    if stride > 1 {
        let _ = write!(
            caption,
            " Each point joins {stride} steps; the band keeps their extremes."
        );
    }
    caption
}

fn describe(curves: &[&Curve], plot: &Plot<'_>) -> String {
    let mut words = vec![format!("{} by step, one curve per arm.", plot.title)];
    for curve in curves {
        words.push(describe_curve(curve));
        if let Some(step) = curve.band.marks.first() {
            words.push(format!("Not finite from step {step} in some run."));
        }
    }
    words.extend(
        plot.levels
            .iter()
            .map(|level| format!("A dashed line marks {}.", level.label)),
    );
    words.join(" ")
}

fn describe_curve(Curve { label, band, .. }: &Curve) -> String {
    let (Some(first), Some(last)) = (band.columns.first(), band.columns.last()) else {
        return format!("{label}: no finite value.");
    };
    let number = |value| significant(value, 4);
    format!(
        "{label}: median {} at step {}, {} at step {} (range {} to {}).",
        number(first.median),
        first.step,
        number(last.median),
        last.step,
        number(last.low),
        number(last.high),
    )
}
