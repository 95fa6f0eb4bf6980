//! Rounding points of a tile.

use super::AttentionPoints;
use crate::range::{Pass, Store};

/// What all tiles of a piece lose at the points between query and context.
pub(super) struct Counts<'a> {
    pub(super) scores: Store<'a>,
    /// Steps of a softmax in the format of the pass.
    pub(super) softmax: Store<'a>,
    pub(super) probabilities: Store<'a>,
}

impl<'a> Counts<'a> {
    pub(super) fn new(points: &'a AttentionPoints, pass: Pass) -> Self {
        Self::of(points, |point| Store::new(point, pass))
    }

    /// For values that are computed again, which have been counted.
    pub(super) fn again(points: &'a AttentionPoints) -> Self {
        Self::of(points, Store::again)
    }

    fn of(
        points: &'a AttentionPoints,
        store: impl Fn(Option<&'a crate::Rounding>) -> Store<'a>,
    ) -> Self {
        Self {
            scores: store(points.scores.as_ref()),
            softmax: store(points.softmax.as_ref()),
            probabilities: store(points.probabilities.as_ref()),
        }
    }
}
