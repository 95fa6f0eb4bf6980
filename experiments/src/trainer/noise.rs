//! The gradient noise scale: how many sequences a batch needs before more of them hardly make its gradient better.

use logs::{Record, signal};
use serde::Serialize;

/// Of one step, by the gradients of batches of two sizes: its single sequences, and all of them.
///
/// With B sequences, `|G₁|²` the mean squared norm of theirs and `|G_B|²` that of the batch, unbiased estimates are
/// `|G|² = (B |G_B|² − |G₁|²) / (B − 1)` and `tr Σ = (|G₁|² − |G_B|²) / (1 − 1/B)` (`McCandlish` et al.,
/// arXiv 1812.06162, appendix A.1). Their quotient is not unbiased, and of one step it scatters: over many steps divide the mean of the
/// one by the mean of the other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct NoiseScale {
    /// Sequences of the batch.
    pub sequences: u64,
    /// Mean squared gradient norm of a sequence, |G₁|².
    pub sequence_squared: f64,
    /// Squared gradient norm of the batch, `|G_B|²`.
    pub batch_squared: f64,
    /// Estimate of the squared norm of the gradient without noise, |G|²; below 0 where noise is nearly all there is.
    pub gradient_squared: f64,
    /// Estimate of the trace of the covariance of a sequence's gradient, tr Σ.
    pub covariance_trace: f64,
    /// tr Σ / |G|², sequences; none where the estimate of |G|² is not above 0.
    pub noise_scale: Option<f64>,
}

impl NoiseScale {
    /// None for a single sequence, and where a norm is not finite.
    #[must_use]
    pub fn of(sequences: u64, sequence_squared: f64, batch_squared: f64) -> Option<Self> {
        if sequences < 2 || !sequence_squared.is_finite() || !batch_squared.is_finite() {
            return None;
        }
        let b = sequences as f64;
        let gradient_squared = (b * batch_squared - sequence_squared) / (b - 1.0);
        let covariance_trace = (sequence_squared - batch_squared) / (1.0 - 1.0 / b);
        let noise_scale = covariance_trace / gradient_squared;
        Some(Self {
            sequences,
            sequence_squared,
            batch_squared,
            gradient_squared,
            covariance_trace,
            noise_scale: (gradient_squared > 0.0).then_some(noise_scale),
        })
    }

    pub(super) fn record(&self, record: &mut Record) {
        record.set(signal::GRAD_NORM_SEQUENCE, self.sequence_squared.sqrt());
        if let Some(noise_scale) = self.noise_scale {
            record.set(signal::GRAD_NOISE_SCALE, noise_scale);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::stream;
    use rand_distr::{Distribution, StandardNormal};

    /// Gradients with a mean and a covariance that are known: both estimates are unbiased, and the quotient of their
    /// means is the noise scale.
    #[test]
    fn the_estimates_are_those_of_a_known_distribution() {
        const WIDTH: usize = 8;
        const STEPS: u64 = 20_000;
        let (mean, deviation) = (0.5, 2.0);
        let mut rng = stream(5, "noise", 0);
        let (mut gradient, mut covariance) = (0.0, 0.0);
        for _ in 0..STEPS {
            let mut batch = [0.0; WIDTH];
            let mut squares = 0.0;
            for _ in 0..4 {
                for sum in &mut batch {
                    let normal: f64 = StandardNormal.sample(&mut rng);
                    let value = mean + deviation * normal;
                    squares += value * value;
                    *sum += value / 4.0;
                }
            }
            let batch = batch.iter().map(|value| value * value).sum();
            let found = NoiseScale::of(4, squares / 4.0, batch).unwrap();
            gradient += found.gradient_squared / STEPS as f64;
            covariance += found.covariance_trace / STEPS as f64;
        }
        let width = WIDTH as f64;
        assert!((gradient / (width * mean * mean) - 1.0).abs() < 0.05);
        assert!((covariance / (width * deviation * deviation) - 1.0).abs() < 0.02);
    }

    #[test]
    fn there_is_none_where_it_would_mean_nothing() {
        assert_eq!(NoiseScale::of(1, 1.0, 1.0), None);
        assert_eq!(NoiseScale::of(4, f64::INFINITY, 1.0), None);
        assert_eq!(NoiseScale::of(4, 1.0, f64::NAN), None);
        // Four gradients at right angles: all is noise.
        let noise = NoiseScale::of(4, 1.0, 0.25).unwrap();
        assert_eq!((noise.gradient_squared, noise.noise_scale), (0.0, None));
        // Four that are one: nothing is.
        let none = NoiseScale::of(4, 1.0, 1.0).unwrap();
        assert_eq!(none.noise_scale, Some(0.0));
    }
}
