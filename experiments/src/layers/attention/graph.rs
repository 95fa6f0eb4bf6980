//! On tensors.

pub(crate) mod alibi;
pub(crate) mod rope;
pub(crate) mod scores;

use super::{HEAD_NORMS, KEY, QUERY, VALUE};
use crate::layers::context::graph::Context;
use crate::layers::input::Input;
use crate::layers::linear::Linear;
use crate::layers::norm::LayerNorm;
use crate::layers::tap::Seen;
use crate::layers::weights::graph::Weights;
use crate::numerics::precision::At;
use burn::tensor::Tensor;
use experiments_config::ModelConfig;
use kernels::{Heads, Kernels};
use rope::Rope;
use scores::Scores;

/// The attention of one layer.
pub(crate) struct Attention<B: Kernels> {
    qkv: Linear<B>,
    /// Of query and key, with `model.qk_norm`.
    head_norms: Option<[LayerNorm<B>; 2]>,
    out: Linear<B>,
    num_heads: usize,
}

impl<B: Kernels> Attention<B> {
    pub(crate) fn new(name: &str, model: &ModelConfig, weights: &mut Weights<B>) -> Self {
        Self {
            qkv: Linear::new(&format!("{name}.qkv"), model, weights),
            head_norms: model.qk_norm.then(|| {
                HEAD_NORMS.map(|part| LayerNorm::new(&format!("{name}.{part}"), model, weights))
            }),
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
        context.see(Seen::Enters(At::Qkv), layer, &x_sh);
        let qkv = precision.store(self.qkv.forward(x_sh, context), At::Qkv, layer);
        let qkv = if B::COMBINES && self.head_norms.is_none() {
            [QUERY, KEY, VALUE].map(|part| self.taken(&qkv, part, layer, input, context))
        } else {
            let part = |index: usize| qkv.clone().narrow(1, index * h, h);
            let positioned =
                |part_of| self.positioned(part(part_of), part_of, layer, input, context);
            [
                positioned(QUERY),
                positioned(KEY),
                self.heads(part(VALUE), input),
            ]
        };
        let y_bnsd = Scores::new(layer, context).context(qkv, input, context);
        let y_bnsd = precision.store(y_bnsd, At::Context, layer);
        let y_sh = y_bnsd
            .swap_dims(1, 2)
            .reshape([input.batch * input.seq_len, h]);
        context.see(Seen::Enters(At::AttentionOut), layer, &y_sh);
        let y_sh = precision.store(self.out.forward(y_sh, context), At::AttentionOut, layer);
        let dropout = context.config.model.dropout;
        let y_sh = context.drop(y_sh, dropout, At::AttentionOut, layer);
        context.see(Seen::Stored(At::AttentionOut), layer, &y_sh);
        y_sh
    }

    /// # Shapes
    /// - input: `[b·s, h]`
    /// - output: `[b, n, s, d]`
    fn heads(&self, x_sh: Tensor<B, 2>, input: &Input<B>) -> Tensor<B, 4> {
        let d = x_sh.dims()[1] / self.num_heads;
        x_sh.reshape([input.batch, input.seq_len, self.num_heads, d])
            .swap_dims(1, 2)
    }

    /// Query, key or value, the first two with their rotation, in one operation.
    fn taken(
        &self,
        qkv: &Tensor<B, 2>,
        part: usize,
        layer: usize,
        input: &Input<B>,
        context: &Context,
    ) -> Tensor<B, 4> {
        let rope = input.rope.as_ref().filter(|_| part != VALUE);
        let (rotation, blocks) = rope.map(Rope::tables).unzip();
        let heads = Heads {
            part,
            parts: 3,
            batch: input.batch,
            seq_len: input.seq_len,
            heads: self.num_heads,
            blocks: blocks.unwrap_or(0),
        };
        let x_bnsd = kernels::heads(qkv.clone(), rotation, &heads);
        match rope {
            Some(_) => {
                let at = [At::Query, At::Key][part];
                context.precision.store(x_bnsd, at, layer)
            }
            None => x_bnsd,
        }
    }

    /// Query or key with its norm and its rotation, where the model has them.
    fn positioned(
        &self,
        mut x_sh: Tensor<B, 2>,
        part: usize,
        layer: usize,
        input: &Input<B>,
        context: &Context,
    ) -> Tensor<B, 4> {
        let precision = context.precision;
        if let Some(norms) = &self.head_norms {
            let [rows, h] = x_sh.dims();
            let d = h / self.num_heads;
            let y = norms[part].forward(x_sh.reshape([rows * self.num_heads, d]));
            let at = [At::QueryNorm, At::KeyNorm][part];
            x_sh = precision.store(y, at, layer).reshape([rows, h]);
        }
        let x_bnsd = self.heads(x_sh, input);
        match &input.rope {
            Some(rope) => {
                let at = [At::Query, At::Key][part];
                precision.store(rope.rotate(x_bnsd), at, layer)
            }
            None => x_bnsd,
        }
    }
}
