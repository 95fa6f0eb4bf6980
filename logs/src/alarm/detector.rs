//! What a detector is.

use std::fmt::Debug;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::Alarm;
use crate::record::Record;

/// A state machine that takes the steps of a run one after the other and says where a person should look.
///
/// Its serialised form is its whole state: a detector restored from it continues exactly.
pub trait Detector: Debug + Send + Serialize + DeserializeOwned {
    /// Takes one step and adds what it raises to `raised`. A record without its signals changes nothing.
    fn observe(&mut self, record: &Record, raised: &mut Vec<Alarm>);
}

/// [`Detector`] for a list of different ones.
pub trait AnyDetector: Debug + Send {
    /// [`Detector::observe`].
    fn observe(&mut self, record: &Record, raised: &mut Vec<Alarm>);
    /// The state.
    fn state(&self) -> serde_json::Result<Value>;
    /// Continues from a state of the same detector; on an error nothing changes.
    fn restore(&mut self, state: Value) -> serde_json::Result<()>;
}

impl<D: Detector> AnyDetector for D {
    fn observe(&mut self, record: &Record, raised: &mut Vec<Alarm>) {
        Detector::observe(self, record, raised);
    }

    fn state(&self) -> serde_json::Result<Value> {
        serde_json::to_value(self)
    }

    fn restore(&mut self, state: Value) -> serde_json::Result<()> {
        *self = serde_json::from_value(state)?;
        Ok(())
    }
}

/// The value of a scalar that counts as an observation. On a skipped step an infinite gradient is the loss scaler at
/// work: no alarm, no baseline. A finite one was skipped because it stands out, which is what an alarm is for.
pub(super) fn observed(record: &Record, signal: &str) -> Option<f64> {
    let value = record.scalar(signal)?;
    (value.is_finite() || !record.skipped() || signal == "loss").then_some(value)
}
