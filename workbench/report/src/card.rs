//! The figure of a card's result: every run's metric, by arm or along an axis.

use crate::error::ReportError;
use crate::plot::axis::{Axis, Scale};
use crate::plot::canvas::{self, Frame, Key, PX, WIDTH, stroke};
use crate::plot::label::shorten;
use crate::plot::palette;
use crate::prose::significant;
use crate::render::standalone_svg;
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
    Ok(standalone_svg(&figure(result)?))
}

/// The figure as a part of a page.
pub(crate) fn figure(result: &CardResult) -> Result<String, ReportError> {
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
        Some(key) => lines(result, &arms, key),
        None => rows(result, &arms),
    }
}

/// Finite values of the card's metric.
fn values(arm: &ArmRecord) -> Vec<f64> {
    let metric = arm.metrics.first();
    metric.map_or(Vec::new(), |metric| {
        metric.values.iter().copied().flatten().collect()
    })
}

fn metric_name(result: &CardResult) -> String {
    let metric = result.arms.first().and_then(|arm| arm.metrics.first());
    metric.map_or(String::new(), |metric| metric.metric.replace('_', " "))
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

fn rows(result: &CardResult, arms: &[&ArmRecord]) -> Result<String, ReportError> {
    let shown = &arms[..arms.len().min(MOST_ROWS)];
    let names = shown
        .iter()
        .rev()
        .map(|arm| shorten(&name(arm, arms, None), LONGEST_NAME));
    let x = Axis::new(Scale::Auto, shown.iter().flat_map(|arm| values(arm)), 5);
    let y = Axis::named(names.collect(), 0.0);
    let title = format!("{} of every run", metric_name(result));
    let frame = Frame {
        name: &result.card,
        title: &title,
        description: &description(&title, shown, arms),
        size: (WIDTH, 70 + 30 * shown.len() as i32),
        left: 12 + y.label_width(),
        legend: Vec::new(),
        names: Vec::new(),
        x: &x,
        x_label: &metric_name(result),
        y: &y,
        y_label: "",
    };
    canvas::draw(&frame, |chart| {
        for (arm, row) in shown.iter().rev().zip(0..) {
            let values = values(arm);
            let colour = palette::arm(shown.len() - 1 - row);
            for (value, i) in values.iter().zip(0..) {
                let at = (*value, row as f64 + spread(i, values.len()));
                chart
                    .plotting_area()
                    .draw(&Circle::new(at, 4 * PX, colour.rgb().filled()))?;
            }
        }
        Ok(())
    })
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
fn lines(result: &CardResult, arms: &[&ArmRecord], key: &str) -> Result<String, ReportError> {
    let mut names: Vec<String> = Vec::new();
    for arm in arms {
        let name = name(arm, arms, Some(key));
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.truncate(MOST_LINES);
    let at = |arm: &ArmRecord| arm.settings.get(key).and_then(number);
    let x = Axis::new(Scale::Auto, arms.iter().filter_map(|arm| at(arm)), 6);
    let y = Axis::new(Scale::Auto, arms.iter().flat_map(|arm| values(arm)), 6);
    let metric = metric_name(result);
    let title = format!("{metric} along {key}");
    let legend = names
        .iter()
        .enumerate()
        .filter(|(_, name)| !name.is_empty());
    let frame = Frame {
        name: &result.card,
        title: &title,
        description: &description(&title, arms, arms),
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
    canvas::draw(&frame, |chart| {
        let area = chart.plotting_area();
        for (i, line) in names.iter().enumerate() {
            let colour = palette::arm(i);
            let mut means = Vec::new();
            for arm in arms
                .iter()
                .filter(|arm| name(arm, arms, Some(key)) == *line)
            {
                let (Some(x), values) = (at(arm), values(arm)) else {
                    continue;
                };
                means.push((x, values.iter().sum::<f64>() / values.len() as f64));
                for value in values {
                    area.draw(&Circle::new((x, value), 3 * PX, stroke(colour, 1)))?;
                }
            }
            means.sort_by(|a, b| a.0.total_cmp(&b.0));
            area.draw(&PathElement::new(means, stroke(colour, 2)))?;
        }
        Ok(())
    })
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
