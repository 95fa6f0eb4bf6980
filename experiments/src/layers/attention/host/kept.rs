//! Attention of new rows to slots that were read before, and to one another. A row attends to any slots, not only to
//! neighbours: texts that share their beginning share its slots.

use super::Attention;
use super::kv_cache::{Group, Kept, KvCache};
use super::softmax_half::quotients;
use crate::layers::attention::QUERY;
use crate::layers::rows::cut;
use crate::numerics::precision::At;
use experiments_config::PbRelaxMax;
use kernels::slices::rows::{
    exp_small, larger_or_nan, largest_magnitude, maximum, maximum_or_nan, scale, shift, softmax,
};
use kernels::{Buffer, Matrix, MatrixMut, Onto, Store, matmul_here, round_again};
use rayon::prelude::*;
use std::ops::Range;

/// What a row attends to.
struct Seen<'a> {
    ranges: &'a [Range<usize>],
    /// Position ids of all slots of its sequence, and its own.
    positions: &'a [f32],
    own: f32,
}

impl Seen<'_> {
    /// Of all slots those that are seen.
    fn gather(&self, all: &[f32]) -> Buffer {
        let count = self.ranges.iter().map(Range::len).sum();
        let mut seen = Buffer::new(count);
        let mut place = 0;
        for range in self.ranges {
            seen[place..place + range.len()].copy_from_slice(&all[range.clone()]);
            place += range.len();
        }
        seen
    }

    /// Back to all slots, with 0 at those that are not seen.
    fn scatter(&self, seen: &[f32], all: &mut [f32]) {
        all.fill(0.0);
        let mut rest = seen;
        for range in self.ranges {
            let (own, after) = rest.split_at(range.len());
            all[range.clone()].copy_from_slice(own);
            rest = after;
        }
    }
}

impl Attention<'_> {
    /// The context `[r, h]` of new rows, whose keys and values are kept. Returns the largest stored score.
    pub(super) fn attend_to_kept(
        &self,
        cache: &KvCache,
        layer: usize,
        qkv: &[f32],
        context: &mut [f32],
    ) -> f32 {
        let h = self.width();
        let kept = cache.append(layer, qkv, h);
        let kept = kept.as_slice();
        let pieces: Vec<_> = cache
            .groups()
            .iter()
            .map(|group| group.rows.clone())
            .collect();
        let contexts = cut(context, h, &pieces).into_par_iter().with_max_len(1);
        let largest = contexts.zip(cache.groups()).map(|(context, group)| {
            let positions = cache.positions(group.sequence);
            let queries = &qkv[group.rows.start * 3 * h..group.rows.end * 3 * h];
            self.attend_in_sequence(group, &kept[group.sequence], positions, queries, context)
        });
        largest.reduce(|| f32::NEG_INFINITY, larger_or_nan)
    }

    /// Rows of one sequence, whose slots they are the last of.
    fn attend_in_sequence(
        &self,
        group: &Group,
        kept: &Kept,
        positions: &[f32],
        qkv: &[f32],
        context: &mut [f32],
    ) -> f32 {
        let (m, h, d) = (group.rows.len(), self.width(), self.head_dim());
        let s = positions.len();
        let mut scores = Buffer::new(m * s);
        let mut largest = f32::NEG_INFINITY;
        for head in 0..self.num_heads {
            let query = Matrix::strided(&qkv[QUERY * h + head * d..], m, d, 3 * h);
            let key = Matrix::strided(&kept.keys[head * d..], s, d, h).transposed();
            matmul_here(MatrixMut::new(&mut scores, m, s), query, key, Onto::Nothing);
            let own = &positions[s - m..];
            let rows = scores.chunks_exact_mut(s).zip(&group.sees).zip(own);
            for ((row, ranges), own) in rows {
                let own = *own;
                let seen = Seen {
                    ranges,
                    positions,
                    own,
                };
                largest = larger_or_nan(largest, self.weigh(&seen, head, row));
            }
            let value = Matrix::strided(&kept.values[head * d..], s, d, h);
            let out = MatrixMut::strided(&mut context[head * d..], m, d, h);
            matmul_here(out, Matrix::new(&scores, m, s), value, Onto::Nothing);
        }
        largest
    }

    /// From a row's scores to its probabilities, in place, rounded where a whole pass rounds them. Returns the largest stored score.
    fn weigh(&self, seen: &Seen, head: usize, row: &mut [f32]) -> f32 {
        let mut p = seen.gather(row);
        let point = self.places.at(At::Scores);
        round_again(&mut p, point);
        let stored = maximum_or_nan(&p);
        let relax = self.scale.relax;
        if self.scale.relaxes() {
            let top = match relax {
                PbRelaxMax::AbsMax => largest_magnitude(&p),
                PbRelaxMax::Off | PbRelaxMax::Row | PbRelaxMax::Head => stored,
            };
            shift(&mut p, -top);
            round_again(&mut p, point);
            scale(&mut p, self.scale.missing as f32);
            round_again(&mut p, point);
        } else if self.scale.in_softmax() != 1.0 {
            scale(&mut p, self.scale.in_softmax() as f32);
        }
        if let Some(alibi) = &self.slots.alibi {
            alibi.take_off(&mut p, head, &seen.gather(seen.positions), seen.own);
        }
        let top = maximum(&p);
        if self.softmax_half() {
            if self.slots.alibi.is_some() {
                round_again(&mut p, point);
            }
            let mut softmax = Store::again(self.softmax_point());
            shift(&mut p, -top);
            softmax.piece(&mut p);
            exp_small(&mut p);
            quotients(&mut p, &mut softmax);
        } else {
            softmax(&mut p, top);
        }
        round_again(&mut p, self.places.at(At::Probabilities));
        seen.scatter(&p, row);
        stored
    }
}
