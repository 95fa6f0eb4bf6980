//! Filling of short spans.

use super::spans::{place_spans, span_lengths, truncated_mean};
use super::{Kind, Sample};
use experiments_config::{MaskPositions, ObjectiveConfig, Packing};
use experiments_text::SpecialIds;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

/// Texts that `short_seq_prob` cuts keep at least so many tokens.
const SHORTEST: usize = 32;

/// Text tokens for a window in which nothing is to be cut. Every span adds two slots (its [MASK] and
/// its sop), so the text leaves room for as many spans as are expected, plus one.
pub(super) fn fitted_len(config: &ObjectiveConfig, window: usize) -> usize {
    let mean = truncated_mean(config.span_lambda, config.max_span);
    let per_token = 1.0 + 2.0 * config.mask_ratio / mean;
    (((window - 2) as f64 / per_token) as usize).max(2)
}

/// A [MASK] sequence, one sub-sample per text: spans with truncated-Poisson lengths cover
/// `mask_ratio` of the text, at least one kept token between any two, their targets in shuffled order;
/// all slots of a span carry the position of its [MASK] (or count on), and every span ends with eop.
///
/// With fitted packing spans that do not fit stay unmasked; with the original's the slots beyond the
/// window are cut.
pub(crate) fn sample_mask(
    config: &ObjectiveConfig,
    special: &SpecialIds,
    texts: &[Vec<u32>],
    seq_len: usize,
    rng: &mut impl Rng,
) -> Sample {
    let window = seq_len / texts.len();
    let mut sample = Sample::new(Kind::Mask);
    for text in texts {
        let text = maybe_short(config, text, rng);
        let mut lengths = span_lengths(config, text.len(), rng);
        if config.packing == Packing::Fitted {
            // Slots: the text, and for every span its [MASK] and its sop.
            while text.len() + 2 * lengths.len() > window && lengths.len() > 1 {
                lengths.pop();
            }
        }
        let spans = place_spans(&lengths, text.len(), rng);
        let start = sample.tokens.len();
        let prefix = corrupt(config, special, text, &spans, &mut sample, rng);
        sample.close(start, prefix, window, special.pad);
    }
    sample
}

fn maybe_short<'a>(config: &ObjectiveConfig, text: &'a [u32], rng: &mut impl Rng) -> &'a [u32] {
    let short = text.len() > SHORTEST && rng.random_bool(config.short_seq_prob);
    if short {
        &text[..rng.random_range(SHORTEST as u64..text.len() as u64) as usize]
    } else {
        text
    }
}

/// Adds the corrupted text and its targets; returns the length of the former.
pub(super) fn corrupt(
    config: &ObjectiveConfig,
    special: &SpecialIds,
    text: &[u32],
    spans: &[(usize, usize)],
    sample: &mut Sample,
    rng: &mut impl Rng,
) -> usize {
    let (mut at, mut slot) = (0, 0);
    let mut blanks = Vec::with_capacity(spans.len());
    let mut show = |sample: &mut Sample, token: u32| {
        sample.show(token, slot);
        slot += 1;
        slot - 1
    };
    for (start, length) in spans {
        for token in &text[at..*start] {
            show(sample, *token);
        }
        let position = show(sample, special.mask);
        blanks.push((position, &text[*start..start + length]));
        at = start + length;
    }
    for token in &text[at..] {
        show(sample, *token);
    }
    let prefix = slot;
    blanks.shuffle(rng);
    for (position, span) in blanks {
        let end = Some(special.eop);
        match config.mask_positions {
            MaskPositions::Span => sample.generate(special, span, end, |_| position),
            MaskPositions::Plain => {
                sample.generate(special, span, end, |i| slot + i);
                slot += span.len() + 1;
            }
        }
    }
    prefix
}
