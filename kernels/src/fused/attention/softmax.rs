//! From stored scores to probabilities and back, by the FP32 softmax.

use super::Attention;
use super::counts::Counts;
use super::scale::ScoreScale;
use super::softmax_half::{exponentials, quotients};
use super::tiles::Tile;
use crate::Buffer;
use crate::fused::rows::{
    add_distance, larger_or_nan, maximum, maximum_or_nan, scale, softmax, softmax_backward,
};
use crate::fused::spread::Rows;
use std::ops::Range;

/// Value of forbidden scores (`LargeScale` `fused_softmax.py`; not -inf).
pub(super) const FORBIDDEN: f32 = -10_000.0;

/// A row's largest score above which forbidden ones get the probability 0 in FP32.
const CLEAR: f32 = FORBIDDEN + 200.0;

/// Linear biases by distance (arXiv 2108.12409): `slope · |p_i - p_j|` is taken off each score.
#[derive(Debug)]
pub struct Alibi {
    /// One per head.
    pub slopes: Vec<f32>,
    /// Position of every row.
    pub positions: Vec<f32>,
}

impl Alibi {
    /// Takes the distances off the scores of a row, those to the slots `span`. `sequence` is the first row
    /// of its sequence, and `slot` its own place there.
    pub(super) fn penalise(
        &self,
        scores: &mut [f32],
        head: usize,
        sequence: usize,
        slot: usize,
        span: Range<usize>,
    ) {
        let positions = &self.positions[sequence..];
        add_distance(
            scores,
            &positions[span],
            positions[slot],
            -self.slopes[head],
        );
    }
}

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
        if matches!(self.scale, ScoreScale::Query(_)) && !self.softmax_half() {
            return self.softmax_rows(rows, tile, scores);
        }
        let largest = largest_allowed(rows, tile, scores);
        self.relax(rows, scores, &mut counts.scores);
        if self.softmax_half() {
            exponentials(rows, tile, scores, counts);
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
        let (s, sequence, factor) = (rows.seq_len, tile.sequence, self.scale.in_softmax());
        let mut largest = f32::NEG_INFINITY;
        for (row, slot) in scores.chunks_exact_mut(s).zip(tile.rows.clone()) {
            let span = rows.spans[sequence + slot].clone();
            let allowed = &mut row[span.clone()];
            let stored = maximum(allowed);
            let mut top = stored;
            if factor != 1.0 {
                scale(allowed, factor);
                top = stored * factor;
            }
            if let Some(alibi) = rows.alibi() {
                alibi.penalise(allowed, tile.head, sequence, slot, span.clone());
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
        let (s, factor) = (rows.seq_len, self.scale.in_softmax());
        let mut stored = Buffer::new(if self.softmax_half() { s } else { 0 });
        let all = p.chunks_exact(s).zip(dp.chunks_exact_mut(s));
        let spans = &rows.spans[tile.sequence + tile.rows.start..];
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
}

/// The largest allowed score of a tile, NaN where there is one.
fn largest_allowed(rows: &Rows, tile: &Tile, scores: &[f32]) -> f32 {
    let spans = &rows.spans[tile.sequence + tile.rows.start..];
    let allowed = scores.chunks_exact(rows.seq_len).zip(spans);
    let largest = allowed.map(|(row, span)| maximum_or_nan(&row[span.clone()]));
    largest.fold(f32::NEG_INFINITY, larger_or_nan)
}
