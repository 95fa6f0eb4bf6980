//! Which layers a stage holds.
//!
//! The rule: a number of stages is legal if every stage holds equally many *units*, the units
//! being the N layers, the input embedding and the output (`LargeScale` partitions by
//! `type:transformer|embedding`, 72 / 8 = 9 units for GLM-130B; Megatron-Core's
//! `--account-for-embedding-in-pipeline-split` and `--account-for-loss-in-pipeline-split`), or
//! equally many layers (Megatron's default). Every stage needs a layer. Interleaved, the rule holds
//! for `stages × chunks` parts, and part `c·p + s` lies on stage s (arXiv 2104.04473 §2.2).

use super::Layout;
use crate::PlanError;
use crate::nearest::{any_of, nearest};
use crate::size::{positive, product};
use experiments_config::Config;

/// More parts than any pipeline has; keeps absurd numbers from being laid out in memory.
const MOST_PARTS: u64 = 1 << 16;

/// The layers of each of `parts` parts, absent if the rule forbids so many. `uneven`: parts that no rule makes
/// equal differ by one layer, those in the middle hold more.
#[must_use]
pub fn partition(layers: u64, parts: u64, uneven: bool) -> Option<Vec<u64>> {
    if !is_legal(layers, parts) {
        let possible = uneven && parts > 0 && parts <= layers.saturating_add(2).min(MOST_PARTS);
        return possible.then(|| spread(layers, parts));
    }
    let units = layers + 2;
    if parts == 1 || !units.is_multiple_of(parts) {
        return Some(vec![layers / parts; parts as usize]);
    }
    let each = units / parts;
    let mut split = vec![each; parts as usize];
    split[0] -= 1;
    split[parts as usize - 1] -= 1;
    Some(split)
}

/// Layers over parts that they do not divide into, one more for the parts from the second on.
fn spread(layers: u64, parts: u64) -> Vec<u64> {
    let (each, more) = (layers / parts, layers % parts);
    (0..parts)
        .map(|part| each + u64::from((1..=more).contains(&part)))
        .collect()
}

/// Whether the rule allows so many parts.
pub(crate) fn is_legal(layers: u64, parts: u64) -> bool {
    let units = layers.saturating_add(2);
    parts > 0
        && parts <= layers.min(MOST_PARTS)
        && (units.is_multiple_of(parts) || layers.is_multiple_of(parts))
}

/// Transformer layers of every stage.
pub fn stage_layers(config: &Config, layout: &Layout) -> Result<Vec<u64>, PlanError> {
    let layers = positive("model.layers", config.model.layers as u64)?;
    let stages = positive("pipeline_parallel", layout.pipeline_parallel)?;
    let chunks = positive("chunks", layout.chunks)?;
    let parts = product("pipeline_parallel × chunks", &[stages, chunks])?;
    let split = partition(layers, parts, layout.uneven_stages)
        .ok_or_else(|| illegal(layers, stages, chunks))?;
    let of_stage = |stage: u64| {
        (0..chunks)
            .map(|c| split[(c * stages + stage) as usize])
            .sum()
    };
    Ok((0..stages).map(of_stage).collect())
}

/// The error for a number of stages, or of chunks, that the rule forbids.
pub(super) fn illegal(layers: u64, stages: u64, chunks: u64) -> PlanError {
    let fits = |parts: u64| is_legal(layers, parts);
    let stages_near = nearest("pipeline_parallel", stages, layers, |p| {
        fits(p.saturating_mul(chunks))
    });
    let units = layers.saturating_add(2);
    if chunks == 1 {
        return PlanError::Layout {
            constraint: format!(
                "pipeline_parallel = {stages} divides neither {layers} layers nor {units} units \
                 (layers, embedding, output) into equal stages"
            ),
            nearest: stages_near.unwrap_or_default(),
        };
    }
    let chunks_near = nearest("chunks", chunks, layers, |v| fits(v.saturating_mul(stages)));
    PlanError::Layout {
        constraint: format!(
            "pipeline_parallel × chunks = {stages} × {chunks} divides neither {layers} layers nor \
             {units} units (layers, embedding, output) into equal parts"
        ),
        nearest: any_of([chunks_near, stages_near]),
    }
}
