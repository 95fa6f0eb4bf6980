//! On tensors.

use super::function;
use crate::layers::context::graph::Context;
use crate::layers::linear::Linear;
use crate::layers::tap::Seen;
use crate::layers::weights::graph::Weights;
use crate::numerics::precision::At;
use burn::tensor::Tensor;
use experiments_config::{Activation, Function, ModelConfig};
use kernels::Kernels;

/// The feed-forward of one layer.
pub(crate) struct FeedForward<B: Kernels> {
    activation: Activation,
    up: Linear<B>,
    down: Linear<B>,
}

impl<B: Kernels> FeedForward<B> {
    pub(crate) fn new(name: &str, model: &ModelConfig, weights: &mut Weights<B>) -> Self {
        Self {
            activation: *model.ffn.row(),
            up: Linear::new(&format!("{name}.up"), model, weights),
            down: Linear::new(&format!("{name}.down"), model, weights),
        }
    }

    /// # Shapes
    /// - input and output: `[b·s, h]`
    pub(crate) fn forward(
        &self,
        x_sh: Tensor<B, 2>,
        layer: usize,
        context: &mut Context,
    ) -> Tensor<B, 2> {
        let precision = context.precision;
        context.see(Seen::Enters(At::Up), layer, &x_sh);
        let up = precision.store(self.up.forward(x_sh, context), At::Up, layer);
        let inner_sf = match self.activation {
            Activation {
                is_gated: true,
                function: Function::Gelu,
                ..
            } if B::COMBINES && !precision.watches() => {
                let inner = precision.rounding(At::Gelu, layer);
                precision.store(kernels::geglu(up, inner), At::Glu, layer)
            }
            Activation {
                is_gated: true,
                function,
                ..
            } => {
                let f = up.dims()[1] / 2;
                let (value_sf, gate_sf) = (up.clone().narrow(1, 0, f), up.narrow(1, f, f));
                let gate_sf = precision.store(function::tensor(function, gate_sf), At::Gelu, layer);
                precision.store(value_sf * gate_sf, At::Glu, layer)
            }
            Activation {
                is_gated: false,
                function,
                ..
            } => precision.store(function::tensor(function, up), At::Gelu, layer),
        };
        context.see(Seen::Enters(At::Down), layer, &inner_sf);
        let down = precision.store(self.down.forward(inner_sf, context), At::Down, layer);
        let dropout = context.config.model.dropout;
        let down = context.drop(down, dropout, At::Down, layer);
        context.see(Seen::Stored(At::Down), layer, &down);
        down
    }
}
