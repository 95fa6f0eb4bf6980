//! The operations on GPUs: kernels in `CubeCL`, compiled for the device when they are first used. One text serves
//! every runtime: CUDA, and Vulkan, which Mesa offers on a CPU too.
//!
//! One decision shapes them: *a row is one cube's*. Layer norm, softmax and cross-entropy reduce inside
//! a cube in a fixed tree, and sums over rows (the gradients of γ and β) run in two stages over fixed
//! groups of rows. No sum depends on which unit is first, and no kernel is chosen by its time, so a result repeats
//! to the last bit.

// What the macro `cube` writes is not ours to document or to shorten.
#![allow(
    missing_docs,
    unstable_name_collisions,
    unreachable_pub,
    clippy::pedantic,
    unused_qualifications,
    reason = "code written by the macro `cube`"
)]
// Both sides of an `&&` are computed on a device, and a place beyond an array may not be read.
#![allow(
    clippy::collapsible_if,
    reason = "a nested `if` in a kernel keeps what is inside from being computed"
)]

mod abilities;
mod adamw;
mod attention;
mod codes;
mod columns;
mod compact;
mod counting;
mod cross_entropy;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
mod dropout;
mod elementwise;
mod exact;
mod heads;
#[cfg(feature = "cuda")]
pub(crate) mod kept;
pub(crate) mod launches;
mod layer_norm;
mod product;
mod ranges;
mod rounding;
mod row;
mod softmax;
#[cfg(all(test, feature = "cuda"))]
mod tests;
#[cfg(feature = "vulkan")]
pub(crate) mod vulkan;

use crate::gate::store;
use crate::{
    AdamWState, AdamWStep, CodesLayout, Compact, HalfFormat, Heads, Kernels, LayerNormGradients,
    MaskDraws, Pass, RangeCount, RangeRounding, Ranges, Rounding, Scoring, Tally,
};
use burn::tensor::ops::{BoolTensor, FloatTensor, IntTensor};
use burn_cubecl::kernel::into_contiguous as contiguous;
use burn_cubecl::{CubeBackend, CubeRuntime};

/// The backend of a runtime: FP32, 32-bit integers, and truth values of a byte.
pub(crate) type On<R> = CubeBackend<R, f32, i32, u8>;

impl<R: CubeRuntime> Kernels for On<R> {
    const COUNTS_RANGE: bool = true;
    const COMBINES: bool = true;

    fn half_products(device: &Self::Device, format: HalfFormat) -> bool {
        product::on_matrix_units(&R::client(device), format)
    }

    /// Uncounted: [`Kernels::store`] counts.
    fn round(x: FloatTensor<Self>, format: HalfFormat) -> (FloatTensor<Self>, RangeCount) {
        (
            elementwise::round(contiguous(x), format),
            RangeCount::default(),
        )
    }

    fn store(x: FloatTensor<Self>, rounding: &Rounding, pass: Pass) -> FloatTensor<Self> {
        let x = contiguous(x);
        counting::store(&x, rounding, pass).unwrap_or_else(|| store::<Self>(x, rounding, pass))
    }

    fn take_counts(tally: &Tally) -> Option<FloatTensor<Self>> {
        tally.made().map(counting::take)
    }

    fn dropout_mask(
        draws: &MaskDraws,
        len: usize,
        device: &Self::Device,
    ) -> Option<FloatTensor<Self>> {
        Some(dropout::mask(device, draws, len))
    }

    fn expand(sequences: &Compact, device: &Self::Device) -> IntTensor<Self> {
        compact::expand(sequences, device)
    }

    fn summarise(x: FloatTensor<Self>, ranges: &Ranges) -> FloatTensor<Self> {
        ranges::summarise(contiguous(x), ranges)
    }

    fn scale_ranges(x: FloatTensor<Self>, ranges: &Ranges, factors: &[f32]) -> FloatTensor<Self> {
        ranges::scale(&contiguous(x), ranges, factors)
    }

    fn round_ranges(
        x: FloatTensor<Self>,
        ranges: &Ranges,
        rounding: &RangeRounding,
    ) -> [FloatTensor<Self>; 2] {
        ranges::round(contiguous(x), ranges, rounding)
    }

    fn adamw(
        state: AdamWState<FloatTensor<Self>>,
        gradient: FloatTensor<Self>,
        ranges: &Ranges,
        step: &AdamWStep,
    ) -> (AdamWState<FloatTensor<Self>>, FloatTensor<Self>) {
        let state = AdamWState {
            weights: contiguous(state.weights),
            first: contiguous(state.first),
            second: contiguous(state.second),
        };
        adamw::adamw(state, &contiguous(gradient), ranges, step)
    }

    fn exact_gelu_backward(x: FloatTensor<Self>, dy: FloatTensor<Self>) -> FloatTensor<Self> {
        elementwise::gelu_backward(contiguous(x), contiguous(dy))
    }

    fn norm_rows(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self> {
        layer_norm::forward(
            contiguous(x),
            contiguous(gamma),
            contiguous(beta),
            eps as f32,
        )
    }

    fn norm_rows_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        eps: f64,
    ) -> LayerNormGradients<Self> {
        let [x, gamma, beta] =
            layer_norm::backward(contiguous(x), contiguous(gamma), contiguous(dy), eps as f32);
        LayerNormGradients { x, gamma, beta }
    }

    fn product(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        format: Option<HalfFormat>,
    ) -> FloatTensor<Self> {
        match format {
            Some(format) => product::half(a, b, format),
            None => exact::product(a, b),
        }
    }

    fn bias_gradient(dy: FloatTensor<Self>, runs: usize) -> FloatTensor<Self> {
        columns::sums(contiguous(dy), runs)
    }

    fn codes_product(
        x: FloatTensor<Self>,
        words: IntTensor<Self>,
        scales: FloatTensor<Self>,
        zeros: Option<FloatTensor<Self>>,
        layout: &CodesLayout,
    ) -> FloatTensor<Self> {
        let (x, words, scales) = (contiguous(x), contiguous(words), contiguous(scales));
        codes::product(&x, &words, &scales, zeros.map(contiguous).as_ref(), layout)
    }

    fn masked_softmax(
        x: FloatTensor<Self>,
        forbidden: BoolTensor<Self>,
        fill: f32,
    ) -> FloatTensor<Self> {
        softmax::forward(contiguous(x), contiguous(forbidden), fill)
    }

    fn masked_softmax_backward(
        p: FloatTensor<Self>,
        forbidden: BoolTensor<Self>,
        dp: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        softmax::backward(contiguous(p), contiguous(forbidden), contiguous(dp))
    }

    fn masked_attention(
        qkv: [FloatTensor<Self>; 3],
        forbidden: BoolTensor<Self>,
        scoring: &Scoring,
    ) -> [FloatTensor<Self>; 2] {
        attention::context(qkv.map(contiguous), contiguous(forbidden), scoring)
    }

    fn masked_attention_backward(
        qkv: [FloatTensor<Self>; 3],
        forbidden: BoolTensor<Self>,
        statistics: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        scoring: &Scoring,
    ) -> [FloatTensor<Self>; 3] {
        let ([statistics, dy], forbidden) =
            ([statistics, dy].map(contiguous), contiguous(forbidden));
        attention::gradients(qkv.map(contiguous), forbidden, statistics, dy, scoring)
    }

    fn heads(
        x: FloatTensor<Self>,
        rotation: Option<[FloatTensor<Self>; 2]>,
        heads: &Heads,
    ) -> FloatTensor<Self> {
        let rotation = rotation.map(|both| both.map(contiguous));
        heads::heads(&contiguous(x), rotation, heads)
    }

    fn heads_backward(
        dy: FloatTensor<Self>,
        rotation: Option<[FloatTensor<Self>; 2]>,
        heads: &Heads,
    ) -> FloatTensor<Self> {
        let rotation = rotation.map(|both| both.map(contiguous));
        heads::backward(&contiguous(dy), rotation, heads)
    }

    fn geglu(up: FloatTensor<Self>, rounding: Option<&Rounding>) -> FloatTensor<Self> {
        elementwise::geglu(&contiguous(up), rounding)
    }

    fn geglu_backward(
        up: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        rounding: Option<&Rounding>,
    ) -> FloatTensor<Self> {
        elementwise::geglu_backward(&contiguous(up), &contiguous(dy), rounding)
    }

    fn cross_entropy(logits: FloatTensor<Self>, tokens: IntTensor<Self>) -> FloatTensor<Self> {
        cross_entropy::forward(contiguous(logits), contiguous(tokens))
    }

    fn cross_entropy_backward(
        logits: FloatTensor<Self>,
        tokens: IntTensor<Self>,
        output: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        cross_entropy::backward(
            contiguous(logits),
            contiguous(tokens),
            contiguous(output),
            contiguous(dy),
        )
    }
}
