//! Detectors compared over many runs: how many events each finds, how early, and at the price of how many false alarms.
//!
//! Alarms are not equally dear to all detectors at their default thresholds, so they are also compared at equal price:
//! each at the lowest threshold at which it, and every higher one, raises at most so many false alarms per 1,000 calm
//! steps. That threshold is chosen by false alarms alone, never by what it finds. All intervals come from resampling whole
//! runs, since the steps of one run tell little about another; each resample chooses its threshold anew.
//!
//! What an event is and which alarms count for it is in [`logs::evaluation`].

mod curve;
mod error;
mod labels;
mod point;
mod resample;
mod runs;
mod text;

pub use curve::{CurvePoint, DetectorResult};
pub use error::EvaluationError;
pub use labels::Labels;
pub use point::{Lead, PlantedFound, Point, Share};
pub use runs::{LabelledRun, examine, run_directories};

use logs::alarm::DETECTORS;
use serde::{Deserialize, Serialize};

/// Level of all intervals.
pub const LEVEL: f64 = 0.95;
/// Resamples of the runs.
pub const RESAMPLES: usize = 2_000;

/// Every detector of the registry over a number of runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Where the truth comes from.
    pub labels: String,
    /// Runs judged.
    pub runs: usize,
    /// Runs with an event among them.
    pub runs_with_events: usize,
    /// Recorded steps.
    pub steps: u64,
    /// Events.
    pub events: usize,
    /// Causes planted on purpose.
    pub planted: usize,
    /// False alarms per 1,000 calm steps at which detectors are compared.
    pub price: f64,
    /// In the order of the registry.
    pub detectors: Vec<DetectorResult>,
    /// The best early signal and its lead, or that none leads.
    pub finding: String,
    /// What to know about the runs.
    pub notes: Vec<String>,
}

/// Compares all detectors over `runs` at `price` false alarms per 1,000 calm steps.
#[must_use]
pub fn evaluate(runs: &[LabelledRun], labels: &Labels, price: f64) -> Evaluation {
    let judged: Vec<&logs::evaluation::Measured> = runs
        .iter()
        .filter_map(|run| run.measured.as_ref())
        .collect();
    let detectors: Vec<DetectorResult> = DETECTORS
        .iter()
        .enumerate()
        .map(|(place, entry)| curve::result(entry, place, &judged, labels, price))
        .collect();
    let events: usize = judged.iter().map(|run| run.events.len()).sum();
    Evaluation {
        labels: labels.source(),
        runs: judged.len(),
        runs_with_events: judged.iter().filter(|run| !run.events.is_empty()).count(),
        steps: judged.iter().map(|run| run.steps).sum(),
        events,
        planted: judged.iter().map(|run| run.planted.len()).sum(),
        price,
        finding: text::finding(&detectors, events, price),
        detectors,
        notes: runs.iter().filter_map(|run| run.note.clone()).collect(),
    }
}

#[cfg(test)]
mod tests;
