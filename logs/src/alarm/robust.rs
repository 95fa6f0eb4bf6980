//! One signal against its robust trailing level.

use serde::{Deserialize, Serialize};

use super::detector::Detector;
use super::{Alarm, AlarmKind};
use crate::record::Record;
use crate::spike::{Change, Definition, Spike, SpikeTracker};

/// Raises an alarm where a spike of its signal begins; see [`crate::spike`] for what a spike is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Robust {
    name: String,
    signal: String,
    tracker: SpikeTracker,
}

impl Robust {
    /// Watches `signal`; `name` is the rule in its alarms.
    #[must_use]
    pub fn new(name: &str, signal: &str, definition: Definition) -> Self {
        Self {
            name: name.to_owned(),
            signal: signal.to_owned(),
            tracker: SpikeTracker::new(definition),
        }
    }
}

impl Detector for Robust {
    fn observe(&mut self, record: &Record, raised: &mut Vec<Alarm>) {
        let Some(value) = record.scalar(&self.signal) else {
            return;
        };
        let change = self.tracker.observe(record.step, value, record.skipped());
        if let Some(Change::Began(spike)) = change {
            raised.push(alarm(&self.name, &self.signal, AlarmKind::Spike, &spike));
        }
    }
}

/// The alarm of a spike that began.
pub(super) fn alarm(rule: &str, signal: &str, kind: AlarmKind, spike: &Spike) -> Alarm {
    let side = if spike.deviations < 0.0 {
        "below"
    } else {
        "above"
    };
    Alarm {
        step: spike.first,
        kind,
        signal: signal.to_owned(),
        rule: rule.to_owned(),
        value: spike.value,
        before: Some(spike.level),
        score: spike.deviations,
        message: format!(
            "{signal} is {:.4}, {:.1} robust deviations {side} its recent median of {:.4}",
            spike.value,
            spike.deviations.abs(),
            spike.level
        ),
    }
}
