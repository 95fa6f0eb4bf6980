//! Seconds of one step, and what follows from them.
//!
//! A stage's time for one micro-batch is that of its products, of attention, of what is bound by memory, and
//! of launches ([`passes`]), plus tensor-parallel and pipeline communication. The slowest stage sets the pace: a
//! step takes `m + (p-1)/v` such slots, then gradients are reduced, the optimiser steps and weights are
//! gathered. Where weights are divided, their gathers run beside each micro-batch. What none of this can know
//! by counting are the [`Coefficients`], fitted to published steps by `workbench plan fit`.

mod coefficients;
mod passes;
mod rates;

pub use coefficients::{Belief, Coefficient, Coefficients, Fitted, Spread, shipped};
pub use rates::Rates;

use crate::communication::{Communication, MicroBatchCost, StagePlace, StepCost};
use crate::flops::Flops;
use crate::hardware::{Generation, Gpu};
use crate::layout::stage_layers;
use crate::{Cluster, Layout, PlanError, PlanOptions, Sharding, Trainer};
use experiments_config::Config;
use passes::{Passes, overlapped};
use serde::Serialize;

/// Bytes the optimiser moves per parameter of its share: FP32 gradient read and written, master
/// weight and two moments read and written, weight of the pass written.
const OPTIMIZER_BYTES: f64 = 8.0 + 24.0 + 2.0;

/// Where the seconds of a step go. The sum is the step.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Terms {
    /// Matrix products of weights on the slowest stage.
    pub products: f64,
    /// Attention between projections.
    pub attention: f64,
    /// Norms, dropout, residuals, activations, the loss: bound by memory.
    pub elementwise: f64,
    /// Launches, and what the trainer adds to layers, micro-batches and steps.
    pub fixed: f64,
    /// Collectives of tensor parallelism.
    pub tensor: f64,
    /// Messages between stages.
    pub pipeline: f64,
    /// Idle slots while the pipeline fills and empties.
    pub bubble: f64,
    /// Reduction of gradients, gathering of weights, tied embedding: what is not hidden of it.
    pub data: f64,
    /// Unscaling, clipping and `AdamW`, bound by memory bandwidth.
    pub optimizer: f64,
}

impl Terms {
    /// The terms by name.
    #[must_use]
    pub fn named(&self) -> [(&'static str, f64); 9] {
        [
            ("matrix products", self.products),
            ("attention", self.attention),
            ("elementwise", self.elementwise),
            ("fixed", self.fixed),
            ("tensor communication", self.tensor),
            ("pipeline communication", self.pipeline),
            ("pipeline bubble", self.bubble),
            ("data communication", self.data),
            ("optimiser", self.optimizer),
        ]
    }

    /// Seconds during which the stages work or wait for each other.
    #[must_use]
    pub fn pipeline_seconds(&self) -> f64 {
        let Self {
            products,
            attention,
            elementwise,
            fixed,
            tensor,
            pipeline,
            bubble,
            ..
        } = self;
        products + attention + elementwise + fixed + tensor + pipeline + bubble
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
    /// Share of the peak that large matrix products attain.
    pub efficiency: f64,
    /// The program that trains.
    pub trainer: Trainer,
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
    passes: Passes,
    cost: MicroBatchCost,
}

impl Slot {
    fn forward(&self) -> f64 {
        self.passes.forward.seconds()
            + self.cost.tensor_forward.seconds
            + self.cost.pipeline.seconds / 2.0
    }

    fn backward(&self) -> f64 {
        self.passes.backward.seconds()
            + self.cost.tensor_backward.seconds
            + self.cost.pipeline.seconds / 2.0
    }

    fn seconds(&self) -> f64 {
        self.forward() + self.backward()
    }
}

/// What a step is timed with.
struct Timing<'a> {
    config: &'a Config,
    layout: &'a Layout,
    options: &'a PlanOptions,
    trainer: Trainer,
    c: &'a Coefficients,
    links: Communication,
    rates: passes::Rates,
}

/// Seconds of one step of a legal layout. `parameters`: those on a GPU of the fullest stage, sharding aside.
/// The options' efficiency replaces the share of the peak that products attain.
pub fn step_time(
    config: &Config,
    cluster: &Cluster,
    layout: &Layout,
    gpu: &Gpu,
    options: &PlanOptions,
    parameters: u64,
) -> Result<StepTime, PlanError> {
    if let Some(share) = options
        .efficiency
        .filter(|share| !(*share > 0.0 && *share <= 1.0))
    {
        return Err(PlanError::Size {
            what: "efficiency".to_owned(),
            value: share.to_string(),
            expected: "must be a share of the peak, above 0 and at most 1".to_owned(),
        });
    }
    let c = match &options.coefficients {
        Some(own) => own,
        None => &shipped()?.coefficients,
    };
    let modern = matches!(gpu.generation, Generation::Hopper | Generation::Blackwell);
    let trainer = options
        .trainer
        .unwrap_or_else(|| Trainer::usual(layout, modern));
    let timing = Timing {
        config,
        layout,
        options,
        trainer,
        c,
        links: Communication::of(layout, cluster, gpu),
        rates: passes::Rates::of(gpu, config, trainer, options, c)?,
    };
    let slot = timing.slowest()?;
    let step = timing.links.step(config, layout, parameters)?;
    let terms = timing.terms(&slot, &step, gpu, parameters as f64);
    let seconds = terms.seconds();
    let flops = Flops::of(config, layout.global_batch, layout.recompute)?;
    Ok(StepTime {
        seconds,
        terms,
        slowest_stage: slot.stage,
        forward_seconds: slot.forward(),
        backward_seconds: slot.backward(),
        efficiency: timing.rates.share,
        trainer,
        micro_batch: slot.cost,
        step,
        rates: Rates::of(config, layout, gpu, &flops, seconds)?,
    })
}

impl Timing<'_> {
    /// The stage that takes longest for a micro-batch.
    fn slowest(&self) -> Result<Slot, PlanError> {
        let layers = stage_layers(self.config, self.layout)?;
        let last = layers.len() as u64 - 1;
        let ring = self.links.context_ring(self.config, self.layout);
        let layer = passes::layer(
            self.config,
            self.layout,
            self.trainer,
            &self.rates,
            self.c,
            ring.seconds,
        );
        let head = passes::head(self.config, self.layout, &self.rates);
        let slots = layers.iter().zip(0_u64..).map(|(&layers, stage)| {
            let place = StagePlace {
                layers,
                first: stage == 0,
                last: stage == last,
            };
            let mut passes = Passes {
                forward: layer.forward * layers as f64,
                backward: layer.backward * layers as f64,
            };
            if place.last {
                passes.forward = passes.forward + head.forward;
                passes.backward = passes.backward + head.backward;
            }
            Slot {
                stage,
                passes,
                cost: self.exposed(self.links.micro_batch(
                    self.config,
                    self.layout,
                    &self.options.memory,
                    place,
                )),
            }
        });
        let slowest = slots.max_by(|a, b| a.seconds().total_cmp(&b.seconds()));
        slowest.ok_or_else(|| PlanError::Size {
            what: "pipeline_parallel".to_owned(),
            value: "0".to_owned(),
            expected: "must be at least 1".to_owned(),
        })
    }

    /// The collectives of tensor parallelism and the messages between stages take as long as is not hidden of them.
    fn exposed(&self, mut cost: MicroBatchCost) -> MicroBatchCost {
        let is_core = self.trainer == Trainer::MegatronCore;
        let hides = is_core && self.layout.sequence_parallel;
        let share = if hides {
            self.c.of(Coefficient::TensorExposed)
        } else {
            1.0
        };
        let factor = share * self.c.of(Coefficient::Tensor);
        cost.tensor_forward.seconds *= factor;
        cost.tensor_backward.seconds *= factor;
        if is_core && self.layout.chunks > 1 {
            // `--overlap-p2p-communication`, which needs chunks to overlap with.
            cost.pipeline.seconds *= self.c.of(Coefficient::PipelineExposed);
        }
        cost
    }

    fn terms(&self, slot: &Slot, step: &StepCost, gpu: &Gpu, parameters: f64) -> Terms {
        let (layout, c) = (self.layout, self.c);
        let m = layout.micro_batches() as f64;
        let bubble = (layout.pipeline_parallel as f64 - 1.0) / layout.chunks.max(1) as f64;
        let all = slot.passes.forward + slot.passes.backward;
        let shards = if layout.sharding.optimizer() {
            layout.shards() as f64
        } else {
            1.0
        };
        // Every gradient is read once for its norm; the share is updated.
        let moved = parameters * (2.0 + OPTIMIZER_BYTES / shards);
        let per_parameter = match self.trainer {
            Trainer::MegatronDeepspeed => c.of(Coefficient::DeepspeedParameters) / 1e9,
            Trainer::MegatronLm | Trainer::MegatronCore | Trainer::Fsdp => 0.0,
        };
        Terms {
            products: m * all.products,
            attention: m * all.attention,
            elementwise: m * all.elementwise,
            fixed: m * all.fixed,
            tensor: m * (slot.cost.tensor_forward.seconds + slot.cost.tensor_backward.seconds),
            pipeline: m * slot.cost.pipeline.seconds,
            bubble: bubble * slot.seconds(),
            data: self.data(m * slot.seconds(), m, step),
            optimizer: moved / gpu.memory_bandwidth
                + parameters * per_parameter
                + c.of(Coefficient::Step),
        }
    }

    /// What is not hidden of the replicas' collectives beside `busy` seconds of m micro-batches.
    fn data(&self, busy: f64, m: f64, step: &StepCost) -> f64 {
        let once = step.gradients.seconds + step.weights.seconds;
        if self.layout.sharding.weights() {
            let factor = match self.layout.sharding {
                Sharding::Zero3 => self.c.of(Coefficient::Zero3Network),
                Sharding::None
                | Sharding::Zero1
                | Sharding::Zero2
                | Sharding::Fsdp
                | Sharding::Hsdp => 1.0,
            };
            // Weights are gathered for the forward pass and again for the backward pass of each micro-batch.
            let moved = m * factor * (once + step.weights.seconds);
            return overlapped(busy, moved) - busy;
        }
        let exposed = match self.trainer {
            Trainer::MegatronCore | Trainer::Fsdp => self.c.of(Coefficient::DataExposed),
            Trainer::MegatronLm | Trainer::MegatronDeepspeed => 1.0,
        };
        exposed * once + step.tied_embedding.seconds
    }
}

#[cfg(test)]
mod tests;
