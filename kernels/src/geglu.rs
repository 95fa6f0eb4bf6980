//! `GeGLU` (arXiv 2002.05202) between two matrix products, with its rounding points.
//!
//! `y = v r(GELU(g))` with `[v, g] = up`, where r is the rounding of what is stored between them, counted there
//!
//! `dv = dy r(GELU(g))`, `dg = GELU'(g) r(v dy)`: what comes back to GELU's output is stored too.
//! The product itself and `[dv, dg]` are rounded by whoever stores them.

use crate::gate::apply;
use crate::{Kernels, Pass, Rounding, unary};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorPrimitive};

/// `GeGLU` of both halves of each row; `rounding` is that of GELU's output.
///
/// # Shapes
/// - up: `[rows, 2f]`
/// - output: `[rows, f]`
pub fn geglu<B: Kernels>(up: Tensor<B, 2>, rounding: Option<&Rounding>) -> Tensor<B, 2> {
    let up = up.into_primitive().tensor();
    Tensor::from_primitive(TensorPrimitive::Float(B::geglu(up, rounding)))
}

fn tensor<B: Kernels>(x: FloatTensor<B>) -> Tensor<B, 2> {
    Tensor::from_primitive(TensorPrimitive::Float(x))
}

fn primitive<B: Kernels>(x: Tensor<B, 2>) -> FloatTensor<B> {
    x.into_primitive().tensor()
}

fn halves<B: Kernels>(up: FloatTensor<B>) -> [Tensor<B, 2>; 2] {
    let up = tensor::<B>(up);
    let f = up.dims()[1] / 2;
    [up.clone().narrow(1, 0, f), up.narrow(1, f, f)]
}

/// The specification.
pub(crate) fn plain<B: Kernels>(up: FloatTensor<B>, rounding: Option<&Rounding>) -> FloatTensor<B> {
    let [value, gate] = halves::<B>(up);
    let gate = apply::<B>(B::exact_gelu(primitive(gate)), rounding, Pass::Forward);
    primitive(value * tensor::<B>(gate))
}

/// The specification of the backward pass.
pub(crate) fn plain_backward<B: Kernels>(
    up: FloatTensor<B>,
    dy: FloatTensor<B>,
    rounding: Option<&Rounding>,
) -> FloatTensor<B> {
    let [value, gate] = halves::<B>(up);
    let (gate, dy) = (primitive(gate), tensor::<B>(dy));
    let again = rounding.map(Rounding::uncounted);
    let output = apply::<B>(B::exact_gelu(gate.clone()), again.as_ref(), Pass::Forward);
    let back = apply::<B>(primitive(value * dy.clone()), rounding, Pass::Backward);
    let gate = tensor::<B>(B::exact_gelu_backward(gate, back));
    primitive(Tensor::cat(vec![dy * tensor::<B>(output), gate], 1))
}

/// The operation on the autodiff graph.
pub(crate) fn differentiable<B: Kernels, C: CheckpointStrategy>(
    up: FloatTensor<Autodiff<B, C>>,
    rounding: Option<&Rounding>,
) -> FloatTensor<Autodiff<B, C>> {
    let kept = rounding.cloned();
    let forward = |up: FloatTensor<B>| (B::geglu(up.clone(), rounding), (up, kept));
    unary::differentiable::<B, C, _>(up, forward, |(up, rounding), dy| {
        B::geglu_backward(up, dy, rounding.as_ref())
    })
}
