//! Feed-forward: GeGLU (arXiv 2002.05202 by way of 2210.02414 eq. 4), or plain GELU.

use super::{Context, Weights};
use crate::numerics::precision::{self, At};
use burn::tensor::Tensor;
use experiments_config::{Activation, Function, ModelConfig};
use kernels::{HalfFormat, Kernels};

/// A linear map `x Wᵀ + b`: the bias is added before the one rounding.
pub(crate) struct Linear<B: Kernels> {
    /// `[r·o, i]`
    weight: Tensor<B, 2>,
    /// `[r·o]`
    bias: Option<Tensor<B, 1>>,
    runs: usize,
}

impl<B: Kernels> Linear<B> {
    pub(crate) fn new(name: &str, model: &ModelConfig, weights: &mut Weights<B>) -> Self {
        Self {
            weight: weights.matrix(&format!("{name}.weight")),
            bias: model.bias.then(|| weights.vector(&format!("{name}.bias"))),
            runs: weights.runs(),
        }
    }

    /// # Shapes
    /// - input: `[b·s, in]`
    /// - output: `[b·s, out]`
    pub(crate) fn forward(&self, x_si: Tensor<B, 2>, context: &Context) -> Tensor<B, 2> {
        let y_so = product(x_si, self.weight.clone(), context, context.precision.half());
        let Some(bias) = self.bias.clone() else {
            return y_so;
        };
        if self.runs == 1 {
            return y_so + bias.unsqueeze();
        }
        let ([rows, out], runs) = (y_so.dims(), self.runs);
        let bias = bias.reshape([runs, 1, out]);
        (y_so.reshape([runs, rows / runs, out]) + bias).reshape([rows, out])
    }
}

/// `x Wᵀ` of the format's values, every run's rows by its own matrix.
///
/// # Shapes
/// - x: `[rows, i]`, weight: `[r·o, i]`
/// - output: `[rows, o]`
pub(super) fn product<B: Kernels>(
    x: Tensor<B, 2>,
    weight: Tensor<B, 2>,
    context: &Context,
    half: Option<HalfFormat>,
) -> Tensor<B, 2> {
    let runs = context.runs.len();
    if runs == 1 {
        return precision::product(x, weight.transpose(), half);
    }
    let ([rows, i], [all, _]) = (x.dims(), weight.dims());
    let (x, weight) = (
        x.reshape([runs, rows / runs, i]),
        weight.reshape([runs, all / runs, i]),
    );
    let y = precision::product(x, weight.swap_dims(1, 2), half);
    y.reshape([rows, all / runs])
}

/// `function(x)`, element by element.
fn values<B: Kernels>(function: Function, x: Tensor<B, 2>) -> Tensor<B, 2> {
    match function {
        Function::Gelu => kernels::gelu(x),
    }
}

/// `FFN(x) = (x₁ ⊙ GELU(x₂)) W_down` with `[x₁, x₂] = x W_up`; GELU is exact (erf), and it is the
/// *second* half that is gated (`LargeScale` `glu_activations.py`). Without gate:
/// `FFN(x) = GELU(x W_up) W_down`.
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
        let up = precision.store(self.up.forward(x_sh, context), At::Up, layer);
        let inner_sf = match self.activation {
            Activation {
                is_gated: true,
                function: Function::Gelu,
                ..
            } if B::COMBINES && !precision.saturates() => {
                // It stores a gradient inside, without saturating it.
                precision.store(kernels::geglu(up, precision.half()), At::Glu, layer)
            }
            Activation {
                is_gated: true,
                function,
                ..
            } => {
                let f = up.dims()[1] / 2;
                let (value_sf, gate_sf) = (up.clone().narrow(1, 0, f), up.narrow(1, f, f));
                let gate_sf = precision.store(values(function, gate_sf), At::Gelu, layer);
                precision.store(value_sf * gate_sf, At::Glu, layer)
            }
            Activation {
                is_gated: false,
                function,
                ..
            } => precision.store(values(function, up), At::Gelu, layer),
        };
        let down = precision.store(self.down.forward(inner_sf, context), At::Down, layer);
        let dropout = context.config.model.dropout;
        let down = context.drop(down, dropout, At::Down, layer);
        context.capture(At::Down, layer, &down);
        down
    }
}
