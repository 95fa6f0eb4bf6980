//! Gradients of a block of queries, and of a block of keys.

use super::super::counting::{COUNTERS, nothing_lost, settle, stored};
use super::super::rounding::{Rounded, rounded};
use super::scores::{
    Corner, Heads, block, exists, heads, is_forbidden, kept, pair, scores, softmax,
};
use super::tile::{
    PART, PARTS, Scratch, TILE, UNITS, add_product, dots, own, part, parts, scratch, tile, write,
    zeros,
};
use super::{Case, Sizes};
use cubecl::prelude::*;

/// Stored gradients of a tile's probabilities, `dy vᵀ`.
#[cube]
fn probability_gradients<H: Float>(
    tile: &mut SharedMemory<f32>,
    dy: &Array<f32>,
    v: &Array<f32>,
    heads: &Heads,
    corner: &Corner,
    scratch: &mut Scratch<H>,
    lost: &mut Array<u32>,
    #[comptime] counts: bool,
    #[comptime] case: Case,
) {
    dots(
        tile,
        dy,
        &heads.queries,
        corner.query,
        v,
        &heads.keys,
        corner.key,
        scratch,
        case.on_units,
    );
    for i in 0..PART {
        let at = own(i, case.on_units);
        tile[at] = stored(tile[at], lost, counts, case.probabilities);
    }
}

/// Stored gradients of a unit's part of a tile of scores, in the place of `dp`; 0 where there is none.
#[cube]
fn score_gradients<M: Int>(
    p: &SharedMemory<f32>,
    dp: &mut SharedMemory<f32>,
    along: f32,
    forbidden: &Array<M>,
    corner: &Corner,
    sizes: &Sizes,
    lost: &mut Array<u32>,
    #[comptime] counts: bool,
    #[comptime] case: Case,
) {
    for i in 0..PART {
        let place = pair(corner, i);
        let at = own(i, case.on_units);
        let mut value = 0.0f32;
        if exists(place, sizes) {
            if !is_forbidden(forbidden, corner, place, sizes) {
                let dx = p[at] * (dp[at] - along);
                value = stored(dx * sizes.factor, lost, counts, case.scores);
            }
        }
        dp[at] = value;
    }
}

/// A block of queries: their gradients, and `Σ p dp` of each. What stored gradients lose is counted here and only here.
#[cube(launch)]
pub(crate) fn query_gradient_kernel<M: Int, H: Float>(
    q: &Array<f32>,
    k: &Array<f32>,
    v: &Array<f32>,
    forbidden: &Array<M>,
    statistics: &Array<f32>,
    dy: &Array<f32>,
    dq: &mut Array<f32>,
    sums: &mut Array<f32>,
    counters: &mut Array<Atomic<u32>>,
    sizes: &Sizes,
    #[comptime] case: Case,
    #[define(M, H)] _types: [StorageType; 2],
) {
    let width = comptime!(case.width);
    let (index, query) = block(q.len() / width, sizes.queries);
    let heads = heads(index, sizes, width);
    let mask = heads.mask;
    let (largest, sum) = kept(statistics, query, index, sizes);
    let mut scratch = scratch::<H>(case.on_units);
    let mut p = tile(case.on_units);
    let mut ds = tile(case.on_units);
    let (row, column) = part();
    let mut of_scores = nothing_lost();
    let mut of_probabilities = nothing_lost();
    let mut along_parts = 0.0f32;
    let mut key = 0usize;
    while key < sizes.keys {
        let corner = Corner { query, key, mask };
        scores(
            &mut p,
            q,
            k,
            forbidden,
            &heads,
            &corner,
            sizes,
            &mut scratch,
            &mut of_scores,
            false,
            case,
        );
        let mut needed = softmax(&mut p, largest, sum, &corner, sizes, &mut scratch, case);
        // 0 times an infinity is NaN, which a loss scale has to see.
        if comptime!(case.probabilities.format != Rounded::No) {
            needed = true;
        }
        if needed {
            probability_gradients(
                &mut ds,
                dy,
                v,
                &heads,
                &corner,
                &mut scratch,
                &mut of_probabilities,
                case.counts,
                case,
            );
            for i in 0..PART {
                let at = own(i, case.on_units);
                along_parts += p[at] * ds[at];
            }
        }
        key += TILE;
    }
    let all = parts(along_parts, &mut scratch);
    let mut along = 0.0f32;
    #[unroll]
    for i in 0..PARTS {
        along += all[i];
    }
    if column == 0 && query + row < sizes.queries {
        sums[index * sizes.queries + query + row] = along;
    }
    let mut gradient = zeros(comptime!(width.div_ceil(TILE)), case.on_units);
    let mut key = 0usize;
    while key < sizes.keys {
        let corner = Corner { query, key, mask };
        scores(
            &mut p,
            q,
            k,
            forbidden,
            &heads,
            &corner,
            sizes,
            &mut scratch,
            &mut of_scores,
            false,
            case,
        );
        if softmax(&mut p, largest, sum, &corner, sizes, &mut scratch, case) {
            probability_gradients(
                &mut ds,
                dy,
                v,
                &heads,
                &corner,
                &mut scratch,
                &mut of_probabilities,
                false,
                case,
            );
            score_gradients(
                &p,
                &mut ds,
                along,
                forbidden,
                &corner,
                sizes,
                &mut of_scores,
                case.counts,
                case,
            );
            add_product(
                &mut gradient,
                &ds,
                false,
                k,
                &heads.keys,
                key,
                &mut scratch,
                case.on_units,
            );
        }
        key += TILE;
    }
    write(dq, &heads.queries, query, &gradient, &mut p, case.on_units);
    if comptime!(case.counts) {
        let of_run = index / sizes.each * COUNTERS;
        settle(
            counters,
            sizes.of_scores + of_run,
            &of_scores,
            comptime!(UNITS as u32),
        );
        settle(
            counters,
            sizes.of_probabilities + of_run,
            &of_probabilities,
            comptime!(UNITS as u32),
        );
    }
}

/// A block of keys: their gradients and those of their values.
#[cube(launch)]
pub(crate) fn key_gradient_kernel<M: Int, H: Float>(
    q: &Array<f32>,
    k: &Array<f32>,
    v: &Array<f32>,
    forbidden: &Array<M>,
    statistics: &Array<f32>,
    sums: &Array<f32>,
    dy: &Array<f32>,
    dk: &mut Array<f32>,
    dv: &mut Array<f32>,
    sizes: &Sizes,
    #[comptime] case: Case,
    #[define(M, H)] _types: [StorageType; 2],
) {
    let width = comptime!(case.width);
    let (index, key) = block(k.len() / width, sizes.keys);
    let heads = heads(index, sizes, width);
    let mask = heads.mask;
    let mut scratch = scratch::<H>(case.on_units);
    let mut p = tile(case.on_units);
    let mut ds = tile(case.on_units);
    let (row, _) = part();
    let mut of_key = zeros(comptime!(width.div_ceil(TILE)), case.on_units);
    let mut of_value = zeros(comptime!(width.div_ceil(TILE)), case.on_units);
    let mut of_scores = nothing_lost();
    let mut of_probabilities = nothing_lost();
    let mut query = 0usize;
    while query < sizes.queries {
        let corner = Corner { query, key, mask };
        let (largest, sum) = kept(statistics, query, index, sizes);
        scores(
            &mut p,
            q,
            k,
            forbidden,
            &heads,
            &corner,
            sizes,
            &mut scratch,
            &mut of_scores,
            false,
            case,
        );
        if softmax(&mut p, largest, sum, &corner, sizes, &mut scratch, case) {
            let mut along = 0.0f32;
            if query + row < sizes.queries {
                along = sums[index * sizes.queries + query + row];
            }
            probability_gradients(
                &mut ds,
                dy,
                v,
                &heads,
                &corner,
                &mut scratch,
                &mut of_probabilities,
                false,
                case,
            );
            score_gradients(
                &p,
                &mut ds,
                along,
                forbidden,
                &corner,
                sizes,
                &mut of_scores,
                false,
                case,
            );
            for i in 0..PART {
                let at = own(i, case.on_units);
                p[at] = rounded(p[at], case.probabilities.format);
            }
            add_product(
                &mut of_value,
                &p,
                true,
                dy,
                &heads.queries,
                query,
                &mut scratch,
                case.on_units,
            );
            add_product(
                &mut of_key,
                &ds,
                true,
                q,
                &heads.queries,
                query,
                &mut scratch,
                case.on_units,
            );
        }
        query += TILE;
    }
    write(dk, &heads.keys, key, &of_key, &mut p, case.on_units);
    write(dv, &heads.keys, key, &of_value, &mut p, case.on_units);
}
