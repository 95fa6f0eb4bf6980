//! Context of a block of queries.

use super::super::counting::{COUNTERS, nothing_lost, settle, stored};
use super::scores::{Corner, block, heads, include, join, scores, softmax};
use super::tile::{PART, TILE, UNITS, add_product, own, part, scratch, tile, write, zeros};
use super::{Case, KEPT, LEAST, Sizes};
use cubecl::prelude::*;

/// A block of queries: context, and the largest score and the sum of each.
#[cube(launch)]
pub(crate) fn attention_kernel<M: Int, H: Float>(
    q: &Array<f32>,
    k: &Array<f32>,
    v: &Array<f32>,
    forbidden: &Array<M>,
    y: &mut Array<f32>,
    statistics: &mut Array<f32>,
    counters: &mut Array<Atomic<u32>>,
    sizes: &Sizes,
    #[comptime] case: Case,
    #[define(M, H)] _types: [StorageType; 2],
) {
    let width = comptime!(case.width);
    let (index, query) = block(q.len() / width, sizes.queries);
    let heads = heads(index, sizes, width);
    let mask = heads.mask;
    let mut scratch = scratch::<H>(case.on_units);
    let mut p = tile(case.on_units);
    let mut largest = f32::new(LEAST);
    let mut sum = 0.0f32;
    let mut of_scores = nothing_lost();
    let mut of_probabilities = nothing_lost();
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
            case.counts,
            case,
        );
        let (most, total) = include(&p, largest, sum, &corner, sizes, case);
        largest = most;
        sum = total;
        key += TILE;
    }
    let (largest, sum) = join(largest, sum, &mut scratch);
    let mut context = zeros(comptime!(width.div_ceil(TILE)), case.on_units);
    let (row, column) = part();
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
            for i in 0..PART {
                let at = own(i, case.on_units);
                p[at] = stored(
                    p[at],
                    &mut of_probabilities,
                    case.counts,
                    case.probabilities,
                );
            }
            add_product(
                &mut context,
                &p,
                false,
                v,
                &heads.keys,
                key,
                &mut scratch,
                case.on_units,
            );
        }
        key += TILE;
    }
    write(y, &heads.queries, query, &context, &mut p, case.on_units);
    if column == 0 && query + row < sizes.queries {
        let at = (index * sizes.queries + query + row) * KEPT;
        statistics[at] = largest;
        statistics[at + 1] = sum;
    }
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
