//! Memory of one GPU on every pipeline stage: what lies there throughout a step, what every
//! micro-batch in flight adds, and the peak of each phase.
//!
//! Weights, gradients and optimiser state follow from the parameters of the stage and the number
//! formats; activations are counted tensor by tensor (`activations.rs`). What is assumed beside
//! them is in [`MemoryOptions`]. Byte counts are those of the tensors. What cannot be counted (the allocator and
//! its fragmentation, workspaces, a second copy of the gradients) is a range above them, whose upper end was set
//! by the published memory of some hundred and twenty systems: of all but one it is at most a tenth below the
//! figure (docs/plan.md).

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
    /// What allocator and fragmentation add at most to what is counted, as a share of it.
    pub fragmentation: f64,
    /// Context, communicators' buffers and workspaces at most, beside [`Self::overhead_bytes`], in bytes.
    pub more_overhead_bytes: u64,
    /// Whether the trainer may hold the gradients once more in FP32; absent: it may where optimiser state is not
    /// divided, and in BF16.
    pub gradient_copy: Option<bool>,
    /// CUDA context, communicators' buffers and library workspaces in bytes. Ours: 1.5 GiB.
    pub overhead_bytes: u64,
    /// Whether the saved input of a layer, and what stages send each other, is divided over the
    /// tensor-parallel ranks (`partition_activations`; GLM-130B: yes).
    pub partition_checkpoints: bool,
    /// Elements of the gradient-reduction bucket (GLM-130B: 5e8).
    pub bucket_elements: u64,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self {
            fragmentation: 0.3,
            more_overhead_bytes: 3 << 30,
            gradient_copy: None,
            overhead_bytes: 3 << 29,
            partition_checkpoints: true,
            bucket_elements: 500_000_000,
        }
    }
}

impl MemoryOptions {
    /// Bytes that may come to the counted ones.
    fn uncounted(
        &self,
        config: &Config,
        layout: &Layout,
        peak: u64,
        parameters: u64,
    ) -> Result<u64, PlanError> {
        let copies = self.gradient_copy.unwrap_or_else(|| {
            config.precision.format == experiments_config::Format::Bf16
                || !layout.sharding.optimizer()
        });
        let shards = if layout.sharding.gradients() {
            layout.shards()
        } else {
            1
        };
        let copy = if copies {
            4.0 * parameters as f64 / shards as f64
        } else {
            0.0
        };
        let more = peak as f64 * self.fragmentation + copy + self.more_overhead_bytes as f64;
        crate::size::bytes("memory of a GPU", more)
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
    /// What cannot be counted, at most.
    pub reserve_bytes: u64,
    /// Whether peak and reserve, the upper end of the range, fit.
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
    if !(options.fragmentation.is_finite() && options.fragmentation >= 0.0) {
        return Err(PlanError::Size {
            what: "fragmentation".to_owned(),
            value: options.fragmentation.to_string(),
            expected: "must be a share of what is counted, not negative".to_owned(),
        });
    }
    let stages = stage::every_stage(config, layout, options)?;
    let worst = stages.iter().max_by_key(|stage| stage.peak_bytes);
    let (worst_stage, peak_bytes, parameters) = worst.map_or((0, 0, 0), |stage| {
        (stage.stage, stage.peak_bytes, stage.parameters)
    });
    let capacity_bytes = gpu.memory_bytes;
    let reserve_bytes = options.uncounted(config, layout, peak_bytes, parameters)?;
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
