//! NaN and infinity.

use serde::{Deserialize, Serialize};

use super::Alarm;
use super::detector::{Detector, observed};
use crate::record::Record;

/// Raises an alarm at the first of several values in a row that are not finite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NonFinite {
    /// Signal, and whether its last value was not finite.
    signals: Vec<(String, bool)>,
    /// Last finite value of each; absent in the state of an earlier version.
    #[serde(default)]
    finite: Vec<Option<f64>>,
}

impl NonFinite {
    /// Watches `signals`.
    #[must_use]
    pub fn new(signals: &[&str]) -> Self {
        Self {
            signals: signals
                .iter()
                .map(|signal| ((*signal).to_owned(), false))
                .collect(),
            finite: vec![None; signals.len()],
        }
    }
}

impl Detector for NonFinite {
    fn observe(&mut self, record: &Record, raised: &mut Vec<Alarm>) {
        self.finite.resize(self.signals.len(), None);
        for ((signal, was), finite) in self.signals.iter_mut().zip(&mut self.finite) {
            let Some(value) = observed(record, signal) else {
                continue;
            };
            let before = std::mem::replace(was, !value.is_finite());
            if *was && !before {
                raised.push(Alarm::non_finite(record.step, signal, value, *finite));
            }
            if value.is_finite() {
                *finite = Some(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The alarm says what the value left, also where another followed in a row, and where the state of an
    /// earlier version, which did not keep it, goes on.
    #[test]
    fn the_last_finite_value_is_told() {
        let mut old: NonFinite = serde_json::from_str(r#"{"signals":[["loss",false]]}"#).unwrap();
        for (detector, first) in [
            (&mut NonFinite::new(&["loss"]), "loss is nan"),
            (&mut old, "loss is nan"),
        ] {
            let mut raised = Vec::new();
            for (step, loss) in [(1, f64::NAN), (2, 6.25), (3, f64::INFINITY), (4, f64::NAN)] {
                let mut record = Record::new(step);
                record.set_named("loss", loss);
                detector.observe(&record, &mut raised);
            }
            let told: Vec<_> = raised.iter().map(|alarm| alarm.message.as_str()).collect();
            assert_eq!(told, [first, "loss is inf, was 6.2500"]);
            assert_eq!((raised[0].before, raised[1].before), (None, Some(6.25)));
        }
    }
}
