//! Query, key or value of all heads out of one matrix, rotated by position where it is to be (`NeoX` pairing, arXiv
//! 2104.09864).
//!
//! `y = x cos + turn(x) sin` with `turn([a, b]) = [-b, a]` for the halves of every block of dimensions
//!
//! `dx = dy cos + turn'(dy sin)` with `turn'([a, b]) = [b, -a]`; 0 for the rest of the matrix

use crate::{Kernels, unary};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorPrimitive};

/// What is taken out of a matrix `[b·s, parts·n·d]`.
#[derive(Debug, Clone, Copy)]
pub struct Heads {
    /// Which of the parts, and how many there are.
    pub part: usize,
    /// All parts, side by side.
    pub parts: usize,
    /// Sequences b.
    pub batch: usize,
    /// Slots s of each.
    pub seq_len: usize,
    /// Heads n.
    pub heads: usize,
    /// Blocks of dimensions that are rotated by themselves.
    pub blocks: usize,
}

/// One part as `[b, n, s, d]`; `rotation` is cosines and sines, `[b, 1, s, d]` each.
pub fn heads<B: Kernels>(
    x: Tensor<B, 2>,
    rotation: Option<[Tensor<B, 4>; 2]>,
    heads: &Heads,
) -> Tensor<B, 4> {
    let rotation = rotation.map(|both| both.map(primitive));
    tensor(B::heads(primitive(x), rotation, heads))
}

fn tensor<B: Kernels, const D: usize>(x: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(x))
}

fn primitive<B: Kernels, const D: usize>(x: Tensor<B, D>) -> FloatTensor<B> {
    x.into_primitive().tensor()
}

/// The halves of every block exchanged, the first or the second of each negated.
fn turned<B: Kernels>(x: &Tensor<B, 4>, blocks: usize, back: bool) -> Tensor<B, 4> {
    let half = x.dims()[3] / (2 * blocks);
    let part = |i: usize| x.clone().narrow(3, i * half, half);
    let of_block = |block: usize| {
        let (first, second) = (part(2 * block), part(2 * block + 1));
        if back {
            [second, first.neg()]
        } else {
            [second.neg(), first]
        }
    };
    Tensor::cat((0..blocks).flat_map(of_block).collect(), 3)
}

/// The specification.
pub(crate) fn plain<B: Kernels>(
    x: FloatTensor<B>,
    rotation: Option<[FloatTensor<B>; 2]>,
    heads: &Heads,
) -> FloatTensor<B> {
    let x = tensor::<B, 2>(x);
    let width = x.dims()[1] / heads.parts;
    let x = x.narrow(1, heads.part * width, width);
    let shape = [heads.batch, heads.seq_len, heads.heads, width / heads.heads];
    let x = x.reshape(shape).swap_dims(1, 2);
    primitive(match rotation.map(|both| both.map(tensor::<B, 4>)) {
        Some([cos, sin]) => x.clone() * cos + turned(&x, heads.blocks, false) * sin,
        None => x,
    })
}

/// The specification of the backward pass: the gradient of the whole matrix.
pub(crate) fn plain_backward<B: Kernels>(
    dy: FloatTensor<B>,
    rotation: Option<[FloatTensor<B>; 2]>,
    heads: &Heads,
) -> FloatTensor<B> {
    let dy = tensor::<B, 4>(dy);
    let dx = match rotation.map(|both| both.map(tensor::<B, 4>)) {
        Some([cos, sin]) => dy.clone() * cos + turned(&(dy * sin), heads.blocks, true),
        None => dy,
    };
    let [_, n, _, d] = dx.dims();
    let rows = heads.batch * heads.seq_len;
    let dx = dx.swap_dims(1, 2).reshape([rows, n * d]);
    let part = |part| {
        if part == heads.part {
            dx.clone()
        } else {
            dx.zeros_like()
        }
    };
    primitive(Tensor::cat((0..heads.parts).map(part).collect(), 1))
}

/// The operation on the autodiff graph.
pub(crate) fn differentiable<B: Kernels, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    rotation: Option<[FloatTensor<Autodiff<B, C>>; 2]>,
    heads: &Heads,
) -> FloatTensor<Autodiff<B, C>> {
    let rotation = rotation.map(|both| both.map(|values| values.primitive));
    let heads = *heads;
    let forward = |x| (B::heads(x, rotation.clone(), &heads), (rotation, heads));
    unary::differentiable::<B, C, _>(x, forward, |(rotation, heads), dy| {
        B::heads_backward(dy, rotation, &heads)
    })
}
