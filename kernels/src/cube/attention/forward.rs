//! Context of a block of queries.

use super::super::elementwise::rounded;
use super::scores::{Corner, are_seen, block, heads, include, join, put_numbers, scores, softmax};
use super::tile::{MEMORY, OWN, SIDE, TILE, add_product, share, write, zeros};
use super::{Case, KEPT, LEAST, Sizes};
use cubecl::prelude::*;

/// A block of queries: context and statistics.
#[cube(launch)]
pub(crate) fn attention_kernel<M: Int>(
    q: &Array<f32>,
    k: &Array<f32>,
    v: &Array<f32>,
    forbidden: &Array<M>,
    y: &mut Array<f32>,
    statistics: &mut Array<f32>,
    sizes: &Sizes,
    #[comptime] case: Case,
    #[define(M)] _mask: StorageType,
) {
    let width = comptime!(case.width);
    let (index, query) = block(q.len() / width, sizes.queries);
    let heads = heads(index, sizes, width);
    let mask = heads.mask;
    let mut a = SharedMemory::<f32>::new(MEMORY);
    let mut b = SharedMemory::<f32>::new(MEMORY);
    let mut shared = SharedMemory::<f32>::new(MEMORY);
    let mut largest = zeros(SIDE);
    let mut sum = zeros(SIDE);
    #[unroll]
    for i in 0..SIDE {
        largest[i] = f32::new(LEAST);
    }
    let mut key = 0usize;
    while key < sizes.keys {
        let corner = Corner { query, key, mask };
        let x = scores(
            q, k, forbidden, &heads, &corner, sizes, &mut a, &mut b, case,
        );
        include(&mut largest, &mut sum, &x, &corner, sizes);
        key += TILE;
    }
    join(&mut largest, &mut sum, &mut a);
    let mut context = zeros(comptime!(width.div_ceil(TILE) * OWN));
    let mut key = 0usize;
    while key < sizes.keys {
        let corner = Corner { query, key, mask };
        let mut p = scores(
            q, k, forbidden, &heads, &corner, sizes, &mut a, &mut b, case,
        );
        softmax(&mut p, &largest, &sum, &corner, sizes);
        #[unroll]
        for i in 0..OWN {
            p[i] = rounded(p[i], case.probabilities.format);
        }
        if are_seen(&p, &mut a) {
            share(&mut shared, &p);
            add_product(&mut context, &shared, false, v, &heads.keys, key, &mut b);
        }
        key += TILE;
    }
    write(y, &heads.queries, query, &context);
    let first = index * sizes.queries;
    put_numbers(
        statistics,
        &largest,
        first,
        query,
        sizes.queries,
        KEPT,
        0usize,
    );
    put_numbers(statistics, &sum, first, query, sizes.queries, KEPT, 1usize);
}
