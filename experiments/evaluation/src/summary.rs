//! From items to what is told of a task: shares, their intervals, and how the files of a group compare.

use crate::random::stream;
use logs::proportion::{Interval, Proportion};
use logs::quantile::quantile;
use rand::RngExt;
use serde::Serialize;

/// Resamples of an interval.
const RESAMPLES: usize = 2000;

/// How sure an interval is.
const LEVEL: f64 = 0.95;

/// A mean over items.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean.
    pub value: f64,
    /// Ends of its 95 % interval; none where the items cannot tell how far they spread.
    pub interval: Option<[f64; 2]>,
    /// How many items.
    pub items: usize,
}

impl Estimate {
    /// Of values without bounds; none of nothing. Its interval is one of resampled items.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        Self::with(values, resampled_mean(values))
    }

    /// Of values from 0 to 100 %; none of nothing. Where each is one or the other, the exact interval of Clopper and Pearson stands
    /// in for resampling, which would be certain of a share that no item, or every item, has shown.
    pub(crate) fn of_shares(values: &[f64]) -> Option<Self> {
        let exact = values.iter().all(|value| [0.0, 100.0].contains(value));
        let interval = if exact {
            let right = values.iter().filter(|value| **value > 0.0).count();
            let count = Proportion::new(right as u64, values.len() as u64);
            let Interval { low, high } = count.clopper_pearson(LEVEL);
            Some([100.0 * low, 100.0 * high])
        } else {
            resampled_mean(values)
        };
        Self::with(values, interval)
    }

    /// Of what is no mean: of all items together, and of as many that were resampled. None of nothing.
    pub(crate) fn of_all<T: Copy + PartialEq>(
        items: &[T],
        of: impl Fn(&mut dyn Iterator<Item = T>) -> f64,
    ) -> Option<Self> {
        (!items.is_empty()).then(|| Self {
            value: of(&mut items.iter().copied()),
            // Resamples that all agree, as those of nothing found do, are not certain of it.
            interval: resampled(items, &of).filter(|[low, high]| low < high),
            items: items.len(),
        })
    }

    fn with(values: &[f64], interval: Option<[f64; 2]>) -> Option<Self> {
        let n = values.len();
        (n > 0).then(|| Self {
            value: values.iter().sum::<f64>() / n as f64,
            interval,
            items: n,
        })
    }
}

/// Percentiles of what resampled items come to; none where all items are the same, as one item is.
fn resampled<T: Copy + PartialEq>(
    items: &[T],
    of: impl Fn(&mut dyn Iterator<Item = T>) -> f64,
) -> Option<[f64; 2]> {
    let n = items.len();
    let first = items.first()?;
    if items.iter().all(|item| item == first) {
        return None;
    }
    let mut generator = stream(1, "bootstrap", n as u64);
    let mut one = || of(&mut (0..n).map(|_| items[generator.random_range(0..n)]));
    let mut found: Vec<f64> = (0..RESAMPLES).map(|_| one()).collect();
    found.sort_by(f64::total_cmp);
    let tail = (1.0 - LEVEL) / 2.0;
    Some([tail, 1.0 - tail].map(|p| quantile(&found, p)))
}

/// Percentiles of the means of resampled items.
fn resampled_mean(values: &[f64]) -> Option<[f64; 2]> {
    let n = values.len() as f64;
    resampled(values, |drawn| drawn.sum::<f64>() / n)
}

/// The mean of independent estimates with these weights. Its interval puts together how far each reaches to either side (the method of
/// variance estimates recovery, Zou and Donner 2008); none where one of them has none.
pub(crate) fn linear(parts: &[(f64, Estimate)]) -> Estimate {
    let all: f64 = parts.iter().map(|(weight, _)| weight).sum();
    let value = parts
        .iter()
        .map(|(weight, e)| weight * e.value)
        .sum::<f64>()
        / all;
    let reach = |end: usize| {
        let squares = parts.iter().map(|(weight, estimate)| {
            let ends = estimate.interval?;
            Some((weight / all * (ends[end] - estimate.value)).powi(2))
        });
        squares.sum::<Option<f64>>().map(f64::sqrt)
    };
    Estimate {
        value,
        interval: reach(0)
            .zip(reach(1))
            .map(|(low, high)| [value - low, value + high]),
        items: parts.iter().map(|(_, estimate)| estimate.items).sum(),
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
        let [low, high] = found.interval.unwrap();
        assert!(
            (low - 0.2076).abs() < 0.008 && (high - 0.2924).abs() < 0.008,
            "{low} {high}"
        );
        assert_eq!(Estimate::of(&[2.0, 2.0]).unwrap().interval, None);
        assert_eq!(Estimate::of(&[]), None);
        assert_eq!(
            Estimate::of(&values),
            Estimate::of(&values),
            "the same each time"
        );
    }

    /// Resampling would give 0 to 0. No hit in n items allows 1 − 0.025^(1/n); 13 of 40 is scipy's, as in `logs::proportion`.
    #[test]
    fn no_item_or_every_item_right_is_not_certain() {
        for (right, n, low, high) in [
            (0, 500, 0.0, 0.735_061_0),
            (500, 500, 99.264_939_0, 100.0),
            (0, 1, 0.0, 97.5),
            (13, 40, 18.572_896_7, 49.129_487_5),
        ] {
            let values: Vec<f64> = (0..n)
                .map(|i| if i < right { 100.0 } else { 0.0 })
                .collect();
            let ends = Estimate::of_shares(&values).unwrap().interval.unwrap();
            for (found, golden) in ends.into_iter().zip([low, high]) {
                assert!((found - golden).abs() < 1e-6, "{right} of {n}: {ends:?}");
            }
        }
        let mixed = Estimate::of_shares(&[0.0, 50.0, 100.0]).unwrap();
        assert_eq!(mixed, Estimate::of(&[0.0, 50.0, 100.0]).unwrap());
        assert_eq!(Estimate::of_shares(&[]), None);
    }

    /// Of equal weights and normal estimates the interval is the usual one: half-widths in squares.
    #[test]
    fn a_mean_of_means_reaches_as_far_as_its_parts() {
        let part = |value, low, high| Estimate {
            value,
            interval: Some([low, high]),
            items: 10,
        };
        let parts = [(3.0, part(1.0, 0.0, 3.0)), (1.0, part(5.0, 1.0, 9.0))];
        let found = linear(&parts);
        let [low, high] = found.interval.unwrap();
        assert_eq!((found.value, found.items), (2.0, 20));
        assert!((low - (2.0 - (0.75_f64.powi(2) + 1.0).sqrt())).abs() < 1e-12);
        assert!((high - (2.0 + (1.5_f64.powi(2) + 1.0).sqrt())).abs() < 1e-12);
        let bare = Estimate {
            interval: None,
            ..parts[0].1
        };
        assert_eq!(linear(&[parts[1], (1.0, bare)]).interval, None);
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
