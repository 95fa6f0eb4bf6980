//! What keeps stored scores small: query-key layer scaling and PB-Relax.

use super::Attention;
use crate::fused::rows::{largest_magnitude, maximum_or_nan, scale, shift};
use crate::fused::spread::Rows;
use crate::range::Store;

/// How stored scores are kept small. In exact arithmetic every choice gives the same probabilities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ScoreScale {
    /// The query is divided by `√d` times this, and scores are multiplied by it inside the FP32 softmax:
    /// the 1-based layer number with query-key layer scaling, else 1.
    Query(f32),
    /// The key is divided by α, and scores become `(x - max) α` before anything else (CogView, arXiv
    /// 2105.13290 §2.4).
    Relax {
        /// α
        alpha: f32,
        /// The maximum, over forbidden scores too.
        largest: Largest,
    },
}

/// Which maximum PB-Relax subtracts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Largest {
    /// The row's.
    Row,
    /// The head's.
    Head,
    /// The largest absolute value of the head.
    Magnitude,
}

impl ScoreScale {
    /// What stored scores lack.
    pub(super) fn missing(self) -> f32 {
        match self {
            Self::Query(factor) => factor,
            Self::Relax { alpha, .. } => alpha,
        }
    }

    /// What the query is divided by beside `√d`, and what the FP32 softmax multiplies scores by.
    pub(super) fn in_softmax(self) -> f32 {
        match self {
            Self::Query(factor) => factor,
            Self::Relax { .. } => 1.0,
        }
    }

    /// What the key is multiplied by; absent where it is not.
    pub(super) fn on_key(self) -> Option<f32> {
        match self {
            Self::Query(_) => None,
            Self::Relax { alpha, .. } => Some((1.0 / f64::from(alpha)) as f32),
        }
    }

    /// Whether a head's scores are needed all at once.
    pub(super) fn whole_heads(self) -> bool {
        match self {
            Self::Query(_) => false,
            Self::Relax { largest, .. } => largest != Largest::Row,
        }
    }
}

impl Attention<'_> {
    /// `1 / (√d · missing)`, what the query is multiplied by.
    pub(super) fn query_scale(&self) -> f32 {
        let root = (self.head_dim() as f64).sqrt();
        (root * f64::from(self.scale.in_softmax())).recip() as f32
    }

    /// `(x - max) α` of a tile's stored scores with PB-Relax.
    pub(super) fn relax(&self, rows: &Rows, scores: &mut [f32], store: &mut Store) {
        let ScoreScale::Relax { alpha, largest } = self.scale else {
            return;
        };
        let together = match largest {
            Largest::Row => rows.seq_len,
            // Then a tile is a head.
            Largest::Head | Largest::Magnitude => scores.len(),
        };
        for scores in scores.chunks_exact_mut(together) {
            let top = match largest {
                Largest::Row | Largest::Head => maximum_or_nan(scores),
                Largest::Magnitude => largest_magnitude(scores),
            };
            shift(scores, -top);
            store.piece(scores);
            scale(scores, alpha);
            store.piece(scores);
        }
    }

    /// From the gradients of relaxed scores to those of stored scores. The maximum counts as a constant.
    pub(super) fn relax_backward(&self, d: &mut [f32], store: &mut Store) {
        if let ScoreScale::Relax { alpha, .. } = self.scale {
            scale(d, alpha);
            store.piece(d);
        }
    }
}
