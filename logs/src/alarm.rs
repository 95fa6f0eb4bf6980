//! Detectors: small pure state machines that watch a signal as it arrives.
//!
//! [`DETECTORS`] lists them, one line each. All follow the same rules. A value is judged *before* it enters the baseline (inside its own window,
//! a value's score cannot exceed (n − 1)/√n, so a 7-sigma rule could not fire for n ≤ 50); during a spike
//! the baseline is frozen; a value that is not finite is an alarm of its own and never enters
//! a baseline; the state serialises, so that a resumed run continues it exactly.

use serde::{Deserialize, Serialize};

use crate::record::Record;

mod detector;
mod jump;
mod layers;
mod loss_scale;
mod non_finite;
mod number;
mod recorded;
mod robust;
mod sighting;
mod skips;
mod spike;
mod sums;
mod threshold;
mod watch;

pub use detector::{AnyDetector, DETECTORS, Detector, Entry, detector};
pub use jump::RelativeJump;
pub use layers::{Against, Layers};
pub use loss_scale::LossScaleDetector;
pub use non_finite::NonFinite;
pub use recorded::{recorded, watched_by};
pub use robust::Robust;
pub use sighting::{News, Rows, Sighting, sightings};
pub use skips::RepeatedSkips;
pub use spike::{SpikeDetector, SpikeRule};
pub use threshold::Threshold;
pub use watch::{Watch, WatchState};

/// Something a person should look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// The step.
    pub step: u64,
    /// What was seen.
    pub kind: AlarmKind,
    /// The signal it was seen in.
    pub signal: String,
    /// The rule that saw it, for example `olmo-core-128/6`.
    pub rule: String,
    /// The value.
    #[serde(with = "number")]
    pub value: f64,
    /// What the value left: the trailing mean or median, the highest scale, or the last finite value; absent where
    /// there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<f64>,
    /// Deviations from the level for a spike and a layer, a factor for a jump, halvings for the loss scale, skipped steps;
    /// infinite for a value that is not finite.
    #[serde(with = "number")]
    pub score: f64,
    /// One line for people.
    pub message: String,
}

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
    /// A value far from its recent mean. Raised where the spike begins.
    Spike,
    /// NaN or infinity. Raised at the first of several in a row.
    NonFinite,
    /// The loss scale was halved again and again.
    LossScaleFalling,
    /// A value many times its recent median. Raised where it begins.
    Jump,
    /// A layer that left its own past or the other layers. Raised where it begins.
    Layer,
    /// Several of the last steps were skipped.
    RepeatedSkips,
}

impl Alarm {
    /// `before` is the last finite value.
    pub(super) fn non_finite(step: u64, signal: &str, value: f64, before: Option<f64>) -> Self {
        let was = before.map_or_else(String::new, |before| format!(", was {before:.4}"));
        Self {
            step,
            kind: AlarmKind::NonFinite,
            signal: signal.to_owned(),
            rule: "non-finite".to_owned(),
            value,
            before,
            score: f64::INFINITY,
            message: format!("{signal} is {}{was}", crate::record::kind(value)),
        }
    }
}

/// The alarms of the standard [`Watch`] over whole records, in order.
#[must_use]
pub fn alarms(records: &[Record]) -> Vec<Alarm> {
    let mut watch = Watch::default();
    records
        .iter()
        .flat_map(|record| watch.observe(record))
        .collect()
}
