//! On tensors.

use super::NORM;
use crate::layers::context::graph::Context;
use crate::layers::embedding::graph::shrink;
use crate::layers::input::Input;
use crate::layers::linear::product;
use crate::layers::norm::{LayerNorm, relax};
use crate::layers::tap::Seen;
use crate::layers::weights::graph::Weights;
use crate::numerics::precision::At;
use burn::tensor::{Int, Tensor, activation};
use experiments_config::{EgsPath, ModelConfig};
use kernels::{Kernels, Projection};

/// Logits that a device keeps at most (16 MiB); of more, some rows at a time, twice.
const MOST_LOGITS: usize = 1 << 22;

/// Final norm and projection to the vocabulary.
pub(crate) struct Head<B: Kernels> {
    norm: LayerNorm<B>,
    /// `[runs·v, h]`
    weight: Tensor<B, 2>,
}

impl<B: Kernels> Head<B> {
    pub(crate) fn new(model: &ModelConfig, weights: &mut Weights<B>) -> Self {
        Self {
            norm: LayerNorm::new(NORM, model, weights),
            weight: weights.head(),
        }
    }

    /// # Shapes
    /// - x: `[b·s, h]`
    /// - output: logits of the slots with a target, `[t, v]`
    pub(crate) fn forward(
        &self,
        x_sh: Tensor<B, 2>,
        input: &Input<B>,
        context: &mut Context,
    ) -> Tensor<B, 2> {
        let (y_th, weight) = self.operands(x_sh, input, context);
        let half = context.precision.head_half();
        let logits = product(y_th, weight, context, half);
        context.precision.store(logits, At::Logits, 0)
    }

    /// Loss and log-denominator of the slots with a target, `[t]` each.
    ///
    /// # Shapes
    /// - x: `[b·s, h]`, tokens: `[t]`
    pub(crate) fn entropy(
        &self,
        x_sh: Tensor<B, 2>,
        tokens_t: Tensor<B, 1, Int>,
        input: &Input<B>,
        context: &mut Context,
    ) -> [Tensor<B, 1>; 2] {
        let (runs, t) = (context.runs.len(), tokens_t.dims()[0]);
        let rows = (MOST_LOGITS / (self.weight.dims()[0] / runs)).max(1);
        let are_needed = context.watches(Seen::Stored(At::Logits)) || context.precision.watches();
        if B::COMBINES && t / runs > rows && !are_needed {
            return self.entropy_of_rows(rows, x_sh, tokens_t, input, context);
        }
        let logits_tv = self.forward(x_sh, input, context);
        context.see(Seen::Stored(At::Logits), 0, &logits_tv);
        if B::COMBINES {
            return kernels::cross_entropy(logits_tv, tokens_t);
        }
        let tokens = tokens_t.reshape([t, 1]);
        let log_p_tv = activation::log_softmax(logits_tv.clone(), 1);
        let losses_t: Tensor<B, 1> = log_p_tv.gather(1, tokens.clone()).neg().reshape([t]);
        let target_logits_t: Tensor<B, 1> = logits_tv.gather(1, tokens).reshape([t]);
        [losses_t.clone(), target_logits_t + losses_t]
    }

    /// The same without all logits in memory: every run by itself, so many rows at a time.
    fn entropy_of_rows(
        &self,
        rows: usize,
        x_sh: Tensor<B, 2>,
        tokens_t: Tensor<B, 1, Int>,
        input: &Input<B>,
        context: &mut Context,
    ) -> [Tensor<B, 1>; 2] {
        let (y_th, weight) = self.operands(x_sh, input, context);
        let logits = context.precision.rounding(At::Logits, 0).cloned();
        let projection = Projection { logits, rows };
        let runs = context.runs.len();
        if runs == 1 {
            return kernels::projected_entropy(y_th, weight, tokens_t, &projection);
        }
        let (t, v) = (tokens_t.dims()[0] / runs, weight.dims()[0] / runs);
        let own = (0..runs).map(|run| {
            let (y_th, weight) = (y_th.clone(), weight.clone());
            let tokens_t = tokens_t.clone().narrow(0, run * t, t);
            let (y_th, weight) = (y_th.narrow(0, run * t, t), weight.narrow(0, run * v, v));
            kernels::projected_entropy(y_th, weight, tokens_t, &projection)
        });
        let (losses, log_z) = own.map(|[losses, log_z]| (losses, log_z)).unzip();
        [Tensor::cat(losses, 0), Tensor::cat(log_z, 0)]
    }

    /// The two operands of the projection: `[t, h]` and `[runs·v, h]`.
    fn operands(
        &self,
        x_sh: Tensor<B, 2>,
        input: &Input<B>,
        context: &mut Context,
    ) -> (Tensor<B, 2>, Tensor<B, 2>) {
        let x_sh = relax(x_sh, At::FinalNorm, 0, context);
        let mut y_th = self.norm.forward(x_sh.select(0, input.slots.clone()));
        if let Some(filling) = &input.filling {
            y_th = y_th * filling.clone();
        }
        let y_th = context.precision.store(y_th, At::FinalNorm, 0);
        context.see(Seen::Stored(At::FinalNorm), 0, &y_th);
        let weight = shrink(self.weight.clone(), context, EgsPath::Logit, At::Head);
        (y_th, weight)
    }
}
