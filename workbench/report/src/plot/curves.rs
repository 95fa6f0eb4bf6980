//! A signal over the steps of a run: per arm the median over seeds as a line, their range as a
//! band, and a cross on the upper edge wherever a value was not finite.

use super::axis::{Axis, Scale};
use super::canvas::{self, Chart, Drawn, EndName, Frame, Key, Layer, PX, WIDTH, stroke};
use super::data::{Table, number};
use super::palette::{self, FAINT, Paint};
use super::{Figure, Kind, Panel};
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

/// Width and height of one of several panels, CSS pixels.
const PANEL: (i32, i32) = (400, 260);

/// One arm's curve.
#[derive(Debug, Clone)]
pub(crate) struct Curve {
    /// Name of the arm.
    pub(crate) label: String,
    /// What sets it apart within its panel.
    pub(crate) brief: String,
    /// Number of the arm in the page.
    pub(crate) arm: usize,
    pub(crate) paint: Paint,
    /// Title of the panel it belongs to.
    pub(crate) panel: String,
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
    /// What is from left to right: `step`, `layer`.
    pub(crate) x_label: &'a str,
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
    let mut titles: Vec<&str> = curves.iter().map(|curve| curve.panel.as_str()).collect();
    titles.dedup();
    let panels = titles.iter().enumerate().map(|(number, title)| {
        let own: Vec<&Curve> = curves
            .iter()
            .copied()
            .filter(|curve| curve.panel == *title)
            .collect();
        let name = match titles.len() {
            1 => plot.name.to_owned(),
            _ => format!("{}-{}", plot.name, number + 1),
        };
        let size = if titles.len() == 1 {
            (WIDTH, plot.height)
        } else {
            PANEL
        };
        let svg = panel(plot, &own, (&x, &y), (&name, title), size)?;
        Ok(Panel {
            name,
            title: (*title).to_owned(),
            svg,
        })
    });
    Ok(Some(Figure {
        name: plot.name.to_owned(),
        title: plot.title.to_owned(),
        description: describe(&curves, plot),
        caption: caption(&curves, plot, &y),
        panels: panels.collect::<Result<Vec<_>, ReportError>>()?,
        data: table(&curves, plot).address(),
        kind: Kind::Curves,
    }))
}

fn panel(
    plot: &Plot<'_>,
    curves: &[&Curve],
    (x, y): (&Axis, &Axis),
    (name, title): (&str, &str),
    size: (i32, i32),
) -> Result<String, ReportError> {
    let names = end_names(curves, plot.levels, size.1);
    let legend = legend(curves, plot.levels, names.is_empty());
    let size = (size.0, size.1 + canvas::more_legend(&legend, size.0));
    let title = match title {
        "" => plot.title.to_owned(),
        title => format!("{}, {title}", plot.title),
    };
    let mut layers = Vec::new();
    for curve in curves {
        layers.push(Layer::of_arm(curve.arm, |chart| band(chart, curve)));
    }
    for (i, curve) in curves.iter().enumerate() {
        let apart = dodge(plot.scale, i);
        let paint = move |chart: &mut Chart<'_, '_>| line(chart, curve, apart, (x, y));
        layers.push(Layer::of_arm(curve.arm, paint).titled(&curve.label));
    }
    for level in plot.levels {
        layers.push(Layer::fixed(|chart| reference(chart, level, x)).titled(&level.label));
    }
    let frame = Frame {
        name,
        title: &title,
        description: &describe(curves, plot),
        size,
        left: 26 + y.label_width(),
        legend,
        names,
        x,
        x_label: plot.x_label,
        y,
        y_label: plot.y_label,
    };
    canvas::draw_layers(&frame, &layers)
}

/// Names at the ends of the curves; none where there is no room for them, or nothing to tell apart.
fn end_names(curves: &[&Curve], levels: &[Level], height: i32) -> Vec<EndName> {
    let one = curves.len() == 1 && levels.is_empty();
    let fits = canvas::names_fit(curves.len(), height);
    let ends = curves.iter().filter_map(|curve| {
        let last = curve.band.columns.last()?;
        Some(EndName {
            value: last.median,
            text: curve.brief.clone(),
            paint: curve.paint,
            arm: Some(curve.arm),
        })
    });
    let ends: Vec<EndName> = ends.collect();
    if fits && !one && ends.len() == curves.len() {
        ends
    } else {
        Vec::new()
    }
}

/// Arms that have no name at their end, the cross if there is one, then the levels (named here and not at
/// their line, where curves would cross the letters).
fn legend(curves: &[&Curve], levels: &[Level], with_arms: bool) -> Vec<(Key, String)> {
    let line = |curve: &&Curve| {
        let key = Key::Line(curve.paint.colour(), curve.paint.dash);
        (key, curve.brief.clone())
    };
    let mut entries: Vec<_> = curves.iter().filter(|_| with_arms).map(line).collect();
    if curves.iter().any(|curve| !curve.band.marks.is_empty()) {
        entries.push((Key::Cross(FAINT), "not finite".to_owned()));
    }
    let dashed = Key::Line(palette::INK, Some(LEVEL_DASH));
    entries.extend(levels.iter().map(|level| (dashed, level.label.clone())));
    entries
}

/// One row for each arm and column: what is drawn, as numbers. A column without a finite value has no row but
/// that of its mark.
fn table(curves: &[&Curve], plot: &Plot<'_>) -> Table {
    let mut table = Table::new([plot.x_label, "arm", "low", "median", "high", "not_finite"]);
    for curve in curves {
        let mut marks = curve.band.marks.iter().copied().peekable();
        let mut row = |step: f64, values: [String; 3], marked: bool| {
            let [low, median, high] = values;
            let marked = u8::from(marked).to_string();
            table.row([
                step.to_string(),
                curve.label.clone(),
                low,
                median,
                high,
                marked,
            ]);
        };
        let lone = || std::array::from_fn(|_| String::new());
        for column in &curve.band.columns {
            while let Some(mark) = marks.next_if(|mark| *mark < column.step) {
                row(mark, lone(), true);
            }
            let marked = marks.next_if(|mark| *mark == column.step).is_some();
            row(
                column.step,
                [column.low, column.median, column.high].map(number),
                marked,
            );
        }
        for mark in marks {
            row(mark, lone(), true);
        }
    }
    table
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
    chart
        .plotting_area()
        .draw(&Polygon::new(outline, curve.paint.colour().rgb().mix(0.18)))
}

fn line(chart: &mut Chart<'_, '_>, curve: &Curve, apart: f64, (x, y): (&Axis, &Axis)) -> Drawn {
    let area = chart.plotting_area();
    let style = stroke(curve.paint.colour(), 2);
    let place = |column: &Column| (column.step, y.lower(column.median, apart));
    let points: Vec<(f64, f64)> = curve.band.columns.iter().map(place).collect();
    match (points.as_slice(), curve.paint.dash) {
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
            " Each point joins {stride} {}s; the band keeps their extremes.",
            plot.x_label
        );
    }
    caption
}

fn describe(curves: &[&Curve], plot: &Plot<'_>) -> String {
    let mut words = vec![format!(
        "{}: one curve per arm, by {}.",
        plot.title, plot.x_label
    )];
    for curve in curves {
        words.push(describe_curve(curve, plot.x_label));
        if let Some(step) = curve.band.marks.first() {
            words.push(format!(
                "Not finite from {} {step} in some run.",
                plot.x_label
            ));
        }
    }
    words.extend(
        plot.levels
            .iter()
            .map(|level| format!("A dashed line marks {}.", level.label)),
    );
    words.join(" ")
}

fn describe_curve(Curve { label, band, .. }: &Curve, x: &str) -> String {
    let (Some(first), Some(last)) = (band.columns.first(), band.columns.last()) else {
        return format!("{label}: no finite value.");
    };
    let number = |value| significant(value, 4);
    format!(
        "{label}: median {} at {x} {}, {} at {x} {} (range {} to {}).",
        number(first.median),
        first.step,
        number(last.median),
        last.step,
        number(last.low),
        number(last.high),
    )
}
