//! Several detectors over the steps of one run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Alarm;
use super::detector::AnyDetector;
use super::registry::{DETECTORS, Entry};
use super::sighting::{News, Rows};
use crate::record::Record;

/// Detectors over the steps of one run and all its attempts; by default every watched one of [`DETECTORS`].
#[derive(Debug)]
pub struct Watch {
    detectors: Vec<Watched>,
    rows: Rows,
}

#[derive(Debug)]
struct Watched {
    name: &'static str,
    threshold: f64,
    detector: Box<dyn AnyDetector>,
}

/// What a [`Watch`] needs to go on exactly, as JSON holds it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WatchState {
    detectors: BTreeMap<String, DetectorState>,
    rows: Rows,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct DetectorState {
    /// What it was made with; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    threshold: Option<f64>,
    state: Value,
}

impl Default for Watch {
    fn default() -> Self {
        Self::new(DETECTORS.iter().filter(|entry| entry.watched))
    }
}

impl Watch {
    /// Of these detectors, which have seen nothing.
    pub fn new<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let watched = |entry: &Entry| Watched {
            name: entry.name,
            threshold: entry.threshold.number(),
            detector: (entry.make)(entry),
        };
        Self {
            detectors: entries.into_iter().map(watched).collect(),
            rows: Rows::default(),
        }
    }

    /// The names of its detectors.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.detectors.iter().map(|watched| watched.name).collect()
    }

    /// Takes one step and returns what it raised.
    pub fn observe(&mut self, record: &Record) -> Vec<Alarm> {
        let mut raised = Vec::new();
        for watched in &mut self.detectors {
            watched.detector.observe(record, &mut raised);
        }
        raised
    }

    /// Takes one step and returns what there is to tell of it: one thing that several detectors see is told once.
    pub fn news(&mut self, record: &Record) -> Vec<News> {
        let raised = self.observe(record);
        self.rows.take(&raised)
    }

    /// The state of every detector, and of the rows.
    pub fn state(&self) -> serde_json::Result<WatchState> {
        let state = |watched: &Watched| {
            let saved = DetectorState {
                threshold: Some(watched.threshold).filter(|number| number.is_finite()),
                state: watched.detector.state()?,
            };
            Ok((watched.name.to_owned(), saved))
        };
        Ok(WatchState {
            detectors: self.detectors.iter().map(state).collect::<Result<_, _>>()?,
            rows: self.rows.clone(),
        })
    }

    /// Continues from a state. A detector that has none there begins anew, as it was not watched before. So does one whose
    /// threshold is another now, or whose state is not this program's: their names are returned.
    pub fn restore(&mut self, mut state: WatchState) -> Vec<&'static str> {
        self.rows = state.rows;
        let begins_anew = |watched: &mut Watched| {
            let saved = state.detectors.remove(watched.name)?;
            let same = saved.threshold.unwrap_or(f64::INFINITY) == watched.threshold;
            let continues = same && watched.detector.restore(saved.state).is_ok();
            (!continues).then_some(watched.name)
        };
        self.detectors.iter_mut().filter_map(begins_anew).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::{Sighting, Threshold, alarms, sightings};

    fn record(step: u64, loss: f64, grad_norm: f64, skipped: bool) -> Record {
        let mut record = Record::new(step);
        record.set_named("loss", loss);
        record.set_named("grad_norm", grad_norm);
        record.set_named("skipped", f64::from(u8::from(skipped)));
        record
    }

    fn calm(step: u64) -> Record {
        let wave = if step.is_multiple_of(2) { 0.01 } else { -0.01 };
        record(step, 3.0 + wave, 1.0 + wave, false)
    }

    #[test]
    fn a_spike_that_several_rules_see_is_one_row_and_nan_is_reported_once() {
        let mut records: Vec<_> = (1..=200).map(calm).collect();
        records[149].set_named("loss", 9.0);
        records[169].set_named("grad_norm", f64::NAN);
        let row = |sighting: Sighting| {
            let rules = sighting.rules.join(" ");
            (sighting.alarm.step, sighting.alarm.signal, rules)
        };
        let found: Vec<_> = sightings(&alarms(&records)).into_iter().map(row).collect();
        let expected = [
            (
                150,
                "loss",
                "robust-loss olmo2-1000/7 olmo-core-128/6 jump-loss",
            ),
            (170, "grad_norm", "non-finite"),
        ];
        assert_eq!(
            found,
            expected.map(|(s, signal, rules)| (s, signal.to_owned(), rules.to_owned()))
        );
    }

    #[test]
    fn an_overflow_that_the_loss_scaler_skips_is_no_alarm() {
        let mut records: Vec<_> = (1..=200).map(calm).collect();
        records[149] = record(150, 3.0, f64::INFINITY, true);
        assert_eq!(alarms(&records), []);
    }

    /// A chosen detector, with a chosen threshold where there is one.
    fn entry(name: &str, threshold: Option<f64>) -> Entry {
        let entry = *DETECTORS.iter().find(|entry| entry.name == name).unwrap();
        match threshold {
            Some(number) => Entry {
                threshold: entry.threshold.with(number).unwrap(),
                ..entry
            },
            None => entry,
        }
    }

    #[test]
    fn a_threshold_is_where_a_detector_begins_to_see() {
        let mut records: Vec<_> = (1..=200).map(calm).collect();
        records[149].set_named("loss", 3.0 * 1.3);
        let raised = |factor| {
            let mut watch = Watch::new(&[entry("jump-loss", Some(factor))]);
            let all = records.iter().map(|record| watch.observe(record).len());
            all.sum::<usize>()
        };
        assert_eq!((raised(1.25), raised(1.35)), (1, 0));
    }

    /// Of every detector: what a low threshold sees a high one does not.
    #[test]
    fn every_threshold_is_used() {
        let choosable = DETECTORS
            .iter()
            .filter(|entry| entry.threshold.number().is_finite());
        for entry in choosable {
            let high = match entry.threshold {
                Threshold::Count { most, .. } => f64::from(most),
                Threshold::Deviations(_) | Threshold::Factor(_) | Threshold::Fixed => 1e5,
            };
            let raised = |number: f64| {
                let threshold = entry.threshold.with(number).unwrap();
                let mut watch = Watch::new(&[Entry {
                    threshold,
                    ..*entry
                }]);
                let steps = (1..=200).map(|step| moved(step, entry.signals[0]));
                let raised = steps.map(|record| watch.observe(&record).len());
                raised.sum::<usize>()
            };
            assert!(raised(2.0) > raised(high), "{}", entry.name);
        }
    }

    /// Calm for 150 steps but for scatter, then four times as large (or small, or skipped, or halved) for a while.
    fn moved(step: u64, signal: &str) -> Record {
        let mut record = calm(step);
        let far = (150..155).contains(&step);
        let scatter = ((step * 37 % 19) as f64 - 9.0) / 9.0;
        let level = 1.0 + 0.2 * scatter;
        match signal {
            "skipped" => record.set_named(signal, f64::from(u8::from(far))),
            "loss_scale" => record.set_named(signal, 1024.0 / if far { 16.0 } else { 1.0 }),
            "clip_coefficient" => record.set_named(signal, level / if far { 4.0 } else { 1.0 }),
            name if name.starts_with("layer_") => {
                let layer = level * if far { 40.0 } else { 1.0 };
                record.set_layers_named(name, vec![1.0, layer, 1.0, 1.0]);
            }
            name => record.set_named(name, level * if far { 4.0 } else { 1.0 }),
        }
        record
    }

    #[test]
    fn another_threshold_or_a_state_of_another_shape_begins_anew_and_says_so() {
        let chosen = |factor| Watch::new(&[entry("jump-loss", Some(factor)), entry("clip", None)]);
        let mut watch = chosen(1.25);
        for step in 1..=50 {
            watch.news(&calm(step));
        }
        let state = watch.state().unwrap();
        let text = serde_json::to_string(&state).unwrap();
        let state: WatchState = serde_json::from_str(&text).unwrap();
        assert_eq!(chosen(1.25).restore(state.clone()), [""; 0]);
        assert_eq!(chosen(1.5).restore(state.clone()), ["jump-loss"]);
        let text = text.replace("\"length\":0", "\"length\":\"0\"");
        let other: WatchState = serde_json::from_str(&text).unwrap();
        assert_ne!(other, state);
        assert_eq!(chosen(1.25).restore(other), ["jump-loss"]);
        // Detectors come and go between attempts.
        assert_eq!(Watch::default().restore(state), [""; 0]);
        assert_eq!(chosen(1.25).restore(WatchState::default()), [""; 0]);
    }
}
