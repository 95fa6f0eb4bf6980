//! Memory of one GPU on every pipeline stage: what lies there throughout a step, what every
//! micro-batch in flight adds, and the peak of each phase.
//!
//! Weights, gradients and optimiser state follow from the parameters of the stage and the number
//! formats; activations are counted tensor by tensor (`activations.rs`). What is assumed beside
//! them is in [`MemoryOptions`]. Byte counts are those of the tensors; fragmentation is covered by
//! the reserve.

mod activations;
mod stage;

pub(crate) use activations::element;
pub use activations::{Tensor, layer_tensors};

use crate::hardware::Gpu;
use crate::{Layout, PlanError};
use experiments_config::Config;
use serde::{Deserialize, Serialize};

/// What is assumed about the trainer. The default is GLM-130B's: `DeepSpeed` 0.6.1 with ZeRO-1
/// and partitioned activation checkpoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryOptions {
    /// Share of the GPU's memory that is kept free for fragmentation. Ours.
    pub reserve_share: f64,
    /// CUDA context, communicators' buffers and library workspaces in bytes. Ours: 1.5 GiB.
    pub overhead_bytes: u64,
    /// Whether the saved input of a layer, and what stages send each other, is divided over the
    /// tensor-parallel ranks (`partition_activations`; GLM-130B: yes).
    pub partition_checkpoints: bool,
    /// Whether norms, dropout and their inputs are divided over the tensor-parallel ranks
    /// (Megatron's sequence parallelism, arXiv 2205.05198 §4.2.2; GLM-130B: no).
    pub sequence_parallel: bool,
    /// Whether optimiser state is divided over the replicas (ZeRO-1; GLM-130B: yes).
    pub zero_1: bool,
    /// Elements of the gradient-reduction bucket (GLM-130B: 5e8).
    pub bucket_elements: u64,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self {
            reserve_share: 0.05,
            overhead_bytes: 3 << 29,
            partition_checkpoints: true,
            sequence_parallel: false,
            zero_1: true,
            bucket_elements: 500_000_000,
        }
    }
}

/// Part of a step. Under `GPipe` the same names hold, with all micro-batches in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Between steps.
    Idle,
    /// Forward passes until the pipeline is full.
    Warmup,
    /// A forward pass with as many micro-batches in flight as there ever are.
    SteadyForward,
    /// A backward pass with as many.
    SteadyBackward,
    /// Backward passes that empty the pipeline.
    Cooldown,
    /// Gradients are summed over the replicas.
    GradientReduction,
    /// Unscaling, clipping and `AdamW` on the GPU's own share.
    OptimizerStep,
}

impl Phase {
    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Warmup => "warm-up",
            Self::SteadyForward => "steady forward",
            Self::SteadyBackward => "steady backward",
            Self::Cooldown => "cool-down",
            Self::GradientReduction => "gradient reduction",
            Self::OptimizerStep => "optimiser step",
        }
    }
}

/// Bytes in a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PhaseMemory {
    /// The phase.
    pub phase: Phase,
    /// Bytes at its worst moment.
    pub bytes: u64,
}

/// One GPU of one stage; bytes unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageMemory {
    /// The stage, from 0.
    pub stage: u64,
    /// Transformer layers on it.
    pub layers: u64,
    /// Parameters (a number) on this GPU, the tied copy of the embedding included.
    pub parameters: u64,
    /// Weights in the format of the pass.
    pub weights: u64,
    /// Accumulated gradients.
    pub gradients: u64,
    /// FP32 master weights and two moments; this replica's share of them under ZeRO-1.
    pub optimizer: u64,
    /// What the layers keep of one micro-batch for the backward pass.
    pub activations_per_micro_batch: u64,
    /// Micro-batches (of chunks, interleaved) in flight at the worst moment.
    pub in_flight: u64,
    /// What the layers keep of all micro-batches in flight.
    pub activations: u64,
    /// Ids, masks, embedding output and what is sent on, of all micro-batches in flight.
    pub inputs_and_boundaries: u64,
    /// Final norm, logits and the FP32 probabilities of the loss, on the last stage.
    pub head: u64,
    /// What one forward pass through a layer needs for a moment.
    pub forward_working_set: u64,
    /// What one backward pass through a layer needs for a moment, recomputed tensors included.
    pub backward_working_set: u64,
    /// The bucket of the gradient reduction.
    pub bucket: u64,
    /// Assumed, see [`MemoryOptions::overhead_bytes`].
    pub overhead: u64,
    /// Every phase.
    pub phases: Vec<PhaseMemory>,
    /// The largest phase.
    pub peak_bytes: u64,
}

/// All stages against one GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemoryEstimate {
    /// The stages in order.
    pub stages: Vec<StageMemory>,
    /// The stage with the largest peak.
    pub worst_stage: u64,
    /// Its peak.
    pub peak_bytes: u64,
    /// Memory of the GPU.
    pub capacity_bytes: u64,
    /// What is kept free of it.
    pub reserve_bytes: u64,
    /// Whether peak and reserve fit.
    pub fits: bool,
}

impl MemoryEstimate {
    /// Parameters on a GPU of the fullest stage.
    #[must_use]
    pub fn most_parameters(&self) -> u64 {
        let counts = self.stages.iter().map(|stage| stage.parameters);
        counts.max().unwrap_or(0)
    }
}

/// Memory of a legal layout ([`Layout::check`]) with the default [`MemoryOptions`].
pub fn estimate(config: &Config, layout: &Layout, gpu: &Gpu) -> Result<MemoryEstimate, PlanError> {
    estimate_with(config, layout, gpu, &MemoryOptions::default())
}

/// Memory of a legal layout ([`Layout::check`]).
pub fn estimate_with(
    config: &Config,
    layout: &Layout,
    gpu: &Gpu,
    options: &MemoryOptions,
) -> Result<MemoryEstimate, PlanError> {
    if !(0.0..1.0).contains(&options.reserve_share) {
        return Err(PlanError::Size {
            what: "reserve_share".to_owned(),
            value: options.reserve_share.to_string(),
            expected: "must be a share of the memory, at least 0 and below 1".to_owned(),
        });
    }
    let stages = stage::every_stage(config, layout, options)?;
    let worst = stages.iter().max_by_key(|stage| stage.peak_bytes);
    let (worst_stage, peak_bytes) = worst.map_or((0, 0), |stage| (stage.stage, stage.peak_bytes));
    let capacity_bytes = gpu.memory_bytes;
    let reserve_bytes = (capacity_bytes as f64 * options.reserve_share) as u64;
    Ok(MemoryEstimate {
        stages,
        worst_stage,
        peak_bytes,
        capacity_bytes,
        reserve_bytes,
        fits: peak_bytes.saturating_add(reserve_bytes) <= capacity_bytes,
    })
}

#[cfg(test)]
mod tests;
