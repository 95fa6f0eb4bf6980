//! On tensors.

use super::{NORM, POSITIONS, TOKENS, shrink_factor};
use crate::layers::context::graph::Context;
use crate::layers::input::Input;
use crate::layers::norm::LayerNorm;
use crate::layers::weights::graph::Weights;
use crate::numerics::precision::At;
use burn::tensor::{Int, Tensor};
use experiments_config::{EgsPath, ModelConfig};
use kernels::{Gate, Kernels, gate};

/// The embedding of any batch.
pub(crate) struct Embedding<B: Kernels> {
    /// `[r·v, h]`
    tokens: Tensor<B, 2>,
    /// `[r·s, h]`
    positions: Option<Tensor<B, 2>>,
    norm: Option<LayerNorm<B>>,
}

impl<B: Kernels> Embedding<B> {
    pub(crate) fn new(model: &ModelConfig, weights: &mut Weights<B>) -> Self {
        Self {
            tokens: weights.matrix(TOKENS),
            positions: (model.positions.row().is_learned).then(|| weights.matrix(POSITIONS)),
            norm: model
                .embedding_norm
                .then(|| LayerNorm::new(NORM, model, weights)),
        }
    }

    /// # Shapes
    /// - input: tokens and positions `[b·s]`
    /// - output: `[b·s, h]`
    pub(crate) fn forward(&self, input: &Input<B>, context: &mut Context) -> Tensor<B, 2> {
        let precision = context.precision;
        let runs = context.runs.len();
        let x_sh = rows(&self.tokens, &input.tokens, runs);
        let mut x_sh = shrink(x_sh, context, EgsPath::Input, At::Embedding);
        if let Some(positions) = &self.positions {
            let p_sh = rows(positions, &input.positions, runs);
            x_sh = precision.store(x_sh + p_sh, At::Embedding, 0);
        }
        if let Some(norm) = &self.norm {
            x_sh = precision.store(norm.forward(x_sh), At::EmbeddingNorm, 0);
        }
        let dropout = context.config.model.dropout;
        context.drop(x_sh, dropout, At::Embedding, 0)
    }
}

/// Rows of a table by id, every run's from its own part of the table.
///
/// # Shapes
/// - table: `[r·n, h]`, ids below n: `[b·s]`
/// - output: `[b·s, h]`
fn rows<B: Kernels>(table: &Tensor<B, 2>, ids: &Tensor<B, 1, Int>, runs: usize) -> Tensor<B, 2> {
    if runs == 1 {
        return table.clone().select(0, ids.clone());
    }
    let ([len], [all, _]) = (ids.dims(), table.dims());
    let first = Tensor::<B, 1, Int>::arange(0..runs as i64, &ids.device());
    let first = first * (all / runs) as i64;
    let ids = ids.clone().reshape([runs, len / runs]) + first.reshape([runs, 1]);
    table.clone().select(0, ids.reshape([len]))
}

/// Embedding gradient shrink (2210.02414 §3): identity forward, gradient times α, rounded as the
/// multiplication it is.
pub(crate) fn shrink<B: Kernels>(
    x: Tensor<B, 2>,
    context: &Context,
    path: EgsPath,
    at: At,
) -> Tensor<B, 2> {
    let rounding = context.precision.rounding(at, 0).cloned();
    let runs = context.runs.iter();
    let alphas: Vec<f32> = runs.map(|run| shrink_factor(&run.egs, path)).collect();
    // The product with the incoming gradient is rounded, then the product with α.
    let x = gate(x, &Gate::shrink_parts(&alphas, rounding.clone()));
    gate(x, &Gate::shrink_gradient(1.0, rounding))
}
