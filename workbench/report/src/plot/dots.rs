//! One dot per run beside the line that decides: the value the outcome rule looked at.

use super::Figure;
use super::axis::{Axis, Scale};
use super::canvas::{self, Chart, Drawn, Frame, Key, Layer, PX, WIDTH, stroke, text};
use super::curves::Level;
use super::data::{Table, number};
use super::label::shorten;
use super::palette::{FAINT, INK, Paint};
use crate::error::ReportError;
use crate::prose::loss;
use plotters::element::{Circle, Cross, DashedPathElement, Text};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// A run's value; `None` where it was not finite.
#[derive(Debug, Clone)]
pub(crate) struct Dot {
    /// The run.
    pub(crate) run: String,
    pub(crate) value: Option<f64>,
    /// Whether the card counts the run's outcome as a failure to train.
    pub(crate) event: bool,
}

/// The runs of one arm.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Name of the arm.
    pub(crate) label: String,
    /// Number of the arm in the page.
    pub(crate) arm: usize,
    pub(crate) paint: Paint,
    pub(crate) dots: Vec<Dot>,
}

/// Draws the figure, or nothing where fewer than two runs have ended.
pub(crate) fn draw(rows: &[Row], levels: &[Level]) -> Result<Option<Figure>, ReportError> {
    let rows: Vec<&Row> = rows.iter().filter(|row| !row.dots.is_empty()).collect();
    if rows.iter().map(|row| row.dots.len()).sum::<usize>() < 2 {
        return Ok(None);
    }
    let names: Vec<String> = rows
        .iter()
        .rev()
        .map(|row| shorten(&row.label, 26))
        .collect();
    let dots = || rows.iter().flat_map(|row| &row.dots);
    let values = dots()
        .filter_map(|dot| dot.value)
        .chain(levels.iter().map(|level| level.value));
    let x = Axis::new(Scale::Auto, values, 5);
    let count = rows.len() as i32;
    let y = Axis::named(names, if levels.is_empty() { 0.0 } else { 0.35 });

    let title = "Final loss of every run";
    let description = describe(&rows, levels);
    let mut layers: Vec<Layer<'_>> = Vec::new();
    for level in levels {
        layers.push(Layer::fixed(|chart| reference(chart, level, (&x, &y))));
    }
    for (row, height) in rows.iter().rev().zip(0..) {
        for (dot, place) in row.dots.iter().zip(0..) {
            let place = f64::from(height) + spread(place, row.dots.len() as i32);
            let axis = &x;
            let paint = move |chart: &mut Chart<'_, '_>| run(chart, (row, dot), place, axis);
            let value = dot.value.map_or("not finite".to_owned(), loss);
            layers.push(Layer::of_arm(row.arm, paint).titled(format!("{}: {value}", dot.run)));
        }
    }
    let frame = Frame {
        name: "final-loss",
        title,
        description: &description,
        size: (WIDTH, 92 + row_height(rows.len()) * count),
        left: 12 + y.label_width(),
        legend: legend(&rows),
        names: Vec::new(),
        x: &x,
        x_label: "nats per target token",
        y: &y,
        y_label: "",
    };
    let svg = canvas::draw_layers(&frame, &layers)?;
    let caption = "The value the outcome rule looked at: the last held-out loss, or the mean of the last training \
                   losses where none was recorded.";
    Ok(Some(Figure::single(
        ("final-loss", title),
        description,
        caption,
        svg,
        &table(&rows),
    )))
}

/// Many rows stand closer, CSS pixels.
fn row_height(rows: usize) -> i32 {
    if rows > 8 { 26 } else { 44 }
}

fn table(rows: &[&Row]) -> Table {
    let mut table = Table::new(["run", "arm", "final_loss", "counted"]);
    for row in rows {
        for dot in &row.dots {
            let value = number(dot.value.unwrap_or(f64::NAN));
            let counted = u8::from(dot.event).to_string();
            table.row([dot.run.clone(), row.label.clone(), value, counted]);
        }
    }
    table
}

fn reference(chart: &mut Chart<'_, '_>, level: &Level, (x, y): (&Axis, &Axis)) -> Drawn {
    let area = chart.plotting_area();
    let (at, (bottom, top)) = (level.value, y.ends());
    let ends = [(at, bottom), (at, top)];
    area.draw(&DashedPathElement::new(
        ends,
        5 * PX,
        4 * PX,
        stroke(INK, 1),
    ))?;
    let rightward = x.place(at) < 0.5;
    let (side, gap) = if rightward {
        (HPos::Left, 6)
    } else {
        (HPos::Right, -6)
    };
    let (px, py) = area.map_coordinate(&(at, top));
    let (x0, y0) = area.get_base_pixel();
    let style = text(INK).pos(Pos::new(side, VPos::Center));
    let place = (px - x0 + gap * PX, py - y0 + 10 * PX);
    area.strip_coord_spec()
        .draw(&Text::new(level.short.clone(), place, style))
}

fn run(chart: &mut Chart<'_, '_>, (row, dot): (&Row, &Dot), height: f64, x: &Axis) -> Drawn {
    let area = chart.plotting_area();
    let colour = row.paint.colour();
    let at = (dot.value.unwrap_or(x.ends().1), height);
    match dot {
        Dot { value: None, .. } => area.draw(&Cross::new(at, 5 * PX, stroke(colour, 2))),
        Dot { event: true, .. } => area.draw(&Circle::new(at, 5 * PX, stroke(colour, 2))),
        Dot { event: false, .. } => area.draw(&Circle::new(at, 5 * PX, colour.rgb().filled())),
    }
}

/// Dots of a row lie a little apart, in order of seed, so that equal values stay visible.
pub(crate) fn spread(i: i32, count: i32) -> f64 {
    if count < 2 {
        0.0
    } else {
        0.5 * (f64::from(i) / f64::from(count - 1) - 0.5)
    }
}

fn legend(rows: &[&Row]) -> Vec<(Key, String)> {
    let has = |wanted: fn(&Dot) -> bool| rows.iter().flat_map(|row| &row.dots).any(wanted);
    let mut entries = Vec::new();
    if has(|dot| dot.value.is_some() && !dot.event) {
        entries.push((Key::Dot(FAINT), "trained".to_owned()));
    }
    if has(|dot| dot.value.is_some() && dot.event) {
        entries.push((Key::Ring(FAINT), "failed to train".to_owned()));
    }
    if has(|dot| dot.value.is_none()) {
        entries.push((Key::Cross(FAINT), "not finite".to_owned()));
    }
    entries
}

fn describe(rows: &[&Row], levels: &[Level]) -> String {
    let mut words = vec!["Final loss, one dot per run, one row per arm.".to_owned()];
    for Row { label, dots, .. } in rows {
        let values = dots
            .iter()
            .map(|dot| dot.value.map_or("not finite".to_owned(), loss));
        words.push(format!(
            "{label}: {}.",
            values.collect::<Vec<_>>().join(", ")
        ));
    }
    let level = |level: &Level| format!("A dashed line marks {}.", level.label);
    words.extend(levels.iter().map(level));
    words.join(" ")
}
