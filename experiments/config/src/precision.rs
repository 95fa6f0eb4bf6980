//! Number formats and what keeps values inside their range.

use serde::{Deserialize, Serialize};

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

/// Which maximum the attention half of PB-Relax subtracts, always before masking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PbRelaxMax {
    /// No PB-Relax in attention.
    Off,
    /// The largest score of the row.
    Row,
    /// The largest score of the head.
    Head,
    /// The largest absolute score of the head, as `LargeScale` does. A row whose scores lie far
    /// below it can become all -inf in FP16, and with it NaN.
    AbsMax,
}

/// Precision-bottleneck relaxation (CogView, arXiv 2105.13290 §2.4), as `LargeScale` codes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PbRelaxConfig {
    /// `off`, `row`, `head` or `abs_max`: scores become `(s/α - max) α` with `s/α` computed from a
    /// divided key.
    pub attention: PbRelaxMax,
    /// Divisor α (32; 128 in the 130B trials).
    pub alpha: f64,
    /// Divides the input of every layer norm by `max|x| / 8`, detached.
    pub norm: bool,
}

impl Default for PbRelaxConfig {
    fn default() -> Self {
        Self {
            attention: PbRelaxMax::Off,
            alpha: 32.0,
            norm: false,
        }
    }
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
    /// Divides the stored scores of layer L (counted from 1) by L and multiplies them back inside
    /// the FP32 softmax (Megatron; GLM-130B: true).
    pub query_key_layer_scaling: bool,
    /// Keeps the projection to the vocabulary, its logits and the gradients of both in FP32; with tied
    /// embeddings the gradient of the whole table, into which that of the input path is summed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fp32_head: bool,
    /// Stores a gradient beyond the range of a 16-bit `format` as its largest finite value instead of
    /// infinity, so that no update is skipped for it. The loss scale falls as on an overflow.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub saturate_gradients: bool,
    /// PB-Relax.
    pub pb_relax: PbRelaxConfig,
    /// Loss scaling, used with `format = "fp16"` only.
    pub loss_scale: LossScaleConfig,
}

impl Default for PrecisionConfig {
    fn default() -> Self {
        Self {
            format: Format::Fp32,
            softmax: Format::Fp32,
            grad_accumulation: Format::Fp32,
            query_key_layer_scaling: false,
            fp32_head: false,
            saturate_gradients: false,
            pb_relax: PbRelaxConfig::default(),
            loss_scale: LossScaleConfig::default(),
        }
    }
}

/// Whose loss scaler moves the scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossScaleMode {
    /// `DeepSpeed`'s dynamic scaler, as used by GLM-130B.
    Deepspeed,
    /// Megatron's dynamic scaler.
    Megatron,
    /// `torch.amp.GradScaler`: no hysteresis, no minimum.
    Pytorch,
    /// `initial` throughout.
    Static,
}

/// How far an overflow makes the loss scale fall.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScaleFall {
    /// By one half, after the hysteresis, as the published scalers.
    #[default]
    Halve,
    /// At the first overflow by as many halves as the largest overflowing gradient needs to fit, at least
    /// one. There is nothing to forgive: hysteresis has no effect.
    ToOverflow,
}

impl ScaleFall {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the signature that serde calls"
    )]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Loss scaling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossScaleConfig {
    /// `deepspeed`, `megatron`, `pytorch` or `static`.
    pub mode: LossScaleMode,
    /// First scale (GLM-130B: 65536).
    pub initial: f64,
    /// Clean steps after which the scale doubles. The released configurations say 200, table 11
    /// of the paper 2000.
    pub window: u64,
    /// The overflow of this number is the first that halves the scale; `pytorch` has no hysteresis.
    pub hysteresis: u32,
    /// Smallest scale; `pytorch` has none.
    pub min: f64,
    /// `halve` or `to_overflow`.
    #[serde(skip_serializing_if = "ScaleFall::is_default")]
    pub fall: ScaleFall,
}

impl LossScaleConfig {
    /// The overflow of this number is the first that lowers the scale.
    #[must_use]
    pub fn overflows_to_fall(&self) -> u32 {
        match self.fall {
            ScaleFall::Halve => self.hysteresis,
            ScaleFall::ToOverflow => 1,
        }
    }
}

impl Default for LossScaleConfig {
    fn default() -> Self {
        Self {
            mode: LossScaleMode::Deepspeed,
            initial: 65_536.0,
            window: 200,
            hysteresis: 2,
            min: 1.0,
            fall: ScaleFall::Halve,
        }
    }
}
