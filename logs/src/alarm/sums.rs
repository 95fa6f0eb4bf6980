//! Running sums over a baseline, used only where their rounding cannot matter.

use std::collections::VecDeque;

/// Share of the largest squared term below which a sum of squares is not believed. The rounding of some thousand additions is
/// below 1e-12 of that term, so a believed sum is right to a thousandth.
const BELIEVED: f64 = 1e-9;

/// Sums of the values of a baseline, less an origin near them. No state: what they answer follows from the baseline, so any
/// two are equal and none is saved.
#[derive(Debug, Clone, Default)]
pub(super) struct Sums {
    origin: f64,
    sum: f64,
    squares: f64,
    /// The largest squared term that was ever in the sums.
    largest: f64,
    /// Values taken since the sums were made anew; 0 for sums that know nothing.
    age: usize,
}

impl PartialEq for Sums {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Sums {
    /// The sums of `baseline`, with its mean as the origin.
    pub(super) fn of(baseline: &VecDeque<f64>) -> Self {
        let origin = baseline.iter().sum::<f64>() / baseline.len().max(1) as f64;
        let mut sums = Self {
            origin,
            age: 1,
            ..Self::default()
        };
        for value in baseline {
            sums.add(*value, 1.0);
        }
        sums
    }

    /// Takes a value in and the oldest one, if any, out.
    pub(super) fn replace(&mut self, oldest: Option<f64>, value: f64) {
        if self.age == 0 {
            return;
        }
        self.age += 1;
        self.add(value, 1.0);
        if let Some(oldest) = oldest {
            self.add(oldest, -1.0);
        }
    }

    fn add(&mut self, value: f64, sign: f64) {
        let term = value - self.origin;
        self.sum += sign * term;
        self.squares += sign * term * term;
        self.largest = self.largest.max(term * term);
    }

    /// Whether the sums know nothing or have been carried on for a whole window.
    pub(super) fn is_worn(&self, window: usize) -> bool {
        self.age == 0 || self.age > window
    }

    /// Whether a value is less than half of `sigma` standard deviations from the mean of the `n` values, rounding
    /// included. `false` says nothing.
    pub(super) fn is_surely_calm(&self, value: f64, n: usize, sigma: f64) -> bool {
        if self.age == 0 {
            return false;
        }
        let n = n as f64;
        let mean = self.sum / n;
        let variance = self.squares / n - mean * mean;
        let distance = value - self.origin - mean;
        // False where anything is not a number.
        variance * n >= BELIEVED * self.largest
            && distance * distance < 0.25 * sigma * sigma * variance
            && self.largest.is_finite()
    }
}
