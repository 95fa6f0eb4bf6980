//! The GLM proxy, written like the paper: embedding, blocks of attention and feed-forward in one
//! of five norm arrangements, final norm, logits.
//!
//! Letters in names and shapes: `b` sequences, `s` slots, `t` target slots, `h` width, `n` heads,
//! `d` head dimension, `f` feed-forward width, `v` vocabulary. Activations are `[b·s, h]`.

mod attention;
mod block;
mod feed_forward;
mod input;
mod norm;
mod rope;
mod weights;

pub(crate) use input::Input;
pub(crate) use weights::{Gradients, Weights, collect};

use crate::dropout::Dropout;
use crate::precision::{At, Precision};
use crate::probe::Probe;
use block::Block;
use burn::tensor::{Int, Tensor};
use experiments_config::{Config, EgsPath};
use kernels::{Gate, Kernels, gate};
use norm::LayerNorm;

#[cfg(test)]
mod tests;

/// What a forward pass needs beside weights and input.
pub(crate) struct Context<'a> {
    pub(crate) config: &'a Config,
    pub(crate) precision: &'a Precision,
    /// Absent in evaluation.
    pub(crate) dropout: Option<Dropout>,
    /// Absent when no per-layer signal is recorded.
    pub(crate) probe: Option<Probe>,
}

impl Context<'_> {
    /// Drops elements of a stored tensor with probability `p`; identity in evaluation.
    fn drop<B: Kernels, const D: usize>(
        &mut self,
        x: Tensor<B, D>,
        p: f64,
        at: At,
        layer: usize,
    ) -> Tensor<B, D> {
        match &mut self.dropout {
            Some(dropout) if p > 0.0 => {
                let mask = dropout.mask(&x, p);
                self.precision.store(x * mask, at, layer)
            }
            _ => x,
        }
    }
}

/// The model with the weights of one pass.
pub(crate) struct Glm<B: Kernels> {
    embedding_vh: Tensor<B, 2>,
    blocks: Vec<Block<B>>,
    final_norm: LayerNorm<B>,
    head_vh: Tensor<B, 2>,
}

impl<B: Kernels> Glm<B> {
    pub(crate) fn new(config: &Config, weights: &mut Weights<B>) -> Self {
        let model = &config.model;
        Self {
            embedding_vh: weights.matrix("embedding.weight"),
            blocks: (0..model.layers)
                .map(|layer| Block::new(model, layer, weights))
                .collect(),
            final_norm: LayerNorm::new("final_norm", model, weights),
            head_vh: weights.head(),
        }
    }

    /// Logits of the slots that have a target.
    ///
    /// # Shapes
    /// - input: tokens `[b·s]`, slots `[t]`
    /// - output: `[t, v]`
    pub(crate) fn logits(&self, input: &Input<B>, context: &mut Context) -> Tensor<B, 2> {
        let mut x_sh = self.embed(input.tokens.clone(), context);
        for block in &self.blocks {
            x_sh = block.forward(x_sh, input, context);
        }
        let targets_th = x_sh.select(0, input.slots.clone());
        let y_th = self.final_norm.forward(targets_th);
        let y_th = context.precision.store(y_th, At::FinalNorm, 0);
        let head_hv = self.head(context).transpose();
        context.precision.store(y_th.matmul(head_hv), At::Logits, 0)
    }

    /// Gathers embeddings; the gradient that returns to them is shrunk by EGS.
    fn embed(&self, tokens_s: Tensor<B, 1, Int>, context: &mut Context) -> Tensor<B, 2> {
        let x_sh = self.embedding_vh.clone().select(0, tokens_s);
        let x_sh = shrink(x_sh, context, EgsPath::Input, At::Embedding);
        let dropout = context.config.model.dropout;
        context.drop(x_sh, dropout, At::Embedding, 0)
    }

    /// The output projection with its gradient shrunk.
    fn head(&self, context: &Context) -> Tensor<B, 2> {
        shrink(self.head_vh.clone(), context, EgsPath::Logit, At::Head)
    }
}

/// Embedding gradient shrink (2210.02414 §3): identity forward, gradient times α, rounded as the
/// multiplication it is.
fn shrink<B: Kernels>(x: Tensor<B, 2>, context: &Context, path: EgsPath, at: At) -> Tensor<B, 2> {
    let egs = &context.config.egs;
    let rounding = context.precision.rounding(at, 0);
    let applies = egs.path == path || egs.path == EgsPath::Both;
    // The product with the incoming gradient is rounded, then the product with α.
    let alpha = if applies { egs.alpha as f32 } else { 1.0 };
    let x = gate(x, &Gate::shrink_gradient(alpha, rounding.clone()));
    gate(x, &Gate::shrink_gradient(1.0, rounding))
}
