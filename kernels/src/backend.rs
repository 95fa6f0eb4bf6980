//! The backend extension and who implements it.

use crate::gate::apply;
use crate::gelu;
use crate::layer_norm::{self, LayerNormGradients};
use crate::range::Pass;
use crate::{Gate, HalfFormat, RangeCount, Rounding, round_slice};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::tensor::FloatDType;
use burn::tensor::backend::Backend;
use burn::tensor::ops::{ActivationOps, FloatTensor};
use burn_flex::Flex;

/// Operations beyond burn's own. The provided methods are the plain versions.
pub trait Kernels: Backend {
    /// Whether [`Kernels::round`] counts range losses; where it does not, its counts are 0.
    const COUNTS_RANGE: bool = false;

    /// Whether products of 16-bit tensors run on units made for them, and so have a peak of their own.
    const HALF_PRODUCTS: bool = false;

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

    /// Layer norm of `x` `[rows, width]`; see [`crate::layer_norm()`].
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

#[cfg(feature = "cuda")]
impl Kernels for burn_cuda::Cuda {
    const HALF_PRODUCTS: bool = true;
}

impl<B: Kernels, C: CheckpointStrategy> Kernels for Autodiff<B, C> {
    const HALF_PRODUCTS: bool = B::HALF_PRODUCTS;

    fn round(x: FloatTensor<Self>, format: HalfFormat) -> (FloatTensor<Self>, RangeCount) {
        let rounding = Rounding { format, site: None };
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
}
