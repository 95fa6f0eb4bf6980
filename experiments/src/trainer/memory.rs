//! Whether the machine has the memory that training needs.

mod estimate;

pub use estimate::training_bytes;

use crate::backend::gpu_memory;
use crate::error::TrainError;
use crate::files::provenance;
use experiments_config::{Config, ProbeKind};

/// Bytes of a GB, in which messages count.
const GIGA: u64 = 1_000_000_000;

/// Refuses what would be killed for its memory a minute later.
pub(crate) fn check_memory(config: &Config) -> Result<(), TrainError> {
    let parameters = config.model.parameter_count(config.tokenizer.vocab_size);
    let needed = needed_bytes(config);
    match available(config) {
        Some(available) if needed > available => Err(TrainError::Memory {
            parameters,
            needed: needed / GIGA,
            available: available / GIGA,
        }),
        _ => Ok(()),
    }
}

/// Free memory of the host, or all that the device has where that is less; absent where neither is known.
fn available(config: &Config) -> Option<u64> {
    let of_device = gpu_memory(config.runtime.device).filter(|bytes| *bytes > 0);
    let both = provenance::available_memory().into_iter().chain(of_device);
    both.min()
}

fn needed_bytes(config: &Config) -> u64 {
    match config.probe.kind {
        ProbeKind::Train | ProbeKind::UpdateLaw => training_bytes(config),
        ProbeKind::EgsTwin => 2 * training_bytes(config),
        // No model: queries, keys and a few copies of the scores.
        ProbeKind::AttentionSoftmax => {
            let (n, s) = (config.model.num_heads as u64, config.model.seq_len as u64);
            32 * n * s * (s + config.model.head_dim() as u64)
        }
    }
}

/// [`check_memory`] for runs that train at once.
pub(super) fn check_pack_memory(configs: &[&Config]) -> Result<(), TrainError> {
    let needed: u64 = configs.iter().map(|config| needed_bytes(config)).sum();
    match configs.first().and_then(|config| available(config)) {
        Some(available) if needed > available => Err(TrainError::PackMemory {
            runs: configs.len(),
            needed: needed / GIGA,
            available: available / GIGA,
        }),
        _ => Ok(()),
    }
}
