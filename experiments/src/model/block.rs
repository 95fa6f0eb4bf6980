//! One layer in each of the norm arrangements.

use super::attention::Attention;
use super::feed_forward::FeedForward;
use super::norm::{LayerNorm, relax};
use super::{Context, Input, Weights, scale_runs};
use crate::precision::At;
use crate::probe::Probe;
use burn::tensor::Tensor;
use experiments_config::{ModelConfig, Norm};
use kernels::Kernels;

/// Attention and feed-forward, each inside a residual connection:
///
/// - `post`, `deepnorm`, `deepnorm_glm`: `y = LN(x)`, `x ← αy + f(y)`. GLM-130B's order: Post-LN
///   shifted by one, the next norm closes this residual and a final norm the last one;
/// - `pre`: `x ← x + f(LN(x))`;
/// - `sandwich`: `x ← x + LN(f(LN(x)))`.
pub(crate) struct Block<B: Kernels> {
    layer: usize,
    norm: Norm,
    attention_norm: LayerNorm<B>,
    attention: Attention<B>,
    ffn_norm: LayerNorm<B>,
    ffn: FeedForward<B>,
    /// After attention and feed-forward, `sandwich` only.
    out_norms: Option<[LayerNorm<B>; 2]>,
}

/// The rounding points of one half of a block.
struct Points {
    norm: At,
    out_norm: At,
    skip: At,
    sum: At,
}

const ATTENTION: Points = Points {
    norm: At::AttentionNorm,
    out_norm: At::AttentionOutNorm,
    skip: At::AttentionSkip,
    sum: At::AttentionSum,
};

const FFN: Points = Points {
    norm: At::FfnNorm,
    out_norm: At::FfnOutNorm,
    skip: At::FfnSkip,
    sum: At::FfnSum,
};

impl<B: Kernels> Block<B> {
    pub(crate) fn new(model: &ModelConfig, layer: usize, weights: &mut Weights<B>) -> Self {
        let name = |part: &str| format!("layers.{layer}.{part}");
        Self {
            layer,
            norm: model.norm,
            attention_norm: LayerNorm::new(&name("attention_norm"), model, weights),
            attention: Attention::new(&name("attention"), model, weights),
            ffn_norm: LayerNorm::new(&name("ffn_norm"), model, weights),
            ffn: FeedForward::new(&name("ffn"), model, weights),
            out_norms: (model.norm == Norm::Sandwich).then(|| {
                ["attention_out_norm", "ffn_out_norm"]
                    .map(|part| LayerNorm::new(&name(part), model, weights))
            }),
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
        Probe::layer_input(&mut context.probes, self.layer, &x_sh);
        let attend =
            |y, context: &mut Context| self.attention.forward(y, self.layer, input, context);
        let x_sh = self.residual(x_sh, &self.attention_norm, 0, &ATTENTION, context, attend);
        let feed = |y, context: &mut Context| self.ffn.forward(y, self.layer, context);
        let x_sh = self.residual(x_sh, &self.ffn_norm, 1, &FFN, context, feed);
        Probe::layer_output(&mut context.probes, self.layer, &x_sh);
        if let Some(capture) = &mut context.capture {
            capture.tensor(format!("activations.layers.{}.output", self.layer), &x_sh);
        }
        x_sh
    }

    /// One sub-layer `f` inside its residual connection.
    fn residual(
        &self,
        x: Tensor<B, 2>,
        norm: &LayerNorm<B>,
        half: usize,
        at: &Points,
        context: &mut Context,
        f: impl FnOnce(Tensor<B, 2>, &mut Context) -> Tensor<B, 2>,
    ) -> Tensor<B, 2> {
        let (precision, layer) = (context.precision, self.layer);
        if self.norm.is_post() {
            let y = norm.forward(relax(x, at.norm, layer, context));
            let y = precision.store(y, at.norm, layer);
            context.capture(at.norm, layer, &y);
            let branch = f(precision.branch(y.clone(), at.norm, layer), context);
            let skip = precision.branch(y, at.norm, layer);
            let skip = scale_runs(skip, &context.alphas());
            let skip = precision.store(skip, at.skip, layer);
            return precision.store(skip + branch, at.sum, layer);
        }
        let y = relax(
            precision.branch(x.clone(), at.norm, layer),
            at.norm,
            layer,
            context,
        );
        let y = precision.store(norm.forward(y), at.norm, layer);
        context.capture(at.norm, layer, &y);
        let mut branch = f(y, context);
        if let Some(out_norms) = &self.out_norms {
            branch = relax(branch, at.out_norm, layer, context);
            branch = precision.store(out_norms[half].forward(branch), at.out_norm, layer);
        }
        precision.store(x + branch, at.sum, layer)
    }
}
