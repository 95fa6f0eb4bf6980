//! Where query and key get their positions and their scale.

use super::Attention;
use crate::numerics::precision::At;
use kernels::slices::rows::scale;
use kernels::{Pass, Store};
use std::ops::Range;

impl Attention<'_> {
    /// Rotates query and key and scales them.
    pub(super) fn position(&self, piece: &Range<usize>, qkv: &mut [f32]) {
        let h = self.width();
        let mut query = Store::new(self.places.at(At::Query), Pass::Forward);
        let mut key = Store::new(self.places.at(At::Key), Pass::Forward);
        let factor = self.query_scale();
        for (row, index) in qkv.chunks_exact_mut(3 * h).zip(piece.clone()) {
            let both = &mut row[..2 * h];
            if let Some(rotation) = &self.slots.rotation {
                rotation.turn(both, index, 1.0);
                let (q, k) = both.split_at_mut(h);
                query.piece(q);
                key.piece(k);
            }
            let (q, k) = both.split_at_mut(h);
            scale(q, factor);
            query.piece(q);
            if let Some(on_key) = self.key_scale() {
                scale(k, on_key);
                key.piece(k);
            }
        }
    }

    /// From the gradients of scaled and rotated query and key to those before.
    pub(super) fn position_backward(&self, piece: &Range<usize>, dqkv: &mut [f32]) {
        let h = self.width();
        let mut query = Store::new(self.places.at(At::Query), Pass::Backward);
        let mut key = Store::new(self.places.at(At::Key), Pass::Backward);
        let factor = self.query_scale();
        for (row, index) in dqkv.chunks_exact_mut(3 * h).zip(piece.clone()) {
            let both = &mut row[..2 * h];
            let (q, k) = both.split_at_mut(h);
            query.piece(q);
            scale(q, factor);
            if let Some(on_key) = self.key_scale() {
                key.piece(k);
                scale(k, on_key);
            }
            if let Some(rotation) = &self.slots.rotation {
                query.piece(q);
                key.piece(k);
                rotation.turn(both, index, -1.0);
            }
        }
    }
}
