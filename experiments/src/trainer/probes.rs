//! Runs that measure something instead of training: `probe.kind`.
//!
//! Not to be taken for [`crate::layers::tap`], the per-layer signals of a pass. A probe leaves the same run
//! directory as training does, record by record, so that executors, monitor, report and verdict need
//! not know of it. It keeps no checkpoint: one that was interrupted starts over.

mod attention_softmax;
mod egs_twin;
mod planted;
#[cfg(test)]
mod tests;
mod update_law;

use super::training::Training;
use crate::backend::Device;
use crate::error::TrainError;
use experiments_config::ProbeKind;
use logs::{Event, Record};

/// Where records go as they arise, with the events that belong to them. The answer is whether to go on.
type Keep<'a> = dyn FnMut(&Record, &[Event]) -> Result<bool, TrainError> + 'a;

/// Measures what `probe.kind` asks for: `config.steps` records, or fewer where `keep` says so.
pub(super) fn run(training: &Training, device: Device, keep: &mut Keep) -> Result<(), TrainError> {
    let config = training.config;
    match config.probe.kind {
        // The caller trains.
        ProbeKind::Train => Ok(()),
        ProbeKind::UpdateLaw => {
            let record = update_law::measure(training)?;
            keep(&record, &[]).map(|_| ())
        }
        ProbeKind::EgsTwin => egs_twin::measure(training, keep),
        ProbeKind::AttentionSoftmax => {
            let record = device.run(attention_softmax::Softmax { config })?;
            keep(&record, &[]).map(|_| ())
        }
    }
}
