//! `[MASK]`: short spans are hidden and filled.

use super::row::Row;
use super::span_length::SpanLength;
use super::spans::{Span, draw_lengths, place};
use super::{Kind, Sample};
use experiments_config::{MaskPositions, ObjectiveConfig, Packing};
use experiments_text::SpecialIds;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use std::iter::once;

/// Fewest tokens of a text cut to a random shorter length (`LargeScale` `truncate_input`).
const SHORTEST: usize = 32;

/// A `[MASK]` row of `texts`, each in an equal part of the row: spans cover `mask_ratio` of a text,
/// with at least one kept token between any two, and are filled in shuffled order, each up to eop.
pub(crate) fn sample_mask(
    config: &ObjectiveConfig,
    special: &SpecialIds,
    texts: &[Vec<u32>],
    seq_len: usize,
    rng: &mut impl Rng,
) -> Sample {
    let window = seq_len / texts.len();
    let length = SpanLength::of(config);
    let mut row = Row::new(Kind::Mask, seq_len);
    for text in texts {
        let text = shorten(config, text, rng);
        let mut lengths = draw_lengths(config, &length, text.len(), rng);
        if config.packing == Packing::Fitted {
            // Slots: the text, and for every span its [MASK] and its sop.
            while text.len() + 2 * lengths.len() > window && lengths.len() > 1 {
                lengths.pop();
            }
        }
        let spans = place(lengths, text.len(), rng);
        hide(&mut row, config.mask_positions, special, text, &spans, rng);
        row.close(window, special.pad);
    }
    row.finish()
}

/// With `short_seq_prob` the head of the text, its length uniform in `32..len`.
fn shorten<'a>(config: &ObjectiveConfig, text: &'a [u32], rng: &mut impl Rng) -> &'a [u32] {
    if rng.random::<f64>() < config.short_seq_prob && text.len() > SHORTEST {
        &text[..rng.random_range(SHORTEST..text.len())]
    } else {
        text
    }
}

/// The text with `[MASK]` in place of every span, and from sop on the spans in shuffled order.
fn hide(
    row: &mut Row,
    positions: MaskPositions,
    special: &SpecialIds,
    text: &[u32],
    spans: &[Span],
    rng: &mut impl Rng,
) {
    let mut next = 0;
    let mut blanks = Vec::with_capacity(spans.len());
    for span in spans {
        for token in &text[next..span.start] {
            row.source(*token);
        }
        next = span.start + span.len;
        blanks.push((row.slot(), &text[span.start..next]));
        row.source(special.mask);
    }
    for token in &text[next..] {
        row.source(*token);
    }
    blanks.shuffle(rng);
    for (blank, hidden) in blanks {
        let (first, step) = match positions {
            MaskPositions::Span => (blank, 0),
            MaskPositions::Plain => (row.slot(), 1),
        };
        let targets = hidden.iter().copied().chain(once(special.eop));
        row.piece(special.sop, targets, first, step);
    }
}
