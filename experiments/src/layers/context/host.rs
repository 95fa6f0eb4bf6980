//! On slices.

use crate::data::Batch;
use crate::layers::attention::host::kv_cache::KvCache;
use crate::layers::attention::host::slots::Slots;
use crate::layers::weights::host::Weights;
use crate::numerics::dropout::Masks;
use crate::numerics::precision::{At, Precision};
use crate::ranks::{Ranks, RowShares};
use experiments_config::Config;
use kernels::slices::ForwardWeight;
use kernels::{Buffer, Pass, Rounding, round_again, store};
use std::ops::Range;
use std::sync::Arc;

/// What the sub-layers of one pass share.
pub(crate) struct Context<'a> {
    pub(crate) config: &'a Config,
    pub(crate) precision: &'a Precision,
    pub(crate) batch: &'a Batch,
    pub(crate) weights: Arc<Weights<'a>>,
    pub(crate) slots: Slots,
    /// None in evaluation.
    pub(crate) masks: Masks,
    /// The ranks that share every matrix with this one, where there are several; the weights are then its shares.
    pub(crate) tensor: Option<&'a Ranks>,
    /// Whose the rows between branches are, where those have each some of them.
    pub(crate) rows: Option<RowShares<'a>>,
    /// What a reader of text has of the rows before these, and of the weights; absent where a batch is whole.
    pub(crate) before: Option<Before<'a>>,
}

/// What is there already where rows are read behind others.
#[derive(Clone, Copy)]
pub(crate) struct Before<'a> {
    pub(crate) cache: &'a KvCache,
    /// The weights of all sub-layers, ready for products.
    pub(crate) prepared: &'a [[ForwardWeight<'a>; 2]],
    /// The same of the projection to the vocabulary, block by block.
    pub(crate) vocabulary: &'a [ForwardWeight<'a>],
}

impl Context<'_> {
    /// Rows of the batch that this rank computes between branches.
    pub(crate) fn own_rows(&self) -> Range<usize> {
        let all = self
            .batch
            .samples
            .iter()
            .map(|sample| sample.tokens.len())
            .sum();
        self.rows.as_ref().map_or(0..all, RowShares::own)
    }

    /// Where a tensor outside the layers is rounded.
    fn point(&self, at: At) -> Option<&Rounding> {
        self.precision.rounding(at, 0)
    }

    /// Rounds a stored tensor outside the layers in place, where the pass has a format.
    pub(crate) fn store(&self, at: At, pass: Pass, values: &mut [f32]) {
        store(values, self.point(at), pass);
    }

    /// The same for one that was stored, and counted, before.
    pub(crate) fn store_again(&self, at: At, values: &mut Buffer) {
        round_again(values, self.point(at));
    }
}
