//! Causes planted on purpose, so that it is known what came of them: bad batches, and a weight that is
//! suddenly another.
//!
//! They stand outside [`Config::at`]: a schedule moves a value that the whole run has, a planted cause
//! belongs to the data or the weights of a few steps.

mod bounds;

use crate::Config;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use words::named;

named! {
    /// What is planted.
    pub enum InjectKind {
        /// Nothing: the arm of a card that goes without. [`crate::resolve`] drops such entries, so a run with one is
        /// the run without it.
        None = "none",
        /// Texts of uniformly random tokens, special ones excepted.
        Noise = "noise",
        /// Texts that repeat their first `n` tokens to the end.
        RepeatedNgram = "repeated_ngram",
        /// The targets of each sequence in random order; what the model reads stays.
        ShuffledLabels = "shuffled_labels",
        /// A weight, or all of a tensor, is multiplied by `factor`.
        Weight = "weight",
    }
}

/// One planted cause. Keys that its kind does not use have no effect, so that the arms of a card can differ
/// in `kind` alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inject {
    /// What.
    pub kind: InjectKind,
    /// The first step it touches, counted from 1 as in the records.
    pub step: u64,
    /// How many steps in a row have such batches; a weight is multiplied once.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub steps: u64,
    /// Tokens that are repeated, for `repeated_ngram`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<usize>,
    /// Name of a parameter as in checkpoints, for `weight`: `layers.0.ffn.up.weight`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensor: Option<String>,
    /// One element of it, counted row by row from 0; absent means all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<usize>,
    /// By what they are multiplied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
}

fn one() -> u64 {
    1
}

/// For the key that is left out where it says nothing.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde calls"
)]
fn is_one(value: &u64) -> bool {
    *value == 1
}

impl Inject {
    /// Whether it is planted in the data, and goes where they are read.
    #[must_use]
    pub fn in_data(&self) -> bool {
        match self.kind {
            InjectKind::Noise | InjectKind::RepeatedNgram | InjectKind::ShuffledLabels => true,
            InjectKind::None | InjectKind::Weight => false,
        }
    }

    /// The steps it touches.
    #[must_use]
    pub fn touched(&self) -> RangeInclusive<u64> {
        let last = self.step.saturating_add(self.steps.saturating_sub(1));
        self.step..=last
    }
}

impl Config {
    /// What is planted in step `step`, counted from 1, in the order of the file.
    pub fn injected_at(&self, step: u64) -> impl Iterator<Item = &Inject> {
        let entries = self.inject.iter();
        entries.filter(move |inject| inject.touched().contains(&step))
    }

    /// Drops entries that plant nothing.
    pub(crate) fn drop_empty_injections(&mut self) {
        self.inject.retain(|inject| inject.kind != InjectKind::None);
    }
}

#[cfg(test)]
mod tests;
