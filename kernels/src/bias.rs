//! A bias on every row, for every run its own.
//!
//! `y = x + b`, `dx = dy`, `db = Σ dy` over the rows of a run

use crate::Kernels;
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorMetadata, TensorPrimitive};

/// `x + b`: of r biases each is added to as many rows.
///
/// # Shapes
/// - x: `[rows, o]`, bias: `[r·o]`
/// - output: `[rows, o]`
pub fn biased<B: Kernels>(x: Tensor<B, 2>, bias: Tensor<B, 1>) -> Tensor<B, 2> {
    let (x, bias) = (x.into_primitive().tensor(), bias.into_primitive().tensor());
    Tensor::from_primitive(TensorPrimitive::Float(B::biased(x, bias)))
}

fn tensor<B: Kernels, const D: usize>(x: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(x))
}

/// The specification.
pub(crate) fn plain<B: Kernels>(x: FloatTensor<B>, bias: FloatTensor<B>) -> FloatTensor<B> {
    let (x, bias) = (tensor::<B, 2>(x), tensor::<B, 1>(bias));
    let [rows, out] = x.dims();
    let runs = bias.dims()[0] / out;
    let y = if runs == 1 {
        x + bias.unsqueeze()
    } else {
        let bias = bias.reshape([runs, 1, out]);
        (x.reshape([runs, rows / runs, out]) + bias).reshape([rows, out])
    };
    y.into_primitive().tensor()
}

/// The specification of the backward pass: the gradients of r biases.
pub(crate) fn plain_sums<B: Kernels>(dy: FloatTensor<B>, runs: usize) -> FloatTensor<B> {
    let dy = tensor::<B, 2>(dy);
    let [rows, out] = dy.dims();
    let sums = dy.reshape([runs, rows / runs, out]).sum_dim(1);
    sums.reshape([runs * out]).into_primitive().tensor()
}

/// The operation on the autodiff graph.
pub(crate) fn differentiable<B: Kernels, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    bias: FloatTensor<Autodiff<B, C>>,
) -> FloatTensor<Autodiff<B, C>> {
    #[derive(Debug)]
    struct BiasBackward;

    impl<B: Kernels> Backward<B, 2> for BiasBackward {
        /// How many biases.
        type State = usize;

        fn backward(
            self,
            ops: Ops<Self::State, 2>,
            grads: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            let dy = grads.consume::<B>(&ops.node);
            let [parent_x, parent_bias] = ops.parents;
            if let Some(parent) = parent_bias {
                grads.register::<B>(parent.id, B::bias_gradient(dy.clone(), ops.state));
            }
            if let Some(parent) = parent_x {
                grads.register::<B>(parent.id, dy);
            }
        }
    }

    let runs = bias.primitive.shape()[0] / x.primitive.shape()[1];
    let output = B::biased(x.primitive, bias.primitive);
    match BiasBackward
        .prepare::<C>([x.node, bias.node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => prepared.finish(runs, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}
