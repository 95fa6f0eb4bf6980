//! What the runs of a sweep show along its axes: outcomes as a matrix, the share of failures and the metric along an axis of
//! numbers, and differences between two values of an axis.

mod differences;
mod doses;
mod metrics;
mod outcomes;

use crate::arms::{self, ArmLook};
use crate::error::ReportError;
use crate::plot::Panel;
use crate::plot::along::Series;
use crate::plot::canvas::WIDTH;
use crate::prose::{NONE, significant};
use crate::view::{AlongRow, ByAxis as View};
use sweeps::by_axis::{DosesOfArms, Sensitivity};
use sweeps::card::named;
use sweeps::overview::Chosen;
use sweeps::stats::Interval;
use sweeps::{ByAxis, Card, Settings};
use words::last_part;

/// More curves than this would each need a colour of its own.
const MOST_CURVES: usize = 48;
/// Width and height of one of several panels, CSS pixels.
const PANEL: (i32, i32) = (400, 280);

/// All of it, as far as the card has such axes; `cap` is what a run loses that has learned nothing, in the metric's unit.
pub(crate) fn view(
    card: &Card,
    by_axis: &ByAxis<'_>,
    metric: &str,
    cap: Option<f64>,
    chosen: Chosen<'_>,
) -> Result<View, ReportError> {
    let along = by_axis.dose();
    let outcomes = outcomes::figure(card, by_axis)?;
    let mut view = View {
        figures: outcomes.into_iter().collect(),
        ..View::default()
    };
    if let Some(key) = &along {
        let curves = by_axis.doses(key);
        let sensitivity = by_axis.sensitivity(key, cap);
        view.figures
            .extend(doses::figure(card, &curves, key, chosen)?);
        view.figures
            .extend(metrics::figure(&sensitivity, key, metric, chosen)?);
        view.rows = rows(&curves, &sensitivity);
        last_part(key).clone_into(&mut view.along);
        view.note = note(card, &curves, key);
    }
    view.figures
        .extend(differences::figure(by_axis, metric, chosen)?);
    Ok(view)
}

/// Settings as a name: `post heads=8`; `all` of none.
fn name(settings: &Settings) -> String {
    let parts = settings.iter().map(|(key, value)| named(key, value));
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() {
        "all".to_owned()
    } else {
        parts.join(" ")
    }
}

/// Panels of curves, as many in each as its looks say.
fn panels(
    all: &[Series],
    base: &str,
    draw: impl Fn(&[&Series], &str, (i32, i32)) -> Result<String, ReportError>,
) -> Result<Vec<Panel>, ReportError> {
    let mut titles: Vec<&str> = Vec::new();
    for series in all {
        if !titles.contains(&&*series.look.panel) {
            titles.push(&series.look.panel);
        }
    }
    let size = if titles.len() == 1 {
        (WIDTH, 340)
    } else {
        PANEL
    };
    let panel = |(number, title): (usize, &&str)| {
        let own: Vec<&Series> = all
            .iter()
            .filter(|series| series.look.panel == **title)
            .collect();
        let name = if titles.len() == 1 {
            base.to_owned()
        } else {
            format!("{base}-{}", number + 1)
        };
        let svg = draw(&own, &name, size)?;
        Ok(Panel {
            name,
            title: (**title).to_owned(),
            svg,
        })
    };
    titles.iter().enumerate().map(panel).collect()
}

fn looks<'a>(settings: impl Iterator<Item = &'a Settings>, chosen: Chosen<'_>) -> Vec<ArmLook> {
    let all: Vec<&Settings> = settings.collect();
    let named: Vec<String> = all.iter().map(|settings| name(settings)).collect();
    let pairs: Vec<(&str, &Settings)> = named.iter().map(String::as_str).zip(all).collect();
    match pairs.as_slice() {
        [(only, _)] => vec![ArmLook::alone((*only).to_owned())],
        _ => arms::of(&pairs, chosen),
    }
}

/// The table beneath the curves.
fn rows(curves: &[DosesOfArms], sensitivity: &[Sensitivity]) -> Vec<AlongRow> {
    let row = |found: &DosesOfArms| {
        let metric = sensitivity.iter().find(|other| other.at == found.at);
        let lr = metric.and_then(|found| found.sensitivity);
        let interval = found.curve.interval.map(|Interval { low, high }| {
            format!("{} to {}", significant(low, 3), significant(high, 3))
        });
        AlongRow {
            name: name(&found.at),
            half: doses::half_words(&found.curve),
            interval: interval.unwrap_or_else(|| NONE.to_owned()),
            separated: doses::is_separated(&found.curve),
            sensitivity: lr.map_or(NONE.to_owned(), |value| significant(value, 3)),
        }
    };
    curves.iter().map(row).collect()
}

fn note(card: &Card, curves: &[DosesOfArms], key: &str) -> String {
    let mut note = format!(
        "Half: the {} at which half of the runs {}, with its 95 % bootstrap interval over seeds. Sensitivity: mean over the values \
         of how much the median loses against the best, at most what a run loses that has learned nothing (Wortsman et al., arXiv \
         2309.14322).",
        last_part(key),
        card.event_verb()
    );
    let separated = curves
        .iter()
        .filter(|found| doses::is_separated(&found.curve));
    let separated = separated.count();
    if separated > 0 {
        note = format!(
            "{note} Separated: {separated} of {} curves. Below one value no run does, above the next all do, and any place between those \
             two fits the runs as well as any other: a single number would be no more than the middle of the grid. Values between \
             them would tell more.",
            curves.len()
        );
    }
    note
}
