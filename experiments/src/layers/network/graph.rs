//! On tensors.

use crate::layers::context::graph::Context;
use crate::layers::embedding::graph::Embedding;
use crate::layers::head::graph::Head;
use crate::layers::input::Input;
use crate::layers::residual::graph::Block;
use crate::layers::tap::Seen;
use crate::layers::weights::graph::Weights;
use crate::numerics::precision::At;
use burn::tensor::{Int, Tensor};
use experiments_config::Config;
use kernels::Kernels;

/// The model with the weights of one pass.
pub(crate) struct Glm<B: Kernels> {
    embedding: Embedding<B>,
    blocks: Vec<Block<B>>,
    head: Head<B>,
}

impl<B: Kernels> Glm<B> {
    pub(crate) fn new(config: &Config, weights: &mut Weights<B>) -> Self {
        let model = &config.model;
        Self {
            embedding: Embedding::new(model, weights),
            blocks: (0..model.layers)
                .map(|layer| Block::new(model, layer, weights))
                .collect(),
            head: Head::new(model, weights),
        }
    }

    /// Logits of the slots that have a target, as many in every run.
    ///
    /// # Shapes
    /// - input: tokens `[b·s]`, slots `[t]`
    /// - output: `[t, v]`
    pub(crate) fn logits(&self, input: &Input<B>, context: &mut Context) -> Tensor<B, 2> {
        let x_sh = self.last(input, context);
        self.head.forward(x_sh, input, context)
    }

    /// Loss and log-denominator of these slots, `[t]` each.
    pub(crate) fn entropy(
        &self,
        tokens_t: Tensor<B, 1, Int>,
        input: &Input<B>,
        context: &mut Context,
    ) -> [Tensor<B, 1>; 2] {
        let x_sh = self.last(input, context);
        self.head.entropy(x_sh, tokens_t, input, context)
    }

    /// What the last block leaves, `[b·s, h]`.
    fn last(&self, input: &Input<B>, context: &mut Context) -> Tensor<B, 2> {
        let mut x_sh = self.embedding.forward(input, context);
        context.see(Seen::Stored(At::Embedding), 0, &x_sh);
        for block in &self.blocks {
            x_sh = block.forward(x_sh, input, context);
        }
        x_sh
    }
}
