//! What kernels with one cube for each row, or for each piece of an array, share.

use burn::tensor::{DType, Shape};
use burn_cubecl::CubeRuntime;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;

/// Units of a cube, at most and at least: a plane is 32 on every NVIDIA card.
pub(super) const MOST: usize = 256;
const LEAST: usize = 32;

/// Cubes along an axis that every device takes.
const AXIS: usize = 65_535;

/// Elements of a piece, and units that share one.
pub(crate) const PIECE: usize = 4096;
pub(crate) const UNITS: u32 = 256;

/// Units for a row: a power of two, as the reductions need it.
pub(super) fn units(width: usize) -> u32 {
    width.next_power_of_two().clamp(LEAST, MOST) as u32
}

/// One cube of `units` for each of `rows`, and some more where an axis is too short for them: their kernels end at
/// once by [`row()`].
pub(super) fn cubes(rows: usize, units: u32) -> (CubeCount, CubeDim) {
    let lines = rows.div_ceil(AXIS).max(1);
    let across = rows.div_ceil(lines);
    let count = CubeCount::Static(across as u32, lines as u32, 1);
    (count, CubeDim::new_1d(units))
}

/// The cube's row of `width` values.
#[cube]
pub(super) fn row(x: &Array<f32>, width: usize) -> usize {
    let row = CUBE_POS;
    if row * width >= x.len() {
        terminate!();
    }
    row
}

/// An FP32 tensor beside another, values undefined.
pub(super) fn beside<R: CubeRuntime>(x: &CubeTensor<R>, shape: Shape) -> CubeTensor<R> {
    empty_device_contiguous_dtype(x.client.clone(), x.device.clone(), shape, DType::F32)
}

/// Cubes, and their size, with a unit for each of so many elements.
pub(super) fn grid<R: CubeRuntime>(x: &CubeTensor<R>, elements: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new(&x.client, elements);
    (calculate_cube_count_elemwise(&x.client, elements, dim), dim)
}

/// A contiguous tensor as an argument without shape.
pub(super) fn flat<R: CubeRuntime>(x: &CubeTensor<R>) -> ArrayArg<R> {
    x.clone().binding().into_array_arg()
}

/// Sum over the units of a cube, in a fixed tree, known to all of them.
#[cube]
pub(super) fn sum<N: Numeric>(value: N, #[comptime] units: u32) -> N {
    reduced::<N>(value, units, true)
}

/// Largest value over the units of a cube, known to all of them.
#[cube]
pub(super) fn largest<N: Numeric>(value: N, #[comptime] units: u32) -> N {
    reduced::<N>(value, units, false)
}

#[cube]
fn reduced<N: Numeric>(value: N, #[comptime] units: u32, #[comptime] adds: bool) -> N {
    let mut shared = SharedMemory::<N>::new(units as usize);
    shared[UNIT_POS as usize] = value;
    sync_cube();
    let mut half = CUBE_DIM / 2;
    while half > 0 {
        if UNIT_POS < half {
            let other = shared[(UNIT_POS + half) as usize];
            if comptime!(adds) {
                shared[UNIT_POS as usize] += other;
            } else if other > shared[UNIT_POS as usize] {
                shared[UNIT_POS as usize] = other;
            }
        }
        sync_cube();
        half /= 2;
    }
    let all = shared[0];
    // The next reduction may be given the same memory.
    sync_cube();
    all
}
