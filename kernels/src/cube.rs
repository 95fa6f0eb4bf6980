//! The operations on NVIDIA GPUs: kernels in `CubeCL`, compiled for the card when they are first used.
//!
//! One decision shapes them: *a row is one cube's*. Layer norm, softmax and cross-entropy reduce inside
//! a cube in a fixed tree, and sums over rows (the gradients of γ and β) run in two stages over fixed
//! groups of rows. No sum depends on which unit is first, so a result repeats to the last bit.
//!
//! burn's CUDA backend queues operations and fuses neighbours; ours enter its queue as operations it
//! does not look into (`queue`).

// What the macro `cube` writes is not ours to document or to shorten.
#![allow(
    missing_docs,
    unstable_name_collisions,
    unreachable_pub,
    clippy::pedantic,
    unused_qualifications,
    reason = "code written by the macro `cube`"
)]

mod adamw;
mod available;
mod counting;
mod cross_entropy;
mod dropout;
mod elementwise;
mod layer_norm;
mod product;
mod queue;
mod ranges;
mod row;
mod softmax;
#[cfg(test)]
mod tests;

pub use available::cuda_available;

use crate::{HalfFormat, Kernels, LayerNormGradients, RangeCount};
use burn::tensor::ops::{BoolTensor, FloatTensor, IntTensor};
use burn::tensor::{Shape, TensorMetadata};
use burn_cuda::Cuda;
use queue::{queue, queue_one};

/// Whether the rows belong to several models, as in packed passes; the kernel here knows one.
fn grouped(x: &FloatTensor<Cuda>, gamma: &FloatTensor<Cuda>) -> bool {
    gamma.shape()[0] != x.shape()[1]
}

impl Kernels for Cuda {
    const HALF_PRODUCTS: bool = true;
    const COMBINES: bool = true;

    /// One kernel; losses of range are not counted, because the counts would have to be read back.
    fn round(x: FloatTensor<Self>, format: HalfFormat) -> (FloatTensor<Self>, RangeCount) {
        let shape = x.shape();
        let rounded = queue_one("round", [x], shape, move |[x]| {
            elementwise::round(x, format)
        });
        (rounded, RangeCount::default())
    }

    fn exact_gelu_backward(x: FloatTensor<Self>, dy: FloatTensor<Self>) -> FloatTensor<Self> {
        let shape = x.shape();
        queue_one("gelu_backward", [x, dy], shape, |[x, dy]| {
            elementwise::gelu_backward(x, dy)
        })
    }

    fn norm_rows(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self> {
        if grouped(&x, &gamma) {
            return crate::layer_norm::plain::<Self>(x, gamma, beta, eps);
        }
        let shape = x.shape();
        queue_one(
            "norm_rows",
            [x, gamma, beta],
            shape,
            move |[x, gamma, beta]| layer_norm::forward(x, gamma, beta, eps as f32),
        )
    }

    fn norm_rows_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        eps: f64,
    ) -> LayerNormGradients<Self> {
        if grouped(&x, &gamma) {
            return crate::layer_norm::plain_backward::<Self>(x, gamma, dy, eps);
        }
        let shapes = [x.shape(), gamma.shape(), gamma.shape()];
        let run = move |[x, gamma, dy]: [_; 3]| layer_norm::backward(x, gamma, dy, eps as f32);
        let [x, gamma, beta] = queue("norm_rows_backward", [x, gamma, dy], shapes, run);
        LayerNormGradients { x, gamma, beta }
    }

    fn product(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        format: Option<HalfFormat>,
    ) -> FloatTensor<Self> {
        let mut shape = a.shape();
        let last = shape.num_dims() - 1;
        shape[last] = b.shape()[last];
        match format {
            Some(format) => queue_one("product_half", [a, b], shape, move |[a, b]| {
                product::half(a, b, format)
            }),
            None => queue_one("product", [a, b], shape, |[a, b]| product::exact(a, b)),
        }
    }

    fn masked_softmax(
        x: FloatTensor<Self>,
        forbidden: BoolTensor<Self>,
        fill: f32,
    ) -> FloatTensor<Self> {
        let shape = x.shape();
        queue_one(
            "masked_softmax",
            [x, forbidden],
            shape,
            move |[x, forbidden]| softmax::forward(x, forbidden, fill),
        )
    }

    fn masked_softmax_backward(
        p: FloatTensor<Self>,
        forbidden: BoolTensor<Self>,
        dp: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (shape, inputs) = (p.shape(), [p, forbidden, dp]);
        queue_one(
            "masked_softmax_backward",
            inputs,
            shape,
            |[p, forbidden, dp]| softmax::backward(p, forbidden, dp),
        )
    }

    fn geglu(up: FloatTensor<Self>, format: Option<HalfFormat>) -> FloatTensor<Self> {
        let [rows, width] = up.shape().dims();
        let shape = Shape::new([rows, width / 2]);
        queue_one("geglu", [up], shape, move |[up]| {
            elementwise::geglu(up, format)
        })
    }

    fn geglu_backward(
        up: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        format: Option<HalfFormat>,
    ) -> FloatTensor<Self> {
        let shape = up.shape();
        queue_one("geglu_backward", [up, dy], shape, move |[up, dy]| {
            elementwise::geglu_backward(up, dy, format)
        })
    }

    fn cross_entropy(logits: FloatTensor<Self>, tokens: IntTensor<Self>) -> FloatTensor<Self> {
        let [t, _] = logits.shape().dims();
        let shape = Shape::new([t, 2]);
        queue_one(
            "cross_entropy",
            [logits, tokens],
            shape,
            |[logits, tokens]| cross_entropy::forward(logits, tokens),
        )
    }

    fn cross_entropy_backward(
        logits: FloatTensor<Self>,
        tokens: IntTensor<Self>,
        output: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (shape, inputs) = (logits.shape(), [logits, tokens, output, dy]);
        let run = |[logits, tokens, output, dy]: [_; 4]| {
            cross_entropy::backward(logits, tokens, output, dy)
        };
        queue_one("cross_entropy_backward", inputs, shape, run)
    }
}
