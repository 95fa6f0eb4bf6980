//! Which spans of a text are masked.

use experiments_config::ObjectiveConfig;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, Poisson};

/// Mean of a Poisson variable conditioned on `1..=max`.
pub(super) fn truncated_mean(lambda: f64, max: usize) -> f64 {
    let (mut weight, mut total, mut mean) = ((-lambda).exp(), 0.0, 0.0);
    for k in 1..=max {
        weight *= lambda / k as f64;
        total += weight;
        mean += weight * k as f64;
    }
    mean / total
}

/// Span lengths summing to at least `floor(mask_ratio · len)`, as far as they leave a kept token
/// between spans; one span only with `single_span_prob`.
pub(super) fn span_lengths(config: &ObjectiveConfig, len: usize, rng: &mut impl Rng) -> Vec<usize> {
    let single = rng.random_bool(config.single_span_prob);
    let wanted = ((config.mask_ratio * len as f64) as usize).max(1);
    let (mut lengths, mut covered) = (Vec::new(), 0);
    while covered < wanted {
        let span = truncated_poisson(config.span_lambda, config.max_span, rng).min(len - 1);
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

/// A Poisson draw conditioned on `1..=max`, by rejection. Where rejection would take long (λ far
/// above `max`) the result is `max`.
pub(super) fn truncated_poisson(lambda: f64, max: usize, rng: &mut impl Rng) -> usize {
    // λ is checked to be above 0 with the configuration.
    let Ok(poisson) = Poisson::new(lambda) else {
        return max;
    };
    (0..1000)
        .map(|_| poisson.sample(rng) as usize)
        .find(|n| (1..=max).contains(n))
        .unwrap_or(max)
}

/// Places spans in random order, uniformly over all placements with at least one kept token
/// between neighbours. Returns `(start, length)` in text order.
pub(super) fn place_spans(
    lengths: &[usize],
    len: usize,
    rng: &mut impl Rng,
) -> Vec<(usize, usize)> {
    let mut lengths = lengths.to_vec();
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
        .map(|(gap, length)| {
            let start = gap + before;
            before += length;
            (start, length)
        })
        .collect()
}
