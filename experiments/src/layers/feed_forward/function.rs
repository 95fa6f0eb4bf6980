//! The functions of [`Function`]: on tensors, on slices, and with their derivatives.

use burn::tensor::Tensor;
use experiments_config::Function;
use kernels::Kernels;
use kernels::slices::rows::{gelu, gelu_and_slope};

/// `function(x)`, element by element, on a tensor that differentiates itself.
pub(super) fn tensor<B: Kernels>(function: Function, x: Tensor<B, 2>) -> Tensor<B, 2> {
    match function {
        Function::Gelu => kernels::gelu(x),
    }
}

/// `y = function(x)`
pub(super) fn values(function: Function, x: &[f32], y: &mut [f32]) {
    match function {
        Function::Gelu => gelu(x, y),
    }
}

/// The same, and its derivative.
pub(super) fn values_and_slopes(function: Function, x: &[f32], y: &mut [f32], slopes: &mut [f32]) {
    match function {
        Function::Gelu => gelu_and_slope(x, y, slopes),
    }
}
