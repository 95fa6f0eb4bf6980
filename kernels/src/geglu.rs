//! `GeGLU` (arXiv 2002.05202) between two matrix products, with its rounding points.
//!
//! `y = v r(GELU(g))` with `[v, g] = up`, where r rounds to the format of the pass
//!
//! `dv = dy r(GELU(g))`, `dg = GELU'(g) r(v dy)`: what comes back to GELU's output is stored too.
//! The product itself and `[dv, dg]` are rounded by whoever stores them.

use crate::{HalfFormat, Kernels, unary};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorPrimitive};

/// `GeGLU` of both halves of each row.
///
/// # Shapes
/// - up: `[rows, 2f]`
/// - output: `[rows, f]`
pub fn geglu<B: Kernels>(up: Tensor<B, 2>, format: Option<HalfFormat>) -> Tensor<B, 2> {
    let up = up.into_primitive().tensor();
    Tensor::from_primitive(TensorPrimitive::Float(B::geglu(up, format)))
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

fn rounded<B: Kernels>(x: FloatTensor<B>, format: Option<HalfFormat>) -> FloatTensor<B> {
    match format {
        Some(format) => B::round(x, format).0,
        None => x,
    }
}

/// The specification.
pub(crate) fn plain<B: Kernels>(up: FloatTensor<B>, format: Option<HalfFormat>) -> FloatTensor<B> {
    let [value, gate] = halves::<B>(up);
    let gate = rounded::<B>(B::exact_gelu(primitive(gate)), format);
    primitive(value * tensor::<B>(gate))
}

/// The specification of the backward pass.
pub(crate) fn plain_backward<B: Kernels>(
    up: FloatTensor<B>,
    dy: FloatTensor<B>,
    format: Option<HalfFormat>,
) -> FloatTensor<B> {
    let [value, gate] = halves::<B>(up);
    let (gate, dy) = (primitive(gate), tensor::<B>(dy));
    let output = rounded::<B>(B::exact_gelu(gate.clone()), format);
    let back = rounded::<B>(primitive(value * dy.clone()), format);
    let gate = tensor::<B>(B::exact_gelu_backward(gate, back));
    primitive(Tensor::cat(vec![dy * tensor::<B>(output), gate], 1))
}

/// The operation on the autodiff graph.
pub(crate) fn differentiable<B: Kernels, C: CheckpointStrategy>(
    up: FloatTensor<Autodiff<B, C>>,
    format: Option<HalfFormat>,
) -> FloatTensor<Autodiff<B, C>> {
    let forward = |up: FloatTensor<B>| (B::geglu(up.clone(), format), (up, format));
    unary::differentiable::<B, C, _>(up, forward, |(up, format), dy| {
        B::geglu_backward(up, dy, format)
    })
}
