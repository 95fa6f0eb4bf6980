//! Rounding points of a tile.

use super::Attention;
use crate::numerics::precision::At;
use kernels::{Pass, Rounding, Store};

/// What all tiles of a piece lose at the points between query and context.
pub(super) struct Counts<'a> {
    pub(super) scores: Store<'a>,
    /// Steps of a softmax in the format of the pass.
    pub(super) softmax: Store<'a>,
    pub(super) probabilities: Store<'a>,
}

impl<'a> Counts<'a> {
    pub(super) fn new(attention: &Attention<'a>, pass: Pass) -> Self {
        Self::of(attention, |point| Store::new(point, pass))
    }

    /// For values that are computed again, which have been counted.
    pub(super) fn again(attention: &Attention<'a>) -> Self {
        Self::of(attention, Store::again)
    }

    fn of(attention: &Attention<'a>, store: impl Fn(Option<&'a Rounding>) -> Store<'a>) -> Self {
        Self {
            scores: store(attention.places.at(At::Scores)),
            softmax: store(attention.softmax_point()),
            probabilities: store(attention.places.at(At::Probabilities)),
        }
    }
}
