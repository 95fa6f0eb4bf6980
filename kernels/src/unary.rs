//! An operation with one input that has a gradient, on the autodiff graph.

use crate::Kernels;
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::tensor::ops::FloatTensor;
use std::fmt::Debug;

/// The input's gradient, from what the forward pass kept and the output's gradient.
type InputGradient<B, S> = fn(S, FloatTensor<B>) -> FloatTensor<B>;

#[derive(Debug)]
struct Unary<B: Kernels, S>(InputGradient<B, S>);

impl<B: Kernels, S: Clone + Send + Debug + 'static> Backward<B, 1> for Unary<B, S> {
    type State = S;

    fn backward(self, ops: Ops<S, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        unary::<B, _>(ops.parents, ops.node, grads, |dy| self.0(ops.state, dy));
    }
}

/// An operation on `x`: `forward` gives its output, and what its backward pass needs.
pub(crate) fn differentiable<B, C, S>(
    x: FloatTensor<Autodiff<B, C>>,
    forward: impl FnOnce(FloatTensor<B>) -> (FloatTensor<B>, S),
    backward: InputGradient<B, S>,
) -> FloatTensor<Autodiff<B, C>>
where
    B: Kernels,
    C: CheckpointStrategy,
    S: Clone + Send + Debug + 'static,
{
    let (output, kept) = forward(x.primitive);
    match Unary(backward)
        .prepare::<C>([x.node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => prepared.finish(kept, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}
