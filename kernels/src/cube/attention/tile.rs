//! Products of tiles: blocks of rows and columns that units of a cube load together and multiply each in its registers.

use cubecl::prelude::*;

/// Rows and columns of a tile.
pub(super) const TILE: usize = 32;

/// Rows of a tile that a unit has, and columns; in steps of [`ACROSS`], so that neighbours read neighbouring places.
const SIDE: usize = 4;

/// Values of a tile that a unit has.
pub(super) const OWN: usize = SIDE * SIDE;

/// Units across a tile.
const ACROSS: usize = TILE / SIDE;

/// Units of a cube.
pub(super) const UNITS: usize = ACROSS * ACROSS;

/// Units of a row between two products, and how many of its values each has.
pub(super) const PARTS: usize = UNITS / TILE;
pub(super) const PART: usize = TILE / PARTS;

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
fn first_own() -> (usize, usize) {
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

/// Puts a unit's values from `from` on into a tile of shared memory; the cube has to wait before others read them.
#[cube]
fn put(tile: &mut SharedMemory<f32>, own: &Array<f32>, #[comptime] from: usize) {
    let (row, column) = first_own();
    #[unroll]
    for i in 0..SIDE {
        #[unroll]
        for j in 0..SIDE {
            let at = (row + ACROSS * i) * STRIDE + column + ACROSS * j;
            tile[at] = own[from + i * SIDE + j];
        }
    }
}

/// A tile of `x yᵀ` in shared memory; `a` and `b` are for the use of this function.
#[cube]
pub(super) fn dots(
    tile: &mut SharedMemory<f32>,
    x: &Array<f32>,
    of_x: &Head,
    x_row: usize,
    y: &Array<f32>,
    of_y: &Head,
    y_row: usize,
    a: &mut SharedMemory<f32>,
    b: &mut SharedMemory<f32>,
) {
    let mut own = zeros(OWN);
    let mut column = 0usize;
    while column < comptime!(of_x.width) {
        fetch(a, x, of_x, x_row, column);
        fetch(b, y, of_y, y_row, column);
        sync_cube();
        multiply(&mut own, 0usize, a, false, b, false);
        sync_cube();
        column += TILE;
    }
    put(tile, &own, 0usize);
    sync_cube();
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

/// Writes the tiles of a block of rows from `row` on, by way of `tile`.
#[cube]
pub(super) fn write(
    y: &mut Array<f32>,
    head: &Head,
    row: usize,
    own: &Array<f32>,
    tile: &mut SharedMemory<f32>,
) {
    let width = comptime!(head.width);
    #[unroll]
    for chunk in 0..comptime!(width.div_ceil(TILE)) {
        put(tile, own, comptime!(chunk * OWN));
        sync_cube();
        let mut i = UNIT_POS as usize;
        while i < TILE * TILE {
            let r = i / TILE;
            let c = i % TILE;
            let column = chunk * TILE + c;
            if row + r < head.rows && column < width {
                y[head.start + (row + r) * width + column] = tile[r * STRIDE + c];
            }
            i += UNITS;
        }
        sync_cube();
    }
}

/// Row of a tile of which a unit has a part between two products, the first column of the part, and its place in the tile.
#[cube]
pub(super) fn part() -> (usize, usize, usize) {
    let unit = UNIT_POS as usize;
    let row = unit / PARTS;
    let column = unit % PARTS * PART;
    (row, column, row * STRIDE + column)
}

/// What the units of a row have of it, [`PARTS`] numbers, known to all of them.
#[cube]
pub(super) fn parts(own: f32, memory: &mut SharedMemory<f32>) -> Array<f32> {
    let unit = UNIT_POS as usize;
    memory[unit] = own;
    sync_cube();
    let mut all = Array::<f32>::new(PARTS);
    #[unroll]
    for i in 0..PARTS {
        all[i] = memory[unit / PARTS * PARTS + i];
    }
    sync_cube();
    all
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
