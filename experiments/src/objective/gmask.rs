//! Generation after a prefix.

use super::{Kind, Sample};
use experiments_config::{GmaskPositions, ObjectiveConfig};
use experiments_text::SpecialIds;
use rand::{Rng, RngExt};

/// A [gMASK] sequence: the generated length is uniform in `floor(min_gmask_ratio · n) ..= n` of the
/// `n` text tokens, at least 1. No eop: the text does not end where the window does.
pub(crate) fn sample_gmask(
    config: &ObjectiveConfig,
    special: &SpecialIds,
    text: &[u32],
    seq_len: usize,
    rng: &mut impl Rng,
) -> Sample {
    let least = ((config.min_gmask_ratio * text.len() as f64) as u64).max(1);
    // u64, since the draws for usize may differ between platforms.
    let generated = rng.random_range(least..=text.len() as u64) as usize;
    let (shown, hidden) = text.split_at(text.len() - generated);
    let mut sample = Sample::new(Kind::Gmask);
    for (position, token) in shown.iter().enumerate() {
        sample.show(*token, position);
    }
    let prefix = shown.len() + 1;
    sample.show(special.gmask, shown.len());
    let first = target_position(config, prefix);
    sample.generate(special, hidden, None, |i| first + i);
    // Without an end the last token has nothing to predict, and is no input.
    sample.close(0, prefix, seq_len, special.pad);
    sample
}

/// Position of the first target slot after a prefix of so many slots.
pub(super) fn target_position(config: &ObjectiveConfig, prefix: usize) -> usize {
    match config.gmask_positions {
        GmaskPositions::Plain => prefix,
        GmaskPositions::Shifted => prefix - 1,
    }
}
