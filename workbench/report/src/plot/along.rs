//! Something along an axis of numbers, one curve for each setting of the others: a share with its interval and the place where
//! it is one half, or a metric with its runs.

use super::axis::{Axis, Scale};
use super::canvas::{self, Chart, Drawn, EndName, Frame, Key, Layer, PX, stroke};
use super::palette::{FAINT, Paint};
use crate::arms::ArmLook;
use crate::error::ReportError;
use plotters::element::{Circle, Cross, DashedPathElement, PathElement};
use plotters::style::Color;
use sweeps::stats::Interval;

/// What to draw.
pub(crate) struct Along<'a> {
    pub(crate) name: &'a str,
    pub(crate) title: &'a str,
    pub(crate) description: &'a str,
    pub(crate) x_label: &'a str,
    pub(crate) y_label: &'a str,
    pub(crate) y: Axis,
    pub(crate) size: (i32, i32),
    pub(crate) series: &'a [&'a Series],
    /// All values of the axis of numbers, those of other panels too.
    pub(crate) across: &'a [f64],
}

/// One curve.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) look: ArmLook,
    /// In ascending order.
    pub(crate) points: Vec<Point>,
    /// A curve that was fitted; where it is empty the points are joined.
    pub(crate) fit: Vec<(f64, f64)>,
    /// Where half of the runs show the event.
    pub(crate) half: Option<Half>,
}

/// One place on a curve.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub(crate) x: f64,
    /// Drawn as a cross on the upper edge where it is not finite.
    pub(crate) value: f64,
    pub(crate) interval: Option<Interval>,
    /// The runs it stands for.
    pub(crate) runs: Vec<f64>,
    /// What a pointer is told.
    pub(crate) title: String,
}

/// A place on the axis of numbers.
#[derive(Debug, Clone)]
pub(crate) struct Half {
    /// A single place, or the two between which it lies.
    pub(crate) ends: Interval,
    pub(crate) interval: Option<Interval>,
    pub(crate) title: String,
}

/// Draws the curves over a logarithmic axis.
pub(crate) fn draw(along: &Along<'_>) -> Result<String, ReportError> {
    let x = Axis::new(Scale::Log, along.across.iter().copied(), 6);
    let mut layers = Vec::new();
    for (i, series) in along.series.iter().enumerate() {
        let paint = series.look.paint;
        layers.push(Layer::fixed(move |chart| line(chart, series)));
        for point in &series.points {
            let paint = move |chart: &mut Chart<'_, '_>| place(chart, point, paint, &along.y);
            layers.push(Layer::fixed(paint).titled(&point.title));
        }
        if let Some(half) = &series.half {
            let low = 0.5 - 0.025 * i as f64;
            layers
                .push(Layer::fixed(move |chart| mark(chart, half, low, paint)).titled(&half.title));
        }
    }
    let names = end_names(along);
    let legend = legend(along, names.is_empty());
    let (width, height) = along.size;
    let frame = Frame {
        name: along.name,
        title: along.title,
        description: along.description,
        size: (width, height + canvas::more_legend(&legend, width)),
        left: 26 + along.y.label_width(),
        legend,
        names,
        x: &x,
        x_label: along.x_label,
        y: &along.y,
        y_label: along.y_label,
    };
    canvas::draw_layers(&frame, &layers)
}

fn end_names(along: &Along<'_>) -> Vec<EndName> {
    if along.series.len() < 2 || !canvas::names_fit(along.series.len(), along.size.1) {
        return Vec::new();
    }
    let end = |series: &&&Series| {
        let last = series
            .points
            .iter()
            .rev()
            .find(|point| point.value.is_finite());
        last.map(|last| EndName {
            value: last.value,
            text: series.look.brief.clone(),
            paint: series.look.paint,
            // The curve is made of several.
            arm: None,
        })
    };
    let names: Vec<EndName> = along
        .series
        .iter()
        .filter_map(|series| end(&series))
        .collect();
    if names.len() == along.series.len() {
        names
    } else {
        Vec::new()
    }
}

fn legend(along: &Along<'_>, with_series: bool) -> Vec<(Key, String)> {
    let named = along
        .series
        .iter()
        .filter(|_| with_series && along.series.len() > 1);
    let entry = |series: &&Series| {
        let Paint { dash, .. } = series.look.paint;
        (
            Key::Line(series.look.paint.colour(), dash),
            series.look.brief.clone(),
        )
    };
    let mut entries: Vec<(Key, String)> = named.map(entry).collect();
    let mut points = along.series.iter().flat_map(|series| &series.points);
    if points.any(|point| !point.value.is_finite()) {
        entries.push((Key::Cross(FAINT), "most runs not finite".to_owned()));
    }
    entries
}

fn line(chart: &mut Chart<'_, '_>, series: &Series) -> Drawn {
    let finite = series.points.iter().filter(|point| point.value.is_finite());
    let joined = finite.map(|point| (point.x, point.value));
    let points: Vec<(f64, f64)> = match series.fit.as_slice() {
        [] => joined.collect(),
        fit => fit.to_vec(),
    };
    let style = stroke(series.look.paint.colour(), 2);
    let area = chart.plotting_area();
    match series.look.paint.dash {
        _ if points.len() < 2 => Ok(()),
        None => area.draw(&PathElement::new(points, style)),
        Some((dash, gap)) => area.draw(&DashedPathElement::new(points, dash * PX, gap * PX, style)),
    }
}

fn place(chart: &mut Chart<'_, '_>, point: &Point, paint: Paint, y: &Axis) -> Drawn {
    let area = chart.plotting_area();
    let colour = paint.colour();
    if let Some(Interval { low, high }) = point.interval {
        area.draw(&PathElement::new(
            vec![(point.x, low), (point.x, high)],
            stroke(colour, 1),
        ))?;
    }
    for run in &point.runs {
        if run.is_finite() {
            area.draw(&Circle::new((point.x, *run), 3 * PX, stroke(colour, 1)))?;
        } else {
            area.draw(&Cross::new(
                (point.x, y.ends().1),
                3 * PX,
                stroke(colour, 1),
            ))?;
        }
    }
    if point.value.is_finite() {
        area.draw(&Circle::new(
            (point.x, point.value),
            4 * PX,
            colour.rgb().filled(),
        ))
    } else {
        area.draw(&Cross::new(
            (point.x, y.ends().1),
            5 * PX,
            stroke(colour, 2),
        ))
    }
}

/// The interval as a thin line, the place as a ring, or as a thick line between its ends.
fn mark(chart: &mut Chart<'_, '_>, half: &Half, height: f64, paint: Paint) -> Drawn {
    let area = chart.plotting_area();
    let span = |Interval { low, high }: Interval, width: i32| {
        PathElement::new(
            vec![(low, height), (high, height)],
            stroke(paint.colour(), width),
        )
    };
    if let Some(interval) = half.interval {
        area.draw(&span(interval, 1))?;
    }
    if half.ends.low < half.ends.high {
        area.draw(&span(half.ends, 5))
    } else {
        area.draw(&Circle::new(
            (half.ends.low, height),
            5 * PX,
            stroke(paint.colour(), 2),
        ))
    }
}
