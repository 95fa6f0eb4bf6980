//! Parallel coordinates: an upright for each axis and one for the loss, and a line across them for each run or arm.

use super::axis::{Axis, Scale};
use super::canvas::{self, Chart, Drawn, Frame, Layer, PX, WIDTH, stroke, text};
use super::label::{shorten, text_width};
use super::palette::{FAINT, INK, PAPER, Paint};
use crate::error::ReportError;
use plotters::element::{Circle, Cross, PathElement, Rectangle, Text};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Height, and least width of the room of an upright, CSS pixels.
const HEIGHT: i32 = 320;
const ROOM: i32 = 104;
/// Longest name of a value.
const LONGEST: usize = 14;
/// Values of an upright that have names; of more only some do.
const MOST_NAMES: usize = 12;
/// Where what is not finite lies: above the largest loss.
const LOST: f64 = 1.08;

/// What to draw.
pub(crate) struct Parallel<'a> {
    pub(crate) name: &'a str,
    pub(crate) title: &'a str,
    pub(crate) description: &'a str,
    /// What the axes are called, and their values from below.
    pub(crate) axes: &'a [(String, Vec<String>)],
    pub(crate) last: &'a str,
    pub(crate) lines: &'a [Line],
}

/// A run, or an arm.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// Number of its arm in the page.
    pub(crate) arm: usize,
    pub(crate) paint: Paint,
    /// Number of its value on each axis.
    pub(crate) values: Vec<usize>,
    /// None where it is not finite.
    pub(crate) loss: Option<f64>,
    /// What a pointer is told.
    pub(crate) title: String,
}

/// Draws the uprights, the lines over them, and the names of the values on top.
pub(crate) fn draw(parallel: &Parallel<'_>) -> Result<String, ReportError> {
    let names = parallel.axes.iter().map(|(name, _)| name.clone());
    let names: Vec<String> = names.chain([parallel.last.to_owned()]).collect();
    let uprights = names.len() as i32;
    let x = Axis::named(names, 0.0);
    let y = Axis::bare(-0.06, LOST + 0.06);
    let losses = parallel.lines.iter().filter_map(|line| line.loss);
    let loss = Axis::new(Scale::Auto, losses, 5);
    let mut layers = Vec::new();
    for line in parallel.lines {
        let loss = &loss;
        let paint = move |chart: &mut Chart<'_, '_>| across(chart, parallel, line, loss);
        layers.push(Layer::of_arm(line.arm, paint).titled(&line.title));
    }
    layers.push(Layer::fixed(|chart| labels(chart, parallel, &loss)));
    let frame = Frame {
        name: parallel.name,
        title: parallel.title,
        description: parallel.description,
        size: (WIDTH.max(ROOM * uprights), HEIGHT),
        left: 8,
        legend: Vec::new(),
        names: Vec::new(),
        x: &x,
        x_label: "",
        y: &y,
        y_label: "",
    };
    canvas::draw_layers(&frame, &layers)
}

/// How high a value of so many lies.
fn height(value: usize, count: usize) -> f64 {
    if count < 2 {
        0.5
    } else {
        value as f64 / (count - 1) as f64
    }
}

fn across(chart: &mut Chart<'_, '_>, parallel: &Parallel<'_>, line: &Line, loss: &Axis) -> Drawn {
    let area = chart.plotting_area();
    let placed = line.values.iter().zip(parallel.axes).zip(0..);
    let placed =
        placed.map(|((value, (_, values)), x)| (f64::from(x), height(*value, values.len())));
    let last = line.loss.map_or(LOST, |value| loss.place(value));
    let end = (parallel.axes.len() as f64, last);
    let points: Vec<(f64, f64)> = placed.chain([end]).collect();
    let colour = line.paint.colour();
    area.draw(&PathElement::new(points, stroke(colour, 1)))?;
    match line.loss {
        Some(_) => area.draw(&Circle::new(end, 3 * PX, colour.rgb().filled())),
        None => area.draw(&Cross::new(end, 4 * PX, stroke(colour, 2))),
    }
}

/// The names of the values, each on paper, so that lines do not cross its letters.
fn labels(chart: &mut Chart<'_, '_>, parallel: &Parallel<'_>, loss: &Axis) -> Drawn {
    for ((_, values), x) in parallel.axes.iter().zip(0..) {
        let every = values.len().div_ceil(MOST_NAMES).max(1);
        for (value, name) in values.iter().enumerate().step_by(every) {
            label(chart, (f64::from(x), height(value, values.len())), name)?;
        }
    }
    let end = parallel.axes.len() as f64;
    for (place, name) in loss.labels() {
        label(chart, (end, place), &name)?;
    }
    if parallel.lines.iter().any(|line| line.loss.is_none()) {
        label(chart, (end, LOST), "not finite")?;
    }
    Ok(())
}

fn label(chart: &mut Chart<'_, '_>, at: (f64, f64), name: &str) -> Drawn {
    let area = chart.plotting_area();
    let (px, py) = area.map_coordinate(&at);
    let (x0, y0) = area.get_base_pixel();
    let (left, middle) = (px - x0 + 8 * PX, py - y0);
    let name = shorten(name, LONGEST);
    let surface = area.strip_coord_spec();
    let paper = [
        (left - 2 * PX, middle - 8 * PX),
        (left + (text_width(&name) + 2) * PX, middle + 8 * PX),
    ];
    surface.draw(&Rectangle::new(paper, PAPER.rgb().filled()))?;
    surface.draw(&PathElement::new(
        vec![(px - x0 - 4 * PX, middle), (px - x0 + 4 * PX, middle)],
        stroke(FAINT, 1),
    ))?;
    let style = text(INK).pos(Pos::new(HPos::Left, VPos::Center));
    surface.draw(&Text::new(name, (left, middle), style))
}
