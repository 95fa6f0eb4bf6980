//! Cross-entropy of rows of logits, and the logarithm of the softmax's denominator.
//!
//! `z = log Σ exp x`, `loss = z - x[token]`, in nats; side by side, `[loss, z]`
//!
//! `dx = p (dloss + dz) - [token] dloss` with `p = exp(x - z)`. FP32 throughout.

use crate::{Kernels, unary};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::tensor::ops::{FloatTensor, IntTensor};
use burn::tensor::{IndexingUpdateOp, Int, Tensor, TensorPrimitive};

/// Loss and log-denominator of every row, `[t]` each.
///
/// # Shapes
/// - logits: `[t, v]`, tokens: `[t]`
pub fn cross_entropy<B: Kernels>(
    logits: Tensor<B, 2>,
    tokens: Tensor<B, 1, Int>,
) -> [Tensor<B, 1>; 2] {
    let logits = logits.into_primitive().tensor();
    let both = tensor::<B>(B::cross_entropy(logits, tokens.into_primitive()));
    let t = both.dims()[0];
    [0, 1].map(|column| both.clone().narrow(1, column, 1).reshape([t]))
}

fn tensor<B: Kernels>(x: FloatTensor<B>) -> Tensor<B, 2> {
    Tensor::from_primitive(TensorPrimitive::Float(x))
}

/// `[t]` as `[t, 1]`.
fn column<B: Kernels>(tokens: IntTensor<B>) -> Tensor<B, 2, Int> {
    let tokens = Tensor::<B, 1, Int>::from_primitive(tokens);
    let t = tokens.dims()[0];
    tokens.reshape([t, 1])
}

/// The specification.
pub(crate) fn plain<B: Kernels>(logits: FloatTensor<B>, tokens: IntTensor<B>) -> FloatTensor<B> {
    let x = tensor::<B>(logits);
    let largest = x.clone().max_dim(1);
    let z = (x.clone() - largest.clone()).exp().sum_dim(1).log() + largest;
    let loss = z.clone() - x.gather(1, column::<B>(tokens));
    Tensor::cat(vec![loss, z], 1).into_primitive().tensor()
}

/// The specification of the backward pass: `output` is what the forward pass gave, `dy` its gradient.
pub(crate) fn plain_backward<B: Kernels>(
    logits: FloatTensor<B>,
    tokens: IntTensor<B>,
    output: FloatTensor<B>,
    dy: FloatTensor<B>,
) -> FloatTensor<B> {
    let (x, output, dy) = (tensor::<B>(logits), tensor::<B>(output), tensor::<B>(dy));
    let p = (x - output.narrow(1, 1, 1)).exp();
    let of_loss = dy.clone().narrow(1, 0, 1);
    let dx = p * dy.sum_dim(1);
    let dx = dx.scatter(1, column::<B>(tokens), of_loss.neg(), IndexingUpdateOp::Add);
    dx.into_primitive().tensor()
}

/// The operation on the autodiff graph.
pub(crate) fn differentiable<B: Kernels, C: CheckpointStrategy>(
    logits: FloatTensor<Autodiff<B, C>>,
    tokens: IntTensor<B>,
) -> FloatTensor<Autodiff<B, C>> {
    let forward = |logits: FloatTensor<B>| {
        let output = B::cross_entropy(logits.clone(), tokens.clone());
        (output.clone(), (logits, tokens, output))
    };
    unary::differentiable::<B, C, _>(logits, forward, |(logits, tokens, output), dy| {
        B::cross_entropy_backward(logits, tokens, output, dy)
    })
}
