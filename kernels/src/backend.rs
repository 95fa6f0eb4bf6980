//! The backend extension and who implements it.

use crate::gate::{apply, store};
use crate::layer_norm::{self, LayerNormGradients};
use crate::range::Pass;
use crate::ranges::{self, AdamWState, AdamWStep, RangeRounding, Ranges};
use crate::{
    CodesLayout, Compact, Gate, HalfFormat, Heads, MaskDraws, RangeCount, Rounding, Scoring, Tally,
    round_slice,
};
use crate::{
    Projection, attention, bias, bus, codes, cross_entropy, geglu, gelu, heads, product,
    projection, softmax,
};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::ops::{ActivationOps, BoolTensor, FloatTensor, IntTensor};
use burn::tensor::{FloatDType, TensorData};
use burn_flex::Flex;

/// Operations beyond burn's own. The provided methods are the plain versions.
pub trait Kernels: Backend {
    /// Whether [`Kernels::round`] counts range losses; where it does not, its counts are 0.
    const COUNTS_RANGE: bool = false;

    /// Whether the combined operations below are faster than what they combine: a model takes them
    /// where this is set. Their results agree, but not to the last bit.
    const COMBINES: bool = false;

    /// Whether the device multiplies tensors of the format on units made for it, so that products have a peak of
    /// their own.
    fn half_products(_device: &Self::Device, _format: HalfFormat) -> bool {
        false
    }

    /// `x` rounded to the format, element by element.
    fn round(x: FloatTensor<Self>, format: HalfFormat) -> (FloatTensor<Self>, RangeCount) {
        // Counting would read the tensor back from the device; the plain version does not.
        let half = match format {
            HalfFormat::Fp16 => FloatDType::F16,
            HalfFormat::Bf16 => FloatDType::BF16,
        };
        let rounded = Self::float_cast(Self::float_cast(x, half), FloatDType::F32);
        (rounded, RangeCount::default())
    }

    /// `x` stored at a point of a pass: rounded, and counted at its site where [`Kernels::COUNTS_RANGE`] is set, at
    /// once or with [`Kernels::take_counts`].
    fn store(x: FloatTensor<Self>, rounding: &Rounding, pass: Pass) -> FloatTensor<Self> {
        store::<Self>(x, rounding, pass)
    }

    /// What was counted on the device since the last call, for [`crate::RangeSite::settle`] as [`RangeCount::all`] reads
    /// it; absent where nothing is counted there.
    fn take_counts(_tally: &Tally) -> Option<FloatTensor<Self>> {
        None
    }

    /// A dropout mask of `len` elements drawn on the device; absent where the host draws them.
    fn dropout_mask(
        _draws: &MaskDraws,
        _len: usize,
        _device: &Self::Device,
    ) -> Option<FloatTensor<Self>> {
        None
    }

    /// The forward pass of `gate`; see [`Gate`].
    fn gate(x: FloatTensor<Self>, gate: &Gate) -> FloatTensor<Self> {
        apply::<Self>(x, gate.forward.as_ref(), Pass::Forward)
    }

    /// Exact GELU; see [`crate::gelu()`].
    fn exact_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::gelu(x)
    }

    /// The backward pass of [`Kernels::exact_gelu`] for the output gradient `dy`.
    fn exact_gelu_backward(x: FloatTensor<Self>, dy: FloatTensor<Self>) -> FloatTensor<Self> {
        gelu::plain_backward::<Self>(x, dy)
    }

    /// Layer norm of `x` `[rows, width]`, gamma and beta `[groups · width]`; see
    /// [`crate::layer_norm()`].
    fn norm_rows(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self> {
        layer_norm::plain::<Self>(x, gamma, beta, eps)
    }

    /// The backward pass of [`Kernels::norm_rows`] for the output gradient `dy`.
    fn norm_rows_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        eps: f64,
    ) -> LayerNormGradients<Self> {
        layer_norm::plain_backward::<Self>(x, gamma, dy, eps)
    }

    /// The product of matrices with the format's values, in exact FP32 without one; see
    /// [`crate::product()`].
    fn product(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        _format: Option<HalfFormat>,
    ) -> FloatTensor<Self> {
        Self::float_matmul(a, b)
    }

    /// `x` `[rows, o]` with r biases `[r·o]`; see [`crate::biased()`].
    fn biased(x: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        bias::plain::<Self>(x, bias)
    }

    /// The gradients of `runs` biases in the backward pass of [`Kernels::biased`] for the output gradient `dy` `[rows, o]`.
    fn bias_gradient(dy: FloatTensor<Self>, runs: usize) -> FloatTensor<Self> {
        bias::plain_sums::<Self>(dy, runs)
    }

    /// The product of `x` `[m, inputs]` with a weight in codes, whose `words` `[outputs, w]` hold those of an output side by
    /// side; see [`crate::DeviceCodes`].
    fn codes_product(
        x: FloatTensor<Self>,
        words: IntTensor<Self>,
        scales: FloatTensor<Self>,
        zeros: Option<FloatTensor<Self>>,
        layout: &CodesLayout,
    ) -> FloatTensor<Self> {
        codes::device::plain::<Self>(x, words, scales, zeros, layout)
    }

    /// Softmax of scores `[b, n, q, k]` with places `[b, 1, q, k]` forbidden; see
    /// [`crate::masked_softmax()`].
    fn masked_softmax(
        x: FloatTensor<Self>,
        forbidden: BoolTensor<Self>,
        fill: f32,
    ) -> FloatTensor<Self> {
        softmax::plain::<Self>(x, forbidden, fill)
    }

    /// The backward pass of [`Kernels::masked_softmax`], from its output and the output's gradient.
    fn masked_softmax_backward(
        p: FloatTensor<Self>,
        forbidden: BoolTensor<Self>,
        dp: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        softmax::plain_backward::<Self>(p, forbidden, dp)
    }

    /// Context of query, key and value, and the statistics that the backward pass needs: the largest score of every
    /// query and the sum of its exponentials, `[b, n, q, 2]`; see [`crate::masked_attention()`].
    fn masked_attention(
        qkv: [FloatTensor<Self>; 3],
        forbidden: BoolTensor<Self>,
        scoring: &Scoring,
    ) -> [FloatTensor<Self>; 2] {
        attention::plain::<Self>(qkv, forbidden, scoring)
    }

    /// The backward pass of [`Kernels::masked_attention`] for the context's gradient `dy`: gradients of query, key and value.
    fn masked_attention_backward(
        qkv: [FloatTensor<Self>; 3],
        forbidden: BoolTensor<Self>,
        statistics: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        scoring: &Scoring,
    ) -> [FloatTensor<Self>; 3] {
        attention::plain_backward::<Self>(qkv, forbidden, statistics, dy, scoring)
    }

    /// One part of a matrix as heads, rotated; see [`crate::heads()`].
    fn heads(
        x: FloatTensor<Self>,
        rotation: Option<[FloatTensor<Self>; 2]>,
        heads: &Heads,
    ) -> FloatTensor<Self> {
        heads::plain::<Self>(x, rotation, heads)
    }

    /// The backward pass of [`Kernels::heads`] for the output gradient `dy`.
    fn heads_backward(
        dy: FloatTensor<Self>,
        rotation: Option<[FloatTensor<Self>; 2]>,
        heads: &Heads,
    ) -> FloatTensor<Self> {
        heads::plain_backward::<Self>(dy, rotation, heads)
    }

    /// `GeGLU` of `[rows, 2f]`; see [`crate::geglu()`].
    fn geglu(up: FloatTensor<Self>, rounding: Option<&Rounding>) -> FloatTensor<Self> {
        geglu::plain::<Self>(up, rounding)
    }

    /// The backward pass of [`Kernels::geglu`] for the output gradient `dy` `[rows, f]`.
    fn geglu_backward(
        up: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        rounding: Option<&Rounding>,
    ) -> FloatTensor<Self> {
        geglu::plain_backward::<Self>(up, dy, rounding)
    }

    /// Loss and log-denominator `[t, 2]` of logits `[t, v]`; see [`crate::cross_entropy()`].
    fn cross_entropy(logits: FloatTensor<Self>, tokens: IntTensor<Self>) -> FloatTensor<Self> {
        cross_entropy::plain::<Self>(logits, tokens)
    }

    /// The backward pass of [`Kernels::cross_entropy`], from its output and the output's gradient,
    /// `[t, 2]` each.
    fn cross_entropy_backward(
        logits: FloatTensor<Self>,
        tokens: IntTensor<Self>,
        output: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        cross_entropy::plain_backward::<Self>(logits, tokens, output, dy)
    }

    /// Loss and log-denominator `[t, 2]` of the logits that `y` `[t, h]` and `w` `[v, h]` give; see
    /// [`crate::projected_entropy()`].
    fn projected_entropy(
        y: FloatTensor<Self>,
        w: FloatTensor<Self>,
        tokens: IntTensor<Self>,
        projection: &Projection,
    ) -> FloatTensor<Self> {
        projection::plain::<Self>(y, w, tokens, projection)
    }

    /// The array of several sequences.
    fn expand(sequences: &Compact, device: &Self::Device) -> IntTensor<Self> {
        bus::sent(4 * sequences.words().len());
        let all = sequences.expanded();
        let len = all.len();
        Self::int_from_data(TensorData::new(all, [len]), device)
    }

    /// [`crate::Summary`] of every range of a flat array, `[ranges · Summary::WIDTH]`.
    fn summarise(x: FloatTensor<Self>, ranges: &Ranges) -> FloatTensor<Self> {
        ranges::summarise::<Self>(x, ranges)
    }

    /// A flat array with range i times factor `i mod factors.len()`.
    fn scale_ranges(x: FloatTensor<Self>, ranges: &Ranges, factors: &[f32]) -> FloatTensor<Self> {
        ranges::scale::<Self>(x, ranges, factors)
    }

    /// A flat array with the chosen ranges rounded, and what every range lost, as [`RangeCount::all`] reads it.
    fn round_ranges(
        x: FloatTensor<Self>,
        ranges: &Ranges,
        rounding: &RangeRounding,
    ) -> [FloatTensor<Self>; 2] {
        ranges::round::<Self>(x, ranges, rounding)
    }

    /// The state after an update by the flat gradient, and the sums of every range, as [`AdamWStep::sums`] reads them.
    fn adamw(
        state: AdamWState<FloatTensor<Self>>,
        gradient: FloatTensor<Self>,
        ranges: &Ranges,
        step: &AdamWStep,
    ) -> (AdamWState<FloatTensor<Self>>, FloatTensor<Self>) {
        ranges::adamw::<Self>(state, gradient, ranges, step)
    }
}

/// Not the plain version: Flex 0.21 casts through `half`'s conversion from `f64`, which drops the
/// low bits before it rounds and so rounds some values near a tie the wrong way (`0x32588001` to
/// bfloat16, for one).
impl Kernels for Flex {
    const COUNTS_RANGE: bool = true;

    fn round(x: FloatTensor<Self>, format: HalfFormat) -> (FloatTensor<Self>, RangeCount) {
        // In place where nobody else holds the buffer; `storage_mut` copies otherwise. A view into
        // a larger buffer is made compact first, or the whole buffer would be rounded.
        let compact = x.is_contiguous() && x.layout().num_elements() * 4 == x.bytes().len();
        let mut x = if compact { x } else { x.to_contiguous() };
        let count = round_slice(x.storage_mut::<f32>(), format);
        (x, count)
    }

    /// Flex's own backward pass is exact and makes one pass instead of seven.
    fn exact_gelu_backward(x: FloatTensor<Self>, dy: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::gelu_backward(x, dy)
    }

    fn norm_rows(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self> {
        layer_norm::flex(&x, &gamma, &beta, eps)
    }

    fn norm_rows_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        eps: f64,
    ) -> LayerNormGradients<Self> {
        layer_norm::flex_backward(&x, &gamma, &dy, eps)
    }
}

impl<B: Kernels, C: CheckpointStrategy> Kernels for Autodiff<B, C> {
    const COMBINES: bool = B::COMBINES;

    fn half_products(device: &Self::Device, format: HalfFormat) -> bool {
        B::half_products(device, format)
    }

    fn round(x: FloatTensor<Self>, format: HalfFormat) -> (FloatTensor<Self>, RangeCount) {
        let rounding = Rounding {
            format,
            site: None,
            saturates: false,
        };
        (Self::gate(x, &Gate::round(rounding)), RangeCount::default())
    }

    fn gate(x: FloatTensor<Self>, gate: &Gate) -> FloatTensor<Self> {
        crate::gate::differentiable::<B, C>(x, gate)
    }

    fn norm_rows(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self> {
        layer_norm::differentiable::<B, C>(x, gamma, beta, eps)
    }

    fn exact_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        gelu::differentiable::<B, C>(x)
    }

    fn product(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        format: Option<HalfFormat>,
    ) -> FloatTensor<Self> {
        product::differentiable::<B, C>(a, b, format)
    }

    fn biased(x: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        bias::differentiable::<B, C>(x, bias)
    }

    fn masked_softmax(
        x: FloatTensor<Self>,
        forbidden: BoolTensor<Self>,
        fill: f32,
    ) -> FloatTensor<Self> {
        softmax::differentiable::<B, C>(x, forbidden, fill)
    }

    fn masked_attention(
        qkv: [FloatTensor<Self>; 3],
        forbidden: BoolTensor<Self>,
        scoring: &Scoring,
    ) -> [FloatTensor<Self>; 2] {
        attention::differentiable::<B, C>(qkv, forbidden, scoring)
    }

    fn heads(
        x: FloatTensor<Self>,
        rotation: Option<[FloatTensor<Self>; 2]>,
        heads: &Heads,
    ) -> FloatTensor<Self> {
        heads::differentiable::<B, C>(x, rotation, heads)
    }

    fn geglu(up: FloatTensor<Self>, rounding: Option<&Rounding>) -> FloatTensor<Self> {
        geglu::differentiable::<B, C>(up, rounding)
    }

    fn cross_entropy(logits: FloatTensor<Self>, tokens: IntTensor<Self>) -> FloatTensor<Self> {
        cross_entropy::differentiable::<B, C>(logits, tokens)
    }

    fn projected_entropy(
        y: FloatTensor<Self>,
        w: FloatTensor<Self>,
        tokens: IntTensor<Self>,
        projection: &Projection,
    ) -> FloatTensor<Self> {
        projection::differentiable::<B, C>(y, w, tokens, projection)
    }

    fn dropout_mask(
        draws: &MaskDraws,
        len: usize,
        device: &Self::Device,
    ) -> Option<FloatTensor<Self>> {
        B::dropout_mask(draws, len, device).map(Self::from_inner)
    }

    fn expand(sequences: &Compact, device: &Self::Device) -> IntTensor<Self> {
        B::expand(sequences, device)
    }

    /// Without a gradient.
    fn summarise(x: FloatTensor<Self>, ranges: &Ranges) -> FloatTensor<Self> {
        Self::from_inner(B::summarise(x.primitive, ranges))
    }
}
