//! How a model is spread over a cluster.

use serde::{Deserialize, Serialize};

/// The machines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// Machines.
    pub nodes: u64,
    /// GPUs of one machine.
    pub gpus_per_node: u64,
    /// Name of the GPU in the hardware files, for example `a100-40g`.
    pub gpu: String,
}

/// What the forward pass keeps for the backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recompute {
    /// Everything.
    None,
    /// All but the attention scores and probabilities (Megatron's selective recomputation).
    Selective,
    /// The input of every layer only (GLM-130B).
    Full,
}

/// Order of micro-batches in the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// All forward passes, then all backward passes.
    Gpipe,
    /// `PipeDream`-Flush: one forward, one backward (GLM-130B).
    OneForwardOneBackward,
    /// The same with several chunks of layers on each stage.
    Interleaved,
}

/// One way to spread a model.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Layout {
    /// GPUs that share each matrix.
    pub tensor_parallel: u64,
    /// Pipeline stages.
    pub pipeline_parallel: u64,
    /// Replicas of the pipeline.
    pub data_parallel: u64,
    /// Sequences of one micro-batch.
    pub micro_batch: u64,
    /// Sequences of one step over all replicas.
    pub global_batch: u64,
    /// What is recomputed.
    pub recompute: Recompute,
    /// Order of micro-batches.
    pub schedule: Schedule,
    /// Chunks of layers per stage; 1 unless interleaved.
    pub chunks: u64,
}
