//! Softmax of which every step is rounded to the format of the pass: difference, exponential, sum and
//! quotient.

use super::Attention;
use super::counts::Counts;
use super::tiles::Tile;
use crate::layers::attention::FORBIDDEN;
use crate::layers::rows::Rows;
use crate::numerics::precision::At;
use kernels::slices::rows::{
    divide, exp_small, maximum, multiply, quotient_gradient, scale, shift, sum,
};
use kernels::{Rounding, Store, round_again};

impl<'a> Attention<'a> {
    /// Whether the softmax computes in the format of the pass.
    pub(super) fn softmax_half(&self) -> bool {
        self.softmax_point().is_some()
    }

    /// Where the steps of such a softmax are rounded; absent where it computes in FP32.
    pub(super) fn softmax_point(&self) -> Option<&'a Rounding> {
        let at = self.places.at(At::Softmax);
        at.filter(|_| self.places.precision.softmax_half())
    }

    /// From the gradients of a row's probabilities to those of the scores of [`Attention::exponentials`], in place;
    /// `exponentials` are not rounded, `stored` is as long and holds anything. As in the graph, a forbidden place takes part up to its exponential,
    /// which is 0.
    pub(super) fn softmax_half_backward(
        &self,
        exponentials: &[f32],
        stored: &mut [f32],
        d: &mut [f32],
        softmax: &mut Store,
    ) {
        let point = self.softmax_point();
        stored.copy_from_slice(exponentials);
        round_again(stored, point);
        let mut total = [sum(stored)];
        round_again(&mut total, point);
        let [total] = total;
        // The numerator's gradient and the sum's; the latter is that of every term.
        let mut dsum = [quotient_gradient(stored, d, total * total)];
        scale(d, total.recip());
        softmax.piece(d);
        softmax.piece(&mut dsum);
        shift(d, dsum[0]);
        softmax.piece(d);
        // Of the exponential, then of the difference.
        multiply(d, exponentials);
        softmax.piece(d);
    }

    /// From scores to `e^(x - max x)` before it is rounded, forbidden places and `ALiBi` included.
    pub(super) fn exponentials(
        &self,
        rows: &Rows,
        tile: &Tile,
        scores: &mut [f32],
        counts: &mut Counts,
    ) {
        let (s, sequence) = (rows.seq_len, tile.sequence);
        for (row, slot) in scores.chunks_exact_mut(s).zip(tile.rows.clone()) {
            if let Some(alibi) = &self.slots.alibi {
                alibi.penalise(row, self.first_head + tile.head, sequence, slot, 0..s);
                counts.scores.piece(row);
            }
            let span = self.slots.spans[sequence + slot].clone();
            row[..span.start].fill(FORBIDDEN);
            row[span.end..].fill(FORBIDDEN);
            let top = maximum(row);
            shift(row, -top);
            counts.softmax.piece(row);
            exp_small(row);
        }
    }
}

/// From a row's exponentials to their share of its sum, before that is rounded.
pub(super) fn quotients(row: &mut [f32], softmax: &mut Store) {
    softmax.piece(row);
    let mut total = [sum(row)];
    softmax.piece(&mut total);
    divide(row, total[0]);
}
