//! Products with a weight in codes: see [`crate::codes_product()`]. Codes become numbers where they are multiplied, in a
//! register for few rows of activations and in shared memory for many.

use super::exact::{DEPTH, SIDE, load, multiply};
use super::row::{beside, cubes, flat, sum, units};
use crate::codes::{CodeBits, CodesLayout};
use burn::tensor::{Shape, TensorMetadata};
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Rows of activations for which every output has a cube of its own.
const FEW: usize = 8;

/// Values of a tile for every unit, along each side.
const EACH: u32 = 4;

/// Rows of activations, outputs and inputs; 32-bit words of an output's codes; outputs and inputs of a block, and blocks
/// across.
#[derive(CubeLaunch, CubeType, Clone, Copy)]
pub(crate) struct CodeSizes {
    pub(super) m: u32,
    pub(super) outputs: u32,
    pub(super) inputs: u32,
    pub(super) words: u32,
    pub(super) height: u32,
    pub(super) width: u32,
    pub(super) across: u32,
}

/// The number that stands for an input of an output.
#[cube]
fn decoded(
    words: &Array<u32>,
    scales: &Array<f32>,
    zeros: &Array<f32>,
    output: u32,
    input: u32,
    sizes: &CodeSizes,
    #[comptime] bits: u32,
    #[comptime] shifted: bool,
) -> f32 {
    let per_word = comptime!(32 / bits);
    let word = words[(output * sizes.words + input / per_word) as usize];
    let place = input % per_word;
    let mut shift = place * bits;
    if comptime!(bits == 4) {
        // The even input is in the upper half of its byte.
        shift = (place ^ 1u32) * bits;
    }
    // The sign bit turned over counts from the smallest code.
    let sign = comptime!(1u32 << (bits - 1));
    let mask = comptime!((1u32 << bits) - 1);
    let turned = f32::cast_from(((word >> shift) & mask) ^ sign);
    let code = turned - f32::new(comptime!((1u32 << (bits - 1)) as f32));
    let block = (output / sizes.height * sizes.across + input / sizes.width) as usize;
    if comptime!(shifted) {
        (code + zeros[block]) * scales[block]
    } else {
        code * scales[block]
    }
}

/// A cube for each output: its units share the inputs.
#[cube(launch)]
pub(crate) fn dot_kernel(
    x: &Array<f32>,
    words: &Array<u32>,
    scales: &Array<f32>,
    zeros: &Array<f32>,
    y: &mut Array<f32>,
    sizes: CodeSizes,
    #[comptime] bits: u32,
    #[comptime] shifted: bool,
    #[comptime] units: u32,
) {
    let output = CUBE_POS as u32;
    if output >= sizes.outputs {
        terminate!();
    }
    for row in 0..sizes.m {
        let mut own = 0.0f32;
        let mut input = UNIT_POS;
        while input < sizes.inputs {
            let weight = decoded(words, scales, zeros, output, input, &sizes, bits, shifted);
            own += weight * x[(row * sizes.inputs + input) as usize];
            input += units;
        }
        let total = sum::<f32>(own, units);
        if UNIT_POS == 0 {
            y[(row * sizes.outputs + output) as usize] = total;
        }
    }
}

/// A cube for each tile of the result, as in the FP32 product.
#[cube(launch)]
pub(crate) fn codes_kernel(
    x: &Array<f32>,
    words: &Array<u32>,
    scales: &Array<f32>,
    zeros: &Array<f32>,
    y: &mut Array<f32>,
    sizes: CodeSizes,
    #[comptime] bits: u32,
    #[comptime] shifted: bool,
    #[comptime] each: u32,
) {
    let side = comptime!(each * SIDE);
    let across = sizes.outputs.div_ceil(side);
    let cube = CUBE_POS as u32;
    if cube >= sizes.m.div_ceil(side) * across {
        terminate!();
    }
    let top = cube / across * side;
    let left = cube % across * side;
    let mut x_tile = SharedMemory::<f32>::new(comptime!(side * DEPTH) as usize);
    let mut w_tile = SharedMemory::<f32>::new(comptime!(side * DEPTH) as usize);
    let mut sums = Array::<f32>::new(comptime!(each * each) as usize);
    #[unroll]
    for i in 0..each * each {
        sums[i as usize] = 0.0f32;
    }
    let own_row = UNIT_POS / SIDE * each;
    let own_column = UNIT_POS % SIDE * each;
    let mut first = 0u32;
    while first < sizes.inputs {
        #[unroll]
        for turn in 0..each {
            let unit = UNIT_POS + turn * SIDE * SIDE;
            load(
                x,
                &mut x_tile,
                unit,
                0u32,
                sizes.inputs,
                1u32,
                top,
                first,
                sizes.m,
                sizes.inputs,
                side,
            );
            let (line, term) = (unit / DEPTH, unit % DEPTH);
            let (output, input) = (left + line, first + term);
            let mut weight = 0.0f32;
            if output < sizes.outputs && input < sizes.inputs {
                weight = decoded(words, scales, zeros, output, input, &sizes, bits, shifted);
            }
            w_tile[(term * side + line) as usize] = weight;
        }
        sync_cube();
        multiply(&x_tile, &w_tile, &mut sums, own_row, own_column, each);
        sync_cube();
        first += DEPTH;
    }
    #[unroll]
    for i in 0..each {
        #[unroll]
        for j in 0..each {
            let (row, output) = (top + own_row + i, left + own_column + j);
            if row < sizes.m && output < sizes.outputs {
                y[(row * sizes.outputs + output) as usize] = sums[(i * each + j) as usize];
            }
        }
    }
}

/// `x Wᵀ`.
pub(super) fn product<R: CubeRuntime>(
    x: &CubeTensor<R>,
    words: &CubeTensor<R>,
    scales: &CubeTensor<R>,
    zeros: Option<&CubeTensor<R>>,
    layout: &CodesLayout,
) -> CubeTensor<R> {
    let [outputs, inputs] = layout.shape;
    let m = x.shape()[0];
    let y = beside(x, Shape::new([m, outputs]));
    let [height, width] = layout.block();
    let sizes = CodeSizesLaunch::new(
        m as u32,
        outputs as u32,
        inputs as u32,
        words.shape()[1] as u32,
        height as u32,
        width as u32,
        layout.grid[1] as u32,
    );
    let bits = match layout.bits {
        CodeBits::Four => 4,
        CodeBits::Eight => 8,
    };
    let shifted = zeros.is_some();
    let (client, zeros) = (&x.client, flat(zeros.unwrap_or(scales)));
    let (x, words, scales, out) = (flat(x), flat(words), flat(scales), flat(&y));
    if m <= FEW {
        let units = units(inputs);
        let (count, dim) = cubes(outputs, units);
        dot_kernel::launch::<R>(
            client, count, dim, x, words, scales, zeros, out, sizes, bits, shifted, units,
        );
    } else {
        let side = (EACH * SIDE) as usize;
        let (count, dim) = cubes(m.div_ceil(side) * outputs.div_ceil(side), SIDE * SIDE);
        codes_kernel::launch::<R>(
            client, count, dim, x, words, scales, zeros, out, sizes, bits, shifted, EACH,
        );
    }
    y
}
