//! The factors on query and key, and PB-Relax.

use super::Attention;
use crate::layers::rows::Rows;
use experiments_config::PbRelaxMax;
use kernels::Store;
use kernels::slices::rows::{largest_magnitude, maximum_or_nan, scale, shift};

impl Attention<'_> {
    /// `1 / (√d · missing)`, what the query is multiplied by.
    pub(super) fn query_scale(&self) -> f32 {
        let root = (self.head_dim() as f64).sqrt();
        (root * self.scale.in_softmax()).recip() as f32
    }

    /// What the key is multiplied by; absent where it is not.
    pub(super) fn key_scale(&self) -> Option<f32> {
        let alpha = f64::from(self.scale.missing as f32);
        self.scale.relaxes().then(|| alpha.recip() as f32)
    }

    /// `(x - max) α` of a tile's stored scores with PB-Relax.
    pub(super) fn relax(&self, rows: &Rows, scores: &mut [f32], store: &mut Store) {
        let together = match self.scale.relax {
            PbRelaxMax::Off => return,
            PbRelaxMax::Row => rows.seq_len,
            // Then a tile is a head.
            PbRelaxMax::Head | PbRelaxMax::AbsMax => scores.len(),
        };
        for scores in scores.chunks_exact_mut(together) {
            let top = match self.scale.relax {
                PbRelaxMax::AbsMax => largest_magnitude(scores),
                PbRelaxMax::Off | PbRelaxMax::Row | PbRelaxMax::Head => maximum_or_nan(scores),
            };
            shift(scores, -top);
            store.piece(scores);
            scale(scores, self.scale.missing as f32);
            store.piece(scores);
        }
    }

    /// From the gradients of relaxed scores to those of stored scores. The maximum counts as a constant.
    pub(super) fn relax_backward(&self, d: &mut [f32], store: &mut Store) {
        if self.scale.relaxes() {
            scale(d, self.scale.missing as f32);
            store.piece(d);
        }
    }
}
