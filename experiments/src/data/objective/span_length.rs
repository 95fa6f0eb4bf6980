//! How long a `[MASK]` span is.

use experiments_config::ObjectiveConfig;
use rand::{Rng, RngExt};

/// A Poisson variable conditioned on `1..=max`, as a table of cumulated weights.
///
/// The weights are those relative to the likeliest length and need no function but division and
/// multiplication: no λ overflows them, and draws have the same bits on every platform.
pub(super) struct SpanLength {
    /// Sum of the weights of `1..=k` at index `k - 1`.
    cumulated: Vec<f64>,
}

impl SpanLength {
    /// Span lengths of a configuration.
    pub(super) fn of(config: &ObjectiveConfig) -> Self {
        Self::new(config.span_lambda, config.max_span)
    }

    /// `lambda` above 0, `max` at least 1.
    pub(super) fn new(lambda: f64, max: usize) -> Self {
        let mode = (lambda as usize).clamp(1, max);
        let mut weights = vec![1.0; max];
        // weight(k) = weight(k - 1) · λ / k
        for k in mode + 1..=max {
            weights[k - 1] = weights[k - 2] * lambda / k as f64;
        }
        for k in (2..=mode).rev() {
            weights[k - 2] = weights[k - 1] * k as f64 / lambda;
        }
        let cumulated = weights
            .iter()
            .scan(0.0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            })
            .collect();
        Self { cumulated }
    }

    fn total(&self) -> f64 {
        self.cumulated[self.cumulated.len() - 1]
    }

    /// The mean: the sum over `k` of the probability of `k` or more.
    pub(super) fn mean(&self) -> f64 {
        let total = self.total();
        let below = self.cumulated.iter().map(|sum| 1.0 - sum / total);
        1.0 + below.sum::<f64>()
    }

    /// One length.
    pub(super) fn sample(&self, rng: &mut impl Rng) -> usize {
        let at = rng.random::<f64>() * self.total();
        self.cumulated.partition_point(|sum| *sum <= at) + 1
    }
}
