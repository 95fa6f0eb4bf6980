//! The comparison for people.

use super::{DetectorResult, Evaluation, Lead, PlantedFound, Point, Share};
use crate::table::Table;
use std::fmt::Write as _;

/// Below this many calm steps a rate of one in a thousand is a handful of alarms.
const FEW_STEPS: u64 = 10_000;

impl Evaluation {
    /// Both tables, the finding, and what to know.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!(
            "{} events in {} of {} runs, {} steps · labels: {}\n",
            self.events, self.runs_with_events, self.runs, self.steps, self.labels
        );
        let _ = write!(
            text,
            "\nat no more than {} false alarm(s) per 1,000 steps\n{}",
            self.price,
            self.table(|detector| detector.matched.as_ref())
        );
        let _ = write!(
            text,
            "\nat the default thresholds\n{}",
            self.table(|detector| detector.default.as_ref())
        );
        if self.planted > 0 {
            let _ = write!(
                text,
                "\nplanted causes that met an alarm\n{}",
                self.planted_table()
            );
        }
        let _ = writeln!(text, "\n{}", self.finding);
        for line in self.remarks() {
            let _ = writeln!(text, "{line}");
        }
        text
    }

    fn table(&self, at: impl Fn(&DetectorResult) -> Option<&Point>) -> String {
        let mut table = Table::new([
            "detector",
            "threshold",
            "runs",
            "found",
            "recall",
            "precision",
            "false/1,000",
            "warned before",
            "by chance",
            "lead, steps",
        ]);
        for detector in &self.detectors {
            let name = if detector.ranked {
                detector.name.clone()
            } else {
                format!("{} (not ranked)", detector.name)
            };
            let runs = detector.runs.to_string();
            match at(detector) {
                Some(point) => table.row([
                    name,
                    format!("×{:.2}", point.factor),
                    runs,
                    format!("{} of {}", point.found, detector.events),
                    share(point.recall),
                    share(point.precision),
                    rate(point),
                    share(point.warned),
                    point.by_chance.map_or("-".to_owned(), percent),
                    point.lead.as_ref().map_or("-".to_owned(), lead),
                ]),
                None => {
                    let dash = || "-".to_owned();
                    let why = absent(detector);
                    table.row([
                        name,
                        why,
                        runs,
                        dash(),
                        dash(),
                        dash(),
                        dash(),
                        dash(),
                        dash(),
                        dash(),
                    ]);
                }
            }
        }
        table.render()
    }

    fn planted_table(&self) -> String {
        let mut table = Table::new(["detector", "at the default threshold", "at the price"]);
        for detector in self.detectors.iter().filter(|detector| detector.runs > 0) {
            let cell = |point: &Option<Point>| point.as_ref().map_or("-".to_owned(), planted);
            table.row([
                detector.name.clone(),
                cell(&detector.default),
                cell(&detector.matched),
            ]);
        }
        table.render()
    }

    /// What to know to read the tables.
    fn remarks(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.runs < 2 {
            lines.push(
                "no intervals: they come from resampling runs, and need at least two".to_owned(),
            );
        }
        let most = self
            .detectors
            .iter()
            .map(|d| d.calm_steps)
            .max()
            .unwrap_or(0);
        if most < FEW_STEPS {
            lines.push(format!(
                "only {most} calm steps: at this price that is {:.0} false alarms, too few to part detectors",
                self.price * most as f64 / 1_000.0
            ));
        }
        let shown = self
            .notes
            .iter()
            .take(NOTES)
            .map(|note| format!("note: {note}"));
        lines.extend(shown);
        if self.notes.len() > NOTES {
            lines.push(format!(
                "note: and {} more like these",
                self.notes.len() - NOTES
            ));
        }
        lines
    }
}

/// Notes on runs that are printed; JSON has all.
const NOTES: usize = 12;

/// Why a detector has no point.
fn absent(detector: &DetectorResult) -> String {
    if detector.runs == 0 {
        format!("not recorded: {}", detector.signals.join(", "))
    } else {
        "every threshold costs more".to_owned()
    }
}

fn percent(value: f64) -> String {
    format!("{:.0} %", 100.0 * value)
}

fn share(share: Option<Share>) -> String {
    match share {
        None => "-".to_owned(),
        Some(Share {
            value,
            interval: None,
        }) => percent(value),
        Some(Share {
            value,
            interval: Some(interval),
        }) => format!(
            "{} ({:.0} to {:.0})",
            percent(value),
            100.0 * interval.low,
            100.0 * interval.high
        ),
    }
}

fn rate(point: &Point) -> String {
    let value = point.rate.value;
    match point.rate.interval {
        _ if !value.is_finite() => "-".to_owned(),
        None => format!("{value:.2}"),
        Some(interval) => format!("{value:.2} ({:.2} to {:.2})", interval.low, interval.high),
    }
}

/// `3 (1 to 5)`: median and quartiles.
fn lead(lead: &Lead) -> String {
    format!(
        "{} ({} to {})",
        lead.median, lead.lower_quartile, lead.upper_quartile
    )
}

fn planted(point: &Point) -> String {
    let one = |found: &PlantedFound| format!("{} {} of {}", found.kind, found.found, found.of);
    let all: Vec<String> = point.planted.iter().map(one).collect();
    all.join(", ")
}

/// The best early signal and its lead, or that none leads.
pub(super) fn finding(detectors: &[DetectorResult], events: usize, price: f64) -> String {
    if events == 0 {
        return "No events: nothing can be said about what finds them; false alarms still count."
            .to_owned();
    }
    let earliest = detectors
        .iter()
        .filter(|detector| detector.ranked)
        .filter_map(|detector| Some((detector, detector.matched.as_ref()?)))
        .filter(|(_, point)| point.leads)
        .max_by(|a, b| value(a.1).total_cmp(&value(b.1)));
    let Some((detector, point)) = earliest else {
        return format!(
            "No signal leads: at {price} false alarm(s) per 1,000 steps no detector warns before the first step of more events than chance."
        );
    };
    let lead = point.lead.as_ref().map_or(String::new(), |found| {
        format!(
            "; over all it finds, the median lead is {} steps",
            lead(found)
        )
    });
    format!(
        "Earliest: `{}` on {} warns before the first step of {} of {} events, {}, where chance gives {}{lead}.",
        detector.name,
        detector.signals.join(", "),
        point.early,
        detector.events,
        share(point.warned),
        point.by_chance.map_or("-".to_owned(), percent),
    )
}

/// Share of the events that it warned of.
fn value(point: &Point) -> f64 {
    point.warned.map_or(0.0, |share| share.value)
}
