//! Detectors at work while a run trains.

mod bounds;

use logs::alarm::{DETECTORS, Entry};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which detectors watch a run while it trains, and what follows an alarm. Nothing here changes what is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlarmConfig {
    /// Names of detectors, see [`DETECTORS`].
    pub detectors: Vec<String>,
    /// What follows an alarm, beside its event.
    pub action: AlarmAction,
    /// Thresholds by the detector's name, in its own unit, where they are not its default.
    pub threshold: BTreeMap<String, f64>,
}

/// What follows an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmAction {
    /// Nothing more.
    None,
    /// The terminal's bell.
    Bell,
    /// The run stops after a checkpoint, and can be continued.
    Stop,
}

impl Default for AlarmConfig {
    fn default() -> Self {
        let watched = DETECTORS.iter().filter(|entry| entry.watched);
        Self {
            detectors: watched.map(|entry| entry.name.to_owned()).collect(),
            action: AlarmAction::None,
            threshold: BTreeMap::new(),
        }
    }
}

impl AlarmConfig {
    /// Every key with a value.
    pub(crate) fn full() -> Self {
        let choosable = DETECTORS
            .iter()
            .filter(|e| e.threshold.number().is_finite());
        Self {
            threshold: choosable
                .map(|entry| (entry.name.to_owned(), entry.threshold.number()))
                .collect(),
            ..Self::default()
        }
    }

    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The chosen detectors with their thresholds, in the order in which alarms of one step are raised.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let chosen = DETECTORS
            .iter()
            .filter(|entry| self.detectors.iter().any(|name| name == entry.name));
        let with_threshold = |entry: &Entry| {
            let number = self.threshold.get(entry.name);
            // A number that does not fit has been refused.
            let threshold = number.and_then(|number| entry.threshold.with(*number).ok());
            Entry {
                threshold: threshold.unwrap_or(entry.threshold),
                ..*entry
            }
        };
        chosen.map(with_threshold).collect()
    }
}
