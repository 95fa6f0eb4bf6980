//! The figure of a card's result: every run's metric, by arm or along an axis.

use crate::error::ReportError;
use crate::plot::Figure;
use crate::plot::axis::{Axis, Scale};
use crate::plot::canvas::{self, Chart, Drawn, Frame, Key, Layer, PX, WIDTH, stroke};
use crate::plot::data::{Table, number as in_full};
use crate::plot::label::shorten;
use crate::plot::palette::{self, Colour};
use crate::prose::{capitalised, significant};
use crate::render::standalone_svg;
use crate::sweep::metric_name as words_of_metric;
use plotters::element::{Circle, PathElement};
use plotters::style::Color;
use std::collections::BTreeSet;
use sweeps::CardResult;
use sweeps::card::{named, number};
use sweeps::result::ArmRecord;

/// More rows or lines than this could not be told apart.
const MOST_ROWS: usize = 24;
const MOST_LINES: usize = 6;
/// Longest name of a row, in characters: what tells arms apart often stands at its end.
const LONGEST_NAME: usize = 44;

/// The figure as an SVG document that needs nothing else.
pub fn card_svg(result: &CardResult) -> Result<String, ReportError> {
    let panels = figure(result, &result.card)?.panels;
    Ok(panels
        .first()
        .map_or_else(String::new, |panel| standalone_svg(&panel.svg)))
}

/// The figure as a part of a page, where it has this name.
pub(crate) fn figure(result: &CardResult, figure: &str) -> Result<Figure, ReportError> {
    let arms: Vec<&ArmRecord> = result
        .shown_arms()
        .into_iter()
        .filter(|arm| !values(arm).is_empty())
        .collect();
    let along = result
        .figure
        .as_ref()
        .and_then(|figure| figure.along.as_ref());
    match along {
        Some(key) => lines(result, &arms, (figure, key)),
        None => rows(result, &arms, figure),
    }
}

/// Finite values of the card's metric.
fn values(arm: &ArmRecord) -> Vec<f64> {
    seeds(arm).into_iter().map(|(_, value)| value).collect()
}

/// The same with their seeds.
fn seeds(arm: &ArmRecord) -> Vec<(u64, f64)> {
    let all = arm.metrics.first().map_or(&[][..], |metric| &metric.values);
    let all = arm.seeds.iter().zip(all);
    all.filter_map(|(seed, value)| Some((*seed, (*value)?)))
        .collect()
}

/// A row for each run that is drawn.
fn table(arms: &[&ArmRecord]) -> Table {
    let metric = arms.first().and_then(|arm| arm.metrics.first());
    let mut table = Table::new([
        "arm",
        "seed",
        metric.map_or("value", |metric| &metric.metric),
    ]);
    for arm in arms {
        for (seed, value) in seeds(arm) {
            table.row([arm.arm.clone(), seed.to_string(), in_full(value)]);
        }
    }
    table
}

fn metric_name(result: &CardResult) -> String {
    let metric = result.arms.first().and_then(|arm| arm.metrics.first());
    metric.map_or(String::new(), |metric| words_of_metric(&metric.metric))
}

/// Axis values that differ between the arms shown, as a name; all arms alike have none.
fn name(arm: &ArmRecord, arms: &[&ArmRecord], without: Option<&str>) -> String {
    let parts = arm.settings.iter().filter(|(key, value)| {
        Some(key.as_str()) != without
            && arms
                .iter()
                .any(|other| other.settings.get(*key) != Some(value))
    });
    let parts: Vec<String> = parts.map(|(key, value)| named(key, value)).collect();
    parts.join(" ")
}

/// A dot, and what a pointer on it is told.
fn dot<'a>(at: (f64, f64), size: i32, colour: Colour, filled: bool, title: String) -> Layer<'a> {
    let paint = move |chart: &mut Chart<'_, '_>| {
        let style = if filled {
            colour.rgb().filled()
        } else {
            stroke(colour, 1)
        };
        chart
            .plotting_area()
            .draw(&Circle::new(at, size * PX, style))
    };
    Layer::fixed(paint).titled(title)
}

fn rows(result: &CardResult, arms: &[&ArmRecord], figure: &str) -> Result<Figure, ReportError> {
    let shown = &arms[..arms.len().min(MOST_ROWS)];
    let names = shown
        .iter()
        .rev()
        .map(|arm| shorten(&name(arm, arms, None), LONGEST_NAME));
    let x = Axis::new(Scale::Auto, shown.iter().flat_map(|arm| values(arm)), 5);
    let y = Axis::named(names.collect(), 0.0);
    let metric = metric_name(result);
    let title = format!("{metric} of every run");
    let description = description(&title, shown, arms);
    let mut layers = Vec::new();
    for (arm, row) in shown.iter().rev().zip(0..) {
        let seeds = seeds(arm);
        let colour = palette::arm(shown.len() - 1 - row);
        for ((seed, value), i) in seeds.iter().zip(0..) {
            let at = (*value, row as f64 + spread(i, seeds.len()));
            layers.push(dot(at, 4, colour, true, told(arm, arms, (*seed, *value))));
        }
    }
    let frame = Frame {
        name: figure,
        title: &title,
        description: &description,
        size: (WIDTH, 70 + 30 * shown.len() as i32),
        left: 12 + y.label_width(),
        legend: Vec::new(),
        names: Vec::new(),
        x: &x,
        x_label: &metric,
        y: &y,
        y_label: "",
    };
    let svg = canvas::draw_layers(&frame, &layers)?;
    let mut caption = "A dot for each run with a finite value.".to_owned();
    if shown.len() < arms.len() {
        caption = format!(
            "{caption} The first {} of {} arms.",
            shown.len(),
            arms.len()
        );
    }
    let name = (figure, &*capitalised(&title));
    Ok(Figure::single(
        name,
        description,
        caption,
        svg,
        &table(arms),
    ))
}

/// What a pointer on a run is told.
fn told(arm: &ArmRecord, arms: &[&ArmRecord], (seed, value): (u64, f64)) -> String {
    let name = name(arm, arms, None);
    let of = if name.is_empty() { &arm.arm } else { &name };
    format!("{of}, seed {seed}: {}", significant(value, 5))
}

/// Runs of a row lie a little apart, in the order of their seeds.
fn spread(i: usize, count: usize) -> f64 {
    if count < 2 {
        0.0
    } else {
        0.5 * (i as f64 / (count - 1) as f64 - 0.5)
    }
}

/// One line per setting of the other axes, through the means.
fn lines(
    result: &CardResult,
    arms: &[&ArmRecord],
    (figure, key): (&str, &str),
) -> Result<Figure, ReportError> {
    let mut names: Vec<String> = Vec::new();
    for arm in arms {
        let name = name(arm, arms, Some(key));
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let all = names.len();
    names.truncate(MOST_LINES);
    let at = |arm: &ArmRecord| arm.settings.get(key).and_then(number);
    let x = Axis::new(Scale::Auto, arms.iter().filter_map(|arm| at(arm)), 6);
    let y = Axis::new(Scale::Auto, arms.iter().flat_map(|arm| values(arm)), 6);
    let metric = metric_name(result);
    let title = format!("{metric} along {key}");
    let description = description(&title, arms, arms);
    let mut layers = Vec::new();
    for (i, line) in names.iter().enumerate() {
        let own = arms
            .iter()
            .filter(|arm| name(arm, arms, Some(key)) == *line);
        let placed = own.filter_map(|arm| Some((at(arm)?, *arm)));
        layers.extend(along(&placed.collect::<Vec<_>>(), arms, palette::arm(i)));
    }
    let legend = names.iter().enumerate();
    let legend = legend.filter(|(_, name)| !name.is_empty());
    let frame = Frame {
        name: figure,
        title: &title,
        description: &description,
        size: (WIDTH, 320),
        left: 26 + y.label_width(),
        legend: legend
            .map(|(i, name)| (Key::Dot(palette::arm(i)), name.clone()))
            .collect(),
        names: Vec::new(),
        x: &x,
        x_label: key,
        y: &y,
        y_label: &metric,
    };
    let svg = canvas::draw_layers(&frame, &layers)?;
    let mut caption =
        "A ring for each run with a finite value, a line through the means.".to_owned();
    if all > names.len() {
        caption = format!("{caption} The first {} of {all} lines.", names.len());
    }
    let name = (figure, &*capitalised(&title));
    Ok(Figure::single(
        name,
        description,
        caption,
        svg,
        &table(arms),
    ))
}

/// The runs of a line, and the line.
fn along<'a>(placed: &[(f64, &ArmRecord)], arms: &[&ArmRecord], colour: Colour) -> Vec<Layer<'a>> {
    let mut layers = Vec::new();
    let mut means = Vec::new();
    for (x, arm) in placed {
        let seeds = seeds(arm);
        means.push((
            *x,
            seeds.iter().map(|(_, value)| value).sum::<f64>() / seeds.len() as f64,
        ));
        for (seed, value) in seeds {
            let title = told(arm, arms, (seed, value));
            layers.push(dot((*x, value), 3, colour, false, title));
        }
    }
    means.sort_by(|a, b| a.0.total_cmp(&b.0));
    let line = move |chart: &mut Chart<'_, '_>| -> Drawn {
        chart
            .plotting_area()
            .draw(&PathElement::new(means.clone(), stroke(colour, 2)))
    };
    layers.insert(0, Layer::fixed(line));
    layers
}

/// For who cannot see the figure.
fn description(title: &str, shown: &[&ArmRecord], arms: &[&ArmRecord]) -> String {
    let lines: BTreeSet<String> = shown
        .iter()
        .map(|arm| {
            let values = values(arm);
            let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
            format!("{}: mean {}.", name(arm, arms, None), significant(mean, 4))
        })
        .collect();
    format!(
        "{title}. {}",
        lines.into_iter().collect::<Vec<_>>().join(" ")
    )
}
