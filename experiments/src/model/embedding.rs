//! From token ids to the residual stream, and the embedding gradient shrink.

use super::norm::LayerNorm;
use super::{Context, Input, Weights};
use crate::precision::At;
use burn::tensor::Tensor;
use experiments_config::{EgsPath, ModelConfig, Positions};
use kernels::{Gate, Kernels, gate};

/// `x = LN(E[token] + P[position])`; learned positions P and the norm are options that GLM-130B
/// does not take.
pub(crate) struct Embedding<B: Kernels> {
    tokens_vh: Tensor<B, 2>,
    positions_sh: Option<Tensor<B, 2>>,
    norm: Option<LayerNorm<B>>,
}

impl<B: Kernels> Embedding<B> {
    pub(crate) fn new(model: &ModelConfig, weights: &mut Weights<B>) -> Self {
        Self {
            tokens_vh: weights.matrix("embedding.weight"),
            positions_sh: (model.positions == Positions::Learned)
                .then(|| weights.matrix("position_embedding.weight")),
            norm: model
                .embedding_norm
                .then(|| LayerNorm::new("embedding_norm", model, weights)),
        }
    }

    /// # Shapes
    /// - input: tokens and positions `[b·s]`
    /// - output: `[b·s, h]`
    pub(crate) fn forward(&self, input: &Input<B>, context: &mut Context) -> Tensor<B, 2> {
        let precision = context.precision;
        let x_sh = self.tokens_vh.clone().select(0, input.tokens.clone());
        let mut x_sh = shrink(x_sh, context, EgsPath::Input, At::Embedding);
        if let Some(positions_sh) = &self.positions_sh {
            let p_sh = positions_sh.clone().select(0, input.positions.clone());
            x_sh = precision.store(x_sh + p_sh, At::Embedding, 0);
        }
        if let Some(norm) = &self.norm {
            x_sh = precision.store(norm.forward(x_sh), At::EmbeddingNorm, 0);
        }
        let dropout = context.config.model.dropout;
        context.drop(x_sh, dropout, At::Embedding, 0)
    }
}

/// Embedding gradient shrink (2210.02414 §3): identity forward, gradient times α, rounded as the
/// multiplication it is.
pub(crate) fn shrink<B: Kernels>(
    x: Tensor<B, 2>,
    context: &Context,
    path: EgsPath,
    at: At,
) -> Tensor<B, 2> {
    let egs = &context.config.egs;
    let rounding = context.precision.rounding(at, 0);
    let applies = egs.path == path || egs.path == EgsPath::Both;
    // The product with the incoming gradient is rounded, then the product with α.
    let alpha = if applies { egs.alpha as f32 } else { 1.0 };
    let x = gate(x, &Gate::shrink_gradient(alpha, rounding.clone()));
    gate(x, &Gate::shrink_gradient(1.0, rounding))
}
