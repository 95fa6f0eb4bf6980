//! Attention in one operation, so that a device need not keep the matrix of scores.
//!
//! `s = round(q kᵀ)`, `x = factor s`, `x = fill` where forbidden, `p = softmax(x)`, `y = round(p) v`
//!
//! `dp = round(dy vᵀ)`, `ds = round(factor p (dp - Σ p dp))`, 0 where forbidden, `dq = ds k`, `dk = dsᵀ q`,
//! `dv = round(p)ᵀ dy`
//!
//! Sums and the softmax are FP32. Values are rounded where a program that stores scores and probabilities would, so the
//! results are those of the separate operations, up to the order of sums. Kept for the backward pass are two numbers for
//! each query, not its probabilities.

use crate::gate::apply;
use crate::{HalfFormat, Kernels, Pass, Rounding};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::ops::{BoolTensor, FloatTensor};
use burn::tensor::{Bool, Tensor, TensorPrimitive};

/// How scores become probabilities.
#[derive(Debug, Clone)]
pub struct Scoring {
    /// What stored scores are multiplied by inside the softmax.
    pub factor: f32,
    /// What stands in the place of forbidden scores.
    pub fill: f32,
    /// How scores are stored, and their gradients; exact without.
    pub scores: Option<Rounding>,
    /// How probabilities are stored, and their gradients; exact without.
    pub probabilities: Option<Rounding>,
}

impl Scoring {
    /// The format of scores, and with it that of products.
    fn format(&self) -> Option<HalfFormat> {
        self.scores.as_ref().map(|rounding| rounding.format)
    }

    /// The same for values that are computed again, which have been counted.
    fn again(&self) -> Self {
        Self {
            scores: self.scores.as_ref().map(Rounding::uncounted),
            probabilities: self.probabilities.as_ref().map(Rounding::uncounted),
            ..*self
        }
    }
}

/// `softmax(q kᵀ) v`, and for every query the largest score (times the factor, with the fill; NaN where one is NaN).
///
/// # Shapes
/// - q: `[b, n, q, d]`, k and v: `[b, n, k, d]`, forbidden: `[b, 1, q, k]`
/// - output: `[b, n, q, d]` and `[b, n, q, 1]`, the latter without a gradient
pub fn masked_attention<B: Kernels>(
    qkv: [Tensor<B, 4>; 3],
    forbidden: Tensor<B, 4, Bool>,
    scoring: &Scoring,
) -> [Tensor<B, 4>; 2] {
    let qkv = qkv.map(|x| x.into_primitive().tensor());
    let [y, statistics] =
        B::masked_attention(qkv, forbidden.into_primitive(), scoring).map(float::<B>);
    [y, statistics.narrow(3, 0, 1)]
}

fn float<B: Kernels>(x: FloatTensor<B>) -> Tensor<B, 4> {
    Tensor::from_primitive(TensorPrimitive::Float(x))
}

fn primitive<B: Kernels>(x: Tensor<B, 4>) -> FloatTensor<B> {
    x.into_primitive().tensor()
}

fn product<B: Kernels>(a: Tensor<B, 4>, b: Tensor<B, 4>, scoring: &Scoring) -> Tensor<B, 4> {
    crate::product(a, b, scoring.format())
}

fn stored<B: Kernels>(x: Tensor<B, 4>, rounding: Option<&Rounding>, pass: Pass) -> Tensor<B, 4> {
    float::<B>(apply::<B>(primitive(x), rounding, pass))
}

/// Scores as the softmax takes them.
fn masked_scores<B: Kernels>(
    q: Tensor<B, 4>,
    k: Tensor<B, 4>,
    forbidden: Tensor<B, 4, Bool>,
    scoring: &Scoring,
) -> Tensor<B, 4> {
    let s = product(q, k.swap_dims(2, 3), scoring);
    let s = stored(s, scoring.scores.as_ref(), Pass::Forward);
    (s * scoring.factor).mask_fill(forbidden, scoring.fill)
}

/// The specification: the output, and of every query the largest score and the sum `Σ exp(x - largest)`, `[b, n, q, 2]`.
pub(crate) fn plain<B: Kernels>(
    qkv: [FloatTensor<B>; 3],
    forbidden: BoolTensor<B>,
    scoring: &Scoring,
) -> [FloatTensor<B>; 2] {
    let [q, k, v] = qkv.map(float::<B>);
    let x = masked_scores(q, k, Tensor::from_primitive(forbidden), scoring);
    let largest = x.clone().max_dim(3);
    let e = (x - largest.clone()).exp();
    let sum = e.clone().sum_dim(3);
    let p = stored(
        e / sum.clone(),
        scoring.probabilities.as_ref(),
        Pass::Forward,
    );
    // A maximum may pass over NaN; the sum does not, and is finite where there is none.
    let largest = largest + sum.clone() * 0.0;
    let statistics = Tensor::cat(vec![largest, sum], 3);
    [product(p, v, scoring), statistics].map(primitive)
}

/// The specification of the backward pass: gradients of query, key and value.
pub(crate) fn plain_backward<B: Kernels>(
    qkv: [FloatTensor<B>; 3],
    forbidden: BoolTensor<B>,
    statistics: FloatTensor<B>,
    dy: FloatTensor<B>,
    scoring: &Scoring,
) -> [FloatTensor<B>; 3] {
    let ([q, k, v], again) = (qkv.map(float::<B>), scoring.again());
    let [statistics, dy] = [statistics, dy].map(float::<B>);
    let forbidden = Tensor::from_primitive(forbidden);
    let x = masked_scores(q.clone(), k.clone(), forbidden.clone(), &again);
    let [largest, sum] = [0, 1].map(|column| statistics.clone().narrow(3, column, 1));
    let p = (x - largest).exp() / sum;
    let as_stored = stored(p.clone(), again.probabilities.as_ref(), Pass::Forward);
    let dv = product(as_stored.swap_dims(2, 3), dy.clone(), scoring);
    let dp = product(dy, v.swap_dims(2, 3), scoring);
    let dp = stored(dp, scoring.probabilities.as_ref(), Pass::Backward);
    let along = (p.clone() * dp.clone()).sum_dim(3);
    let dx = (p * (dp - along)).mask_fill(forbidden, 0.0);
    let ds = stored(dx * scoring.factor, scoring.scores.as_ref(), Pass::Backward);
    let dk = product(ds.clone().swap_dims(2, 3), q, scoring);
    [product(ds, k, scoring), dk, dv].map(primitive)
}

/// Inputs, mask and statistics of the forward pass, and how it scored.
type Kept<B> = ([FloatTensor<B>; 3], BoolTensor<B>, FloatTensor<B>, Scoring);

#[derive(Debug)]
struct AttentionBackward;

impl<B: Kernels> Backward<B, 3> for AttentionBackward {
    type State = Kept<B>;

    fn backward(
        self,
        ops: Ops<Kept<B>, 3>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let dy = grads.consume::<B>(&ops.node);
        let (qkv, forbidden, statistics, scoring) = ops.state;
        let all = B::masked_attention_backward(qkv, forbidden, statistics, dy, &scoring);
        for (parent, gradient) in ops.parents.into_iter().zip(all) {
            if let Some(parent) = parent {
                grads.register::<B>(parent.id, gradient);
            }
        }
    }
}

/// The operation on the autodiff graph.
pub(crate) fn differentiable<B: Kernels, C: CheckpointStrategy>(
    qkv: [FloatTensor<Autodiff<B, C>>; 3],
    forbidden: BoolTensor<B>,
    scoring: &Scoring,
) -> [FloatTensor<Autodiff<B, C>>; 2] {
    let nodes = qkv.each_ref().map(|x| x.node.clone());
    let qkv = qkv.map(|x| x.primitive);
    let [y, statistics] = B::masked_attention(qkv.clone(), forbidden.clone(), scoring);
    let untracked = Autodiff::<B, C>::from_inner(statistics.clone());
    let y = match AttentionBackward
        .prepare::<C>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => {
            prepared.finish((qkv, forbidden, statistics, scoring.clone()), y)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    };
    [y, untracked]
}
