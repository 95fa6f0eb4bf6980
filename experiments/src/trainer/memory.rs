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
    let needed = configs.iter().map(|config| needed_bytes(config));
    match configs.first().and_then(|config| available(config)) {
        Some(available) => check_room(&needed.collect::<Vec<_>>(), available),
        None => Ok(()),
    }
}

/// Refuses runs that need more bytes together than there are.
fn check_room(needed: &[u64], available: u64) -> Result<(), TrainError> {
    let sums = needed.iter().scan(0_u64, |sum, own| {
        *sum = sum.saturating_add(*own);
        Some(*sum)
    });
    let sums: Vec<_> = sums.collect();
    let all = sums.last().copied().unwrap_or(0);
    if all <= available {
        return Ok(());
    }
    Err(TrainError::PackMemory {
        runs: needed.len(),
        needed: all as f64 / GIGA as f64,
        available: available as f64 / GIGA as f64,
        fit: sums.iter().take_while(|sum| **sum <= available).count(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_without_room_is_told_how_many_have_room() {
        let said = |needed: &[u64]| check_room(needed, 9_000_000_000).map_err(|e| e.to_string());
        assert_eq!(said(&[4_000_000_000; 2]), Ok(()));
        assert_eq!(
            said(&[2_500_000_000; 5]).unwrap_err(),
            "5 runs at once need about 12.5 GB, 9.0 GB are free; `--pack 3` has room"
        );
        assert_eq!(
            said(&[10_000_000_000; 2]).unwrap_err(),
            "2 runs at once need about 20.0 GB, 9.0 GB are free; not even one has room"
        );
    }
}
