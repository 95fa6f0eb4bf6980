//! Several detectors over the steps of one run.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Alarm;
use super::detector::{AnyDetector, DETECTORS};
use crate::record::Record;

/// Every watched detector of [`DETECTORS`] at its default, over the steps of one run and all its attempts.
#[derive(Debug)]
pub struct Watch {
    detectors: Vec<(&'static str, Box<dyn AnyDetector>)>,
}

impl Default for Watch {
    fn default() -> Self {
        let watched = DETECTORS.iter().filter(|entry| entry.watched);
        Self {
            detectors: watched
                .map(|entry| (entry.name, (entry.make)(entry)))
                .collect(),
        }
    }
}

impl Watch {
    /// Takes one step and returns what it raised.
    pub fn observe(&mut self, record: &Record) -> Vec<Alarm> {
        let mut raised = Vec::new();
        for (_, detector) in &mut self.detectors {
            detector.observe(record, &mut raised);
        }
        raised
    }

    /// The state of every detector by its name.
    pub fn state(&self) -> serde_json::Result<BTreeMap<String, Value>> {
        let states = self.detectors.iter();
        states
            .map(|(name, detector)| Ok(((*name).to_owned(), detector.state()?)))
            .collect()
    }

    /// Continues from a state. A detector without one (of an older program) begins anew; a state without a
    /// detector is left.
    pub fn restore(&mut self, mut state: BTreeMap<String, Value>) -> serde_json::Result<()> {
        for (name, detector) in &mut self.detectors {
            if let Some(state) = state.remove(*name) {
                detector.restore(state)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::{Sighting, alarms, sightings};

    fn record(step: u64, loss: f64, grad_norm: f64, skipped: bool) -> Record {
        let mut record = Record::new(step);
        record.set("loss", loss);
        record.set("grad_norm", grad_norm);
        record.set("skipped", f64::from(u8::from(skipped)));
        record
    }

    fn calm(step: u64) -> Record {
        let wave = if step.is_multiple_of(2) { 0.01 } else { -0.01 };
        record(step, 3.0 + wave, 1.0 + wave, false)
    }

    #[test]
    fn a_spike_that_several_rules_see_is_one_row_and_nan_is_reported_once() {
        let mut records: Vec<_> = (1..=200).map(calm).collect();
        records[149].set("loss", 9.0);
        records[169].set("grad_norm", f64::NAN);
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
}
