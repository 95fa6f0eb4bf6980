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

use crate::error::TrainError;
use crate::numerics::precision::Precision;
use crate::trainer::{Text, Training};
use burn::tensor::backend::AutodiffBackend;
use experiments_config::{Config, ProbeKind};
use kernels::Kernels;
use logs::{Event, Record};

/// Where records go as they arise, with the events that belong to them. The answer is whether to go on.
pub(crate) type Keep<'a> = dyn FnMut(&Record, &[Event]) -> Result<bool, TrainError> + 'a;

/// Measures what `probe.kind` asks for: `config.steps` records, or fewer where `keep` says so.
pub(crate) fn run<B>(
    config: &Config,
    text: &Text,
    device: &B::Device,
    keep: &mut Keep,
) -> Result<(), TrainError>
where
    B: AutodiffBackend + Kernels,
    B::InnerBackend: Kernels,
{
    let precision = Precision::new(&config.precision, config.model.layers);
    let training = Training::<B>::new(config, text, &precision, device, None);
    match config.probe.kind {
        // The caller trains.
        ProbeKind::Train => Ok(()),
        ProbeKind::UpdateLaw => {
            let record = update_law::measure(&training)?;
            keep(&record, &[]).map(|_| ())
        }
        ProbeKind::EgsTwin => egs_twin::measure(&training, keep),
        ProbeKind::AttentionSoftmax => {
            let record = attention_softmax::measure::<B>(config, device);
            keep(&record, &[]).map(|_| ())
        }
    }
}
