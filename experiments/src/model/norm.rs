//! Layer norm with FP32 statistics and weights.

use super::Weights;
use burn::tensor::Tensor;
use experiments_config::ModelConfig;
use kernels::Kernels;

/// `LN(x) = γ (x - mean) / sqrt(var + ε) + β`, mean and variance over the width.
pub(crate) struct LayerNorm<B: Kernels> {
    gamma_h: Tensor<B, 1>,
    beta_h: Tensor<B, 1>,
    eps: f64,
}

impl<B: Kernels> LayerNorm<B> {
    pub(crate) fn new(name: &str, model: &ModelConfig, weights: &mut Weights<B>) -> Self {
        Self {
            gamma_h: weights.vector(&format!("{name}.weight")),
            beta_h: weights.vector(&format!("{name}.bias")),
            eps: model.layer_norm_eps,
        }
    }

    /// # Shapes
    /// - input and output: `[b·s, h]`
    pub(crate) fn forward(&self, x_sh: Tensor<B, 2>) -> Tensor<B, 2> {
        kernels::layer_norm(x_sh, self.gamma_h.clone(), self.beta_h.clone(), self.eps)
    }
}
