//! Rounding of every element, the slope of GELU, and `GeGLU`, element by element.

use super::counting::{
    COUNTERS, Point, counted, nothing_lost, piece, piece_cubes, runs, settle, stored,
};
use super::rounding::{Rounded, rounded};
use super::row::{UNITS, beside, flat, grid};
use crate::{HalfFormat, Pass, Rounding};
use burn::tensor::{Shape, TensorMetadata};
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use std::f32::consts::FRAC_1_SQRT_2;

/// `1 / sqrt(2 π)`
const DENSITY: f32 = 0.398_942_3;

/// `Φ(x)`
#[cube]
fn distribution(x: f32) -> f32 {
    0.5f32 * (1.0f32 + f32::erf(x * f32::new(FRAC_1_SQRT_2)))
}

/// `Φ(x) + x φ(x)`
#[cube]
fn slope(x: f32) -> f32 {
    distribution(x) + x * f32::new(DENSITY) * f32::exp(-0.5f32 * x * x)
}

#[cube(launch)]
pub(crate) fn round_kernel(x: &Array<f32>, y: &mut Array<f32>, #[comptime] format: Rounded) {
    if ABSOLUTE_POS < y.len() {
        y[ABSOLUTE_POS] = rounded(x[ABSOLUTE_POS], format);
    }
}

#[cube(launch)]
pub(crate) fn gelu_backward_kernel(x: &Array<f32>, dy: &Array<f32>, dx: &mut Array<f32>) {
    if ABSOLUTE_POS < dx.len() {
        dx[ABSOLUTE_POS] = dy[ABSOLUTE_POS] * slope(x[ABSOLUTE_POS]);
    }
}

/// `f` is the width of a half; `place` is that of the first run's counters for what is stored between GELU
/// and the product, of which a run has `each` elements.
#[cube(launch)]
pub(crate) fn geglu_kernel(
    up: &Array<f32>,
    y: &mut Array<f32>,
    counters: &mut Array<Atomic<u32>>,
    f: usize,
    place: usize,
    each: usize,
    #[comptime] counts: bool,
    #[comptime] point: Point,
) {
    let (start, end, run) = piece(y.len(), each);
    let mut lost = nothing_lost();
    let mut i = start + UNIT_POS as usize;
    while i < end {
        let value = i / f * (2 * f) + i % f;
        let gate = up[value + f];
        y[i] = up[value] * stored(gate * distribution(gate), &mut lost, counts, point);
        i += UNITS as usize;
    }
    if comptime!(counts) {
        settle(counters, place + run * COUNTERS, &lost, UNITS);
    }
}

/// What comes back to GELU is stored, and counted; its output is computed again.
#[cube(launch)]
pub(crate) fn geglu_backward_kernel(
    up: &Array<f32>,
    dy: &Array<f32>,
    dup: &mut Array<f32>,
    counters: &mut Array<Atomic<u32>>,
    f: usize,
    place: usize,
    each: usize,
    #[comptime] counts: bool,
    #[comptime] point: Point,
) {
    let (start, end, run) = piece(dy.len(), each);
    let mut lost = nothing_lost();
    let mut i = start + UNIT_POS as usize;
    while i < end {
        let at = i / f * (2 * f) + i % f;
        let value = up[at];
        let gate = up[at + f];
        let output = rounded(gate * distribution(gate), point.format);
        dup[at] = dy[i] * output;
        dup[at + f] = stored(value * dy[i], &mut lost, counts, point) * slope(gate);
        i += UNITS as usize;
    }
    if comptime!(counts) {
        settle(counters, place + run * COUNTERS, &lost, UNITS);
    }
}

/// Every element rounded.
pub(super) fn round<R: CubeRuntime>(x: CubeTensor<R>, format: HalfFormat) -> CubeTensor<R> {
    let y = beside(&x, x.shape());
    let (count, dim) = grid(&x, x.shape().num_elements());
    let format = Some(format).into();
    round_kernel::launch::<R>(&x.client, count, dim, flat(&x), flat(&y), format);
    y
}

/// `dx = dy (Φ(x) + x φ(x))`
pub(super) fn gelu_backward<R: CubeRuntime>(x: CubeTensor<R>, dy: CubeTensor<R>) -> CubeTensor<R> {
    let dx = beside(&x, x.shape());
    let (count, dim) = grid(&x, x.shape().num_elements());
    gelu_backward_kernel::launch::<R>(&x.client, count, dim, flat(&x), flat(&dy), flat(&dx));
    dx
}

/// See [`crate::geglu()`].
pub(super) fn geglu<R: CubeRuntime>(
    up: &CubeTensor<R>,
    rounding: Option<&Rounding>,
) -> CubeTensor<R> {
    let [rows, width] = up.shape().dims();
    let f = width / 2;
    let y = beside(up, Shape::new([rows, f]));
    let (count, dim, each) = piece_cubes(rows * f, runs(rounding));
    let (counters, place, counts) = counted(rounding, Pass::Forward, up);
    geglu_kernel::launch::<R>(
        &up.client,
        count,
        dim,
        flat(up),
        flat(&y),
        flat(&counters),
        f,
        place,
        each,
        counts,
        Point::new(rounding, Pass::Forward),
    );
    y
}

/// See [`crate::geglu()`].
pub(super) fn geglu_backward<R: CubeRuntime>(
    up: &CubeTensor<R>,
    dy: &CubeTensor<R>,
    rounding: Option<&Rounding>,
) -> CubeTensor<R> {
    let [rows, f] = dy.shape().dims();
    let dup = beside(up, up.shape());
    let (count, dim, each) = piece_cubes(rows * f, runs(rounding));
    let (counters, place, counts) = counted(rounding, Pass::Backward, up);
    geglu_backward_kernel::launch::<R>(
        &up.client,
        count,
        dim,
        flat(up),
        flat(dy),
        flat(&dup),
        flat(&counters),
        f,
        place,
        each,
        counts,
        Point::new(rounding, Pass::Backward),
    );
    dup
}
