//! Layer norm with FP32 statistics and weights, on tensors; on slices it is [`kernels::slices::Norm`]. And the
//! layer-norm half of PB-Relax, on both.

mod relax;

pub(crate) use relax::{Divisor, relaxed};

use super::context::graph::Context;
use super::weights::graph::Weights;
use crate::numerics::precision::At;
use burn::tensor::Tensor;
use experiments_config::ModelConfig;
use kernels::Kernels;

/// `LN(x) = γ (x - mean) / sqrt(var + ε) + β`, mean and variance over the width.
pub(crate) struct LayerNorm<B: Kernels> {
    /// `[r·width]`, as β.
    gamma_rh: Tensor<B, 1>,
    beta_rh: Tensor<B, 1>,
    eps: f64,
}

impl<B: Kernels> LayerNorm<B> {
    pub(crate) fn new(name: &str, model: &ModelConfig, weights: &mut Weights<B>) -> Self {
        Self {
            gamma_rh: weights.vector(&format!("{name}.weight")),
            beta_rh: weights.vector(&format!("{name}.bias")),
            eps: model.layer_norm_eps,
        }
    }

    /// # Shapes
    /// - input and output: `[rows, width]`
    pub(crate) fn forward(&self, x_sh: Tensor<B, 2>) -> Tensor<B, 2> {
        kernels::layer_norm(x_sh, self.gamma_rh.clone(), self.beta_rh.clone(), self.eps)
    }
}

/// The layer-norm half of PB-Relax where it is on: divides by `max|x| / 8` over the whole tensor of a
/// run, detached (`LargeScale` `transformer.py`). Layer norm undoes the factor, up to its ε.
pub(crate) fn relax<B: Kernels>(
    x: Tensor<B, 2>,
    at: At,
    layer: usize,
    context: &Context,
) -> Tensor<B, 2> {
    if !context.config.precision.pb_relax.norm {
        return x;
    }
    let shape = x.dims();
    let runs = context.runs.len();
    let x = x.reshape([runs, shape[0] / runs * shape[1]]);
    let largest = x.clone().detach().abs().max_dim(1) / 8.0;
    // A tensor of zeros stays one.
    let largest = largest.clamp_min(f64::from(f32::MIN_POSITIVE));
    let x = (x / largest).reshape(shape);
    context.precision.store(x, at, layer)
}
