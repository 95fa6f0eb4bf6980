//! Every detector over one run, at a family of thresholds, held against the truth.

use serde::{Deserialize, Serialize};

use super::label::Truth;
use super::{Event, Span};
use crate::Record;
use crate::alarm::{DETECTORS, Entry};

/// Quarters of a doubling below the default threshold.
const BELOW: i32 = 8;
/// Quarters of a doubling above it.
const ABOVE: i32 = 12;

/// The factors on a detector's threshold, ascending: a quarter to eight in quarters of a doubling; 1 is the default.
#[must_use]
pub fn factors() -> Vec<f64> {
    let quarters = -BELOW..=ABOVE;
    quarters.map(|i| (f64::from(i) / 4.0).exp2()).collect()
}

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// First step of every event, and steps before it at which an alarm would have been its warning.
    pub events: Vec<(u64, u64)>,
    /// Kind of every planted cause.
    pub planted: Vec<String>,
    /// Recorded steps.
    pub steps: u64,
    /// In the order of [`DETECTORS`]; none where the run recorded no signal of the detector.
    pub detections: Vec<Option<Detection>>,
}

/// One detector on one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// Steps with a signal of the detector, outside events and all that counts neither way.
    pub calm_steps: u64,
    /// In the order of [`factors`]; of a detector without a threshold only one, at 1.
    pub outcomes: Vec<Outcome>,
}

/// What a detector made of a run at one threshold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Factor on the threshold.
    pub factor: f64,
    /// Steps from the first alarm that found an event to the event's first step, negative for a late one; none for an event
    /// that was missed.
    pub leads: Vec<Option<i64>>,
    /// Steps with an alarm where none was due.
    pub false_alarms: u64,
    /// Whether each planted cause met an alarm.
    pub planted: Vec<bool>,
}

/// Runs every detector of the registry, watched or not, over the records of one run.
#[must_use]
pub fn measure(records: &[Record], truth: &Truth) -> Measured {
    Measured {
        events: truth
            .events
            .iter()
            .map(|event| (event.first, event.first.saturating_sub(event.from)))
            .collect(),
        planted: truth
            .planted
            .iter()
            .map(|planted| planted.kind.clone())
            .collect(),
        steps: records.len() as u64,
        detections: DETECTORS
            .iter()
            .map(|entry| detection(entry, records, truth))
            .collect(),
    }
}

fn detection(entry: &Entry, records: &[Record], truth: &Truth) -> Option<Detection> {
    let recorded = |record: &&Record| {
        let mut signals = entry.signals.iter();
        signals.any(|signal| {
            record.scalars.contains_key(*signal) || record.layers.contains_key(*signal)
        })
    };
    let recorded: Vec<&Record> = records.iter().filter(recorded).collect();
    if recorded.is_empty() {
        return None;
    }
    let calm = recorded.iter().filter(|record| is_calm(truth, record.step));
    Some(Detection {
        calm_steps: calm.count() as u64,
        outcomes: family(entry)
            .into_iter()
            .map(|(factor, entry)| hold(truth, factor, &alarms(&entry, records)))
            .collect(),
    })
}

/// The detector at every factor at which it differs.
fn family(entry: &Entry) -> Vec<(f64, Entry)> {
    let at = |factor: f64| {
        let threshold = entry.threshold.scaled(factor)?;
        Some((
            factor,
            Entry {
                threshold,
                ..*entry
            },
        ))
    };
    let family: Vec<(f64, Entry)> = factors().into_iter().filter_map(at).collect();
    if family.is_empty() {
        vec![(1.0, *entry)]
    } else {
        family
    }
}

/// The steps with an alarm, ascending.
fn alarms(entry: &Entry, records: &[Record]) -> Vec<u64> {
    let mut detector = (entry.make)(entry);
    let mut raised = Vec::new();
    for record in records {
        detector.observe(record, &mut raised);
    }
    let mut steps: Vec<u64> = raised.iter().map(|alarm| alarm.step).collect();
    steps.dedup();
    steps
}

/// Holds alarms, given by ascending steps, against the truth.
#[must_use]
pub fn hold(truth: &Truth, factor: f64, alarms: &[u64]) -> Outcome {
    let mut outcome = Outcome {
        factor,
        leads: vec![None; truth.events.len()],
        ..Outcome::default()
    };
    for step in alarms {
        match event_at(&truth.events, *step) {
            Some((place, event)) if *step <= event.to => {
                let lead = event.first as i64 - *step as i64;
                outcome.leads[place].get_or_insert(lead);
            }
            Some(_) => {}
            None if truth.neutral.iter().any(|span| span.holds(*step)) => {}
            None => outcome.false_alarms += 1,
        }
    }
    let met = |span: Span| alarms.iter().any(|step| span.holds(*step));
    let planted = truth.planted.iter().map(|planted| met(planted.alarmed()));
    outcome.planted = planted.collect();
    outcome
}

/// The event that a step belongs to, its aftermath included.
fn event_at(events: &[Event], step: u64) -> Option<(usize, &Event)> {
    let place = events
        .partition_point(|event| event.from <= step)
        .checked_sub(1)?;
    let event = events.get(place)?;
    (step <= event.end).then_some((place, event))
}

fn is_calm(truth: &Truth, step: u64) -> bool {
    event_at(&truth.events, step).is_none() && !truth.neutral.iter().any(|span| span.holds(step))
}
