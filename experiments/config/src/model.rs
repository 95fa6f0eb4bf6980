//! The proxy's shape. Its norm arrangement, activation and position encoding are rows of data.

mod bounds;
mod ffn;
mod norm;
mod plan_only;
mod positions;
mod tensors;

pub use ffn::{Activation, Ffn, Function, FunctionNames};
pub use norm::{Coefficient, Norm, NormArrangement, Residual};
pub use plan_only::{PlanOnly, PlannedActivation, PlannedRow};
pub use positions::{Ids, PositionEncoding, Positions};

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

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
    /// Norm arrangement.
    pub norm: Norm,
    /// Position encoding.
    pub positions: Positions,
    /// The feed-forward's activation.
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
    /// What plans and hand-overs know and no run of this program can train yet.
    #[serde(skip_serializing_if = "PlanOnly::is_absent")]
    pub plan_only: PlanOnly,
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
            plan_only: PlanOnly::default(),
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

    /// Heads of key and value: fewer than those of the query with grouped-query attention.
    #[must_use]
    pub fn kv_heads(&self) -> usize {
        self.plan_only.kv_heads.unwrap_or(self.num_heads)
    }

    /// Columns of key and value together: `2h` without grouped-query attention.
    #[must_use]
    pub fn kv_size(&self) -> usize {
        2 * self.kv_heads() * self.head_dim()
    }

    /// Whether the feed-forward's activation has a gate.
    #[must_use]
    pub fn is_gated(&self) -> bool {
        match self.plan_only.activation {
            Some(activation) => activation.row().is_gated,
            None => self.ffn.row().is_gated,
        }
    }

    /// Rows of the feed-forward's first matrix: two halves with a gate.
    #[must_use]
    pub fn ffn_up_size(&self) -> usize {
        if self.is_gated() {
            2 * self.ffn_hidden_size
        } else {
            self.ffn_hidden_size
        }
    }

    /// Vectors of a norm: weight and bias, or the weight alone of an RMS norm.
    #[must_use]
    pub fn norm_vectors(&self) -> u64 {
        if self.plan_only.rms_norm { 1 } else { 2 }
    }

    /// Trainable parameters: `V·h + N(4h² + 3hf + 9h + 2f) + 2h` for GLM-130B's choices, tied and
    /// with biases (`glm130b-facts` §1, derived; 128,697,794,560 for GLM-130B).
    #[must_use]
    pub fn parameter_count(&self, vocab_size: usize) -> u64 {
        let h = self.hidden_size as u64;
        let (up, down) = (self.ffn_up_size() as u64, self.ffn_hidden_size as u64);
        let (kv, vectors) = (self.kv_size() as u64, self.norm_vectors());
        let norms = self.norm.per_layer();
        let heads = if self.qk_norm {
            2 * vectors * self.head_dim() as u64
        } else {
            0
        };
        let biases = if self.bias { h + kv + h + up + h } else { 0 };
        let layer = 2 * h * h + h * kv + h * (up + down) + biases + norms * vectors * h + heads;
        let embeddings = if self.tie_embeddings { 1 } else { 2 } * vocab_size as u64;
        let learned = if self.positions.row().is_learned {
            self.seq_len as u64
        } else {
            0
        };
        let outer_norms = if self.embedding_norm { 2 } else { 1 } * vectors * h;
        (embeddings + learned) * h + self.layers as u64 * layer + outer_norms
    }
}
