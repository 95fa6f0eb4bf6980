//! Where query and key get their positions and their scale.

use super::Attention;
use crate::fused::rows::{scale, turn};
use crate::fused::spread::Rows;
use crate::range::{Pass, Store};
use std::ops::Range;

/// Rotary positions of all rows (arXiv 2104.09864).
#[derive(Debug)]
pub struct Rotation {
    /// Cosines, `[r, d/2]`: for each block of dimensions its frequencies.
    pub cos: Vec<f32>,
    /// Sines, `[r, d/2]`.
    pub sin: Vec<f32>,
    /// Angles of a row, d/2.
    pub angles: usize,
    /// Frequencies of a block: element `i` of the block turns with element `i + block`.
    pub block: usize,
}

impl Rotation {
    pub(in crate::fused) fn rows(&self) -> usize {
        self.cos.len() / self.angles
    }

    /// Turns the heads of query and key of one row.
    fn turn(&self, row: &mut [f32], index: usize, sign: f32) {
        let place = index * self.angles..(index + 1) * self.angles;
        turn(
            row,
            &self.cos[place.clone()],
            &self.sin[place],
            self.block,
            sign,
        );
    }
}

impl Attention<'_> {
    /// Rotates query and key and scales them.
    pub(super) fn position(&self, rows: &Rows, piece: &Range<usize>, qkv: &mut [f32]) {
        let h = self.width();
        let mut query = Store::new(self.points.query.as_ref(), Pass::Forward);
        let mut key = Store::new(self.points.key.as_ref(), Pass::Forward);
        let factor = self.query_scale();
        for (row, index) in qkv.chunks_exact_mut(3 * h).zip(piece.clone()) {
            let both = &mut row[..2 * h];
            if let Some(rotation) = rows.rotation() {
                rotation.turn(both, index, 1.0);
                let (q, k) = both.split_at_mut(h);
                query.piece(q);
                key.piece(k);
            }
            let (q, k) = both.split_at_mut(h);
            scale(q, factor);
            query.piece(q);
            if let Some(on_key) = self.scale.on_key() {
                scale(k, on_key);
                key.piece(k);
            }
        }
    }

    /// From the gradients of scaled and rotated query and key to those before.
    pub(super) fn position_backward(&self, rows: &Rows, piece: &Range<usize>, dqkv: &mut [f32]) {
        let h = self.width();
        let mut query = Store::new(self.points.query.as_ref(), Pass::Backward);
        let mut key = Store::new(self.points.key.as_ref(), Pass::Backward);
        let factor = self.query_scale();
        for (row, index) in dqkv.chunks_exact_mut(3 * h).zip(piece.clone()) {
            let both = &mut row[..2 * h];
            let (q, k) = both.split_at_mut(h);
            query.piece(q);
            scale(q, factor);
            if let Some(on_key) = self.scale.on_key() {
                key.piece(k);
                scale(k, on_key);
            }
            if let Some(rotation) = rows.rotation() {
                query.piece(q);
                key.piece(k);
                rotation.turn(both, index, -1.0);
            }
        }
    }
}
