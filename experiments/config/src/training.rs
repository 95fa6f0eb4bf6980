//! Batch shape, held-out evaluation and bookkeeping.

mod bounds;

use crate::DeviceKey;
use serde::{Deserialize, Serialize};

/// Batch shape in sequences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchConfig {
    /// Sequences per forward and backward pass.
    pub micro_batch: usize,
    /// Micro-batches per optimiser step.
    pub gradient_accumulation: usize,
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self {
            micro_batch: 8,
            gradient_accumulation: 1,
        }
    }
}

/// Held-out evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvalConfig {
    /// Steps between evaluations; 0 evaluates at the end only.
    pub interval: u64,
    /// Micro-batches of held-out text per evaluation.
    pub batches: usize,
    /// Held-out passages of which the last word is predicted at every evaluation; 0 does without.
    #[serde(skip_serializing_if = "is_zero")]
    pub last_word: usize,
    /// Whether every evaluation says what the model would lose with weights in 8 and 4 bits.
    #[serde(skip_serializing_if = "is_zero")]
    pub quantized: bool,
}

/// For keys that are left out where they are off, so that hashes do not change.
fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self {
            interval: 0,
            batches: 16,
            last_word: 0,
            quantized: false,
        }
    }
}

/// Checkpoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointConfig {
    /// Steps between checkpoints; 0 writes one at the end only.
    pub interval: u64,
    /// Newest checkpoints kept.
    pub keep: usize,
    /// Steps between checkpoints of the ring, see [`Config::ring_slots`](crate::Config::ring_slots).
    #[serde(skip_serializing_if = "is_usual_interval")]
    pub ring_interval: u64,
    /// Bytes that the ring of recent checkpoints may take on disk; absent for [`RING`] times one checkpoint, 0 for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring_bytes: Option<u64>,
}

/// Checkpoints that the ring holds by default.
pub const RING: u64 = 8;

/// Steps between them by default: as many as keep the cost of the smallest proxy's ring under 2 % of its training
/// (`docs/replay.md`).
const RING_INTERVAL: u64 = 64;

/// For a key that is left out where it is as ever.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde calls"
)]
fn is_usual_interval(steps: &u64) -> bool {
    *steps == RING_INTERVAL
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self {
            interval: 50,
            keep: 2,
            ring_interval: RING_INTERVAL,
            ring_bytes: None,
        }
    }
}

/// What is recorded beside the scalars of every step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecordConfig {
    /// Steps between records of the per-layer signals; 1 records them at every step.
    pub layer_stride: u64,
    /// Steps between measurements of the gradient noise scale; 0 for none. A measurement takes somewhat longer than a step.
    #[serde(skip_serializing_if = "is_zero")]
    pub noise_interval: u64,
}

impl Default for RecordConfig {
    fn default() -> Self {
        Self {
            layer_stride: 1,
            noise_interval: 0,
        }
    }
}

/// How the run is executed. Nothing here changes what is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuntimeConfig {
    /// `cpu`; `cuda` or `vulkan` in builds with that feature.
    pub device: DeviceKey,
    /// CPU threads of the run; 0 takes all.
    pub threads: usize,
    /// Which kernels compute a pass on the CPU.
    pub kernels: KernelChoice,
}

/// Two ways to compute the same pass; they differ in the last bits, as any two orders of summation do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelChoice {
    /// Hand-written sub-layers where they cover the configuration, else as `plain`.
    Fused,
    /// burn's tensor operations: the specification, and two to three times slower.
    Plain,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            device: DeviceKey::Cpu,
            threads: 0,
            kernels: KernelChoice::Fused,
        }
    }
}
