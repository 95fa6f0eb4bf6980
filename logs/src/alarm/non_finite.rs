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
        }
    }
}

impl Detector for NonFinite {
    fn observe(&mut self, record: &Record, raised: &mut Vec<Alarm>) {
        for (signal, was) in &mut self.signals {
            let Some(value) = observed(record, signal) else {
                continue;
            };
            let before = std::mem::replace(was, !value.is_finite());
            if *was && !before {
                raised.push(Alarm::non_finite(record.step, signal, value));
            }
        }
    }
}
