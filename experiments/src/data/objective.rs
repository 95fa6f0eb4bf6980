//! GLM blank infilling (arXiv 2210.02414 §2.2; details from `LargeScale` `glm/collator.py`).
//!
//! ```text
//! [gMASK]  inputs   t1 .. tp [gMASK] sop  t(p+1) .. t(n-1)       prefix: t1 .. [gMASK]
//!          targets  -  .. -    -     t(p+1)  ..       tn         positions 0, 1, 2, ..
//!
//! [MASK]   inputs   t1 [MASK] t4 .. tn  sop s1 .. sk   sop ..    prefix: the corrupted text
//!          targets  -     -   -  .. -   s1 .. sk  eop  s1 ..     positions: a span counts as one
//!
//! task     inputs   t1 .. tn [MASK] sop  s1 .. sk                prefix: t1 .. [MASK]
//!          targets  -  .. -    -    s1 .. sk  eop                positions 0, 1, 2, ..
//!
//! gpt      inputs   t1 t2 .. tn                                  prefix: none
//!          targets  t2 ..    t(n+1)                              positions 0, 1, 2, ..
//! ```
//!
//! A row of slots is one `[gMASK]` or gpt sequence, or several `[MASK]` or task sub-samples, each
//! in its own part of the row, padded there and blind to the others. The caller asks how much text
//! a sub-sample takes ([`text_len`], [`sub_samples`]), draws exactly that much, and hands it over.

mod gmask;
mod gpt;
mod last_word;
mod mask;
mod row;
mod sample;
mod span_length;
mod spans;
mod task;
#[cfg(test)]
mod tests;

pub(crate) use gmask::{generated_lengths, sample_gmask};
pub(crate) use gpt::sample_gpt;
pub(crate) use last_word::sample_last_word;
pub(crate) use mask::sample_mask;
pub(crate) use sample::{Kind, Sample, Segment};
pub(crate) use task::sample_task;

use experiments_config::{ObjectiveConfig, Packing};
use span_length::SpanLength;

/// Sub-samples in one row.
#[must_use]
pub(crate) fn sub_samples(kind: Kind, config: &ObjectiveConfig) -> usize {
    match kind {
        Kind::Mask | Kind::Task => config.aggregated_samples,
        Kind::Gmask | Kind::Gpt => 1,
    }
}

/// Text tokens that one sub-sample takes. Tasks bring their own text; for them it is what `[MASK]`
/// would take.
#[must_use]
pub(crate) fn text_len(kind: Kind, config: &ObjectiveConfig, seq_len: usize) -> usize {
    let window = seq_len / sub_samples(kind, config);
    match (kind, config.packing) {
        (Kind::Gpt, _) => seq_len + 1,
        // [gMASK] and sop come in, the last token never does.
        (Kind::Gmask, Packing::Fitted) => window - 1,
        (Kind::Gmask, Packing::Original) => window * 2000 / 2048,
        (Kind::Mask | Kind::Task, Packing::Fitted) => fitted_mask_len(config, window),
        (Kind::Mask | Kind::Task, Packing::Original) => window * 500 / 512,
    }
}

/// Every span adds two slots (its `[MASK]` and its sop), so the text is sized to leave room for as
/// many spans as are expected, plus one; what does not fit after all stays unmasked.
fn fitted_mask_len(config: &ObjectiveConfig, window: usize) -> usize {
    let mean = SpanLength::of(config).mean();
    let per_token = 1.0 + 2.0 * config.mask_ratio / mean;
    (((window - 2) as f64 / per_token) as usize).max(2)
}
