//! Gradients of a block of queries, and of a block of keys.

use super::super::elementwise::{Rounded, rounded};
use super::scores::{
    Corner, Heads, are_seen, block, heads, numbers, pair, put_numbers, scores, softmax,
};
use super::tile::{
    ACROSS, MEMORY, OWN, SIDE, TILE, add_product, dots, gather, share, write, zeros,
};
use super::{Case, KEPT, Point, Sizes};
use crate::HalfFormat;
use cubecl::prelude::*;

/// A gradient as it is stored.
#[cube]
fn stored(x: f32, #[comptime] point: Point) -> f32 {
    let mut value = rounded(x, point.format);
    if comptime!(point.saturates) {
        let most = f32::new(comptime!(largest(point.format)));
        // NaN is neither.
        if value > most {
            value = most;
        }
        if value < -most {
            value = -most;
        }
    }
    value
}

fn largest(format: Rounded) -> f32 {
    match format {
        Rounded::No => f32::MAX,
        Rounded::Fp16 => HalfFormat::Fp16.largest(),
        Rounded::Bf16 => HalfFormat::Bf16.largest(),
    }
}

/// Stored gradients of a tile's probabilities, `dy vᵀ`.
#[cube]
fn probability_gradients(
    dy: &Array<f32>,
    v: &Array<f32>,
    heads: &Heads,
    corner: &Corner,
    a: &mut SharedMemory<f32>,
    b: &mut SharedMemory<f32>,
    #[comptime] case: Case,
) -> Array<f32> {
    let mut dp = zeros(OWN);
    dots(
        &mut dp,
        dy,
        &heads.queries,
        corner.query,
        v,
        &heads.keys,
        corner.key,
        a,
        b,
    );
    #[unroll]
    for i in 0..OWN {
        dp[i] = stored(dp[i], case.probabilities);
    }
    dp
}

/// Stored gradients of a tile's scores, in the place of `dp`; 0 where there is none.
#[cube]
fn score_gradients<M: Int>(
    p: &Array<f32>,
    dp: &mut Array<f32>,
    along: &Array<f32>,
    forbidden: &Array<M>,
    corner: &Corner,
    sizes: &Sizes,
    #[comptime] case: Case,
) {
    #[unroll]
    for i in 0..SIDE {
        #[unroll]
        for j in 0..SIDE {
            let (query, key) = pair(corner, i, j);
            let mut value = 0.0f32;
            if query < sizes.queries && key < sizes.keys {
                if forbidden[corner.mask + query * sizes.keys + key] == M::from_int(0) {
                    let dx = p[i * SIDE + j] * (dp[i * SIDE + j] - along[i]);
                    value = stored(dx * sizes.factor, case.scores);
                }
            }
            dp[i * SIDE + j] = value;
        }
    }
}

/// A block of queries: their gradients, and `Σ p dp` of each.
#[cube(launch)]
pub(crate) fn query_gradient_kernel<M: Int>(
    q: &Array<f32>,
    k: &Array<f32>,
    v: &Array<f32>,
    forbidden: &Array<M>,
    statistics: &Array<f32>,
    dy: &Array<f32>,
    dq: &mut Array<f32>,
    sums: &mut Array<f32>,
    sizes: &Sizes,
    #[comptime] case: Case,
    #[define(M)] _mask: StorageType,
) {
    let width = comptime!(case.width);
    let (index, query) = block(q.len() / width, sizes.queries);
    let heads = heads(index, sizes, width);
    let mask = heads.mask;
    let first = index * sizes.queries;
    let largest = numbers(statistics, first, query, sizes.queries, KEPT, 0usize);
    let sum = numbers(statistics, first, query, sizes.queries, KEPT, 1usize);
    let mut a = SharedMemory::<f32>::new(MEMORY);
    let mut b = SharedMemory::<f32>::new(MEMORY);
    let mut shared = SharedMemory::<f32>::new(MEMORY);
    let mut along = zeros(SIDE);
    let mut key = 0usize;
    while key < sizes.keys {
        let corner = Corner { query, key, mask };
        let mut p = scores(
            q, k, forbidden, &heads, &corner, sizes, &mut a, &mut b, case,
        );
        softmax(&mut p, &largest, &sum, &corner, sizes);
        // 0 times an infinity is NaN, which a loss scale has to see.
        let mut needed = true;
        if comptime!(case.probabilities.format == Rounded::No) {
            needed = are_seen(&p, &mut a);
        }
        if needed {
            let dp = probability_gradients(dy, v, &heads, &corner, &mut a, &mut b, case);
            #[unroll]
            for i in 0..SIDE {
                #[unroll]
                for j in 0..SIDE {
                    along[i] += p[i * SIDE + j] * dp[i * SIDE + j];
                }
            }
        }
        key += TILE;
    }
    let all = gather(&along, &mut a);
    #[unroll]
    for i in 0..SIDE {
        let mut total = 0.0f32;
        #[unroll]
        for j in 0..ACROSS {
            total += all[i * ACROSS + j];
        }
        along[i] = total;
    }
    put_numbers(sums, &along, first, query, sizes.queries, 1usize, 0usize);
    let mut gradient = zeros(comptime!(width.div_ceil(TILE) * OWN));
    let mut key = 0usize;
    while key < sizes.keys {
        let corner = Corner { query, key, mask };
        let mut p = scores(
            q, k, forbidden, &heads, &corner, sizes, &mut a, &mut b, case,
        );
        softmax(&mut p, &largest, &sum, &corner, sizes);
        if are_seen(&p, &mut a) {
            let mut ds = probability_gradients(dy, v, &heads, &corner, &mut a, &mut b, case);
            score_gradients(&p, &mut ds, &along, forbidden, &corner, sizes, case);
            share(&mut shared, &ds);
            add_product(&mut gradient, &shared, false, k, &heads.keys, key, &mut b);
        }
        key += TILE;
    }
    write(dq, &heads.queries, query, &gradient);
}

/// A block of keys: their gradients and those of their values.
#[cube(launch)]
pub(crate) fn key_gradient_kernel<M: Int>(
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
    #[define(M)] _mask: StorageType,
) {
    let width = comptime!(case.width);
    let (index, key) = block(k.len() / width, sizes.keys);
    let heads = heads(index, sizes, width);
    let mask = heads.mask;
    let first = index * sizes.queries;
    let mut a = SharedMemory::<f32>::new(MEMORY);
    let mut b = SharedMemory::<f32>::new(MEMORY);
    let mut shared = SharedMemory::<f32>::new(MEMORY);
    let mut of_key = zeros(comptime!(width.div_ceil(TILE) * OWN));
    let mut of_value = zeros(comptime!(width.div_ceil(TILE) * OWN));
    let mut query = 0usize;
    while query < sizes.queries {
        let corner = Corner { query, key, mask };
        let largest = numbers(statistics, first, query, sizes.queries, KEPT, 0usize);
        let sum = numbers(statistics, first, query, sizes.queries, KEPT, 1usize);
        let along = numbers(sums, first, query, sizes.queries, 1usize, 0usize);
        let mut p = scores(
            q, k, forbidden, &heads, &corner, sizes, &mut a, &mut b, case,
        );
        softmax(&mut p, &largest, &sum, &corner, sizes);
        if are_seen(&p, &mut a) {
            let mut ds = probability_gradients(dy, v, &heads, &corner, &mut a, &mut b, case);
            score_gradients(&p, &mut ds, &along, forbidden, &corner, sizes, case);
            #[unroll]
            for i in 0..OWN {
                p[i] = rounded(p[i], case.probabilities.format);
            }
            share(&mut shared, &p);
            add_product(
                &mut of_value,
                &shared,
                true,
                dy,
                &heads.queries,
                query,
                &mut b,
            );
            share(&mut shared, &ds);
            add_product(&mut of_key, &shared, true, q, &heads.queries, query, &mut b);
        }
        query += TILE;
    }
    write(dk, &heads.keys, key, &of_key);
    write(dv, &heads.keys, key, &of_value);
}
