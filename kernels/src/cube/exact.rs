//! The FP32 product of matrices: a tile of the result for each cube, operands by way of shared memory.
//!
//! Every value is one unit's, which adds the terms in their order: no sum is split among units.

use burn::tensor::TensorMetadata;
use burn_cubecl::CubeRuntime;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::product::output;
use super::row::{cubes, flat};

/// Units along each side of a tile.
pub(super) const SIDE: u32 = 16;

/// Terms of the sums in shared memory at a time.
pub(super) const DEPTH: u32 = 16;

/// How far apart an operand's neighbours lie, in values: along the two dimensions before the matrix's, then its rows
/// and columns.
#[derive(CubeLaunch, CubeType, Clone, Copy)]
pub(crate) struct Strides {
    pub(super) outer: u32,
    pub(super) inner: u32,
    pub(super) row: u32,
    pub(super) column: u32,
}

/// Rows, terms and columns of every product, and how many lie along the inner dimension before the matrix's.
#[derive(CubeLaunch, CubeType, Clone, Copy)]
pub(crate) struct Sizes {
    pub(super) m: u32,
    pub(super) k: u32,
    pub(super) n: u32,
    pub(super) inner: u32,
}

/// `each` × `each` values for every unit of the cube's tile.
#[cube(launch)]
pub(crate) fn product_kernel(
    a: &Array<f32>,
    b: &Array<f32>,
    y: &mut Array<f32>,
    a_strides: Strides,
    b_strides: Strides,
    sizes: Sizes,
    #[comptime] each: u32,
) {
    let side = comptime!(each * SIDE);
    let across = sizes.n.div_ceil(side);
    let tiles = sizes.m.div_ceil(side) * across;
    let cube = CUBE_POS as u32;
    let product = cube / tiles;
    if (product * sizes.m * sizes.n) as usize >= y.len() {
        terminate!();
    }
    let tile = cube % tiles;
    let top = tile / across * side;
    let left = tile % across * side;
    let (outer, inner) = (product / sizes.inner, product % sizes.inner);
    let a_start = outer * a_strides.outer + inner * a_strides.inner;
    let b_start = outer * b_strides.outer + inner * b_strides.inner;

    let mut a_tile = SharedMemory::<f32>::new(comptime!(side * DEPTH) as usize);
    let mut b_tile = SharedMemory::<f32>::new(comptime!(side * DEPTH) as usize);
    let mut sums = Array::<f32>::new(comptime!(each * each) as usize);
    #[unroll]
    for i in 0..each * each {
        sums[i as usize] = 0.0f32;
    }
    let own_row = UNIT_POS / SIDE * each;
    let own_column = UNIT_POS % SIDE * each;
    let mut first = 0u32;
    while first < sizes.k {
        #[unroll]
        for turn in 0..each {
            let unit = UNIT_POS + turn * SIDE * SIDE;
            load(
                a,
                &mut a_tile,
                unit,
                a_start,
                a_strides.row,
                a_strides.column,
                top,
                first,
                sizes.m,
                sizes.k,
                side,
            );
            load(
                b,
                &mut b_tile,
                unit,
                b_start,
                b_strides.column,
                b_strides.row,
                left,
                first,
                sizes.n,
                sizes.k,
                side,
            );
        }
        sync_cube();
        multiply(&a_tile, &b_tile, &mut sums, own_row, own_column, each);
        sync_cube();
        first += DEPTH;
    }
    #[unroll]
    for i in 0..each {
        #[unroll]
        for j in 0..each {
            let (row, column) = (top + own_row + i, left + own_column + j);
            if row < sizes.m && column < sizes.n {
                let place = (product * sizes.m + row) * sizes.n + column;
                y[place as usize] = sums[(i * each + j) as usize];
            }
        }
    }
}

/// Adds the products of the terms in shared memory to the sums of a unit's `each` × `each` values.
#[cube]
pub(super) fn multiply(
    a_tile: &SharedMemory<f32>,
    b_tile: &SharedMemory<f32>,
    sums: &mut Array<f32>,
    own_row: u32,
    own_column: u32,
    #[comptime] each: u32,
) {
    let side = comptime!(each * SIDE);
    for term in 0..DEPTH {
        #[unroll]
        for i in 0..each {
            let value = a_tile[(term * side + own_row + i) as usize];
            #[unroll]
            for j in 0..each {
                let other = b_tile[(term * side + own_column + j) as usize];
                sums[(i * each + j) as usize] += value * other;
            }
        }
    }
}

/// One unit's share of a tile: a value of an operand, by its line (row of `a`, column of `b`) and its term. Neighbouring
/// units take what lies side by side. Beyond the matrix there are zeros.
#[cube]
pub(super) fn load(
    x: &Array<f32>,
    tile: &mut SharedMemory<f32>,
    unit: u32,
    start: u32,
    line_stride: u32,
    term_stride: u32,
    first_line: u32,
    first_term: u32,
    lines: u32,
    terms: u32,
    #[comptime] side: u32,
) {
    let mut line = unit / DEPTH;
    let mut term = unit % DEPTH;
    if line_stride < term_stride {
        line = unit % side;
        term = unit / side;
    }
    let mut value = 0.0f32;
    if first_line + line < lines && first_term + term < terms {
        let place = start + (first_line + line) * line_stride + (first_term + term) * term_stride;
        value = x[place as usize];
    }
    tile[(term * side + line) as usize] = value;
}

/// The operand, made compact if it has gaps or too many dimensions, and its strides: outer, inner, rows, columns.
fn strides<R: CubeRuntime>(x: CubeTensor<R>) -> (CubeTensor<R>, [usize; 4]) {
    let (shape, strides) = (x.meta.shape().to_vec(), x.meta.strides().to_vec());
    let rank = shape.len();
    let both = shape.iter().zip(&strides);
    let last: usize = both
        .map(|(size, stride)| size.saturating_sub(1) * stride)
        .sum();
    let x = if rank > 4 || last >= shape.iter().product() {
        into_contiguous(x)
    } else {
        x
    };
    let stride = |from_end: usize| match rank.checked_sub(from_end) {
        Some(place) => x.meta.strides()[place],
        None => 0,
    };
    let all = [stride(4), stride(3), stride(2), stride(1)];
    (x, all)
}

/// `a b`.
pub(super) fn product<R: CubeRuntime>(a: CubeTensor<R>, b: CubeTensor<R>) -> CubeTensor<R> {
    let y = output(&a, &b);
    let shape = y.shape().to_vec();
    let rank = shape.len();
    let (m, n) = (shape[rank - 2], shape[rank - 1]);
    let k = a.shape()[rank - 1];
    // Of compact operands with many dimensions, all before the matrix are one.
    let inner = if rank == 4 {
        shape[1]
    } else {
        shape[..rank - 2].iter().product()
    };
    let products: usize = shape[..rank - 2].iter().product();
    let tiles = |side: usize| m.div_ceil(side) * n.div_ceil(side) * products;
    // Large tiles reuse more; with few of them most of a device would be idle.
    let each = if tiles(64) >= 64 { 4 } else { 2 };
    let (count, dim) = cubes(tiles(each * SIDE as usize), SIDE * SIDE);
    let ((a, a_strides), (b, b_strides)) = (strides(a), strides(b));
    let launch = |[outer, inner, row, column]: [usize; 4]| {
        StridesLaunch::new(outer as u32, inner as u32, row as u32, column as u32)
    };
    product_kernel::launch::<R>(
        &a.client,
        count,
        dim,
        flat(&a),
        flat(&b),
        flat(&y),
        launch(a_strides),
        launch(b_strides),
        SizesLaunch::new(m as u32, k as u32, n as u32, inner as u32),
        each as u32,
    );
    y
}
