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

named! {
    /// What the forward pass keeps for the backward pass.
    #[derive(Hash)]
    pub enum Recompute {
        /// Everything.
        None = "none",
        /// All but the attention scores and probabilities (Megatron's selective recomputation).
        Selective = "selective",
        /// The input of every layer only (GLM-130B).
        Full = "full",
    }
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

mod check;
mod stages;

pub(crate) use stages::is_legal;
pub use stages::{partition, stage_layers};

use experiments_config::{Config, Progress};
use words::named;

/// Sequences of one step once every ramp of the configuration has ended (GLM-130B: 4,224).
#[must_use]
pub fn global_batch(config: &Config) -> u64 {
    let end = Progress {
        step: u64::MAX,
        samples: u64::MAX,
    };
    let batch = config.at(end).batch;
    (batch.micro_batch as u64).saturating_mul(batch.gradient_accumulation as u64)
}

impl Schedule {
    /// The value on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gpipe => "gpipe",
            Self::OneForwardOneBackward => "1f1b",
            Self::Interleaved => "interleaved",
        }
    }
}

impl Layout {
    /// Micro-batches of one replica in one step; 0 if the batch is smaller than one of each
    /// replica, see [`Layout::check`].
    #[must_use]
    pub fn micro_batches(&self) -> u64 {
        let unit = self.data_parallel.saturating_mul(self.micro_batch).max(1);
        self.global_batch / unit
    }

    /// Share of a pipeline's stage time that is idle: `(p-1)/(m+p-1)` (arXiv 2210.02414 eq. 5-6;
    /// the same for `GPipe` and 1F1B), `(p-1)/(vm+p-1)` with v interleaved chunks (arXiv 2104.04473
    /// §2.2).
    #[must_use]
    pub fn bubble(&self) -> f64 {
        let p = self.pipeline_parallel as f64;
        let m = self.micro_batches() as f64 * self.chunks.max(1) as f64;
        (p - 1.0) / (m + p - 1.0)
    }

    /// `4 × 8 × 24, micro-batch 1, full, 1f1b`.
    #[must_use]
    pub fn text(&self) -> String {
        let chunks = match self.schedule {
            Schedule::Interleaved => format!(" × {}", self.chunks),
            _ => String::new(),
        };
        format!(
            "{} × {} × {}, micro-batch {}, {} recomputation, {}{chunks}",
            self.tensor_parallel,
            self.pipeline_parallel,
            self.data_parallel,
            self.micro_batch,
            self.recompute.name(),
            self.schedule.name(),
        )
    }
}

#[cfg(test)]
mod tests;
