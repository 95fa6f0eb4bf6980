//! What forward and backward pass share: where a cube is, scores, probabilities, and numbers of queries.

use super::super::counting::stored;
use super::super::rounding::{INFINITY, magnitude_bits};
use super::tile::{Head, PART, PARTS, Scratch, TILE, any, dots, own, part, parts};
use super::{Case, KEPT, LEAST, Sizes};
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
    let blocks = rows.div_ceil(TILE);
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

/// Query and key of a value of a unit's part.
#[cube]
pub(super) fn pair(corner: &Corner, i: usize) -> (usize, usize) {
    let (row, column) = part();
    (corner.query + row, corner.key + column + i * PARTS)
}

/// Whether there are such a query and key.
#[cube]
pub(super) fn exists(pair: (usize, usize), sizes: &Sizes) -> bool {
    pair.0 < sizes.queries && pair.1 < sizes.keys
}

/// Whether the key is forbidden to the query.
#[cube]
pub(super) fn is_forbidden<M: Int>(
    forbidden: &Array<M>,
    corner: &Corner,
    pair: (usize, usize),
    sizes: &Sizes,
) -> bool {
    forbidden[corner.mask + pair.0 * sizes.keys + pair.1] != M::from_int(0)
}

/// Whether a query of the tile may see a key of it.
#[cube]
fn is_open<M: Int, H: Float>(
    forbidden: &Array<M>,
    corner: &Corner,
    sizes: &Sizes,
    scratch: &mut Scratch<H>,
) -> bool {
    let mut open = false;
    for i in 0..PART {
        let place = pair(corner, i);
        if exists(place, sizes) {
            if !is_forbidden(forbidden, corner, place, sizes) {
                open = true;
            }
        }
    }
    any(open, scratch)
}

/// A tile of scores as the softmax takes them, and [`LEAST`] where there is no query or key. Every unit may read its own part
/// at once. Where no key is allowed nothing is multiplied, unless what all scores lose is counted.
#[cube]
pub(super) fn scores<M: Int, H: Float>(
    tile: &mut SharedMemory<f32>,
    q: &Array<f32>,
    k: &Array<f32>,
    forbidden: &Array<M>,
    heads: &Heads,
    corner: &Corner,
    sizes: &Sizes,
    scratch: &mut Scratch<H>,
    lost: &mut Array<u32>,
    #[comptime] counts: bool,
    #[comptime] case: Case,
) {
    let mut needed = true;
    if comptime!(!counts) {
        needed = is_open(forbidden, corner, sizes, scratch);
    }
    if needed {
        dots(
            tile,
            q,
            &heads.queries,
            corner.query,
            k,
            &heads.keys,
            corner.key,
            scratch,
            case.on_units,
        );
    }
    for i in 0..PART {
        let place = pair(corner, i);
        let mut value = f32::new(LEAST);
        if exists(place, sizes) {
            let point = comptime!(case.scores.forward());
            value = stored(tile[own(i, case.on_units)], lost, counts, point) * sizes.factor;
            if is_forbidden(forbidden, corner, place, sizes) {
                value = sizes.fill;
            }
        }
        tile[own(i, case.on_units)] = value;
    }
}

/// From a unit's part of a tile of scores to probabilities before they are stored, in place; 0 where there is no query or
/// key. Whether the tile has one other than 0.
#[cube]
pub(super) fn softmax<H: Float>(
    tile: &mut SharedMemory<f32>,
    largest: f32,
    sum: f32,
    corner: &Corner,
    sizes: &Sizes,
    scratch: &mut Scratch<H>,
    #[comptime] case: Case,
) -> bool {
    let mut seen = false;
    for i in 0..PART {
        let mut p = 0.0f32;
        if exists(pair(corner, i), sizes) {
            p = f32::exp(tile[own(i, case.on_units)] - largest) / sum;
        }
        if p != 0.0f32 {
            seen = true;
        }
        tile[own(i, case.on_units)] = p;
    }
    any(seen, scratch)
}

/// The largest of a row's scores and the sum of exponentials, with a unit's part of a tile taken in.
#[cube]
pub(super) fn include(
    tile: &SharedMemory<f32>,
    largest: f32,
    sum: f32,
    corner: &Corner,
    sizes: &Sizes,
    #[comptime] case: Case,
) -> (f32, f32) {
    let mut most = largest;
    for i in 0..PART {
        let value = tile[own(i, case.on_units)];
        if value > most {
            most = value;
        }
    }
    let mut total = sum * f32::exp(largest - most);
    for i in 0..PART {
        if exists(pair(corner, i), sizes) {
            total += f32::exp(tile[own(i, case.on_units)] - most);
        }
    }
    (most, total)
}

/// The same of a whole row, from what its units have of it.
#[cube]
pub(super) fn join<H: Float>(largest: f32, sum: f32, scratch: &mut Scratch<H>) -> (f32, f32) {
    let all_largest = parts(largest, scratch);
    let all_sums = parts(sum, scratch);
    let mut most = all_largest[0];
    #[unroll]
    for i in 0..PARTS {
        if all_largest[i] > most {
            most = all_largest[i];
        }
    }
    let mut total = 0.0f32;
    #[unroll]
    for i in 0..PARTS {
        total += all_sums[i] * f32::exp(all_largest[i] - most);
    }
    // A comparison passes over NaN, the sum does not.
    if magnitude_bits(total) > INFINITY {
        most = total;
    }
    (most, total)
}

/// What the forward pass has kept of a unit's row; zeros where there is none.
#[cube]
pub(super) fn kept(
    statistics: &Array<f32>,
    query: usize,
    index: usize,
    sizes: &Sizes,
) -> (f32, f32) {
    let (row, _) = part();
    let mut largest = 0.0f32;
    let mut sum = 0.0f32;
    if query + row < sizes.queries {
        let at = (index * sizes.queries + query + row) * KEPT;
        largest = statistics[at];
        sum = statistics[at + 1];
    }
    (largest, sum)
}
