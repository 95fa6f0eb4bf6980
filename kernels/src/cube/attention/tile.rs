//! Products of tiles: blocks of rows and columns that units of a cube load together and multiply each in its registers.

use super::super::product::{BLOCK, PLANE};
use cubecl::prelude::*;

/// Rows and columns of a tile.
pub(super) const TILE: usize = 32;

/// Rows of a tile that a unit has, and columns; in steps of [`ACROSS`], so that neighbours read neighbouring places.
const SIDE: usize = 4;

/// Values of a tile that a unit has.
const OWN: usize = SIDE * SIDE;

/// Units across a tile.
const ACROSS: usize = TILE / SIDE;

/// Units of a cube.
pub(super) const UNITS: usize = ACROSS * ACROSS;

/// Units of a row between two products, and how many of its values each has, in steps of [`PARTS`].
pub(super) const PARTS: usize = UNITS / TILE;
pub(super) const PART: usize = TILE / PARTS;

/// Blocks beside each other in a tile: a plane has a row of them.
const BLOCKS: usize = TILE / BLOCK;

/// From one row of a tile of FP32 values to the next: odd, so that a column lies in different banks. Matrix units write rows
/// at multiples of 16 bytes, blocks at multiples of 32.
pub(super) const fn stride(on_units: bool) -> usize {
    if on_units { TILE + 4 } else { TILE + 1 }
}

/// The same of a tile of operands, which for matrix units are of 16 bits.
const fn operand_stride(on_units: bool) -> usize {
    if on_units { TILE + 8 } else { TILE + 1 }
}

/// What matrix units ask of a block's place in shared memory, in bytes.
const ALIGNED: usize = 32;

/// Values of both tiles in shared memory.
pub(super) const fn memory(on_units: bool) -> usize {
    TILE * stride(on_units)
}

pub(super) const fn operand_memory(on_units: bool) -> usize {
    TILE * operand_stride(on_units)
}

/// A matrix among those of all heads.
#[derive(CubeType)]
pub(super) struct Head {
    /// Where it begins.
    pub(super) start: usize,
    pub(super) rows: usize,
    #[cube(comptime)]
    pub(super) width: usize,
}

/// The first row of a unit's, and its first column.
#[cube]
fn first_own() -> (usize, usize) {
    let unit = UNIT_POS as usize;
    (unit / ACROSS, unit % ACROSS)
}

/// What a unit has of tiles side by side: its values, or, on matrix units, what its plane has, [`BLOCKS`] of each tile.
#[derive(CubeType)]
pub(super) struct Own {
    values: Array<f32>,
    blocks: Sequence<cmma::Matrix<f32>>,
}

/// Zeros of so many tiles.
#[cube]
pub(super) fn zeros(#[comptime] tiles: usize, #[comptime] on_units: bool) -> Own {
    let len = comptime!(if on_units { 1 } else { tiles * OWN });
    let mut values = Array::<f32>::new(len);
    let mut blocks = Sequence::<cmma::Matrix<f32>>::new();
    if comptime!(on_units) {
        #[unroll]
        for _ in 0..comptime!(tiles * BLOCKS) {
            let block = cmma::Matrix::<f32>::from_value(
                cmma::MatrixIdent::Accumulator,
                BLOCK,
                BLOCK,
                BLOCK,
                cmma::MatrixLayout::Undefined,
                0.0f32,
            );
            blocks.push(block);
        }
    } else {
        #[unroll]
        for i in 0..len {
            values[i] = 0.0f32;
        }
    }
    Own { values, blocks }
}

/// Brings rows from `row` and columns from `column` into a tile, zeros where there are none.
#[cube]
fn fetch<H: Float>(
    tile: &mut SharedMemory<H>,
    x: &Array<f32>,
    head: &Head,
    row: usize,
    column: usize,
    #[comptime] on_units: bool,
) {
    let width = comptime!(head.width);
    let unit = UNIT_POS as usize;
    // All at once, so that one does not wait for the memory before the next asks for it.
    #[unroll]
    for turn in 0..comptime!(TILE * TILE / UNITS) {
        let i = unit + turn * UNITS;
        let r = i / TILE;
        let c = i % TILE;
        let mut value = 0.0f32;
        if row + r < head.rows && column + c < width {
            value = x[head.start + (row + r) * width + column + c];
        }
        tile[r * comptime!(operand_stride(on_units)) + c] = H::cast_from(value);
    }
}

/// Where the value of row (or column, `down`) `outer` and place `inner` in the sum lies.
#[cube]
fn place(outer: usize, inner: usize, #[comptime] down: bool, #[comptime] on_units: bool) -> usize {
    let stride = comptime!(operand_stride(on_units));
    if comptime!(down) {
        inner * stride + outer
    } else {
        outer * stride + inner
    }
}

/// Adds a product to tile `tile` of a unit's: `Σ a[row, t] b[column, t]`, each read `down` its columns instead where that is
/// set.
#[cube]
fn multiply<H: Float>(
    onto: &mut Own,
    #[comptime] tile: usize,
    a: &SharedMemory<H>,
    #[comptime] a_down: bool,
    b: &SharedMemory<H>,
    #[comptime] b_down: bool,
    #[comptime] on_units: bool,
) {
    if comptime!(on_units) {
        multiply_blocks(onto, tile, a, a_down, b, b_down);
    } else {
        multiply_values(onto, tile, a, a_down, b, b_down);
    }
}

/// One value after the other, in FP32.
#[cube]
fn multiply_values<H: Float>(
    onto: &mut Own,
    #[comptime] tile: usize,
    a: &SharedMemory<H>,
    #[comptime] a_down: bool,
    b: &SharedMemory<H>,
    #[comptime] b_down: bool,
) {
    let (row, column) = first_own();
    let mut left = Array::<f32>::new(SIDE);
    let mut right = Array::<f32>::new(SIDE);
    for t in 0..TILE {
        #[unroll]
        for i in 0..SIDE {
            left[i] = f32::cast_from(a[place(row + ACROSS * i, t, a_down, false)]);
            right[i] = f32::cast_from(b[place(column + ACROSS * i, t, b_down, false)]);
        }
        #[unroll]
        for i in 0..SIDE {
            #[unroll]
            for j in 0..SIDE {
                onto.values[comptime!(tile * OWN + i * SIDE + j)] += left[i] * right[j];
            }
        }
    }
}

/// On matrix units, with FP32 sums.
#[cube]
fn multiply_blocks<H: Float>(
    onto: &mut Own,
    #[comptime] tile: usize,
    a: &SharedMemory<H>,
    #[comptime] a_down: bool,
    b: &SharedMemory<H>,
    #[comptime] b_down: bool,
) {
    let row = own_block();
    let stride = comptime!(operand_stride(true) as u32);
    let last = comptime!(operand_memory(true));
    let rows = comptime!(cmma::MatrixLayout::RowMajor);
    let columns = comptime!(cmma::MatrixLayout::ColMajor);
    #[unroll]
    for step in 0..BLOCKS {
        let t = step * BLOCK;
        let left = cmma::Matrix::<H>::from_slice(
            cmma::MatrixIdent::A,
            BLOCK,
            BLOCK,
            BLOCK,
            comptime!(if a_down { columns } else { rows }),
            &a.slice(place(row, t, a_down, true), last),
            stride,
        );
        #[unroll]
        for across in 0..BLOCKS {
            let right = cmma::Matrix::<H>::from_slice(
                cmma::MatrixIdent::B,
                BLOCK,
                BLOCK,
                BLOCK,
                comptime!(if b_down { rows } else { columns }),
                &b.slice(place(across * BLOCK, t, b_down, true), last),
                stride,
            );
            let sum = onto.blocks.index(comptime!(tile * BLOCKS + across));
            cmma::execute::<H, H, f32, f32>(&left, &right, sum, sum);
        }
    }
}

/// The first row of the blocks that a unit's plane has.
#[cube]
fn own_block() -> usize {
    UNIT_POS as usize / PLANE * BLOCK
}

/// Puts tile `own_tile` of a unit's into shared memory; the cube has to wait before others read it.
#[cube]
fn put(
    tile: &mut SharedMemory<f32>,
    own: &Own,
    #[comptime] own_tile: usize,
    #[comptime] on_units: bool,
) {
    let stride = comptime!(stride(on_units));
    if comptime!(on_units) {
        #[unroll]
        for across in 0..BLOCKS {
            let at = own_block() * stride + across * BLOCK;
            cmma::store(
                &mut tile.slice_mut(at, comptime!(memory(true))),
                own.blocks.index(comptime!(own_tile * BLOCKS + across)),
                comptime!(stride as u32),
                cmma::MatrixLayout::RowMajor,
            );
        }
    } else {
        let (row, column) = first_own();
        #[unroll]
        for i in 0..SIDE {
            #[unroll]
            for j in 0..SIDE {
                let at = (row + ACROSS * i) * stride + column + ACROSS * j;
                tile[at] = own.values[comptime!(own_tile * OWN + i * SIDE + j)];
            }
        }
    }
}

/// Memory of a cube's for the functions here.
#[derive(CubeType)]
pub(super) struct Scratch<H: Float> {
    /// Operands of a product, in the format in which they are multiplied.
    a: SharedMemory<H>,
    b: SharedMemory<H>,
    /// A number of every unit.
    notes: SharedMemory<f32>,
}

#[cube]
pub(super) fn scratch<H: Float>(#[comptime] on_units: bool) -> Scratch<H> {
    Scratch::<H> {
        a: SharedMemory::<H>::new_aligned(comptime!(operand_memory(on_units)), ALIGNED),
        b: SharedMemory::<H>::new_aligned(comptime!(operand_memory(on_units)), ALIGNED),
        notes: SharedMemory::<f32>::new(UNITS),
    }
}

/// A tile of FP32 values in shared memory.
#[cube]
pub(super) fn tile(#[comptime] on_units: bool) -> SharedMemory<f32> {
    SharedMemory::<f32>::new_aligned(comptime!(memory(on_units)), ALIGNED)
}

/// A tile of `x yᵀ` in shared memory.
#[cube]
pub(super) fn dots<H: Float>(
    tile: &mut SharedMemory<f32>,
    x: &Array<f32>,
    of_x: &Head,
    x_row: usize,
    y: &Array<f32>,
    of_y: &Head,
    y_row: usize,
    scratch: &mut Scratch<H>,
    #[comptime] on_units: bool,
) {
    let mut own = zeros(1usize, on_units);
    let mut column = 0usize;
    while column < comptime!(of_x.width) {
        fetch(&mut scratch.a, x, of_x, x_row, column, on_units);
        fetch(&mut scratch.b, y, of_y, y_row, column, on_units);
        sync_cube();
        multiply(
            &mut own, 0usize, &scratch.a, false, &scratch.b, false, on_units,
        );
        sync_cube();
        column += TILE;
    }
    put(tile, &own, 0usize, on_units);
    sync_cube();
}

/// Adds the product of a shared tile (of its transpose, `down`), of which every unit has written its own part, and the rows of
/// `x` from `row` on to as many tiles as a row of `x` fills.
#[cube]
pub(super) fn add_product<H: Float>(
    onto: &mut Own,
    tile: &SharedMemory<f32>,
    #[comptime] down: bool,
    x: &Array<f32>,
    head: &Head,
    row: usize,
    scratch: &mut Scratch<H>,
    #[comptime] on_units: bool,
) {
    let (own_row, column) = part();
    for i in 0..PART {
        let to = own_row * comptime!(operand_stride(on_units)) + column + i * PARTS;
        scratch.a[to] = H::cast_from(tile[own(i, on_units)]);
    }
    #[unroll]
    for chunk in 0..comptime!(head.width.div_ceil(TILE)) {
        fetch(&mut scratch.b, x, head, row, chunk * TILE, on_units);
        sync_cube();
        multiply(onto, chunk, &scratch.a, down, &scratch.b, true, on_units);
        sync_cube();
    }
}

/// Writes the tiles of a block of rows from `row` on, by way of `tile`.
#[cube]
pub(super) fn write(
    y: &mut Array<f32>,
    head: &Head,
    row: usize,
    own: &Own,
    tile: &mut SharedMemory<f32>,
    #[comptime] on_units: bool,
) {
    let width = comptime!(head.width);
    #[unroll]
    for chunk in 0..comptime!(width.div_ceil(TILE)) {
        put(tile, own, chunk, on_units);
        sync_cube();
        let mut i = UNIT_POS as usize;
        while i < TILE * TILE {
            let r = i / TILE;
            let c = i % TILE;
            let column = chunk * TILE + c;
            if row + r < head.rows && column < width {
                let at = r * comptime!(stride(on_units)) + c;
                y[head.start + (row + r) * width + column] = tile[at];
            }
            i += UNITS;
        }
        sync_cube();
    }
}

/// Row of a tile of which a unit has a part between two products, and the first column of the part.
#[cube]
pub(super) fn part() -> (usize, usize) {
    let unit = UNIT_POS as usize;
    (unit / PARTS, unit % PARTS)
}

/// Where the value `i` of a unit's part lies.
#[cube]
pub(super) fn own(i: usize, #[comptime] on_units: bool) -> usize {
    let (row, column) = part();
    row * comptime!(stride(on_units)) + column + i * PARTS
}

/// What the units of a row have of it, [`PARTS`] numbers, known to all of them.
#[cube]
pub(super) fn parts<H: Float>(number: f32, scratch: &mut Scratch<H>) -> Array<f32> {
    let unit = UNIT_POS as usize;
    scratch.notes[unit] = number;
    sync_cube();
    let mut all = Array::<f32>::new(PARTS);
    #[unroll]
    for i in 0..PARTS {
        all[i] = scratch.notes[unit / PARTS * PARTS + i];
    }
    sync_cube();
    all
}

/// Whether it holds for any unit of the cube.
#[cube]
pub(super) fn any<H: Float>(holds: bool, scratch: &mut Scratch<H>) -> bool {
    let mut number = 0.0f32;
    if holds {
        number = 1.0f32;
    }
    scratch.notes[UNIT_POS as usize] = number;
    sync_cube();
    let mut total = 0.0f32;
    for unit in 0..UNITS {
        total += scratch.notes[unit];
    }
    sync_cube();
    total > 0.0f32
}
