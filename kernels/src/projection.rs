//! Cross-entropy of a projection, of whose logits only some rows are in memory at a time.
//!
//! `x = round(y wᵀ)`, then loss and log-denominator of `x` as [`crate::cross_entropy()`] has them
//!
//! `dx = round(dloss/dx)`, `dy = dx w`, `dw = Σ dxᵀ y` over the parts in their order
//!
//! The backward pass computes the logits of a part again. Results are those of the separate operations, up to the order of
//! the sums in `dw`.

use crate::gate::apply;
use crate::{HalfFormat, Kernels, Pass, Rounding};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::ops::{FloatTensor, IntTensor};
use burn::tensor::{Int, Tensor, TensorPrimitive};
use std::ops::Range;

/// How logits are made and stored.
#[derive(Debug, Clone)]
pub struct Projection {
    /// How logits are stored, and their gradients; exact without.
    pub logits: Option<Rounding>,
    /// Rows of logits in memory at a time, at least 1.
    pub rows: usize,
}

impl Projection {
    fn format(&self) -> Option<HalfFormat> {
        self.logits.as_ref().map(|rounding| rounding.format)
    }

    /// The parts of so many rows.
    fn parts(&self, rows: usize) -> impl Iterator<Item = Range<usize>> {
        let starts = (0..rows).step_by(self.rows);
        starts.map(move |start| start..rows.min(start + self.rows))
    }

    /// `round(y wᵀ)`, counted where `rounding` counts.
    fn logits<B: Kernels>(
        &self,
        y: Tensor<B, 2>,
        w: Tensor<B, 2>,
        rounding: Option<&Rounding>,
    ) -> FloatTensor<B> {
        let x = crate::product(y, w.transpose(), self.format());
        apply::<B>(primitive(x), rounding, Pass::Forward)
    }
}

/// Loss and log-denominator of every row, `[t]` each.
///
/// # Shapes
/// - y: `[t, h]`, w: `[v, h]`, tokens: `[t]`
pub fn projected_entropy<B: Kernels>(
    y: Tensor<B, 2>,
    w: Tensor<B, 2>,
    tokens: Tensor<B, 1, Int>,
    projection: &Projection,
) -> [Tensor<B, 1>; 2] {
    let (y, w) = (primitive(y), primitive(w));
    let both = float::<B>(B::projected_entropy(
        y,
        w,
        tokens.into_primitive(),
        projection,
    ));
    let t = both.dims()[0];
    [0, 1].map(|column| both.clone().narrow(1, column, 1).reshape([t]))
}

fn float<B: Kernels>(x: FloatTensor<B>) -> Tensor<B, 2> {
    Tensor::from_primitive(TensorPrimitive::Float(x))
}

fn primitive<B: Kernels>(x: Tensor<B, 2>) -> FloatTensor<B> {
    x.into_primitive().tensor()
}

/// The specification: `[t, 2]`.
pub(crate) fn plain<B: Kernels>(
    y: FloatTensor<B>,
    w: FloatTensor<B>,
    tokens: IntTensor<B>,
    projection: &Projection,
) -> FloatTensor<B> {
    let (y, w) = (float::<B>(y), float::<B>(w));
    let tokens = Tensor::<B, 1, Int>::from_primitive(tokens);
    let parts = projection.parts(y.dims()[0]).map(|rows| {
        let y = y.clone().slice([rows.clone()]);
        let x = projection.logits(y, w.clone(), projection.logits.as_ref());
        float::<B>(B::cross_entropy(
            x,
            tokens.clone().slice([rows]).into_primitive(),
        ))
    });
    primitive(Tensor::cat(parts.collect(), 0))
}

/// Inputs and output of the forward pass, and how it was made.
type Kept<B> = (
    [FloatTensor<B>; 2],
    IntTensor<B>,
    FloatTensor<B>,
    Projection,
);

/// The specification of the backward pass: gradients of `y` and `w` for the output's gradient `dy`.
pub(crate) fn plain_backward<B: Kernels>(
    ([y, w], tokens, output, projection): Kept<B>,
    dy: FloatTensor<B>,
) -> [FloatTensor<B>; 2] {
    let [y, w, output, dy] = [y, w, output, dy].map(float::<B>);
    let tokens = Tensor::<B, 1, Int>::from_primitive(tokens);
    let format = projection.format();
    let again = projection.logits.as_ref().map(Rounding::uncounted);
    let (mut of_y, mut of_w) = (Vec::new(), None::<Tensor<B, 2>>);
    for rows in projection.parts(y.dims()[0]) {
        let part = |x: &Tensor<B, 2>| x.clone().slice([rows.clone()]);
        let x = projection.logits(part(&y), w.clone(), again.as_ref());
        let tokens = tokens.clone().slice([rows.clone()]).into_primitive();
        let (output, dy) = (primitive(part(&output)), primitive(part(&dy)));
        let dx = B::cross_entropy_backward(x, tokens, output, dy);
        let dx = float::<B>(apply::<B>(dx, projection.logits.as_ref(), Pass::Backward));
        of_y.push(crate::product(dx.clone(), w.clone(), format));
        let own = crate::product(dx.transpose(), part(&y), format);
        of_w = Some(match of_w {
            Some(sum) => sum + own,
            None => own,
        });
    }
    let of_w = of_w.unwrap_or_else(|| w.zeros_like());
    [primitive(Tensor::cat(of_y, 0)), primitive(of_w)]
}

#[derive(Debug)]
struct ProjectedBackward;

impl<B: Kernels> Backward<B, 2> for ProjectedBackward {
    type State = Kept<B>;

    fn backward(
        self,
        ops: Ops<Kept<B>, 2>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let dy = grads.consume::<B>(&ops.node);
        let both = plain_backward::<B>(ops.state, dy);
        for (parent, gradient) in ops.parents.into_iter().zip(both) {
            if let Some(parent) = parent {
                grads.register::<B>(parent.id, gradient);
            }
        }
    }
}

/// The operation on the autodiff graph.
pub(crate) fn differentiable<B: Kernels, C: CheckpointStrategy>(
    y: FloatTensor<Autodiff<B, C>>,
    w: FloatTensor<Autodiff<B, C>>,
    tokens: IntTensor<B>,
    projection: &Projection,
) -> FloatTensor<Autodiff<B, C>> {
    let (nodes, both) = ([y.node, w.node], [y.primitive, w.primitive]);
    let [y, w] = both.clone();
    let output = B::projected_entropy(y, w, tokens.clone(), projection);
    match ProjectedBackward
        .prepare::<C>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => {
            let kept = (both, tokens, output.clone(), projection.clone());
            prepared.finish(kept, output)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}
