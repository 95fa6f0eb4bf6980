//! What GPUs send each other in one step, over which link, and how long that takes.
//!
//! Ranks are numbered as `DeepSpeed` and Megatron do: tensor innermost, then data, then pipeline.
//! A group whose neighbours are `stride` ranks apart has `gpus_per_node / stride` members in a node.
//! If that is all of them, it talks over the link inside the node; otherwise its slowest hop is the
//! network. A ring enters and leaves a node once for all its members there, so that each member
//! counts with `members × ports / gpus_per_node` ports. No dimension is overlapped with
//! computation, as in the original's trainer.

use crate::hardware::{Gpu, Link};
use crate::memory::{MemoryOptions, element};
use crate::model::Parameters;
use crate::{Cluster, Layout, PlanError, Recompute};
use experiments_config::Config;
use serde::Serialize;

/// How a group of GPUs is connected.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Connection {
    /// GPUs of the group.
    pub ranks: u64,
    /// Members in one node.
    pub in_node: u64,
    /// The slowest link.
    pub link: String,
    /// Attained bytes per second of one GPU in one direction.
    pub bandwidth: f64,
    /// Seconds per message and hop.
    pub latency: f64,
}

/// Bytes that one GPU sends, and seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Cost {
    /// Bytes sent by one GPU.
    pub bytes: f64,
    /// Seconds.
    pub seconds: f64,
}

impl std::ops::Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            bytes: self.bytes + other.bytes,
            seconds: self.seconds + other.seconds,
        }
    }
}

impl std::ops::Mul<f64> for Cost {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self {
            bytes: self.bytes * factor,
            seconds: self.seconds * factor,
        }
    }
}

impl Connection {
    /// A group of `ranks`, neighbours `stride` apart. A ring shares the ports of its members in a
    /// node, a message from one GPU to the next has that GPU's own share.
    fn new(gpu: &Gpu, cluster: &Cluster, stride: u64, ranks: u64, ring: bool) -> Self {
        let (stride, ranks) = (stride.max(1), ranks.max(1));
        let in_node = (cluster.gpus_per_node / stride).clamp(1, ranks);
        let attained = |link: &Link| link.bandwidth * link.efficiency;
        let extent = stride.saturating_mul(ranks);
        if cluster.nodes == 1 || cluster.gpus_per_node.is_multiple_of(extent) {
            return Self {
                ranks,
                in_node: ranks,
                link: gpu.intra_node.title.clone(),
                bandwidth: attained(&gpu.intra_node),
                latency: gpu.intra_node.latency,
            };
        }
        let members = if ring { in_node as f64 } else { 1.0 };
        let ports = members * gpu.network_ports as f64 / cluster.gpus_per_node.max(1) as f64;
        let network = ports * attained(&gpu.network);
        // Between its members in a node a ring runs over the node's own link.
        let bandwidth = if in_node > 1 {
            network.min(attained(&gpu.intra_node))
        } else {
            network
        };
        Self {
            ranks,
            in_node,
            link: gpu.network.title.clone(),
            bandwidth,
            latency: gpu.network.latency,
        }
    }

    /// Reduce-scatter or all-gather of `bytes` in a ring: each GPU sends `(n-1)/n` of them.
    #[must_use]
    pub fn half_all_reduce(&self, bytes: f64) -> Cost {
        let n = self.ranks as f64;
        if self.ranks < 2 {
            return Cost::default();
        }
        let sent = bytes * (n - 1.0) / n;
        Cost {
            bytes: sent,
            seconds: sent / self.bandwidth + (n - 1.0) * self.latency,
        }
    }

    /// All-reduce of `bytes` in a ring: reduce-scatter, then all-gather.
    #[must_use]
    pub fn all_reduce(&self, bytes: f64) -> Cost {
        self.half_all_reduce(bytes) * 2.0
    }

    /// One message to the next GPU.
    #[must_use]
    pub fn send(&self, bytes: f64) -> Cost {
        if self.ranks < 2 {
            return Cost::default();
        }
        Cost {
            bytes,
            seconds: bytes / self.bandwidth + self.latency,
        }
    }
}

/// The connections of a layout's groups.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Communication {
    /// Tensor-parallel groups.
    pub tensor: Connection,
    /// Neighbouring stages.
    pub pipeline: Connection,
    /// Replicas.
    pub data: Connection,
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
            layout.data_parallel,
        );
        let stride = t.saturating_mul(d);
        let span = stride.saturating_mul(p.saturating_sub(1));
        Self {
            tensor: Connection::new(gpu, cluster, 1, t, true),
            pipeline: Connection::new(gpu, cluster, stride, p, false),
            data: Connection::new(gpu, cluster, t, d, true),
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
        let slots = model.seq_len as f64 * layout.micro_batch as f64;
        let element = element(config.precision.format);
        let stream = slots * model.hidden_size as f64 * element;
        let layers = place.layers as f64;
        let full = layout.recompute == Recompute::Full;
        let reduce = self.tensor.all_reduce(stream);
        let gather = self.tensor.half_all_reduce(stream);
        let t = layout.tensor_parallel.max(1) as f64;

        let mut forward = reduce * (2.0 * layers);
        let mut backward = reduce * (layers * if full { 4.0 } else { 2.0 });
        if full && (options.partition_checkpoints || options.sequence_parallel) {
            backward = backward + gather * layers;
        }
        if place.first {
            forward = forward + reduce;
        }
        if place.last {
            forward = forward + self.tensor.all_reduce(4.0 * slots) * 3.0;
            backward = backward + reduce;
        }
        let divided = options.partition_checkpoints || options.sequence_parallel;
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

    /// Once per step on the stage with the most parameters, `parameters` on one GPU.
    pub fn step(
        &self,
        config: &Config,
        layout: &Layout,
        options: &MemoryOptions,
        parameters: u64,
    ) -> Result<StepCost, PlanError> {
        let element_bytes = element(config.precision.format);
        let gradient = element(config.precision.grad_accumulation).max(element_bytes);
        let count = parameters as f64;
        let table = Parameters::of(config)?
            .embedding
            .on_rank(layout.tensor_parallel) as f64;
        let (gradients, weights) = if options.zero_1 {
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
