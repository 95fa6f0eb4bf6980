//! Softmax over attention scores with forbidden places.
//!
//! `p = softmax(x̂)` over the last dimension, `x̂ = fill` where forbidden, else x
//!
//! `dx = p (dp - Σ p dp)`, 0 where forbidden. FP32 throughout.

use crate::Kernels;
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
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
    #[derive(Debug)]
    struct SoftmaxBackward;

    impl<B: Kernels> Backward<B, 1> for SoftmaxBackward {
        type State = (FloatTensor<B>, BoolTensor<B>);

        fn backward(
            self,
            ops: Ops<Self::State, 1>,
            grads: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            let (p, forbidden) = ops.state;
            unary::<B, _>(ops.parents, ops.node, grads, |dp| {
                B::masked_softmax_backward(p, forbidden, dp)
            });
        }
    }

    let p = B::masked_softmax(x.primitive, forbidden.clone(), fill);
    match SoftmaxBackward
        .prepare::<C>([x.node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => prepared.finish((p.clone(), forbidden), p),
        OpsKind::UnTracked(prepared) => prepared.finish(p),
    }
}
