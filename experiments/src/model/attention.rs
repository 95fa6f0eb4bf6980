//! Multi-head attention with RoPE and a bidirectional prefix.

use super::feed_forward::Linear;
use super::{Context, Input, Weights};
use crate::precision::At;
use burn::tensor::{Tensor, activation};
use experiments_config::ModelConfig;
use kernels::Kernels;

/// Value of forbidden scores (`LargeScale` `fused_softmax.py`; not -inf).
const FORBIDDEN: f64 = -10_000.0;

/// `softmax(q kᵀ / √d) v`, heads side by side.
pub(crate) struct Attention<B: Kernels> {
    qkv: Linear<B>,
    out: Linear<B>,
    num_heads: usize,
}

impl<B: Kernels> Attention<B> {
    pub(crate) fn new(name: &str, model: &ModelConfig, weights: &mut Weights<B>) -> Self {
        Self {
            qkv: Linear::new(&format!("{name}.qkv"), model, weights),
            out: Linear::new(&format!("{name}.out"), model, weights),
            num_heads: model.num_heads,
        }
    }

    /// # Shapes
    /// - input and output: `[b·s, h]`
    pub(crate) fn forward(
        &self,
        x_sh: Tensor<B, 2>,
        layer: usize,
        input: &Input<B>,
        context: &mut Context,
    ) -> Tensor<B, 2> {
        let precision = context.precision;
        let h = x_sh.dims()[1];
        let d = h / self.num_heads;
        let qkv = precision.store(self.qkv.forward(x_sh), At::Qkv, layer);
        let head = |part: usize| -> Tensor<B, 4> {
            qkv.clone()
                .narrow(1, part * h, h)
                .reshape([input.batch, input.seq_len, self.num_heads, d])
                .swap_dims(1, 2)
        };
        let q_bnsd = precision.store(input.rope.rotate(head(0)), At::Query, layer);
        let k_bnsd = precision.store(input.rope.rotate(head(1)), At::Key, layer);
        let q_bnsd = precision.store(q_bnsd * (d as f64).sqrt().recip(), At::Query, layer);
        let scores_bnss = q_bnsd.matmul(k_bnsd.swap_dims(2, 3));
        let scores_bnss = precision.store(scores_bnss, At::Scores, layer);
        let scores_bnss = scores_bnss.mask_fill(input.forbidden.clone(), FORBIDDEN);
        if let Some(probe) = &mut context.probe {
            probe.attention_scores(layer, &scores_bnss);
        }
        let p_bnss = Self::softmax(scores_bnss, layer, context);
        let attention_dropout = context.config.model.attention_dropout;
        let p_bnss = context.drop(p_bnss, attention_dropout, At::Probabilities, layer);
        let y_bnsd = precision.store(p_bnss.matmul(head(2)), At::Context, layer);
        let y_sh = y_bnsd
            .swap_dims(1, 2)
            .reshape([input.batch * input.seq_len, h]);
        let y_sh = precision.store(self.out.forward(y_sh), At::AttentionOut, layer);
        let dropout = context.config.model.dropout;
        context.drop(y_sh, dropout, At::AttentionOut, layer)
    }

    /// Softmax over the last dimension: in FP32 with one rounding at its end, or with every step
    /// rounded.
    fn softmax(x: Tensor<B, 4>, layer: usize, context: &Context) -> Tensor<B, 4> {
        let precision = context.precision;
        if !precision.softmax_half() {
            return precision.store(activation::softmax(x, 3), At::Probabilities, layer);
        }
        let largest = x.clone().detach().max_dim(3);
        let shifted = precision.store(x - largest, At::Softmax, layer);
        let exp = precision.store(shifted.exp(), At::Softmax, layer);
        let branch = precision.branch(exp.clone(), At::Softmax, layer);
        let sum = precision.store(branch.sum_dim(3), At::Softmax, layer);
        precision.store(
            precision.branch(exp, At::Softmax, layer) / sum,
            At::Probabilities,
            layer,
        )
    }
}
