//! From items to what is told of a task: shares, their intervals, and how the files of a group compare.

use crate::random::stream;
use logs::quantile::quantile;
use rand::RngExt;
use serde::Serialize;

/// Resamples of an interval.
const RESAMPLES: usize = 2000;

/// A mean over items.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean.
    pub value: f64,
    /// Ends of its 95 % interval: percentiles of the means of resampled items.
    pub interval: [f64; 2],
    /// How many items.
    pub items: usize,
}

impl Estimate {
    /// Of some values; none of nothing.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let n = values.len();
        let mut generator = stream(1, "bootstrap", n as u64);
        let mut means: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                (0..n)
                    .map(|_| values[generator.random_range(0..n)])
                    .sum::<f64>()
                    / n as f64
            })
            .collect();
        means.sort_by(f64::total_cmp);
        Some(Self {
            value: values.iter().sum::<f64>() / n as f64,
            interval: [0.025, 0.975].map(|p| quantile(&means, p)),
            items: n,
        })
    }
}

/// Over the files of a group, as GLM-130B's evaluation prints it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OverFiles {
    /// The best file.
    pub max: f64,
    /// The middle one, or the mean of both.
    pub median: f64,
    /// Mean with the weights of their items.
    pub average: f64,
}

impl OverFiles {
    /// Of values and their weights; none of nothing.
    pub(crate) fn of(files: &[(f64, usize)]) -> Option<Self> {
        let mut values: Vec<f64> = files.iter().map(|(value, _)| *value).collect();
        values.sort_by(f64::total_cmp);
        let weight: usize = files.iter().map(|(_, weight)| weight).sum();
        let sum: f64 = files
            .iter()
            .map(|(value, weight)| value * *weight as f64)
            .sum();
        Some(Self {
            max: *values.last()?,
            median: quantile(&values, 0.5),
            average: sum / weight as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_that_of_the_mean() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(u8::from(i % 4 == 0))).collect();
        let found = Estimate::of(&values).unwrap();
        assert_eq!((found.value, found.items), (0.25, 400));
        // 0.25 ± 1.96 · sqrt(0.25 · 0.75 / 400).
        let [low, high] = found.interval;
        assert!(
            (low - 0.2076).abs() < 0.008 && (high - 0.2924).abs() < 0.008,
            "{low} {high}"
        );
        assert_eq!(Estimate::of(&[2.0]).unwrap().interval, [2.0, 2.0]);
        assert_eq!(Estimate::of(&[]), None);
        assert_eq!(
            Estimate::of(&values),
            Estimate::of(&values),
            "the same each time"
        );
    }

    #[test]
    fn files_of_a_group_have_the_original_statistics() {
        let found = OverFiles::of(&[(10.0, 1), (40.0, 3), (20.0, 1), (30.0, 5)]).unwrap();
        assert_eq!(
            found,
            OverFiles {
                max: 40.0,
                median: 25.0,
                average: 30.0
            }
        );
        assert_eq!(OverFiles::of(&[]), None);
    }
}
