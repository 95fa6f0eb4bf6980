//! How a model is spread over a cluster.

use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

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

impl Recompute {
    /// How much of it, before the word recomputation.
    pub(crate) fn much(self) -> &'static str {
        match self {
            Self::None => "no",
            Self::Selective | Self::Full => self.name(),
        }
    }
}

named! {
    /// What the replicas divide among them.
    #[derive(Hash)]
    pub enum Sharding {
        /// Nothing: every replica holds all state.
        None = "none",
        /// Optimiser state (ZeRO-1, Megatron's distributed optimiser; GLM-130B).
        Zero1 = "zero1",
        /// And gradients.
        Zero2 = "zero2",
        /// And weights, gathered layer by layer (DeepSpeed's ZeRO-3).
        Zero3 = "zero3",
        /// The same by PyTorch's FSDP.
        Fsdp = "fsdp",
        /// The same within a machine of eight, copies outside (`HYBRID_SHARD`).
        Hsdp = "hsdp",
    }
}

/// GPUs among which [`Sharding::Hsdp`] divides.
const MACHINE: u64 = 8;

impl Sharding {
    /// Whether optimiser state is divided.
    #[must_use]
    pub fn optimizer(self) -> bool {
        self != Self::None
    }

    /// Whether gradients are.
    #[must_use]
    pub fn gradients(self) -> bool {
        matches!(self, Self::Zero2 | Self::Zero3 | Self::Fsdp | Self::Hsdp)
    }

    /// Whether weights are.
    #[must_use]
    pub fn weights(self) -> bool {
        matches!(self, Self::Zero3 | Self::Fsdp | Self::Hsdp)
    }
}

named! {
    /// The program that trains. Each spends time in its own places.
    #[derive(Hash)]
    pub enum Trainer {
        /// Megatron-LM of 2020 to 2022 (arXiv 2104.04473, 2205.05198).
        MegatronLm = "megatron-lm",
        /// Its forks on `DeepSpeed`: GLM-130B's, BLOOM's, GPT-NeoX.
        MegatronDeepspeed = "megatron-deepspeed",
        /// Megatron-Core, which overlaps communication with computation.
        MegatronCore = "megatron-core",
        /// PyTorch's FSDP, or `DeepSpeed`'s ZeRO-2 and 3 without Megatron.
        Fsdp = "fsdp",
    }
}

impl Trainer {
    /// What people run such a layout with on such a GPU: that of GLM-130B unless something in the layout is of
    /// another program. `modern`: the GPU is younger than the A100.
    #[must_use]
    pub fn usual(layout: &Layout, modern: bool) -> Self {
        if layout.sharding.gradients() {
            Self::Fsdp
        } else if modern && layout.sharding.optimizer() {
            Self::MegatronCore
        } else if layout.sharding.optimizer() && !layout.sequence_parallel && layout.chunks == 1 {
            Self::MegatronDeepspeed
        } else {
            Self::MegatronLm
        }
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
    /// Whether stages may hold numbers of layers that differ by one, where no rule divides them equally.
    pub uneven_stages: bool,
    /// GPUs that share each sequence.
    pub context_parallel: u64,
    /// Whether norms, dropout and their inputs are divided over the tensor-parallel ranks (arXiv 2205.05198
    /// §4.2.2; GLM-130B: no).
    pub sequence_parallel: bool,
    /// What the replicas divide among them.
    pub sharding: Sharding,
    /// Whether attention keeps no scores (`FlashAttention`, arXiv 2205.14135; GLM-130B: no).
    pub flash_attention: bool,
    /// The embedding's rows are a multiple of this times the tensor-parallel ranks (Megatron's
    /// `--make-vocab-size-divisible-by`).
    pub vocab_multiple: u64,
}

/// Megatron's default for [`Layout::vocab_multiple`].
pub const VOCAB_MULTIPLE: u64 = 128;

mod check;
mod stages;

pub(crate) use check::has_flash;
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

    /// Slots of one micro-batch on one GPU.
    pub(crate) fn slots(&self, seq_len: usize) -> f64 {
        seq_len as f64 * self.micro_batch as f64 / self.context_parallel.max(1) as f64
    }

    /// Rows of the embedding on all tensor ranks together: the ids that there are, padded.
    #[must_use]
    pub fn vocabulary(&self, config: &Config) -> u64 {
        let ids = config.tokenizer.vocab_size as u64;
        let unit = self.vocab_multiple.saturating_mul(self.tensor_parallel);
        // `check` refuses what cannot be padded.
        ids.checked_next_multiple_of(unit).unwrap_or(ids)
    }

    /// GPUs that hold copies or shares of the same weights: replicas times context ranks.
    #[must_use]
    pub fn replicas(&self) -> u64 {
        self.data_parallel.saturating_mul(self.context_parallel)
    }

    /// GPUs among which sharded state is divided.
    #[must_use]
    pub fn shards(&self) -> u64 {
        match self.sharding {
            Sharding::Hsdp => self.replicas().min(MACHINE),
            Sharding::None
            | Sharding::Zero1
            | Sharding::Zero2
            | Sharding::Zero3
            | Sharding::Fsdp => self.replicas(),
        }
    }

    /// `4 × 8 × 24, micro-batch 1, full, 1f1b`.
    #[must_use]
    pub fn text(&self) -> String {
        let chunks = match self.schedule {
            Schedule::Interleaved => format!(" × {}", self.chunks),
            _ => String::new(),
        };
        let mut text = format!(
            "{} × {} × {}, micro-batch {}, {} recomputation, {}{chunks}",
            self.tensor_parallel,
            self.pipeline_parallel,
            self.data_parallel,
            self.micro_batch,
            self.recompute.much(),
            self.schedule.name(),
        );
        if self.context_parallel > 1 {
            let _ = write!(text, ", {} context ranks", self.context_parallel);
        }
        for (is_on, name) in [
            (self.sharding != Sharding::Zero1, self.sharding.name()),
            (self.sequence_parallel, "sequence parallel"),
            (self.flash_attention, "FlashAttention"),
            (self.uneven_stages, "uneven stages"),
        ] {
            if is_on {
                text.push_str(", ");
                text.push_str(name);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests;
