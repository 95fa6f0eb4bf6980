//! Linear maps on tensors; on slices they are [`kernels::slices::Linear`].

use super::context::graph::Context;
use super::weights::graph::Weights;
use crate::numerics::precision;
use burn::tensor::Tensor;
use experiments_config::ModelConfig;
use kernels::{HalfFormat, Kernels, biased};

/// A linear map `x Wᵀ + b`: the bias is added before the one rounding.
pub(crate) struct Linear<B: Kernels> {
    /// `[r·o, i]`
    weight: Tensor<B, 2>,
    /// `[r·o]`
    bias: Option<Tensor<B, 1>>,
}

impl<B: Kernels> Linear<B> {
    pub(crate) fn new(name: &str, model: &ModelConfig, weights: &mut Weights<B>) -> Self {
        Self {
            weight: weights.matrix(&format!("{name}.weight")),
            bias: model.bias.then(|| weights.vector(&format!("{name}.bias"))),
        }
    }

    /// # Shapes
    /// - input: `[b·s, in]`
    /// - output: `[b·s, out]`
    pub(crate) fn forward(&self, x_si: Tensor<B, 2>, context: &Context) -> Tensor<B, 2> {
        let y_so = product(x_si, self.weight.clone(), context, context.precision.half());
        match self.bias.clone() {
            Some(bias) => biased(y_so, bias),
            None => y_so,
        }
    }
}

/// `x Wᵀ` of the format's values, every run's rows by its own matrix.
///
/// # Shapes
/// - x: `[rows, i]`, weight: `[r·o, i]`
/// - output: `[rows, o]`
pub(crate) fn product<B: Kernels>(
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
