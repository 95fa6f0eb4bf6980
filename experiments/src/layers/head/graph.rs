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
use burn::tensor::Tensor;
use experiments_config::{EgsPath, ModelConfig};
use kernels::Kernels;

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
        let x_sh = relax(x_sh, At::FinalNorm, 0, context);
        let y_th = self.norm.forward(x_sh.select(0, input.slots.clone()));
        let y_th = context.precision.store(y_th, At::FinalNorm, 0);
        context.see(Seen::Stored(At::FinalNorm), 0, &y_th);
        let weight = shrink(self.weight.clone(), context, EgsPath::Logit, At::Head);
        let half = context.precision.head_half();
        let logits = product(y_th, weight, context, half);
        context.precision.store(logits, At::Logits, 0)
    }
}
