//! What is known along a dose, made ready for the chart and the list beside it.

use sweeps::Settings;
use sweeps::by_axis::{DosesOfArms, Sensitivity};
use sweeps::card::{Arm, named, number};
use sweeps::overview::{Chosen, Looks};
use sweeps::stats::{DoseCurve, Ld50};

use super::chart::{Chart, Curve};
use super::short;
use crate::colour::Ink;
use crate::number::{compact, linear_ticks, tick};
use crate::shared::{Axes, Shared, Study};

/// Of the intervals of shares in files.
const LEVEL: f64 = 0.95;

/// What is shown along the dose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Measure {
    /// The share of runs that show what the card counts.
    #[default]
    Share,
    /// The metric, and how much it suffers from the wrong dose.
    Metric,
}

impl Measure {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Share => Self::Metric,
            Self::Metric => Self::Share,
        }
    }
}

/// What runs do along a dose, as the report has it.
#[derive(Debug, Default)]
pub(super) struct Found {
    doses: Vec<DosesOfArms>,
    sensitivity: Vec<Sensitivity>,
    /// Settings of the other axes, each with its arms by ascending dose.
    arms: Vec<(Settings, Vec<String>)>,
}

impl Found {
    pub(super) fn of(study: &Study, axes: &Axes, along: &str) -> Self {
        let by_axis = study.by_axis();
        Self {
            doses: by_axis.doses(along),
            sensitivity: by_axis.sensitivity(along, study.untrained),
            arms: arms(&axes.arms, along),
        }
    }
}

/// A row of the list.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    /// What is known of it, and whether that is less than it seems.
    pub(super) text: String,
    pub(super) warns: bool,
    /// Arms of the curve, by ascending dose.
    pub(super) arms: Vec<String>,
}

/// What is drawn of a measure.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) chart: Chart,
    pub(super) rows: Vec<Row>,
}

impl Shown {
    pub(super) fn of(found: &Found, measure: Measure, shared: &Shared) -> Self {
        let names = Names::of(&found.arms, shared);
        match measure {
            Measure::Share => shares(&found.doses, &names),
            Measure::Metric => metrics(&found.sensitivity, &names),
        }
    }
}

/// Arms by what they have beside the dose.
fn arms(all: &[Arm], along: &str) -> Vec<(Settings, Vec<String>)> {
    let dose = |arm: &Arm| arm.settings.get(along).and_then(number).unwrap_or(f64::NAN);
    let mut sorted: Vec<&Arm> = all.iter().collect();
    sorted.sort_by(|a, b| dose(a).total_cmp(&dose(b)));
    let rest = |arm: &Arm| {
        let mut rest = arm.settings.clone();
        rest.remove(along);
        rest
    };
    let mut found: Vec<(Settings, Vec<String>)> = Vec::new();
    // In the order of the card, as words have their colours.
    for at in all.iter().map(rest) {
        if !found.iter().any(|(known, _)| *known == at) {
            found.push((at, Vec::new()));
        }
    }
    for arm in sorted {
        let at = rest(arm);
        if let Some((_, arms)) = found.iter_mut().find(|(known, _)| *known == at) {
            arms.push(arm.label.clone());
        }
    }
    found
}

/// How the arms that differ in the dose alone are called and drawn.
struct Names<'a> {
    /// Settings of the other axes, each with its arms.
    arms: &'a [(Settings, Vec<String>)],
    looks: Looks,
    here: Option<&'a str>,
}

impl<'a> Names<'a> {
    /// Colours and shades are those of the curves, as far as these show other axes than the dose.
    fn of(arms: &'a [(Settings, Vec<String>)], shared: &'a Shared) -> Self {
        let mut looked = shared.groups.arms.axes.iter().map(|axis| &*axis.key);
        let (colours, shades) = (looked.next(), looked.next());
        let named: Vec<(String, &Settings)> = arms.iter().map(|(at, _)| (name(at), at)).collect();
        let named: Vec<(&str, &Settings)> = named.iter().map(|(name, at)| (&**name, *at)).collect();
        Self {
            looks: Looks::of(
                &named,
                Chosen {
                    colours,
                    shades,
                    facets: None,
                },
            ),
            arms,
            here: shared.arm_here(),
        }
    }

    fn place(&self, at: &Settings) -> usize {
        let place = self.arms.iter().position(|(known, _)| known == at);
        place.unwrap_or(0)
    }

    fn name(&self, at: &Settings) -> String {
        let look = self.looks.arms.get(self.place(at));
        let name = look.map_or("", |look| &*look.name);
        if name.is_empty() || self.arms.len() == 1 {
            return "all arms".to_owned();
        }
        name.to_owned()
    }

    fn arms(&self, at: &Settings) -> &'a [String] {
        let arms = self.arms.get(self.place(at));
        arms.map_or(&[], |(_, arms)| arms)
    }

    fn curve(&self, number: usize, at: &Settings) -> Curve {
        let look = self.looks.arms.get(self.place(at));
        let ink = look.map_or_else(Ink::default, |look| Ink {
            colour: look.colour,
            shade: look.shade,
            shades: look.shades,
        });
        let mut arms = self.arms(at).iter();
        Curve {
            ink,
            sign: char::from(b'a' + (number % 26) as u8),
            here: arms.any(|arm| Some(&**arm) == self.here),
            fit: None,
            points: Vec::new(),
        }
    }

    fn row(&self, at: &Settings, (text, warns): (String, bool)) -> Row {
        Row {
            name: self.name(at),
            text,
            warns,
            arms: self.arms(at).to_vec(),
        }
    }
}

fn name(at: &Settings) -> String {
    let parts = at.iter().map(|(key, value)| named(key, value));
    parts.collect::<Vec<_>>().join(" ")
}

fn shares(found: &[DosesOfArms], names: &Names<'_>) -> Shown {
    let curve = |(number, found): (usize, &DosesOfArms)| {
        let doses = found.curve.doses.iter();
        Curve {
            fit: Some(found.curve.clone()),
            points: doses.map(|at| (at.dose, at.count.share())).collect(),
            ..names.curve(number, &found.at)
        }
    };
    let labels = [(1.0, "1"), (0.5, "½"), (0.0, "0")];
    Shown {
        chart: Chart {
            curves: found.iter().enumerate().map(curve).collect(),
            range: (0.0, 1.0),
            labels: labels
                .map(|(value, label)| (value, label.to_owned()))
                .into(),
        },
        rows: found
            .iter()
            .map(|found| names.row(&found.at, half(&found.curve)))
            .collect(),
    }
}

fn metrics(found: &[Sensitivity], names: &Names<'_>) -> Shown {
    let curve = |(number, found): (usize, &Sensitivity)| {
        let points = found.points.iter();
        Curve {
            points: points.map(|point| (point.dose, point.median)).collect(),
            ..names.curve(number, &found.at)
        }
    };
    let curves: Vec<Curve> = found.iter().enumerate().map(curve).collect();
    let values = curves.iter().flat_map(|curve| &curve.points);
    let finite = values
        .map(|(_, value)| *value)
        .filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    // Where no median is finite, all of them lie on the upper edge of any range.
    let spread = high - low;
    let range = if spread > 0.0 {
        (low - spread * 0.05, high + spread * 0.05)
    } else if low.is_finite() {
        (low - 0.5, high + 0.5)
    } else {
        (0.0, 1.0)
    };
    let (ticks, step) = linear_ticks(range.0, range.1, 5);
    let labels = ticks.into_iter().map(|value| (value, tick(value, step)));
    Shown {
        chart: Chart {
            curves,
            range,
            labels: labels.collect(),
        },
        rows: found
            .iter()
            .map(|found| names.row(&found.at, best(found)))
            .collect(),
    }
}

/// Where half of the runs show the event, and whether that says less than it seems to.
fn half(curve: &DoseCurve) -> (String, bool) {
    let interval = curve.interval.map_or_else(
        || ", no interval".to_owned(),
        |ends| format!(" ({} to {})", short(ends.low), short(ends.high)),
    );
    match curve.ld50 {
        Ld50::At(dose) => (format!("{}{interval}", short(dose)), false),
        Ld50::Between(ends) => {
            let (low, high) = (short(ends.low), short(ends.high));
            let text = format!(
                "between {low} and {high}: no run does below, all do above; any point would be the grid's middle"
            );
            (text, true)
        }
        Ld50::AboveAll(dose) => (format!("above {}, the highest value", short(dose)), true),
        Ld50::BelowAll(dose) => (format!("below {}, the lowest value", short(dose)), true),
        Ld50::NoTrend => ("they do not become more with it".to_owned(), true),
    }
}

/// The best dose, and what another one costs.
fn best(found: &Sensitivity) -> (String, bool) {
    let finite = found.points.iter().filter(|point| point.median.is_finite());
    let Some(best) = finite.min_by(|a, b| a.median.total_cmp(&b.median)) else {
        return ("no median is finite".to_owned(), true);
    };
    let text = format!("{} at {}", compact(best.median), short(best.dose));
    let sensitivity = found.sensitivity;
    let sensitivity = sensitivity.map_or_else(|| "–".to_owned(), compact);
    (format!("{text}, sensitivity {sensitivity}"), false)
}

/// A number in full, as other programs read it.
fn text(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    number.to_string()
}

/// All numbers of a measure, for a file.
pub(super) fn numbers(found: &Found, measure: Measure, key: &str) -> Vec<Vec<String>> {
    let row = |heads: &[&str]| heads.iter().map(|head| (*head).to_owned()).collect();
    let named = |at: &Settings| match name(at) {
        name if name.is_empty() => "all".to_owned(),
        name => name,
    };
    let mut table: Vec<Vec<String>> = Vec::new();
    match measure {
        Measure::Share => {
            table.push(row(&["arms", key, "events", "runs", "low", "high"]));
            for arms in &found.doses {
                for at in &arms.curve.doses {
                    let ends = at.count.clopper_pearson(LEVEL);
                    let (events, n) = (at.count.events as f64, at.count.n as f64);
                    let numbers = [at.dose, events, n, ends.low, ends.high];
                    let numbers = numbers.map(text);
                    table.push([vec![named(&arms.at)], numbers.into()].concat());
                }
            }
        }
        Measure::Metric => {
            table.push(row(&["arms", key, "run_value"]));
            for arms in &found.sensitivity {
                for point in &arms.points {
                    for value in &point.values {
                        let numbers = [point.dose, *value].map(text);
                        table.push([vec![named(&arms.at)], numbers.into()].concat());
                    }
                }
            }
        }
    }
    table
}
