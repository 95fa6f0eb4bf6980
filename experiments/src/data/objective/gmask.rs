//! `[gMASK]`: the rest of a text is generated after a prefix that sees all of itself.

use super::row::Row;
use super::{Kind, Sample};
use experiments_config::{GmaskPositions, ObjectiveConfig};
use experiments_text::SpecialIds;
use rand::{Rng, RngExt};
use std::ops::RangeInclusive;

/// A `[gMASK]` row: the generated length is uniform in `floor(min_gmask_ratio · n) ..= n` of the
/// `n` text tokens, at least 1. No eop: the text does not end where the window does.
pub(crate) fn sample_gmask(
    config: &ObjectiveConfig,
    special: &SpecialIds,
    text: &[u32],
    seq_len: usize,
    rng: &mut impl Rng,
) -> Sample {
    let generated = rng.random_range(generated_lengths(config, text.len()));
    let (shown, hidden) = text.split_at(text.len() - generated);
    let mut row = Row::new(Kind::Gmask, seq_len);
    let hidden = hidden.iter().copied();
    blank_at_end(
        &mut row,
        config,
        shown,
        [special.gmask, special.sop],
        hidden,
    );
    row.close(seq_len, special.pad);
    row.finish()
}

/// Lengths of what is generated of `len` text tokens, all equally likely.
pub(crate) fn generated_lengths(config: &ObjectiveConfig, len: usize) -> RangeInclusive<usize> {
    let least = ((config.min_gmask_ratio * len as f64) as usize).max(1);
    least..=len
}

/// `text`, the blank, and from sop on what fills it.
pub(super) fn blank_at_end(
    row: &mut Row,
    config: &ObjectiveConfig,
    text: &[u32],
    [blank, sop]: [u32; 2],
    targets: impl Iterator<Item = u32>,
) {
    for token in text {
        row.source(*token);
    }
    row.source(blank);
    let first = match config.gmask_positions {
        GmaskPositions::Plain => row.slot(),
        GmaskPositions::Shifted => row.slot() - 1,
    };
    row.piece(sop, targets, first, 1);
}
