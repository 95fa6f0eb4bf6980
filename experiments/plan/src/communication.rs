//! What GPUs send each other in one step, over which link, and how long that takes.
//!
//! Ranks are numbered as `DeepSpeed` and Megatron do: tensor innermost, then data, then pipeline.
//! A group whose neighbours are `stride` ranks apart has `gpus_per_node / stride` members in a node.
//! If that is all of them, it talks over the link inside the node; otherwise its slowest hop is the
//! network. A ring enters and leaves a node once for all its members there, so that each member
//! counts with `members × ports / gpus_per_node` ports. What of it is hidden beside computation, the model of a step says
//! ([`crate::step_time`]).

mod connection;

pub use connection::{Connection, Cost};

use crate::hardware::Gpu;
use crate::memory::{MemoryOptions, element};
use crate::model::Parameters;
use crate::{Cluster, Layout, PlanError, Recompute};
use experiments_config::Config;
use serde::Serialize;

/// The connections of a layout's groups.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Communication {
    /// Tensor-parallel groups.
    pub tensor: Connection,
    /// Neighbouring stages.
    pub pipeline: Connection,
    /// Replicas, and the context ranks of each.
    pub data: Connection,
    /// GPUs that share a sequence.
    pub context: Connection,
    /// First and last stage, which hold the tied embedding.
    pub tied: Connection,
}

/// What one micro-batch costs on one stage.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct MicroBatchCost {
    /// Tensor parallelism, forward.
    pub tensor_forward: Cost,
    /// Tensor parallelism, backward and recomputed.
    pub tensor_backward: Cost,
    /// To and from the neighbouring stages, both directions.
    pub pipeline: Cost,
}

/// What is sent once per step.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct StepCost {
    /// Gradients: reduce-scatter under ZeRO-1, all-reduce without.
    pub gradients: Cost,
    /// Updated weights: all-gather under ZeRO-1.
    pub weights: Cost,
    /// All-reduce of the tied embedding's gradient between first and last stage.
    pub tied_embedding: Cost,
}

impl Communication {
    /// Connects a layout that is legal on the cluster.
    #[must_use]
    pub fn of(layout: &Layout, cluster: &Cluster, gpu: &Gpu) -> Self {
        let (t, p, d) = (
            layout.tensor_parallel,
            layout.pipeline_parallel,
            layout.replicas(),
        );
        let stride = t.saturating_mul(d);
        let span = stride.saturating_mul(p.saturating_sub(1));
        Self {
            tensor: Connection::new(gpu, cluster, 1, t, true),
            pipeline: Connection::new(gpu, cluster, stride, p, false),
            data: Connection::new(gpu, cluster, t, d, true),
            context: Connection::new(gpu, cluster, t, layout.context_parallel, true),
            tied: Connection::new(gpu, cluster, span, p.min(2), false),
        }
    }

    /// One micro-batch on a stage of so many layers. Per layer two all-reduces of the residual
    /// stream forward, two backward (arXiv 1909.08053 §3), two more when the whole layer is
    /// recomputed, for which divided checkpoints are gathered first. The vocabulary-parallel
    /// embedding adds one forward, the output projection one backward and three numbers per slot
    /// for the loss. Stages send the stream on, divided over the tensor-parallel ranks and gathered
    /// by the receiver (`DeepSpeed`'s `PartitionedTensor`, arXiv 2104.04473 §4.1).
    #[must_use]
    pub fn micro_batch(
        &self,
        config: &Config,
        layout: &Layout,
        options: &MemoryOptions,
        place: StagePlace,
    ) -> MicroBatchCost {
        let model = &config.model;
        let slots = layout.slots(model.seq_len);
        let element = element(config.precision.format);
        let stream = slots * model.hidden_size as f64 * element;
        let layers = place.layers as f64;
        let full = layout.recompute == Recompute::Full;
        let reduce = self.tensor.all_reduce(stream);
        let gather = self.tensor.half_all_reduce(stream);
        let t = layout.tensor_parallel.max(1) as f64;

        let mut forward = reduce * (2.0 * layers);
        let mut backward = reduce * (layers * if full { 4.0 } else { 2.0 });
        let divided = options.partition_checkpoints || layout.sequence_parallel;
        if full && divided {
            backward = backward + gather * layers;
        }
        if place.first {
            forward = forward + reduce;
        }
        if place.last {
            forward = forward + self.tensor.all_reduce(4.0 * slots) * 3.0;
            backward = backward + reduce;
        }
        let message = if divided { stream / t } else { stream };
        let mut pass = self.pipeline.send(message);
        if divided {
            pass = pass + gather;
        }
        MicroBatchCost {
            tensor_forward: forward,
            tensor_backward: backward,
            pipeline: pass * (2.0 * layout.chunks.max(1) as f64),
        }
    }

    /// Keys and values of one layer and micro-batch, once round the context ranks: each sends its own part and passes on
    /// the others' (ring attention, arXiv 2310.01889).
    #[must_use]
    pub fn context_ring(&self, config: &Config, layout: &Layout) -> Cost {
        let own = layout.slots(config.model.seq_len)
            * config.model.kv_size() as f64
            * element(config.precision.format)
            / layout.tensor_parallel.max(1) as f64;
        self.context
            .half_all_reduce(own * layout.context_parallel as f64)
    }

    /// Once per step on the stage with the most parameters, `parameters` on one GPU.
    pub fn step(
        &self,
        config: &Config,
        layout: &Layout,
        parameters: u64,
    ) -> Result<StepCost, PlanError> {
        let element_bytes = element(config.precision.format);
        let gradient = element(config.precision.grad_accumulation).max(element_bytes);
        let count = parameters as f64;
        let table = Parameters::padded(config, layout)?
            .embedding
            .on_rank(layout.tensor_parallel) as f64;
        let (gradients, weights) = if layout.sharding.optimizer() {
            (
                self.data.half_all_reduce(count * gradient),
                self.data.half_all_reduce(count * element_bytes),
            )
        } else {
            (self.data.all_reduce(count * gradient), Cost::default())
        };
        let tied_embedding = if config.model.tie_embeddings {
            self.tied.all_reduce(table * gradient)
        } else {
            Cost::default()
        };
        Ok(StepCost {
            gradients,
            weights,
            tied_embedding,
        })
    }
}

/// A stage as communication sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StagePlace {
    /// Transformer layers.
    pub layers: u64,
    /// Holds the input embedding.
    pub first: bool,
    /// Holds the output projection.
    pub last: bool,
}

#[cfg(test)]
mod tests;
