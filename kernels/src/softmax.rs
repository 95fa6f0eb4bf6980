//! Softmax over attention scores with forbidden places.
//!
//! `p = softmax(x̂)` over the last dimension, `x̂ = fill` where forbidden, else x
//!
//! `dx = p (dp - Σ p dp)`, 0 where forbidden. FP32 throughout.

use crate::{Kernels, unary};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::tensor::ops::{BoolTensor, FloatTensor};
use burn::tensor::{Bool, Tensor, TensorPrimitive, activation};

/// Softmax with `fill` in the place of forbidden scores.
///
/// # Shapes
/// - x: `[b, n, q, k]`, forbidden: `[b, 1, q, k]`
/// - output: `[b, n, q, k]`
pub fn masked_softmax<B: Kernels>(
    x: Tensor<B, 4>,
    forbidden: Tensor<B, 4, Bool>,
    fill: f32,
) -> Tensor<B, 4> {
    let x = x.into_primitive().tensor();
    let p = B::masked_softmax(x, forbidden.into_primitive(), fill);
    Tensor::from_primitive(TensorPrimitive::Float(p))
}

fn float<B: Kernels>(x: FloatTensor<B>) -> Tensor<B, 4> {
    Tensor::from_primitive(TensorPrimitive::Float(x))
}

/// The specification.
pub(crate) fn plain<B: Kernels>(
    x: FloatTensor<B>,
    forbidden: BoolTensor<B>,
    fill: f32,
) -> FloatTensor<B> {
    let forbidden = Tensor::from_primitive(forbidden);
    let x = float::<B>(x).mask_fill(forbidden, fill);
    activation::softmax(x, 3).into_primitive().tensor()
}

/// The specification of the backward pass.
pub(crate) fn plain_backward<B: Kernels>(
    p: FloatTensor<B>,
    forbidden: BoolTensor<B>,
    dp: FloatTensor<B>,
) -> FloatTensor<B> {
    let (p, dp) = (float::<B>(p), float::<B>(dp));
    let along = (p.clone() * dp.clone()).sum_dim(3);
    let dx = p * (dp - along);
    let dx = dx.mask_fill(Tensor::from_primitive(forbidden), 0.0);
    dx.into_primitive().tensor()
}

/// The operation on the autodiff graph.
pub(crate) fn differentiable<B: Kernels, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    forbidden: BoolTensor<B>,
    fill: f32,
) -> FloatTensor<Autodiff<B, C>> {
    let forward = |x| {
        let p = B::masked_softmax(x, forbidden.clone(), fill);
        (p.clone(), (p, forbidden))
    };
    unary::differentiable::<B, C, _>(x, forward, |(p, forbidden), dp| {
        B::masked_softmax_backward(p, forbidden, dp)
    })
}
