//! From scores to probabilities and back.

use super::Attention;
use super::tiles::Tile;
use crate::fused::rows::{add_distance, larger_or_nan, maximum, scale, softmax, softmax_backward};
use crate::fused::spread::Rows;

/// Value of forbidden scores (`LargeScale` `fused_softmax.py`; not -inf).
const FORBIDDEN: f32 = -10_000.0;

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

impl Attention<'_> {
    /// From stored scores to probabilities, row by row in place. Returns the largest allowed score.
    pub(super) fn probabilities(&self, rows: &Rows, tile: &Tile, scores: &mut [f32]) -> f32 {
        let (s, sequence) = (rows.seq_len, tile.sequence);
        let mut largest = f32::NEG_INFINITY;
        for (row, slot) in scores.chunks_exact_mut(s).zip(tile.rows.clone()) {
            let span = rows.spans[sequence + slot].clone();
            let allowed = &mut row[span.clone()];
            let stored = maximum(allowed);
            let mut top = stored;
            if self.missing != 1.0 {
                scale(allowed, self.missing);
                top = stored * self.missing;
            }
            if let Some(alibi) = &rows.alibi {
                let positions = &alibi.positions[sequence..sequence + s];
                let slope = alibi.slopes[tile.head];
                add_distance(allowed, &positions[span.clone()], positions[slot], -slope);
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

    /// From the gradients of probabilities to those of stored scores, row by row in place.
    pub(super) fn scores_backward(&self, rows: &Rows, tile: &Tile, p: &[f32], dp: &mut [f32]) {
        let s = rows.seq_len;
        let all = p.chunks_exact(s).zip(dp.chunks_exact_mut(s));
        let spans = &rows.spans[tile.sequence + tile.rows.start..];
        for ((p, dp), span) in all.zip(spans) {
            softmax_backward(p, dp, self.missing);
            // A forbidden score was overwritten.
            dp[..span.start].fill(0.0);
            dp[span.end..].fill(0.0);
        }
    }
}
