//! On tensors: a layer, both of its sub-layers in the residual.

use super::{ATTENTION, FEED_FORWARD, Half};
use crate::layers::attention::graph::Attention;
use crate::layers::context::graph::{Context, scale_runs};
use crate::layers::feed_forward::graph::FeedForward;
use crate::layers::input::Input;
use crate::layers::norm::{LayerNorm, relax};
use crate::layers::tap::Seen;
use crate::layers::weights::graph::Weights;
use burn::tensor::Tensor;
use experiments_config::{ModelConfig, Residual};
use kernels::Kernels;

/// Attention and feed-forward, each inside a residual connection, as [`Residual`] says.
pub(crate) struct Block<B: Kernels> {
    layer: usize,
    residual: Residual,
    attention: Attention<B>,
    attention_norms: Norms<B>,
    ffn: FeedForward<B>,
    ffn_norms: Norms<B>,
}

/// The norms around one sub-layer.
struct Norms<B: Kernels> {
    before: Option<LayerNorm<B>>,
    after: Option<LayerNorm<B>>,
}

impl<B: Kernels> Norms<B> {
    fn new(name: &str, model: &ModelConfig, weights: &mut Weights<B>) -> Self {
        let mut norm = |part: &str| LayerNorm::new(&format!("{name}_{part}"), model, weights);
        Self {
            before: model.norm.is_before().then(|| norm("norm")),
            after: model.norm.is_after().then(|| norm("out_norm")),
        }
    }
}

impl<B: Kernels> Block<B> {
    pub(crate) fn new(model: &ModelConfig, layer: usize, weights: &mut Weights<B>) -> Self {
        let name = |half: &Half| format!("layers.{layer}.{}", half.name);
        Self {
            layer,
            residual: model.norm.row().residual,
            attention: Attention::new(&name(&ATTENTION), model, weights),
            attention_norms: Norms::new(&name(&ATTENTION), model, weights),
            ffn: FeedForward::new(&name(&FEED_FORWARD), model, weights),
            ffn_norms: Norms::new(&name(&FEED_FORWARD), model, weights),
        }
    }

    /// # Shapes
    /// - input and output: `[b·s, h]`
    pub(crate) fn forward(
        &self,
        x_sh: Tensor<B, 2>,
        input: &Input<B>,
        context: &mut Context,
    ) -> Tensor<B, 2> {
        context.see(Seen::Input, self.layer, &x_sh);
        let attend =
            |y, context: &mut Context| self.attention.forward(y, self.layer, input, context);
        let x_sh = self.sublayer(x_sh, &self.attention_norms, &ATTENTION, context, attend);
        let feed = |y, context: &mut Context| self.ffn.forward(y, self.layer, context);
        let x_sh = self.sublayer(x_sh, &self.ffn_norms, &FEED_FORWARD, context, feed);
        context.see(Seen::Output, self.layer, &x_sh);
        x_sh
    }

    /// One sub-layer `f` inside its residual connection.
    fn sublayer(
        &self,
        x: Tensor<B, 2>,
        norms: &Norms<B>,
        at: &Half,
        context: &mut Context,
        f: impl FnOnce(Tensor<B, 2>, &mut Context) -> Tensor<B, 2>,
    ) -> Tensor<B, 2> {
        let (precision, layer) = (context.precision, self.layer);
        // Of two consumers of a tensor each rounds its gradient before the sum.
        let consumer = |x: &Tensor<B, 2>| precision.branch(x.clone(), at.norm, layer);
        match self.residual {
            Residual::Norm { .. } => {
                let y = self.read(x, norms, at, context);
                let branch = f(consumer(&y), context);
                let skip = scale_runs(consumer(&y), &context.alphas());
                let skip = precision.store(skip, at.skip, layer);
                precision.store(skip + branch, at.sum, layer)
            }
            Residual::Stream { .. } => {
                let y = self.read(consumer(&x), norms, at, context);
                let mut branch = f(y, context);
                if let Some(norm) = &norms.after {
                    branch = relax(branch, at.out_norm, layer, context);
                    branch = precision.store(norm.forward(branch), at.out_norm, layer);
                }
                precision.store(x + branch, at.sum, layer)
            }
        }
    }

    /// What a sub-layer reads: the output of the norm before it, or the stream.
    fn read(
        &self,
        x: Tensor<B, 2>,
        norms: &Norms<B>,
        at: &Half,
        context: &mut Context,
    ) -> Tensor<B, 2> {
        let Some(norm) = &norms.before else {
            return x;
        };
        let y = norm.forward(relax(x, at.norm, self.layer, context));
        let y = context.precision.store(y, at.norm, self.layer);
        context.see(Seen::Stored(at.norm), self.layer, &y);
        y
    }
}
