//! Products of tensors whose values are those of a 16-bit format.
//!
//! `c = a b`, `da = dc bᵀ`, `db = aᵀ dc`
//!
//! Values are *stored* in FP32 and rounded where a half-precision program would store them, so every
//! operand of a product is a 16-bit number already, `dc` too: casting it loses nothing. A device with
//! units for such products multiplies the 16-bit numbers, sums in FP32 and gives back the FP32 sum,
//! which the next rounding point rounds once. That is what the plain version computes, up to the order
//! of the sum.

use crate::{HalfFormat, Kernels};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorMetadata, TensorPrimitive};

/// `a b`, both of the format's values; exact FP32 without one.
///
/// # Shapes
/// - a: `[.., m, k]`, b: `[.., k, n]`, the same before
/// - output: `[.., m, n]`
pub fn product<B: Kernels, const D: usize>(
    a: Tensor<B, D>,
    b: Tensor<B, D>,
    format: Option<HalfFormat>,
) -> Tensor<B, D> {
    let (a, b) = (a.into_primitive().tensor(), b.into_primitive().tensor());
    Tensor::from_primitive(TensorPrimitive::Float(B::product(a, b, format)))
}

fn transposed<B: Kernels>(x: FloatTensor<B>) -> FloatTensor<B> {
    let rank = x.rank();
    B::float_swap_dims(x, rank - 2, rank - 1)
}

/// The operation on the autodiff graph.
pub(crate) fn differentiable<B: Kernels, C: CheckpointStrategy>(
    a: FloatTensor<Autodiff<B, C>>,
    b: FloatTensor<Autodiff<B, C>>,
    format: Option<HalfFormat>,
) -> FloatTensor<Autodiff<B, C>> {
    #[derive(Debug)]
    struct ProductBackward;

    impl<B: Kernels> Backward<B, 2> for ProductBackward {
        type State = (FloatTensor<B>, FloatTensor<B>, Option<HalfFormat>);

        fn backward(
            self,
            ops: Ops<Self::State, 2>,
            grads: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            let dc = grads.consume::<B>(&ops.node);
            let (a, b, format) = ops.state;
            let [parent_a, parent_b] = ops.parents;
            if let Some(parent) = parent_a {
                let da = B::product(dc.clone(), transposed::<B>(b), format);
                grads.register::<B>(parent.id, da);
            }
            if let Some(parent) = parent_b {
                let db = B::product(transposed::<B>(a), dc, format);
                grads.register::<B>(parent.id, db);
            }
        }
    }

    let output = B::product(a.primitive.clone(), b.primitive.clone(), format);
    match ProductBackward
        .prepare::<C>([a.node, b.node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => prepared.finish((a.primitive, b.primitive, format), output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}
