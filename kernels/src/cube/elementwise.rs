//! Rounding, the slope of GELU, and `GeGLU`, element by element.

use super::counting::{Point, counted, nothing_lost, piece, piece_cubes, settle, stored};
use super::ranges::UNITS;
use super::row::{beside, flat};
use crate::{HalfFormat, Pass, Rounding};
use burn::tensor::{Shape, TensorMetadata};
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;
use std::f32::consts::FRAC_1_SQRT_2;

/// `1 / sqrt(2 π)`
const DENSITY: f32 = 0.398_942_3;

/// 2⁻²⁴, the smallest positive FP16 value.
const SMALLEST_FP16: f32 = 1.0 / 16_777_216.0;

/// The format a kernel rounds to, known when it is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Rounded {
    No,
    Fp16,
    Bf16,
}

impl From<Option<HalfFormat>> for Rounded {
    fn from(format: Option<HalfFormat>) -> Self {
        match format {
            None => Self::No,
            Some(HalfFormat::Fp16) => Self::Fp16,
            Some(HalfFormat::Bf16) => Self::Bf16,
        }
    }
}

/// To nearest, ties to even, by integer operations: a device need not have the type, and Vulkan leaves open how its
/// conversion rounds.
#[cube]
pub(super) fn rounded(x: f32, #[comptime] format: Rounded) -> f32 {
    if comptime!(format == Rounded::Fp16) {
        to_fp16(x)
    } else if comptime!(format == Rounded::Bf16) {
        to_bf16(x)
    } else {
        x
    }
}

/// A number without its lowest `bits`, to nearest, ties to even.
#[cube]
fn without_lowest(number: u32, bits: u32) -> u32 {
    let odd = (number >> bits) & 1u32;
    let half = 1u32 << (bits - 1);
    (number + (half - 1) + odd) >> bits
}

#[cube]
fn to_fp16(x: f32) -> f32 {
    let bits = u32::reinterpret(x);
    let magnitude = bits & 0x7fff_ffffu32;
    let mut result = magnitude;
    if magnitude < 0x3880_0000u32 {
        // Below 2⁻¹⁴ the format has multiples of 2⁻²⁴. Exponents below 2⁻²⁵ leave nothing.
        let exponent = magnitude >> 23;
        if exponent < 101u32 {
            result = 0u32;
        } else {
            let mantissa = (magnitude & 0x007f_ffffu32) | 0x0080_0000u32;
            let multiples = without_lowest(mantissa, 126u32 - exponent);
            result = u32::reinterpret(f32::cast_from(multiples) * f32::new(SMALLEST_FP16));
        }
    } else if magnitude < 0x477f_f000u32 {
        result = without_lowest(magnitude, 13u32) << 13;
    } else if magnitude <= 0x7f80_0000u32 {
        // Half way from the largest value to the next, 65,520, and all above.
        result = 0x7f80_0000u32;
    }
    f32::reinterpret(result | (bits & 0x8000_0000u32))
}

#[cube]
fn to_bf16(x: f32) -> f32 {
    let bits = u32::reinterpret(x);
    let magnitude = bits & 0x7fff_ffffu32;
    let mut result = magnitude;
    // Not a NaN, of which the lowest bits may be all there is.
    if magnitude <= 0x7f80_0000u32 {
        result = without_lowest(magnitude, 16u32) << 16;
    }
    f32::reinterpret(result | (bits & 0x8000_0000u32))
}

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

/// `f` is the width of a half; `place` is that of the counters for what is stored between GELU and the product.
#[cube(launch)]
pub(crate) fn geglu_kernel(
    up: &Array<f32>,
    y: &mut Array<f32>,
    counters: &mut Array<Atomic<u32>>,
    f: usize,
    place: usize,
    #[comptime] counts: bool,
    #[comptime] point: Point,
) {
    let (start, end) = piece(y.len());
    let mut lost = nothing_lost();
    let mut i = start + UNIT_POS as usize;
    while i < end {
        let value = i / f * (2 * f) + i % f;
        let gate = up[value + f];
        y[i] = up[value] * stored(gate * distribution(gate), &mut lost, counts, point);
        i += UNITS as usize;
    }
    if comptime!(counts) {
        settle(counters, place, &lost, UNITS);
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
    #[comptime] counts: bool,
    #[comptime] point: Point,
) {
    let (start, end) = piece(dy.len());
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
        settle(counters, place, &lost, UNITS);
    }
}

fn grid<R: CubeRuntime>(x: &CubeTensor<R>, elements: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new(&x.client, elements);
    (calculate_cube_count_elemwise(&x.client, elements, dim), dim)
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
    let (count, dim) = piece_cubes(rows * f);
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
    let (count, dim) = piece_cubes(rows * f);
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
        counts,
        Point::new(rounding, Pass::Backward),
    );
    dup
}
