//! The proxy's shape and its norm arrangement. DeepNorm's two coefficients live here.

mod tensors;

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where layer norm sits and how the residual is weighted. `N` is the number of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// Post-LN, `LN(x + f(x))`, Xavier gain 1.
    Post,
    /// Pre-LN, `x + f(LN(x))`, Xavier gain 1.
    Pre,
    /// Sandwich-LN, `x + LN(f(LN(x)))` (CogView, arXiv 2105.13290), Xavier gain 1.
    Sandwich,
    /// `DeepNet` (arXiv 2203.00555 §4.3, decoder-only): `LN(αx + f(x))`, α = (2N)^¼, gain (8N)^-¼.
    Deepnorm,
    /// GLM-130B (arXiv 2210.02414 §2.1): `LN(αx + f(x))`, α = (2N)^½, gain (2N)^-½.
    DeepnormGlm,
}

impl Norm {
    /// All arrangements, in the order in which they are documented.
    pub const ALL: [Self; 5] = [
        Self::Post,
        Self::Pre,
        Self::Sandwich,
        Self::Deepnorm,
        Self::DeepnormGlm,
    ];

    /// The key's value in TOML.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::Pre => "pre",
            Self::Sandwich => "sandwich",
            Self::Deepnorm => "deepnorm",
            Self::DeepnormGlm => "deepnorm_glm",
        }
    }

    /// Weight α of the residual branch.
    #[must_use]
    pub fn alpha(self, layers: usize) -> f64 {
        let n = layers as f64;
        match self {
            Self::Post | Self::Pre | Self::Sandwich => 1.0,
            Self::Deepnorm => (2.0 * n).powf(0.25),
            Self::DeepnormGlm => (2.0 * n).sqrt(),
        }
    }

    /// Xavier-normal gain β of the value, attention-output and feed-forward matrices (query and
    /// key keep gain 1).
    #[must_use]
    pub fn gain(self, layers: usize) -> f64 {
        let n = layers as f64;
        match self {
            Self::Post | Self::Pre | Self::Sandwich => 1.0,
            Self::Deepnorm => (8.0 * n).powf(-0.25),
            Self::DeepnormGlm => (2.0 * n).sqrt().recip(),
        }
    }

    /// Whether the norm follows the residual sum (Post-LN and either DeepNorm).
    #[must_use]
    pub fn is_post(self) -> bool {
        match self {
            Self::Post | Self::Deepnorm | Self::DeepnormGlm => true,
            Self::Pre | Self::Sandwich => false,
        }
    }
}

/// How slots know where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Positions {
    /// Rotary (arXiv 2104.09864) by position id: GLM-130B.
    Rope,
    /// Half of each head rotated by position id, half by the position inside the span.
    #[serde(rename = "rope_2d")]
    Rope2d,
    /// A learned vector per position id, added to the embedding.
    Learned,
    /// A penalty on scores that grows with the distance (arXiv 2108.12409).
    Alibi,
}

/// The feed-forward's non-linearity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ffn {
    /// Gated, `x₁ ⊙ GELU(x₂)`: GLM-130B.
    Geglu,
    /// Plain `GELU(x)`.
    Gelu,
}

/// Shape of the GLM proxy.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches of the configuration file"
)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// Transformer layers N.
    pub layers: usize,
    /// Width h.
    pub hidden_size: usize,
    /// Attention heads; must divide `hidden_size` into an even head dimension (RoPE pairs
    /// dimensions).
    pub num_heads: usize,
    /// Inner width f of the feed-forward (each half with GeGLU). GLM-130B: 8h/3.
    pub ffn_hidden_size: usize,
    /// Slots of one sequence, special tokens included.
    pub seq_len: usize,
    /// Norm arrangement: `post`, `pre`, `sandwich`, `deepnorm` or `deepnorm_glm`.
    pub norm: Norm,
    /// Position encoding: `rope`, `rope_2d`, `learned` or `alibi`.
    pub positions: Positions,
    /// `geglu` or `gelu`.
    pub ffn: Ffn,
    /// Layer norm over each head of query and key, before positions (arXiv 2302.05442 §2).
    pub qk_norm: bool,
    /// Layer norm on the embedding output (BLOOM).
    pub embedding_norm: bool,
    /// One matrix for input embedding and output projection (GLM-130B: true).
    pub tie_embeddings: bool,
    /// Biases on QKV, attention output and both feed-forward matrices (GLM-130B: true).
    pub bias: bool,
    /// Dropout probability on the embedding output and both sub-layer outputs (GLM-130B: 0.1).
    pub dropout: f64,
    /// Dropout probability on attention probabilities (GLM-130B: 0.1).
    pub attention_dropout: f64,
    /// Layer-norm ε (GLM-130B: 1e-5).
    pub layer_norm_eps: f64,
    /// RoPE base (GLM-130B: 10000).
    pub rope_base: f64,
    /// Initialisation.
    pub init: InitConfig,
}

/// Initialisation: Xavier normal, with the arrangement's gain on v, out and feed-forward.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InitConfig {
    /// Standard deviation of the embedding; absent means Xavier with gain 1, sqrt(2/(V+h)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding_std: Option<f64>,
    /// Replaces the arrangement's gain on v, out and feed-forward matrices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain: Option<f64>,
    /// Factor on the standard deviation of query and key; absent means 1. Scores at the start grow with
    /// its square.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qk_gain: Option<f64>,
    /// A safetensors file with all weights by name (a checkpoint's, or that of `workbench weights
    /// import`): training starts from these, with fresh Adam moments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
    /// BLAKE3 hash (hex) of the bytes of `weights`, as in [`crate::Source::blake3`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights_blake3: Option<String>,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            layers: 6,
            hidden_size: 64,
            num_heads: 2,
            ffn_hidden_size: 128,
            seq_len: 64,
            norm: Norm::DeepnormGlm,
            positions: Positions::Rope,
            ffn: Ffn::Geglu,
            qk_norm: false,
            embedding_norm: false,
            tie_embeddings: true,
            bias: true,
            dropout: 0.0,
            attention_dropout: 0.0,
            layer_norm_eps: 1e-5,
            rope_base: 10_000.0,
            init: InitConfig::default(),
        }
    }
}

impl ModelConfig {
    /// Width of one head.
    #[must_use]
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.num_heads
    }

    /// Gain on v, out and feed-forward matrices after [`InitConfig::gain`].
    #[must_use]
    pub fn gain(&self) -> f64 {
        self.init
            .gain
            .unwrap_or_else(|| self.norm.gain(self.layers))
    }

    /// Gain on query and key after [`InitConfig::qk_gain`].
    #[must_use]
    pub fn qk_gain(&self) -> f64 {
        self.init.qk_gain.unwrap_or(1.0)
    }

    /// Standard deviation of the embedding after [`InitConfig::embedding_std`].
    #[must_use]
    pub fn embedding_std(&self, vocab_size: usize) -> f64 {
        let xavier = (2.0 / (vocab_size + self.hidden_size) as f64).sqrt();
        self.init.embedding_std.unwrap_or(xavier)
    }

    /// Rows of the feed-forward's first matrix: two halves with GeGLU.
    #[must_use]
    pub fn ffn_up_size(&self) -> usize {
        match self.ffn {
            Ffn::Geglu => 2 * self.ffn_hidden_size,
            Ffn::Gelu => self.ffn_hidden_size,
        }
    }

    /// Trainable parameters: `V·h + N(4h² + 3hf + 9h + 2f) + 2h` for GLM-130B's choices, tied and
    /// with biases (`glm130b-facts` §1, derived; 128,697,794,560 for GLM-130B).
    #[must_use]
    pub fn parameter_count(&self, vocab_size: usize) -> u64 {
        let h = self.hidden_size as u64;
        let (up, down) = (self.ffn_up_size() as u64, self.ffn_hidden_size as u64);
        let norms = match self.norm {
            Norm::Sandwich => 4,
            Norm::Post | Norm::Pre | Norm::Deepnorm | Norm::DeepnormGlm => 2,
        };
        let heads = if self.qk_norm {
            4 * self.head_dim() as u64
        } else {
            0
        };
        let biases = if self.bias { 3 * h + h + up + h } else { 0 };
        let layer = 4 * h * h + h * (up + down) + biases + norms * 2 * h + heads;
        let embeddings = if self.tie_embeddings { 1 } else { 2 } * vocab_size as u64;
        let learned = match self.positions {
            Positions::Learned => self.seq_len as u64,
            Positions::Rope | Positions::Rope2d | Positions::Alibi => 0,
        };
        let outer_norms = if self.embedding_norm { 4 * h } else { 2 * h };
        (embeddings + learned) * h + self.layers as u64 * layer + outer_norms
    }
}
