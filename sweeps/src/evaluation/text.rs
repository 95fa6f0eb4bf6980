//! The comparison for people.

use super::{DetectorResult, Evaluation, Lead, PlantedFound, Point, Share};
use std::fmt::Write as _;
use words::{Table, counted};

/// Below this many calm steps a rate of one in a thousand is a handful of alarms.
const FEW_STEPS: u64 = 10_000;

impl Evaluation {
    /// Both tables, the finding, and what to know.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!(
            "{} in {} of {}, {} · labels: {}\n",
            counted(self.events as u64, "event"),
            self.runs_with_events,
            counted(self.runs as u64, "run"),
            counted(self.steps, "step"),
            self.labels
        );
        let _ = write!(
            text,
            "\nat no more than {}\n{}",
            priced(self.price),
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
        let mut table = Table::new(&[
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
        for detector in self.detectors.iter().filter(|detector| detector.runs > 0) {
            table.row(row(detector, at(detector)));
        }
        table.render(0)
    }

    fn planted_table(&self) -> String {
        let mut table = Table::new(&["detector", "at the default threshold", "at the price"]);
        for detector in self.detectors.iter().filter(|detector| detector.runs > 0) {
            let cell = |point: &Option<Point>| point.as_ref().map_or("-".to_owned(), planted);
            table.row([
                detector.name.clone(),
                cell(&detector.default),
                cell(&detector.matched),
            ]);
        }
        table.render(0)
    }

    /// What to know to read the tables.
    fn remarks(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let silent = self.detectors.iter().filter(|detector| detector.runs == 0);
        lines.extend(silent.map(|detector| {
            let signals = detector.signals.join(", ");
            format!(
                "`{}`: signal not recorded in any run ({signals})",
                detector.name
            )
        }));
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
                "only {most} calm steps: the price allows {:.1} false alarms, too few to tell detectors apart",
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

/// A detector's row; of one without a point only why it has none.
fn row(detector: &DetectorResult, point: Option<&Point>) -> [String; 10] {
    let name = if detector.ranked {
        detector.name.clone()
    } else {
        format!("{} (not ranked)", detector.name)
    };
    let runs = detector.runs.to_string();
    let Some(point) = point else {
        let why = if detector.calm_steps == 0 {
            "no calm steps"
        } else {
            "all cost more"
        };
        let mut cells: [String; 10] = std::array::from_fn(|_| "-".to_owned());
        [cells[0], cells[1], cells[2]] = [name, why.to_owned(), runs];
        return cells;
    };
    [
        name,
        format!("×{:.2}", point.factor),
        runs,
        format!("{} of {}", point.found, detector.events),
        share(point.recall),
        share(point.precision),
        rate(point.rate),
        share(point.warned),
        point.by_chance.map_or("-".to_owned(), percent),
        point.lead.as_ref().map_or("-".to_owned(), lead),
    ]
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

fn rate(rate: Option<Share>) -> String {
    match rate {
        None => "-".to_owned(),
        Some(Share {
            value,
            interval: None,
        }) => per_thousand(value),
        Some(Share {
            value,
            interval: Some(interval),
        }) => {
            let (low, high) = (per_thousand(interval.low), per_thousand(interval.high));
            format!("{} ({low} to {high})", per_thousand(value))
        }
    }
}

/// Two decimals, or four where those would say nothing.
fn per_thousand(value: f64) -> String {
    if value > 0.0 && value < 0.1 {
        format!("{value:.4}")
    } else {
        format!("{value:.2}")
    }
}

/// `1 false alarm per 1,000 steps`.
fn priced(price: f64) -> String {
    let ending = if price == 1.0 { "" } else { "s" };
    format!(
        "{} false alarm{ending} per 1,000 steps",
        words::number(price)
    )
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

/// The best early signal and its lead, or that none leads: at equal price, then as detectors run by default.
pub(super) fn finding(detectors: &[DetectorResult], events: usize, price: f64) -> String {
    if events == 0 {
        return "No events: nothing can be said about what finds them; false alarms still count."
            .to_owned();
    }
    if detectors.iter().all(|detector| detector.warnable == 0) {
        return "No event can be warned of: the labels leave no step before any.".to_owned();
    }
    let none = "no detector warns before the first step of more events than chance";
    let matched = match earliest(detectors, |detector| detector.matched.as_ref()) {
        Some(found) => format!("At {} {found}", priced(price)),
        None => format!(
            "No signal leads at equal price: at {} {none}",
            priced(price)
        ),
    };
    let default = match earliest(detectors, |detector| detector.default.as_ref()) {
        Some(found) => format!("At the default thresholds {found}"),
        None => format!("At the default thresholds {none}"),
    };
    format!("{matched}.\n{default}.")
}

/// The ranked detector that warns before most events, of those that lead.
fn earliest(
    detectors: &[DetectorResult],
    at: impl Fn(&DetectorResult) -> Option<&Point>,
) -> Option<String> {
    let value = |point: &Point| point.warned.map_or(0.0, |share| share.value);
    let (detector, point) = detectors
        .iter()
        .filter(|detector| detector.ranked)
        .filter_map(|detector| Some((detector, at(detector)?)))
        .filter(|(_, point)| point.leads)
        .max_by(|a, b| value(a.1).total_cmp(&value(b.1)))?;
    let found = point.lead.as_ref().map_or("-".to_owned(), lead);
    Some(format!(
        "`{}` on {} warns earliest: before the first step of {} of {} events that can be warned of, {}, where chance gives {}; median lead over all it finds {found} steps; {} false alarms per 1,000 steps",
        detector.name,
        detector.signals.join(", "),
        point.early,
        detector.warnable,
        share(point.warned),
        point.by_chance.map_or("-".to_owned(), percent),
        rate(point.rate),
    ))
}
