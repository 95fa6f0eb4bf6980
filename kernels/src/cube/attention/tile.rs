//! Products of tiles: blocks of rows and columns that units of a cube load together and multiply each in its registers.

use cubecl::prelude::*;

/// Rows and columns of a tile.
pub(super) const TILE: usize = 32;

/// Rows of a tile that a unit has, and columns; in steps of [`ACROSS`], so that neighbours read neighbouring places.
pub(super) const SIDE: usize = 4;

/// Values of a tile that a unit has.
pub(super) const OWN: usize = SIDE * SIDE;

/// Units across a tile.
pub(super) const ACROSS: usize = TILE / SIDE;

/// Units of a cube.
pub(super) const UNITS: usize = ACROSS * ACROSS;

/// From one row of a tile in shared memory to the next: odd, so that a column lies in different banks.
const STRIDE: usize = TILE + 1;

/// Values of a tile in shared memory.
pub(super) const MEMORY: usize = TILE * STRIDE;

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
pub(super) fn first_own() -> (usize, usize) {
    let unit = UNIT_POS as usize;
    (unit / ACROSS, unit % ACROSS)
}

/// Zeros.
#[cube]
pub(super) fn zeros(#[comptime] len: usize) -> Array<f32> {
    let mut all = Array::<f32>::new(len);
    #[unroll]
    for i in 0..len {
        all[i] = 0.0f32;
    }
    all
}

/// Brings rows from `row` and columns from `column` into a tile, zeros where there are none.
#[cube]
fn fetch(tile: &mut SharedMemory<f32>, x: &Array<f32>, head: &Head, row: usize, column: usize) {
    let width = comptime!(head.width);
    let mut i = UNIT_POS as usize;
    while i < TILE * TILE {
        let r = i / TILE;
        let c = i % TILE;
        let mut value = 0.0f32;
        if row + r < head.rows && column + c < width {
            value = x[head.start + (row + r) * width + column + c];
        }
        tile[r * STRIDE + c] = value;
        i += UNITS;
    }
}

/// Where the value of row (or column, `down`) `outer` and place `inner` in the sum lies.
#[cube]
fn place(outer: usize, inner: usize, #[comptime] down: bool) -> usize {
    if comptime!(down) {
        inner * STRIDE + outer
    } else {
        outer * STRIDE + inner
    }
}

/// Adds a product to a unit's values from `from` on: `Σ a[row, t] b[column, t]`, each read `down` its columns instead where
/// that is set.
#[cube]
fn multiply(
    onto: &mut Array<f32>,
    #[comptime] from: usize,
    a: &SharedMemory<f32>,
    #[comptime] a_down: bool,
    b: &SharedMemory<f32>,
    #[comptime] b_down: bool,
) {
    let (row, column) = first_own();
    let mut left = Array::<f32>::new(SIDE);
    let mut right = Array::<f32>::new(SIDE);
    for t in 0..TILE {
        #[unroll]
        for i in 0..SIDE {
            left[i] = a[place(row + ACROSS * i, t, a_down)];
            right[i] = b[place(column + ACROSS * i, t, b_down)];
        }
        #[unroll]
        for i in 0..SIDE {
            #[unroll]
            for j in 0..SIDE {
                onto[from + i * SIDE + j] += left[i] * right[j];
            }
        }
    }
}

/// Adds a tile of `x yᵀ` to a unit's values of it; `a` and `b` are for the use of this function.
#[cube]
pub(super) fn dots(
    onto: &mut Array<f32>,
    x: &Array<f32>,
    of_x: &Head,
    x_row: usize,
    y: &Array<f32>,
    of_y: &Head,
    y_row: usize,
    a: &mut SharedMemory<f32>,
    b: &mut SharedMemory<f32>,
) {
    let mut column = 0usize;
    while column < comptime!(of_x.width) {
        fetch(a, x, of_x, x_row, column);
        fetch(b, y, of_y, y_row, column);
        sync_cube();
        multiply(onto, 0usize, a, false, b, false);
        sync_cube();
        column += TILE;
    }
}

/// Puts a unit's values into a tile of shared memory.
#[cube]
pub(super) fn share(tile: &mut SharedMemory<f32>, own: &Array<f32>) {
    let (row, column) = first_own();
    #[unroll]
    for i in 0..SIDE {
        #[unroll]
        for j in 0..SIDE {
            tile[(row + ACROSS * i) * STRIDE + column + ACROSS * j] = own[i * SIDE + j];
        }
    }
}

/// Adds the product of a shared tile (of its transpose, `down`) and the rows of `x` from `row` on to as many tiles as a row
/// of `x` fills; `b` is for the use of this function.
#[cube]
pub(super) fn add_product(
    onto: &mut Array<f32>,
    tile: &SharedMemory<f32>,
    #[comptime] down: bool,
    x: &Array<f32>,
    head: &Head,
    row: usize,
    b: &mut SharedMemory<f32>,
) {
    #[unroll]
    for chunk in 0..comptime!(head.width.div_ceil(TILE)) {
        fetch(b, x, head, row, chunk * TILE);
        sync_cube();
        multiply(onto, comptime!(chunk * OWN), tile, down, b, true);
        sync_cube();
    }
}

/// Writes the tiles of a block of rows from `row` on.
#[cube]
pub(super) fn write(y: &mut Array<f32>, head: &Head, row: usize, own: &Array<f32>) {
    let width = comptime!(head.width);
    let (first, column) = first_own();
    #[unroll]
    for chunk in 0..comptime!(width.div_ceil(TILE)) {
        #[unroll]
        for i in 0..SIDE {
            #[unroll]
            for j in 0..SIDE {
                let r = row + first + ACROSS * i;
                let c = chunk * TILE + column + ACROSS * j;
                if r < head.rows && c < width {
                    y[head.start + r * width + c] = own[chunk * OWN + i * SIDE + j];
                }
            }
        }
    }
}

/// Whether it holds for any unit of the cube.
#[cube]
pub(super) fn any(own: bool, memory: &mut SharedMemory<f32>) -> bool {
    let mut number = 0.0f32;
    if own {
        number = 1.0f32;
    }
    memory[UNIT_POS as usize] = number;
    sync_cube();
    let mut total = 0.0f32;
    for unit in 0..UNITS {
        total += memory[unit];
    }
    sync_cube();
    total > 0.0f32
}

/// What every unit has of its rows, [`ACROSS`] numbers for each, known to all of the row's: `SIDE` times `ACROSS` values.
#[cube]
pub(super) fn gather(own: &Array<f32>, tile: &mut SharedMemory<f32>) -> Array<f32> {
    let (row, column) = first_own();
    #[unroll]
    for i in 0..SIDE {
        tile[(row + ACROSS * i) * ACROSS + column] = own[i];
    }
    sync_cube();
    let mut all = Array::<f32>::new(SIDE * ACROSS);
    #[unroll]
    for i in 0..SIDE {
        #[unroll]
        for j in 0..ACROSS {
            all[i * ACROSS + j] = tile[(row + ACROSS * i) * ACROSS + j];
        }
    }
    sync_cube();
    all
}
