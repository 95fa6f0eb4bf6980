//! Softmax of which every step is rounded to the format of the pass: difference, exponential, sum and
//! quotient.

use super::Attention;
use super::counts::Counts;
use super::softmax::FORBIDDEN;
use super::tiles::Tile;
use crate::fused::rows::{
    divide, exp_small, maximum, multiply, quotient_gradient, scale, shift, sum,
};
use crate::fused::spread::Rows;
use crate::range::{Store, round_again};

impl Attention<'_> {
    /// Whether the softmax computes in the format of the pass.
    pub(super) fn softmax_half(&self) -> bool {
        self.points.softmax.is_some()
    }

    /// From the gradients of a row's probabilities to those of the scores of [`exponentials`], in place;
    /// `exponentials` are not rounded, `stored` is as long and holds anything. As in the graph, a forbidden place takes part up to its exponential,
    /// which is 0.
    pub(super) fn softmax_half_backward(
        &self,
        exponentials: &[f32],
        stored: &mut [f32],
        d: &mut [f32],
        softmax: &mut Store,
    ) {
        let point = self.points.softmax.as_ref();
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
}

/// From scores to `e^(x - max x)` before it is rounded, forbidden places and `ALiBi` included.
pub(super) fn exponentials(rows: &Rows, tile: &Tile, scores: &mut [f32], counts: &mut Counts) {
    let (s, sequence) = (rows.seq_len, tile.sequence);
    for (row, slot) in scores.chunks_exact_mut(s).zip(tile.rows.clone()) {
        if let Some(alibi) = rows.alibi() {
            alibi.penalise(row, tile.head, sequence, slot, 0..s);
            counts.scores.piece(row);
        }
        let span = rows.spans[sequence + slot].clone();
        row[..span.start].fill(FORBIDDEN);
        row[span.end..].fill(FORBIDDEN);
        let top = maximum(row);
        shift(row, -top);
        counts.softmax.piece(row);
        exp_small(row);
    }
}

/// From a row's exponentials to their share of its sum, before that is rounded.
pub(super) fn quotients(row: &mut [f32], softmax: &mut Store) {
    softmax.piece(row);
    let mut total = [sum(row)];
    softmax.piece(&mut total);
    divide(row, total[0]);
}
