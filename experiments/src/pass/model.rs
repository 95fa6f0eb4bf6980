//! The GLM proxy, written like the paper: embedding, blocks of attention and feed-forward in one
//! of the norm arrangements, final norm, logits.
//!
//! Letters in names and shapes: `b` sequences, `s` slots, `t` target slots, `h` width, `n` heads,
//! `d` head dimension, `f` feed-forward width, `v` vocabulary. Activations are `[b·s, h]`.
//!
//! One pass may serve `r` runs of one shape: their sequences lie one after another in `b`, their
//! weights in the first dimension of every parameter (`[r·o, i]`). Only what has weights, a random
//! stream or a number of its own per run knows of it.

mod alibi;
mod attention;
pub(crate) mod block;
mod embedding;
mod feed_forward;
mod input;
mod norm;
mod rope;
pub(crate) mod scores;
mod weights;

pub(crate) use alibi::slopes;
pub(crate) use input::{Input, ids_of};
pub(crate) use weights::{Gradients, Paths, Weights, add, collect};

use crate::numerics::dropout::Dropout;
use crate::numerics::precision::{At, Precision};
use crate::pass::capture::Capture;
use crate::pass::probe::Probe;
use block::Block;
use burn::tensor::{Tensor, TensorData};
use embedding::{Embedding, shrink};
use experiments_config::{Config, EgsPath};
use feed_forward::product;
use kernels::Kernels;
use norm::{LayerNorm, relax};

#[cfg(test)]
mod tests;

/// What a forward pass needs beside weights and input.
pub(crate) struct Context<'a> {
    /// Of the first run: what decides the graph is the same in all ([`Config::pack_key`]).
    pub(crate) config: &'a Config,
    /// Of every run, in the order in which they lie in the tensors.
    pub(crate) runs: Vec<&'a Config>,
    pub(crate) precision: &'a Precision,
    /// One for each run; none in evaluation.
    pub(crate) dropout: Vec<Dropout>,
    /// One for each run; none when no per-layer signal is recorded.
    pub(crate) probes: Vec<Probe>,
    /// Absent unless a parity file is written.
    pub(crate) capture: Option<Capture>,
}

impl<'a> Context<'a> {
    /// Of one run's pass without dropout that notes nothing.
    pub(crate) fn plain(config: &'a Config, precision: &'a Precision) -> Self {
        Self::new(vec![config], precision)
    }

    /// Of a pass of several runs, at least one, without dropout that notes nothing.
    pub(crate) fn new(runs: Vec<&'a Config>, precision: &'a Precision) -> Self {
        Self {
            config: runs[0],
            runs,
            precision,
            dropout: Vec::new(),
            probes: Vec::new(),
            capture: None,
        }
    }

    /// Weight α of the residual branch in every run.
    fn alphas(&self) -> Vec<f64> {
        let alpha = |run: &&Config| run.model.norm.alpha(run.model.layers);
        self.runs.iter().map(alpha).collect()
    }

    /// Drops elements of a stored tensor with probability `p`; identity in evaluation.
    fn drop<B: Kernels, const D: usize>(
        &mut self,
        x: Tensor<B, D>,
        p: f64,
        at: At,
        layer: usize,
    ) -> Tensor<B, D> {
        if p == 0.0 || self.dropout.is_empty() {
            return x;
        }
        let mask = Dropout::mask(&mut self.dropout, &x, p);
        if let Some(capture) = &mut self.capture {
            capture.tensor(format!("dropout.{}", at.label(layer)), &mask);
        }
        self.precision.store(x * mask, at, layer)
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
    /// `[r·v, h]`
    head: Tensor<B, 2>,
}

/// `x` times the number of its run; the runs lie one after another in the first dimension.
pub(crate) fn scale_runs<B: Kernels, const D: usize>(
    x: Tensor<B, D>,
    numbers: &[f64],
) -> Tensor<B, D> {
    let [first, rest @ ..] = numbers else {
        return x;
    };
    if rest.iter().all(|number| number == first) {
        return x * *first;
    }
    let (shape, runs) = (x.dims(), numbers.len());
    let values: Vec<f32> = numbers.iter().map(|number| *number as f32).collect();
    let numbers = Tensor::from_data(TensorData::new(values, [runs, 1]), &x.device());
    let elements: usize = shape.iter().product();
    (x.reshape([runs, elements / runs]) * numbers).reshape(shape)
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
            head: weights.head(),
        }
    }

    /// Logits of the slots that have a target, as many in every run.
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
        let half = context.precision.head_half();
        let logits = product(y_th, self.head(context), context, half);
        context.precision.store(logits, At::Logits, 0)
    }

    /// The output projection with its gradient shrunk.
    fn head(&self, context: &Context) -> Tensor<B, 2> {
        shrink(self.head.clone(), context, EgsPath::Logit, At::Head)
    }
}
