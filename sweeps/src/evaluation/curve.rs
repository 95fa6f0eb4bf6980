//! One detector over all runs, at all thresholds.

use super::point::{Point, Sample, Share};
use super::resample::{Resampled, Totals};
use super::{LEVEL, Labels};
use logs::alarm::{DETECTORS, Entry};
use logs::evaluation::{Measured, Outcome};
use serde::{Deserialize, Serialize};

/// One detector over all runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectorResult {
    /// Its name.
    pub name: String,
    /// The signals it reads.
    pub signals: Vec<String>,
    /// Whether it runs by default.
    pub watched: bool,
    /// Whether it may be called the best: not where it had a part in the making of the labels.
    pub ranked: bool,
    /// Runs that recorded one of its signals; the others are left out for it, their events are no misses.
    pub runs: usize,
    /// Events in these runs.
    pub events: u64,
    /// Events among them with a step before them at which an alarm would have been a warning.
    pub warnable: u64,
    /// Calm steps in these runs.
    pub calm_steps: u64,
    /// At the default threshold; absent where no run recorded its signal.
    pub default: Option<Point>,
    /// At the price of the comparison; absent where every threshold costs more.
    pub matched: Option<Point>,
    /// The free-response ROC curve, from the lowest threshold on; empty without calm steps.
    pub curve: Vec<CurvePoint>,
}

/// A point of the free-response ROC curve: what share of the events is found, and warned of, at how many false alarms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Factor on the default threshold.
    pub factor: f64,
    /// False alarms per 1,000 calm steps.
    pub rate: f64,
    /// Share of the events found; absent without events.
    pub recall: Option<Share>,
    /// Share of the events found before their first step, of those that could be; absent without any.
    pub warned: Option<Share>,
}

/// Detector number `place` of the registry over `runs`.
pub(super) fn result(
    entry: &Entry,
    place: usize,
    runs: &[&Measured],
    labels: &Labels,
    price: f64,
) -> DetectorResult {
    let sample = sample(place, runs);
    let usual = sample.usual();
    let matched = sample.sum.matched(price);
    DetectorResult {
        name: entry.name.to_owned(),
        signals: entry
            .signals
            .iter()
            .map(|name| (*name).to_owned())
            .collect(),
        watched: entry.watched,
        ranked: labels.ranks(entry.name),
        runs: sample.runs.len(),
        events: sample.sum.events,
        warnable: sample.sum.warnable,
        calm_steps: sample.sum.calm_steps,
        default: usual.and_then(|usual| sample.point(usual, |_| Some(usual))),
        matched: matched.and_then(|place| sample.point(place, |sum| sum.matched(price))),
        curve: sample.curve(),
    }
}

fn sample<'a>(place: usize, runs: &[&'a Measured]) -> Sample<'a> {
    let detected = |run: &&'a Measured| {
        let detection = run.detections.get(place)?.as_ref()?;
        Some((*run, detection))
    };
    let detected: Vec<_> = runs.iter().filter_map(detected).collect();
    let totals: Vec<Totals> = detected
        .iter()
        .map(|(run, detection)| Totals::of(run, detection))
        .collect();
    Sample {
        sum: Totals::sum(totals.iter()),
        resampled: Resampled::of(&totals),
        runs: detected
            .into_iter()
            .map(|(run, detection)| (run, detection.outcomes.as_slice()))
            .collect(),
        compared: DETECTORS.len(),
    }
}

impl Sample<'_> {
    /// Place of the default threshold.
    fn usual(&self) -> Option<usize> {
        let (_, outcomes) = self.runs.first()?;
        outcomes.iter().position(|outcome| outcome.factor == 1.0)
    }

    fn curve(&self) -> Vec<CurvePoint> {
        let Some((_, outcomes)) = self.runs.first().filter(|_| self.sum.calm_steps > 0) else {
            return Vec::new();
        };
        let share = |place: usize, of: fn(&Totals, usize) -> f64| {
            let value = of(&self.sum, place);
            let resampled = self.resampled.as_ref();
            let interval = resampled.and_then(|r| r.share(LEVEL, |sum| of(sum, place)));
            value.is_finite().then_some(Share { value, interval })
        };
        let point = |(place, outcome): (usize, &Outcome)| CurvePoint {
            factor: outcome.factor,
            rate: self.sum.rate(place),
            recall: share(place, Totals::recall),
            warned: share(place, Totals::warned),
        };
        outcomes.iter().enumerate().map(point).collect()
    }
}
