//! Heads out of a matrix, rotated: see [`crate::heads()`].

use super::row::{beside, flat, grid};
use crate::Heads;
use burn::tensor::{Shape, TensorMetadata};
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// What is taken, and where it lies.
#[derive(CubeType, CubeLaunch)]
pub(crate) struct Sizes {
    pub(super) part: usize,
    pub(super) parts: usize,
    pub(super) slots: usize,
    pub(super) heads: usize,
    /// Of a head.
    pub(super) width: usize,
    /// Of half a block.
    pub(super) half: usize,
}

/// The dimension with which one is rotated.
#[cube]
fn partner(i: usize, half: usize) -> usize {
    let mut other = i + half;
    if i / half % 2 == 1 {
        other = i - half;
    }
    other
}

/// Every value of the part, by sequence, head, slot and dimension.
#[cube(launch)]
pub(crate) fn heads_kernel(
    x: &Array<f32>,
    cos: &Array<f32>,
    sin: &Array<f32>,
    y: &mut Array<f32>,
    sizes: &Sizes,
    #[comptime] rotates: bool,
) {
    if ABSOLUTE_POS < y.len() {
        let i = ABSOLUTE_POS % sizes.width;
        let slot = ABSOLUTE_POS / sizes.width % sizes.slots;
        let head = ABSOLUTE_POS / (sizes.width * sizes.slots) % sizes.heads;
        let sequence = ABSOLUTE_POS / (sizes.width * sizes.slots * sizes.heads);
        let row = sequence * sizes.slots + slot;
        let start =
            (row * sizes.parts + sizes.part) * sizes.heads * sizes.width + head * sizes.width;
        let mut value = x[start + i];
        if comptime!(rotates) {
            let other = partner(i, sizes.half);
            let mut turned = x[start + other];
            if other > i {
                turned = -turned;
            }
            let angle = row * sizes.width + i;
            value = value * cos[angle] + turned * sin[angle];
        }
        y[ABSOLUTE_POS] = value;
    }
}

/// The gradient of the whole matrix.
#[cube(launch)]
pub(crate) fn heads_backward_kernel(
    dy: &Array<f32>,
    cos: &Array<f32>,
    sin: &Array<f32>,
    dx: &mut Array<f32>,
    sizes: &Sizes,
    #[comptime] rotates: bool,
) {
    if ABSOLUTE_POS < dx.len() {
        let i = ABSOLUTE_POS % sizes.width;
        let head = ABSOLUTE_POS / sizes.width % sizes.heads;
        let part = ABSOLUTE_POS / (sizes.width * sizes.heads) % sizes.parts;
        let row = ABSOLUTE_POS / (sizes.width * sizes.heads * sizes.parts);
        let mut value = 0.0f32;
        if part == sizes.part {
            let sequence = row / sizes.slots;
            let line = (sequence * sizes.heads + head) * sizes.slots + row % sizes.slots;
            let start = line * sizes.width;
            value = dy[start + i];
            if comptime!(rotates) {
                let other = partner(i, sizes.half);
                let angles = row * sizes.width;
                let mut turned = dy[start + other] * sin[angles + other];
                if other < i {
                    turned = -turned;
                }
                value = value * cos[angles + i] + turned;
            }
        }
        dx[ABSOLUTE_POS] = value;
    }
}

/// Sizes for heads of `width`; one half of the head where nothing is rotated.
fn sizes<R: CubeRuntime>(heads: &Heads, width: usize) -> SizesLaunch<R> {
    SizesLaunch::new(
        heads.part,
        heads.parts,
        heads.seq_len,
        heads.heads,
        width,
        (width / (2 * heads.blocks.max(1))).max(1),
    )
}

/// Cosines and sines, or what stands in their place.
fn tables<R: CubeRuntime>(
    x: &CubeTensor<R>,
    rotation: Option<[CubeTensor<R>; 2]>,
) -> ([CubeTensor<R>; 2], bool) {
    match rotation {
        Some(both) => (both, true),
        None => ([(); 2].map(|()| beside(x, Shape::new([1]))), false),
    }
}

/// See [`crate::heads()`].
pub(super) fn heads<R: CubeRuntime>(
    x: &CubeTensor<R>,
    rotation: Option<[CubeTensor<R>; 2]>,
    heads: &Heads,
) -> CubeTensor<R> {
    let width = x.shape()[1] / (heads.parts * heads.heads);
    let shape = Shape::new([heads.batch, heads.heads, heads.seq_len, width]);
    let y = beside(x, shape);
    let elements = y.shape().num_elements();
    let (count, dim) = grid(x, elements);
    let ([cos, sin], rotates) = tables(x, rotation);
    let (from, to, sizes) = (flat(x), flat(&y), sizes::<R>(heads, width));
    heads_kernel::launch::<R>(
        &x.client,
        count,
        dim,
        from,
        flat(&cos),
        flat(&sin),
        to,
        sizes,
        rotates,
    );
    y
}

/// See [`crate::heads()`].
pub(super) fn backward<R: CubeRuntime>(
    dy: &CubeTensor<R>,
    rotation: Option<[CubeTensor<R>; 2]>,
    heads: &Heads,
) -> CubeTensor<R> {
    let width = dy.shape()[3];
    let rows = heads.batch * heads.seq_len;
    let dx = beside(dy, Shape::new([rows, heads.parts * heads.heads * width]));
    let elements = dx.shape().num_elements();
    let (count, dim) = grid(dy, elements);
    let ([cos, sin], rotates) = tables(dy, rotation);
    let (from, to, sizes) = (flat(dy), flat(&dx), sizes::<R>(heads, width));
    heads_backward_kernel::launch::<R>(
        &dy.client,
        count,
        dim,
        from,
        flat(&cos),
        flat(&sin),
        to,
        sizes,
        rotates,
    );
    dx
}
