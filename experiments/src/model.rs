//! The GLM proxy, written like the paper: embedding, blocks of attention and feed-forward in one
//! of five norm arrangements, final norm, logits.
//!
//! Letters in names and shapes: `b` sequences, `s` slots, `t` target slots, `h` width, `n` heads,
//! `d` head dimension, `f` feed-forward width, `v` vocabulary. Activations are `[b·s, h]`.

mod alibi;
mod attention;
pub(crate) mod block;
mod embedding;
mod feed_forward;
mod input;
mod norm;
mod rope;
mod scores;
mod weights;

pub(crate) use input::Input;
pub(crate) use weights::{Gradients, Paths, Weights, add, collect};

use crate::capture::Capture;
use crate::dropout::Dropout;
use crate::precision::{At, Precision};
use crate::probe::Probe;
use block::Block;
use burn::tensor::Tensor;
use embedding::{Embedding, shrink};
use experiments_config::{Config, EgsPath};
use kernels::Kernels;
use norm::{LayerNorm, relax};

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
    /// Absent unless a parity file is written.
    pub(crate) capture: Option<Capture>,
}

impl<'a> Context<'a> {
    /// Of a pass without dropout that notes nothing.
    pub(crate) fn plain(config: &'a Config, precision: &'a Precision) -> Self {
        Self {
            config,
            precision,
            dropout: None,
            probe: None,
            capture: None,
        }
    }

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
                if let Some(capture) = &mut self.capture {
                    capture.tensor(format!("dropout.{}", at.label(layer)), &mask);
                }
                self.precision.store(x * mask, at, layer)
            }
            _ => x,
        }
    }

    /// Keeps a tensor for the parity file.
    fn capture<B: Kernels>(&mut self, at: At, layer: usize, x: &Tensor<B, 2>) {
        if let Some(capture) = &mut self.capture {
            capture.tensor(format!("activations.{}", at.label(layer)), x);
        }
    }
}

/// The model with the weights of one pass.
pub(crate) struct Glm<B: Kernels> {
    embedding: Embedding<B>,
    blocks: Vec<Block<B>>,
    final_norm: LayerNorm<B>,
    head_vh: Tensor<B, 2>,
}

impl<B: Kernels> Glm<B> {
    pub(crate) fn new(config: &Config, weights: &mut Weights<B>) -> Self {
        let model = &config.model;
        Self {
            embedding: Embedding::new(model, weights),
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
        let mut x_sh = self.embedding.forward(input, context);
        context.capture(At::Embedding, 0, &x_sh);
        for block in &self.blocks {
            x_sh = block.forward(x_sh, input, context);
        }
        let x_sh = relax(x_sh, At::FinalNorm, 0, context);
        let targets_th = x_sh.select(0, input.slots.clone());
        let y_th = self.final_norm.forward(targets_th);
        let y_th = context.precision.store(y_th, At::FinalNorm, 0);
        context.capture(At::FinalNorm, 0, &y_th);
        let head_hv = self.head(context).transpose();
        let logits_tv = context.precision.product(y_th, head_hv);
        context.precision.store(logits_tv, At::Logits, 0)
    }

    /// The output projection with its gradient shrunk.
    fn head(&self, context: &Context) -> Tensor<B, 2> {
        shrink(self.head_vh.clone(), context, EgsPath::Logit, At::Head)
    }
}
