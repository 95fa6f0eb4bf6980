//! From stored scores to probabilities and back, by the FP32 softmax.

use super::Attention;
use super::counts::Counts;
use super::softmax_half::quotients;
use super::tiles::Tile;
use crate::layers::attention::FORBIDDEN;
use crate::layers::rows::Rows;
use kernels::Buffer;
use kernels::slices::rows::{
    larger_or_nan, maximum, maximum_or_nan, scale, softmax, softmax_backward,
};

/// A row's largest score above which forbidden ones get the probability 0 in FP32.
const CLEAR: f32 = FORBIDDEN + 200.0;

impl Attention<'_> {
    /// From stored scores to probabilities before they are stored, in place. Returns the largest allowed
    /// stored score.
    pub(super) fn probabilities(
        &self,
        rows: &Rows,
        tile: &Tile,
        scores: &mut [f32],
        counts: &mut Counts,
    ) -> f32 {
        if !self.scale.relaxes() && !self.softmax_half() {
            return self.softmax_rows(rows, tile, scores);
        }
        let largest = self.largest_allowed(rows, tile, scores);
        self.relax(rows, scores, &mut counts.scores);
        if self.softmax_half() {
            self.exponentials(rows, tile, scores, counts);
            for row in scores.chunks_exact_mut(rows.seq_len) {
                quotients(row, &mut counts.softmax);
            }
        } else {
            self.softmax_rows(rows, tile, scores);
        }
        largest
    }

    /// The FP32 softmax, row by row in place. Returns the largest allowed score.
    fn softmax_rows(&self, rows: &Rows, tile: &Tile, scores: &mut [f32]) -> f32 {
        let (s, sequence, factor) = (rows.seq_len, tile.sequence, self.scale.in_softmax() as f32);
        let mut largest = f32::NEG_INFINITY;
        for (row, slot) in scores.chunks_exact_mut(s).zip(tile.rows.clone()) {
            let span = self.slots.spans[sequence + slot].clone();
            let allowed = &mut row[span.clone()];
            let stored = maximum(allowed);
            let mut top = stored;
            if factor != 1.0 {
                scale(allowed, factor);
                top = stored * factor;
            }
            if let Some(alibi) = &self.slots.alibi {
                alibi.penalise(
                    allowed,
                    self.first_head + tile.head,
                    sequence,
                    slot,
                    span.clone(),
                );
                top = maximum(allowed);
            }
            let sum = if top > CLEAR {
                row[..span.start].fill(0.0);
                row[span.end..].fill(0.0);
                softmax(&mut row[span], top)
            } else {
                row[..span.start].fill(FORBIDDEN);
                row[span.end..].fill(FORBIDDEN);
                let top = maximum(row);
                softmax(row, top)
            };
            let stored = if sum.is_nan() { f32::NAN } else { stored };
            largest = larger_or_nan(largest, stored);
        }
        largest
    }

    /// From the gradients of probabilities `p` to those of stored scores, row by row in place.
    pub(super) fn scores_backward(
        &self,
        rows: &Rows,
        tile: &Tile,
        p: &[f32],
        dp: &mut [f32],
        counts: &mut Counts,
    ) {
        let (s, factor) = (rows.seq_len, self.scale.in_softmax() as f32);
        let mut stored = Buffer::new(if self.softmax_half() { s } else { 0 });
        let all = p.chunks_exact(s).zip(dp.chunks_exact_mut(s));
        let spans = &self.slots.spans[tile.sequence + tile.rows.start..];
        for ((p, dp), span) in all.zip(spans) {
            if self.softmax_half() {
                self.softmax_half_backward(p, &mut stored, dp, &mut counts.softmax);
            } else {
                softmax_backward(p, dp, factor);
            }
            // A forbidden score was overwritten.
            dp[..span.start].fill(0.0);
            dp[span.end..].fill(0.0);
        }
        counts.scores.piece(dp);
        self.relax_backward(dp, &mut counts.scores);
    }

    /// The largest allowed score of a tile, NaN where there is one.
    fn largest_allowed(&self, rows: &Rows, tile: &Tile, scores: &[f32]) -> f32 {
        let spans = &self.slots.spans[tile.sequence + tile.rows.start..];
        let allowed = scores.chunks_exact(rows.seq_len).zip(spans);
        let largest = allowed.map(|(row, span)| maximum_or_nan(&row[span.clone()]));
        largest.fold(f32::NEG_INFINITY, larger_or_nan)
    }
}
