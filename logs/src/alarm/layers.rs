//! A per-layer signal, every layer against its own past or against the other layers.

use serde::{Deserialize, Serialize};

use super::detector::Detector;
use super::{Alarm, AlarmKind, robust};
use crate::median::upper_median;
use crate::record::Record;
use crate::spike::{Change, Definition, Spike, SpikeTracker};

/// What a layer's value is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Against {
    /// The layer's own past.
    Past,
    /// The median layer of the step, then the past of that ratio: a batch that moves all layers alike moves
    /// none of them.
    Layers,
}

/// Raises one alarm where a layer begins to stand out, and none for layers that join it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layers {
    name: String,
    signal: String,
    against: Against,
    definition: Definition,
    /// One for each layer.
    trackers: Vec<SpikeTracker>,
}

impl Layers {
    /// Watches the per-layer `signal`; `name` is the rule in its alarms.
    #[must_use]
    pub fn new(name: &str, signal: &str, against: Against, definition: Definition) -> Self {
        Self {
            name: name.to_owned(),
            signal: signal.to_owned(),
            against,
            definition,
            trackers: Vec::new(),
        }
    }

    /// Feeds every layer; the layer that stands out most of those that begin to.
    fn begun(&mut self, record: &Record, values: &[f64], unit: f64) -> Option<(usize, Spike)> {
        let skipped = record.skipped();
        let began = self.trackers.iter_mut().zip(values).enumerate().filter_map(
            |(layer, (tracker, value))| match tracker.observe(record.step, value / unit, skipped) {
                Some(Change::Began(spike)) => Some((layer, spike)),
                Some(Change::Ended(_)) | None => None,
            },
        );
        began.max_by(|a, b| a.1.deviations.abs().total_cmp(&b.1.deviations.abs()))
    }
}

impl Detector for Layers {
    fn observe(&mut self, record: &Record, raised: &mut Vec<Alarm>) {
        let Some(values) = record.layers.get(self.signal.as_str()) else {
            return;
        };
        let unit = match self.against {
            Against::Past => 1.0,
            Against::Layers => match median(values) {
                Some(median) => median,
                None => return,
            },
        };
        let definition = self.definition;
        self.trackers
            .resize_with(values.len(), || SpikeTracker::new(definition));
        let quiet = self.trackers.iter().any(|layer| layer.open().is_some());
        let Some((layer, mut spike)) = self.begun(record, values, unit).filter(|_| !quiet) else {
            return;
        };
        spike.value *= unit;
        spike.level *= unit;
        let signal = format!("{}[{layer}]", self.signal);
        raised.push(robust::alarm(&self.name, &signal, AlarmKind::Layer, &spike));
    }
}

/// The median of the finite, positive values, where there are at least three: among fewer no layer stands out.
fn median(values: &[f64]) -> Option<f64> {
    let mut usable: Vec<f64> = values
        .iter()
        .copied()
        .filter(|value| value.is_finite() && *value > 0.0)
        .collect();
    if usable.len() < 3 {
        return None;
    }
    upper_median(&mut usable)
}
