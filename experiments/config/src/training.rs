//! Data, objective, optimiser, precision and bookkeeping sections of the configuration.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Byte-level BPE trained on the corpus at preparation time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenizerConfig {
    /// Vocabulary size with the six special tokens; 262 is bytes without merges.
    pub vocab_size: usize,
    /// Bytes of text per language the merges are learnt from.
    pub sample_bytes: usize,
}

impl Default for TokenizerConfig {
    fn default() -> Self {
        Self {
            vocab_size: 2048,
            sample_bytes: 1_000_000,
        }
    }
}

/// One text: a catalogue name (see `workbench corpus list`) or a file of the user's own.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    /// Catalogue name; exactly one of `name` and `path` is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A `.txt` or `.jsonl` file (each also as `.gz` or `.zst`); JSON lines hold `text`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Language code, `en` or `zh` for the catalogue; weights and entropy are per language.
    pub language: String,
    /// Share of sampled sequences, relative to the other sources.
    pub weight: f64,
    /// Only the first so many bytes of text are used; 0 means all.
    pub max_bytes: usize,
}

/// The mixture of texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// Sources, sampled by ratio of their weights.
    pub sources: Vec<Source>,
    /// Share of every source kept out of training, taken from its end.
    pub held_out: f64,
}

impl Default for DataConfig {
    fn default() -> Self {
        let source = |name: &str, language: &str, weight| Source {
            name: Some(name.to_owned()),
            path: None,
            language: language.to_owned(),
            weight,
            max_bytes: 2_000_000,
        };
        Self {
            sources: vec![
                source("gutenberg", "en", 0.5),
                source("three-kingdoms", "zh", 0.5),
            ],
            held_out: 0.05,
        }
    }
}

/// GLM blank infilling (arXiv 2210.02414 §2.2; numbers from the pre-training code).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ObjectiveConfig {
    /// Share of sequences with the [gMASK] objective; the rest is [MASK] span filling.
    pub gmask_ratio: f64,
    /// Smallest share of a [gMASK] sequence that is generated; the length is uniform above it.
    pub min_gmask_ratio: f64,
    /// Share of tokens covered by [MASK] spans.
    pub mask_ratio: f64,
    /// Mean λ of the Poisson span lengths, truncated to 1..=`max_span`.
    pub span_lambda: f64,
    /// Longest span.
    pub max_span: usize,
    /// Probability that a [MASK] sequence has one span only.
    pub single_span_prob: f64,
    /// Probability that a [MASK] sequence is cut to a random shorter length.
    pub short_seq_prob: f64,
}

impl Default for ObjectiveConfig {
    fn default() -> Self {
        Self {
            gmask_ratio: 0.7,
            min_gmask_ratio: 0.2,
            mask_ratio: 0.15,
            span_lambda: 3.0,
            max_span: 39,
            single_span_prob: 0.02,
            short_seq_prob: 0.02,
        }
    }
}

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

/// AdamW with decoupled weight decay and a schedule counted in samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// Peak learning rate.
    pub lr: f64,
    /// Learning rate after the cosine decay.
    pub min_lr: f64,
    /// Samples of linear warm-up from 0; 0 starts at the peak.
    pub warmup_samples: u64,
    /// Samples, counted from the start, at which the cosine reaches `min_lr`; 0 keeps the
    /// learning rate constant after warm-up.
    pub decay_samples: u64,
    /// Adam β₁.
    pub beta1: f64,
    /// Adam β₂ (GLM-130B: 0.95).
    pub beta2: f64,
    /// Adam ε.
    pub eps: f64,
    /// Decoupled weight decay on matrices and embeddings; norms and biases do not decay.
    pub weight_decay: f64,
    /// Global gradient-norm limit; 0 switches clipping off.
    pub clip_grad: f64,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            lr: 1e-3,
            min_lr: 1e-4,
            warmup_samples: 0,
            decay_samples: 0,
            beta1: 0.9,
            beta2: 0.95,
            eps: 1e-8,
            weight_decay: 0.1,
            clip_grad: 1.0,
        }
    }
}

/// On which paths to the embedding matrix the gradient is shrunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EgsPath {
    /// Only the gathered input embedding.
    Input,
    /// Only the matrix used for the output logits.
    Logit,
    /// Both, as in the final GLM-130B configuration.
    Both,
}

/// Embedding gradient shrink: identity forward, gradient times α (arXiv 2210.02414 §3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EgsConfig {
    /// Factor α on the gradient; 1 switches the shrink off.
    pub alpha: f64,
    /// `input`, `logit` or `both`.
    pub path: EgsPath,
}

impl Default for EgsConfig {
    fn default() -> Self {
        Self {
            alpha: 1.0,
            path: EgsPath::Both,
        }
    }
}

/// A number format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// IEEE binary32.
    Fp32,
    /// IEEE binary16: overflow to infinity from 65,520, subnormals kept.
    Fp16,
    /// bfloat16.
    Bf16,
}

/// Number formats. Master weights, Adam moments, layer-norm statistics and cross-entropy are
/// FP32 always.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrecisionConfig {
    /// Format of weights in the pass, activations and gradients.
    pub format: Format,
    /// Format in which attention softmax is computed: `fp32`, or the same as `format`.
    pub softmax: Format,
    /// Format in which weight gradients are accumulated over micro-batches: `fp32`, or the same
    /// as `format` (GLM-130B accumulated in FP16).
    pub grad_accumulation: Format,
    /// Loss scaling, used with `format = "fp16"` only.
    pub loss_scale: LossScaleConfig,
}

impl Default for PrecisionConfig {
    fn default() -> Self {
        Self {
            format: Format::Fp32,
            softmax: Format::Fp32,
            grad_accumulation: Format::Fp32,
            loss_scale: LossScaleConfig::default(),
        }
    }
}

/// Whether the loss scale moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossScaleMode {
    /// `DeepSpeed`'s dynamic scaler, as used by GLM-130B.
    Dynamic,
    /// `initial` throughout.
    Static,
}

/// `DeepSpeed` dynamic loss scaling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossScaleConfig {
    /// `dynamic` or `static`.
    pub mode: LossScaleMode,
    /// First scale (GLM-130B: 65536).
    pub initial: f64,
    /// Clean steps after which the scale doubles. The released configurations say 200, table 11
    /// of the paper 2000.
    pub window: u64,
    /// Overflows tolerated before the scale halves.
    pub hysteresis: u32,
    /// Smallest scale.
    pub min: f64,
}

impl Default for LossScaleConfig {
    fn default() -> Self {
        Self {
            mode: LossScaleMode::Dynamic,
            initial: 65_536.0,
            window: 200,
            hysteresis: 2,
            min: 1.0,
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
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self {
            interval: 0,
            batches: 16,
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
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self {
            interval: 50,
            keep: 2,
        }
    }
}

/// What is recorded beside the scalars of every step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecordConfig {
    /// Steps between records of the per-layer signals; 1 records them at every step.
    pub layer_stride: u64,
}

impl Default for RecordConfig {
    fn default() -> Self {
        Self { layer_stride: 1 }
    }
}

/// How the run is executed. Nothing here changes what is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuntimeConfig {
    /// `cpu` or `cuda` (the latter in builds with the feature `cuda`).
    pub device: String,
    /// CPU threads of the run; 0 takes all.
    pub threads: usize,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            device: "cpu".to_owned(),
            threads: 0,
        }
    }
}
