//! AdamW, its learning rate and what protects it, and the embedding gradient shrink.

use serde::{Deserialize, Serialize};

/// How the gradient is clipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClipMode {
    /// By the global norm, at `optimizer.clip_grad`.
    Norm,
    /// `ZClip` (arXiv 2504.02507): by the z-score of the global norm against its moving average.
    Zclip,
    /// `AdaGC` (arXiv 2502.11034): every tensor against the moving average of its own norm.
    Adagc,
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
    /// Factor on the learning rate that warm-up and cosine give; made for `[[schedule]]`.
    pub lr_scale: f64,
    /// Factor on the learning rate of the word embedding, beside all others.
    #[serde(skip_serializing_if = "is_one")]
    pub embedding_lr_scale: f64,
    /// Adam β₁.
    pub beta1: f64,
    /// Adam β₂ (GLM-130B: 0.95).
    pub beta2: f64,
    /// Adam ε.
    pub eps: f64,
    /// Decoupled weight decay on matrices and embeddings; norms and biases do not decay.
    pub weight_decay: f64,
    /// Global gradient-norm limit; 0 switches clipping off. `zclip` and `adagc` use it while they
    /// warm up, `zclip` also afterwards.
    pub clip_grad: f64,
    /// `norm`, `zclip` or `adagc`.
    pub clip_mode: ClipMode,
    /// Divides each tensor's learning rate by `max(1, RMS_t)` (`StableAdamW`, arXiv 2304.13013).
    pub update_clipping: bool,
    /// Skips an update whose loss or gradient norm lies so many standard deviations above the mean
    /// of the last `skip_step_window` steps (`OLMo-core`: 6); 0 switches it off.
    pub skip_step_sigma: f64,
    /// Steps in that mean.
    pub skip_step_window: usize,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            lr: 1e-3,
            min_lr: 1e-4,
            warmup_samples: 0,
            decay_samples: 0,
            lr_scale: 1.0,
            embedding_lr_scale: 1.0,
            beta1: 0.9,
            beta2: 0.95,
            eps: 1e-8,
            weight_decay: 0.1,
            clip_grad: 1.0,
            clip_mode: ClipMode::Norm,
            update_clipping: false,
            skip_step_sigma: 0.0,
            skip_step_window: 128,
        }
    }
}

/// For a key that is left out where it changes nothing.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde calls"
)]
fn is_one(value: &f64) -> bool {
    *value == 1.0
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
