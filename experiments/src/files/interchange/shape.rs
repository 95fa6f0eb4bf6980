//! The sizes of a GLM-130B-like model.

use super::error::InterchangeError;
use experiments_config::{Ffn, ModelConfig, Norm, Positions};

/// Whose checkpoints are written, in errors.
pub(super) const SAT_CLASS: &str = "a checkpoint of SAT's GLM130B";

/// Sizes of a model with GLM-130B's architecture. Everything else about it is fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SatShape {
    /// Transformer layers N (SAT `num_layers`).
    pub(crate) layers: usize,
    /// Width h (SAT `hidden_size`).
    pub(crate) hidden_size: usize,
    /// Attention heads (SAT `num_attention_heads`).
    pub(crate) num_heads: usize,
    /// Inner width f of each GLU half (SAT `inner_hidden_size`).
    pub(crate) ffn_hidden_size: usize,
    /// Rows of the embedding, padding included (SAT `vocab_size`).
    pub(crate) vocab_size: usize,
}

impl SatShape {
    /// The sizes of a configured model, if SAT's class `GLM130B` computes the same function.
    ///
    /// Sources: SAT `model/official/glm130B_model.py` (block order and alpha in `layer_forward`,
    /// base 10000 in `RotaryEmbeddingMixin`, GEGLU, tied `final_forward`, position embeddings
    /// deleted in `reinit`) and `model/transformer.py` (biases and ε 1e-5 by default; `BaseModel`
    /// passes neither).
    pub(crate) fn from_config(
        model: &ModelConfig,
        vocab_size: usize,
    ) -> Result<Self, InterchangeError> {
        let checks = [
            (
                model.norm == Norm::DeepnormGlm,
                "model.norm",
                "deepnorm_glm",
            ),
            (
                model.positions == Positions::Rope,
                "model.positions",
                "rope",
            ),
            (model.ffn == Ffn::Geglu, "model.ffn", "geglu"),
            (model.plan_only.is_absent(), "model.plan_only", "absent"),
            (model.tie_embeddings, "model.tie_embeddings", "true"),
            (model.bias, "model.bias", "true"),
            (!model.qk_norm, "model.qk_norm", "false"),
            (!model.embedding_norm, "model.embedding_norm", "false"),
            (model.layer_norm_eps == 1e-5, "model.layer_norm_eps", "1e-5"),
            (model.rope_base == 10_000.0, "model.rope_base", "10000"),
        ];
        InterchangeError::unless_all(SAT_CLASS, &checks)?;
        Ok(Self {
            layers: model.layers,
            hidden_size: model.hidden_size,
            num_heads: model.num_heads,
            ffn_hidden_size: model.ffn_hidden_size,
            vocab_size,
        })
    }

    /// What SAT's `divide` asserts (`mpu/utils.py`, used by `mpu/layers.py` and
    /// `model/transformer.py`): heads, vocabulary and inner width split evenly over the ranks.
    pub(super) fn check(&self, tensor_parallel: usize) -> Result<(), InterchangeError> {
        let multiple = |what, found: usize, of: usize, why: &str| {
            if found > 0 && of > 0 && found.is_multiple_of(of) {
                return Ok(());
            }
            let expected = format!("a positive multiple of {of} ({why})");
            Err(InterchangeError::Size {
                what,
                found,
                expected,
            })
        };
        if !(1..=100).contains(&tensor_parallel) {
            return Err(InterchangeError::Size {
                what: "tensor_parallel",
                found: tensor_parallel,
                expected: "1 to 100 (file names have two digits)".to_owned(),
            });
        }
        multiple(
            "num_heads",
            self.num_heads,
            tensor_parallel,
            "tensor_parallel",
        )?;
        multiple(
            "vocab_size",
            self.vocab_size,
            tensor_parallel,
            "tensor_parallel",
        )?;
        multiple(
            "ffn_hidden_size",
            self.ffn_hidden_size,
            tensor_parallel,
            "tensor_parallel",
        )?;
        let pairs = self.num_heads.saturating_mul(2);
        multiple(
            "hidden_size",
            self.hidden_size,
            pairs,
            "2 × num_heads, RoPE rotates pairs",
        )?;
        // Byte counts of single tensors are computed without checks from here on.
        let widest = self
            .vocab_size
            .max(3 * self.hidden_size.min(1 << 30))
            .max(2 * self.ffn_hidden_size.min(1 << 30));
        if widest >= 1 << 30 || widest.checked_mul(4 * self.hidden_size).is_none() {
            return Err(InterchangeError::Size {
                what: "largest dimension",
                found: widest,
                expected: "less than 2^30".to_owned(),
            });
        }
        Ok(())
    }
}
