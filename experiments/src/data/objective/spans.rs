//! Which stretches of a text are hidden.

use super::span_length::SpanLength;
use experiments_config::ObjectiveConfig;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

/// A hidden stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Span {
    /// First token.
    pub(super) start: usize,
    /// Tokens.
    pub(super) len: usize,
}

/// Span lengths for a text of `len` tokens, drawn until they sum to `floor(mask_ratio · len)` or
/// more, as far as they leave a kept token between spans; with `single_span_prob` one only.
pub(super) fn draw_lengths(
    config: &ObjectiveConfig,
    length: &SpanLength,
    len: usize,
    rng: &mut impl Rng,
) -> Vec<usize> {
    let single = rng.random::<f64>() < config.single_span_prob;
    let wanted = ((config.mask_ratio * len as f64) as usize).max(1);
    let (mut lengths, mut covered) = (Vec::new(), 0);
    while covered < wanted {
        let span = length.sample(rng).min((len - 1).max(1));
        if covered + span + lengths.len() > len {
            break;
        }
        covered += span;
        lengths.push(span);
        if single {
            break;
        }
    }
    lengths
}

/// Places spans in random order, uniformly over all placements with at least one kept token
/// between neighbours; the result is in text order.
///
/// (The original draws the gaps independently and sorts them, so that two spans are a single token
/// apart about half as often.)
pub(super) fn place(mut lengths: Vec<usize>, len: usize, rng: &mut impl Rng) -> Vec<Span> {
    lengths.shuffle(rng);
    let covered: usize = lengths.iter().sum();
    // Choosing k gaps out of `kept + 1` (before, between and after kept tokens), each at most
    // once, is exactly a placement without neighbours.
    let kept = len - covered;
    let mut gaps = rand::seq::index::sample(rng, kept + 1, lengths.len()).into_vec();
    gaps.sort_unstable();
    let mut before = 0;
    gaps.into_iter()
        .zip(lengths)
        .map(|(gap, len)| {
            let start = gap + before;
            before += len;
            Span { start, len }
        })
        .collect()
}
