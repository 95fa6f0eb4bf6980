//! Seconds of one step, and what follows from them.
//!
//! A stage's time for one micro-batch is its floating-point operations over the GPU's attained
//! rate, plus tensor-parallel and pipeline communication. The slowest stage sets the pace: a step
//! takes `m + (p-1)/v` such slots, then gradients are reduced, the optimiser steps and weights are
//! gathered. The attained rate is one number per GPU (`matmul_efficiency` in its file), which holds
//! everything that is no matrix product too; the A100's is *calibrated* on the published 88.5 s of
//! GLM-130B at a batch of 4,224, so that this figure is no prediction.

mod rates;

pub use rates::Rates;

use crate::communication::{Communication, MicroBatchCost, StagePlace, StepCost};
use crate::flops::{Flops, Work};
use crate::hardware::Gpu;
use crate::layout::stage_layers;
use crate::memory::MemoryOptions;
use crate::{Cluster, Layout, PlanError, PlanOptions, Recompute};
use experiments_config::Config;
use serde::Serialize;

/// Bytes the optimiser moves per parameter of its share: FP32 gradient read and written, master
/// weight and two moments read and written, weight of the pass written.
const OPTIMIZER_BYTES: f64 = 8.0 + 24.0 + 2.0;

/// Where the seconds of a step go. The sum is the step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Terms {
    /// Matrix products and all else on the slowest stage.
    pub compute: f64,
    /// All-reduces of tensor parallelism.
    pub tensor: f64,
    /// Messages between stages.
    pub pipeline: f64,
    /// Idle slots while the pipeline fills and empties.
    pub bubble: f64,
    /// Reduction of gradients, gathering of weights, tied embedding.
    pub data: f64,
    /// Unscaling, clipping and `AdamW`, bound by memory bandwidth.
    pub optimizer: f64,
}

impl Terms {
    /// The terms by name.
    #[must_use]
    pub fn named(&self) -> [(&'static str, f64); 6] {
        [
            ("compute", self.compute),
            ("tensor communication", self.tensor),
            ("pipeline communication", self.pipeline),
            ("pipeline bubble", self.bubble),
            ("data communication", self.data),
            ("optimiser", self.optimizer),
        ]
    }

    /// The sum.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.named().iter().map(|(_, seconds)| seconds).sum()
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepTime {
    /// Seconds.
    pub seconds: f64,
    /// Where they go.
    pub terms: Terms,
    /// The stage that sets the pace.
    pub slowest_stage: u64,
    /// Seconds of one forward pass of one micro-batch there, messages included.
    pub forward_seconds: f64,
    /// Seconds of one backward pass, recomputation included.
    pub backward_seconds: f64,
    /// Attained share of the peak that was assumed.
    pub efficiency: f64,
    /// Communication of one micro-batch on that stage.
    pub micro_batch: MicroBatchCost,
    /// Communication once per step.
    pub step: StepCost,
    /// What follows from the seconds.
    pub rates: Rates,
}

/// One stage and micro-batch.
struct Slot {
    stage: u64,
    compute_forward: f64,
    compute_backward: f64,
    cost: MicroBatchCost,
}

impl Slot {
    fn forward(&self) -> f64 {
        self.compute_forward + self.cost.tensor_forward.seconds + self.cost.pipeline.seconds / 2.0
    }

    fn backward(&self) -> f64 {
        self.compute_backward + self.cost.tensor_backward.seconds + self.cost.pipeline.seconds / 2.0
    }

    fn seconds(&self) -> f64 {
        self.forward() + self.backward()
    }
}

/// Seconds of one step of a legal layout. `parameters`: those on a GPU of the fullest stage.
/// The options' efficiency replaces the GPU file's attained share.
pub fn step_time(
    config: &Config,
    cluster: &Cluster,
    layout: &Layout,
    gpu: &Gpu,
    options: &PlanOptions,
    parameters: u64,
) -> Result<StepTime, PlanError> {
    let efficiency = options.efficiency.unwrap_or(gpu.matmul_efficiency);
    let options = &options.memory;
    if !(efficiency > 0.0 && efficiency <= 1.0) {
        return Err(PlanError::Size {
            what: "efficiency".to_owned(),
            value: efficiency.to_string(),
            expected: "must be a share of the peak, above 0 and at most 1".to_owned(),
        });
    }
    let rate = gpu.peak(config.precision.format)? * efficiency * layout.tensor_parallel as f64;
    let links = Communication::of(layout, cluster, gpu);
    let slot = slowest(config, layout, options, &links, rate)?;

    let m = layout.micro_batches() as f64;
    let stages = layout.pipeline_parallel as f64;
    let step = links.step(config, layout, options, parameters)?;
    let replicas = if options.zero_1 {
        layout.data_parallel as f64
    } else {
        1.0
    };
    // Every gradient is read once for its norm; the share is updated.
    let moved = parameters as f64 * (2.0 + OPTIMIZER_BYTES / replicas);
    let terms = Terms {
        compute: m * (slot.compute_forward + slot.compute_backward),
        tensor: m * (slot.cost.tensor_forward.seconds + slot.cost.tensor_backward.seconds),
        pipeline: m * slot.cost.pipeline.seconds,
        bubble: (stages - 1.0) / layout.chunks.max(1) as f64 * slot.seconds(),
        data: step.gradients.seconds + step.weights.seconds + step.tied_embedding.seconds,
        optimizer: moved / gpu.memory_bandwidth,
    };
    let seconds = terms.seconds();
    let flops = Flops::of(config, layout.global_batch, layout.recompute)?;
    Ok(StepTime {
        seconds,
        terms,
        slowest_stage: slot.stage,
        forward_seconds: slot.forward(),
        backward_seconds: slot.backward(),
        efficiency,
        micro_batch: slot.cost,
        step,
        rates: Rates::of(config, layout, gpu, &flops, seconds)?,
    })
}

/// The stage that takes longest for a micro-batch.
fn slowest(
    config: &Config,
    layout: &Layout,
    options: &MemoryOptions,
    links: &Communication,
    rate: f64,
) -> Result<Slot, PlanError> {
    let work = Work::of(config);
    let layers = stage_layers(config, layout)?;
    let last = layers.len() as u64 - 1;
    let again = match layout.recompute {
        Recompute::None => 0.0,
        Recompute::Selective => work.core,
        Recompute::Full => work.layer,
    };
    let slots = layers.iter().zip(0_u64..).map(|(&layers, stage)| {
        let place = StagePlace {
            layers,
            first: stage == 0,
            last: stage == last,
        };
        let head = if place.last { work.head } else { 0.0 };
        let sequences = layout.micro_batch as f64;
        let forward = sequences * (layers as f64 * work.layer + head) / rate;
        Slot {
            stage,
            compute_forward: forward,
            compute_backward: 2.0 * forward + sequences * layers as f64 * again / rate,
            cost: links.micro_batch(config, layout, options, place),
        }
    });
    let slowest = slots.max_by(|a, b| a.seconds().total_cmp(&b.seconds()));
    slowest.ok_or_else(|| PlanError::Size {
        what: "pipeline_parallel".to_owned(),
        value: "0".to_owned(),
        expected: "must be at least 1".to_owned(),
    })
}

#[cfg(test)]
mod tests;
