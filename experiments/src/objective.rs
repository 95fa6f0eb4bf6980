//! GLM blank infilling (arXiv 2210.02414 §2.2; details from `LargeScale` `glm/collator.py`), prompted
//! tasks in the same form, and next-token prediction as the control.
//!
//! ```text
//! [gMASK]  inputs   t1 .. tp [gMASK] sop  t(p+1) .. t(n-1)      prefix: t1 .. [gMASK]
//!          targets  -  .. -    -     t(p+1)  ..      tn         positions 0, 1, 2, ..
//!
//! [MASK]   inputs   t1 [MASK] t4 .. tn  sop s1 .. sk  sop ..    prefix: the corrupted text
//!          targets  -     -   -  .. -   s1 .. sk eop  s1 ..     positions: a span counts as one
//!
//! task     inputs   text [MASK] sop  target                     prefix: text [MASK]
//!          targets   -     -    target  eop                     positions 0, 1, 2, ..
//!
//! gpt      inputs   t1 .. t(n-1)                                no prefix
//!          targets  t2 .. tn                                    positions 0, 1, 2, ..
//! ```
//!
//! The caller asks how much text a sequence takes ([`text_len`], [`sub_samples`]), draws exactly that
//! much, and hands it over.

mod gmask;
mod gpt;
mod mask;
mod sample;
mod spans;
mod task;
#[cfg(test)]
mod tests;

pub(crate) use gmask::sample_gmask;
pub(crate) use gpt::sample_gpt;
pub(crate) use mask::sample_mask;
pub(crate) use sample::{Kind, Sample, Segment};
pub(crate) use task::sample_task;

use experiments_config::{ObjectiveConfig, Packing};

/// Sub-samples of one sequence, in equal parts of its slots.
#[must_use]
pub(crate) fn sub_samples(kind: Kind, config: &ObjectiveConfig) -> usize {
    match kind {
        Kind::Mask | Kind::Task => config.aggregated_samples,
        Kind::Gmask | Kind::Gpt => 1,
    }
}

/// Text tokens that one sub-sample takes. Tasks bring their own text.
#[must_use]
pub(crate) fn text_len(kind: Kind, config: &ObjectiveConfig, seq_len: usize) -> usize {
    let window = seq_len / sub_samples(kind, config);
    match (kind, config.packing) {
        (Kind::Gpt, _) => seq_len + 1,
        // [gMASK] and sop come in, the last token never does.
        (Kind::Gmask, Packing::Fitted) => seq_len - 1,
        // Records of 2,000 tokens for 2,048 slots, 500 of them for a quarter (facts §2).
        (Kind::Gmask, Packing::Original) => seq_len * 2000 / 2048,
        (Kind::Mask | Kind::Task, Packing::Original) => window * 500 / 512,
        (Kind::Mask | Kind::Task, Packing::Fitted) => mask::fitted_len(config, window),
    }
}
