//! What forward and backward pass share: where a cube is, scores, probabilities, and numbers of queries.

use super::super::elementwise::rounded;
use super::tile::{ACROSS, Head, OWN, SIDE, TILE, any, dots, first_own, gather, zeros};
use super::{Case, LEAST, Sizes};
use cubecl::prelude::*;

/// Matrices of a head, and where the mask of its sequence begins.
#[derive(CubeType)]
pub(super) struct Heads {
    pub(super) queries: Head,
    pub(super) keys: Head,
    pub(super) mask: usize,
}

/// The first query and the first key of a tile, and where the mask of its sequence begins.
#[derive(CubeType)]
pub(super) struct Corner {
    pub(super) query: usize,
    pub(super) key: usize,
    pub(super) mask: usize,
}

/// Head and first row of a cube, of so many rows; ends a cube that is beyond the last.
#[cube]
pub(super) fn block(all_rows: usize, rows: usize) -> (usize, usize) {
    let blocks = (rows + TILE - 1) / TILE;
    let head = CUBE_POS / blocks;
    if head * rows >= all_rows {
        terminate!();
    }
    (head, CUBE_POS % blocks * TILE)
}

/// Of the head of a number among all heads.
#[cube]
pub(super) fn heads(index: usize, sizes: &Sizes, #[comptime] width: usize) -> Heads {
    Heads {
        queries: head(index, sizes.queries, width),
        keys: head(index, sizes.keys, width),
        mask: index / sizes.heads * sizes.queries * sizes.keys,
    }
}

#[cube]
fn head(index: usize, rows: usize, #[comptime] width: usize) -> Head {
    Head {
        start: index * rows * width,
        rows,
        width,
    }
}

/// Query and key of a unit's value.
#[cube]
pub(super) fn pair(corner: &Corner, #[comptime] i: usize, #[comptime] j: usize) -> (usize, usize) {
    let (row, column) = first_own();
    (
        corner.query + row + ACROSS * i,
        corner.key + column + ACROSS * j,
    )
}

/// Whether a query of the tile may see a key of it.
#[cube]
pub(super) fn is_open<M: Int>(
    forbidden: &Array<M>,
    corner: &Corner,
    sizes: &Sizes,
    memory: &mut SharedMemory<f32>,
) -> bool {
    let mut open = false;
    #[unroll]
    for i in 0..SIDE {
        #[unroll]
        for j in 0..SIDE {
            let (query, key) = pair(corner, i, j);
            if query < sizes.queries && key < sizes.keys {
                if forbidden[corner.mask + query * sizes.keys + key] == M::from_int(0) {
                    open = true;
                }
            }
        }
    }
    any(open, memory)
}

/// A tile of scores as the softmax takes them, and [`LEAST`] where there is no key. Where no key is allowed nothing is
/// multiplied.
#[cube]
pub(super) fn scores<M: Int>(
    q: &Array<f32>,
    k: &Array<f32>,
    forbidden: &Array<M>,
    heads: &Heads,
    corner: &Corner,
    sizes: &Sizes,
    a: &mut SharedMemory<f32>,
    b: &mut SharedMemory<f32>,
    #[comptime] case: Case,
) -> Array<f32> {
    let mut x = zeros(OWN);
    if is_open(forbidden, corner, sizes, a) {
        dots(
            &mut x,
            q,
            &heads.queries,
            corner.query,
            k,
            &heads.keys,
            corner.key,
            a,
            b,
        );
    }
    #[unroll]
    for i in 0..SIDE {
        #[unroll]
        for j in 0..SIDE {
            let (query, key) = pair(corner, i, j);
            let mut value = f32::new(LEAST);
            if query < sizes.queries && key < sizes.keys {
                value = rounded(x[i * SIDE + j], case.scores.format) * sizes.factor;
                if forbidden[corner.mask + query * sizes.keys + key] != M::from_int(0) {
                    value = sizes.fill;
                }
            }
            x[i * SIDE + j] = value;
        }
    }
    x
}

/// From a tile of scores to its probabilities before they are stored, in place; 0 where there is no query or key.
#[cube]
pub(super) fn softmax(
    x: &mut Array<f32>,
    largest: &Array<f32>,
    sum: &Array<f32>,
    corner: &Corner,
    sizes: &Sizes,
) {
    #[unroll]
    for i in 0..SIDE {
        #[unroll]
        for j in 0..SIDE {
            let (query, key) = pair(corner, i, j);
            let mut p = 0.0f32;
            if query < sizes.queries && key < sizes.keys {
                p = f32::exp(x[i * SIDE + j] - largest[i]) / sum[i];
            }
            x[i * SIDE + j] = p;
        }
    }
}

/// Whether a tile has a probability other than 0.
#[cube]
pub(super) fn are_seen(p: &Array<f32>, memory: &mut SharedMemory<f32>) -> bool {
    let mut seen = false;
    #[unroll]
    for i in 0..OWN {
        if p[i] != 0.0f32 {
            seen = true;
        }
    }
    any(seen, memory)
}

/// Takes a tile of scores into each row's largest and sum.
#[cube]
pub(super) fn include(
    largest: &mut Array<f32>,
    sum: &mut Array<f32>,
    x: &Array<f32>,
    corner: &Corner,
    sizes: &Sizes,
) {
    #[unroll]
    for i in 0..SIDE {
        let mut most = largest[i];
        #[unroll]
        for j in 0..SIDE {
            if x[i * SIDE + j] > most {
                most = x[i * SIDE + j];
            }
        }
        let mut total = sum[i] * f32::exp(largest[i] - most);
        #[unroll]
        for j in 0..SIDE {
            let (_, key) = pair(corner, i, j);
            if key < sizes.keys {
                total += f32::exp(x[i * SIDE + j] - most);
            }
        }
        largest[i] = most;
        sum[i] = total;
    }
}

/// Joins what all units of a row have of it.
#[cube]
pub(super) fn join(largest: &mut Array<f32>, sum: &mut Array<f32>, memory: &mut SharedMemory<f32>) {
    let all_largest = gather(largest, memory);
    let all_sums = gather(sum, memory);
    #[unroll]
    for i in 0..SIDE {
        let mut most = all_largest[i * ACROSS];
        #[unroll]
        for j in 0..ACROSS {
            if all_largest[i * ACROSS + j] > most {
                most = all_largest[i * ACROSS + j];
            }
        }
        let mut total = 0.0f32;
        #[unroll]
        for j in 0..ACROSS {
            total += all_sums[i * ACROSS + j] * f32::exp(all_largest[i * ACROSS + j] - most);
        }
        // NaN where the sum is: a comparison passes over it.
        largest[i] = most + total * 0.0f32;
        sum[i] = total;
    }
}

/// One of `per` numbers of a unit's rows; 0 where there is no row.
#[cube]
pub(super) fn numbers(
    x: &Array<f32>,
    first: usize,
    row: usize,
    rows: usize,
    #[comptime] per: usize,
    #[comptime] which: usize,
) -> Array<f32> {
    let (own, _) = first_own();
    let mut all = zeros(SIDE);
    #[unroll]
    for i in 0..SIDE {
        let r = row + own + ACROSS * i;
        if r < rows {
            all[i] = x[(first + r) * per + which];
        }
    }
    all
}

#[cube]
pub(super) fn put_numbers(
    x: &mut Array<f32>,
    own: &Array<f32>,
    first: usize,
    row: usize,
    rows: usize,
    #[comptime] per: usize,
    #[comptime] which: usize,
) {
    let (first_row, column) = first_own();
    if column == 0 {
        #[unroll]
        for i in 0..SIDE {
            let r = row + first_row + ACROSS * i;
            if r < rows {
                x[(first + r) * per + which] = own[i];
            }
        }
    }
}
