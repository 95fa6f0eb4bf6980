//! Bootstrap intervals over runs.

use crate::stats::Interval;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF, Normal};

/// Resamples of every interval that is reported.
pub const BOOTSTRAP_RESAMPLES: usize = 4_000;
/// Seed of [`bca_mean`]: the same values give the same interval on every machine.
pub const BCA_MEAN_SEED: u64 = 1987;
/// Least share of resamples with a finite statistic. The interval describes only resamples that
/// have one; where more than a tenth have none, it would describe something else.
const LEAST_FINITE: f64 = 0.9;
/// Replicates this near to the estimate, relative to the largest, tie with it: permutations of
/// the sample give the estimate but for rounding, and they are many when units are few.
const TIE: f64 = 1e-12;

/// Bias-corrected and accelerated bootstrap interval for `statistic`, a function of indices into
/// `n` units (Efron, JASA 82:171, 1987; Efron & Tibshirani, An Introduction to the Bootstrap,
/// 1993, §14.3), from 4,000 resamples of `n` indices with replacement; acceleration by the
/// jackknife. In the unit of the statistic.
///
/// Resamples whose statistic is not finite are dropped. Absent when more than a tenth are dropped,
/// when the statistic of the units themselves is not finite, or for fewer than two units, of which
/// there is one resample only. A point when all resamples agree. With fewer than about ten units
/// the interval is too narrow more often than its level says: it supports a permutation test and
/// does not replace it.
pub fn bca(
    n: usize,
    statistic: impl Fn(&[usize]) -> f64,
    level: f64,
    seed: u64,
) -> Option<Interval> {
    let all: Vec<usize> = (0..n).collect();
    if n < 2 {
        return None;
    }
    let estimate = Some(statistic(&all)).filter(|value| value.is_finite())?;
    let sorted = replicates(n, BOOTSTRAP_RESAMPLES, &statistic, seed)?;
    let (low, high) = (*sorted.first()?, *sorted.last()?);
    if low == high {
        return Some(Interval { low, high });
    }
    let bias = bias_correction(&sorted, estimate);
    let left_out: Vec<f64> = (0..n)
        .map(|i| statistic(&[&all[..i], &all[i + 1..]].concat()))
        .filter(|value| value.is_finite())
        .collect();
    let acceleration = acceleration(&left_out);
    let end = |tail: f64| {
        let z = bias + Normal::standard().inverse_cdf(tail);
        let scale = 1.0 - acceleration * z;
        // Past the pole of the transformation lies the end of the distribution.
        let p = if scale > 0.0 {
            Normal::standard().cdf(bias + z / scale)
        } else {
            f64::from(u8::from(z > 0.0))
        };
        quantile(&sorted, p)
    };
    let tail = (1.0 - level) / 2.0;
    Some(Interval {
        low: end(tail),
        high: end(1.0 - tail),
    })
}

/// [`bca`] of the mean, with seed 1987. Absent below two values or when one is not finite.
#[must_use]
pub fn bca_mean(values: &[f64], level: f64) -> Option<Interval> {
    let mean =
        |picked: &[usize]| picked.iter().map(|i| values[*i]).sum::<f64>() / picked.len() as f64;
    bca(values.len(), mean, level, BCA_MEAN_SEED)
}

/// Finite statistics of `resamples` resamples of `n` units, ascending; absent when too few are
/// finite.
pub(super) fn replicates(
    n: usize,
    resamples: usize,
    mut statistic: impl FnMut(&[usize]) -> f64,
    seed: u64,
) -> Option<Vec<f64>> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let mut picked = vec![0; n];
    let mut values = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        picked.fill_with(|| generator.random_range(0..n));
        let value = statistic(&picked);
        if value.is_finite() {
            values.push(value);
        }
    }
    values.sort_by(f64::total_cmp);
    (values.len() as f64 >= LEAST_FINITE * resamples as f64 && !values.is_empty()).then_some(values)
}

/// Quantile with linear interpolation, the default of `numpy.quantile`; `sorted` has values and
/// `p` is in 0..=1.
pub(super) fn quantile(sorted: &[f64], p: f64) -> f64 {
    let last = sorted.len() - 1;
    let position = p * last as f64;
    let below = (position as usize).min(last);
    let above = (below + 1).min(last);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

/// z₀: normal quantile of the share of replicates below the estimate, ties counted half.
fn bias_correction(sorted: &[f64], estimate: f64) -> f64 {
    let slack = TIE * sorted[0].abs().max(sorted[sorted.len() - 1].abs());
    let below = sorted.partition_point(|value| *value < estimate - slack) as f64;
    let through = sorted.partition_point(|value| *value <= estimate + slack) as f64;
    let count = sorted.len() as f64;
    // Half a replicate keeps z₀ finite when the estimate is an extreme of its own distribution.
    let share = (f64::midpoint(below, through) / count).clamp(0.5 / count, 1.0 - 0.5 / count);
    Normal::standard().inverse_cdf(share)
}

/// a: a sixth of the skewness of the jackknife values' deviations; 0 without spread.
fn acceleration(left_out: &[f64]) -> f64 {
    let mean = left_out.iter().sum::<f64>() / left_out.len() as f64;
    let power = |k| -> f64 { left_out.iter().map(|value| (mean - value).powi(k)).sum() };
    let squares = power(2);
    if squares > 0.0 {
        power(3) / (6.0 * squares.powf(1.5))
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SKEWED: [f64; 10] = [0.1, 0.3, 0.2, 0.9, 2.5, 0.4, 0.15, 0.7, 1.1, 0.05];
    const LOSSES: [f64; 8] = [3.26, 3.31, 3.22, 3.27, 3.30, 3.41, 3.19, 3.25];

    fn near(found: Option<Interval>, low: f64, high: f64, tolerance: f64) {
        let found = found.unwrap();
        assert!((found.low - low).abs() < tolerance, "{found:?}");
        assert!((found.high - high).abs() < tolerance, "{found:?}");
    }

    /// `scipy.stats.bootstrap((x,), statistic, method='BCa', n_resamples=400000,
    /// confidence_level=level, random_state=1)`, scipy 1.17.1. The tolerance is Monte Carlo's
    /// with 4,000 resamples: a twentieth of the width.
    #[test]
    fn bca_agrees_with_scipy() {
        near(bca_mean(&LOSSES, 0.95), 3.24125, 3.33125, 0.0045);
        near(bca_mean(&LOSSES, 0.90), 3.24625, 3.32125, 0.0038);
        near(bca_mean(&SKEWED, 0.95), 0.33, 1.31, 0.05);
        // `numpy.std`
        let deviation = |picked: &[usize]| {
            let n = picked.len() as f64;
            let mean = picked.iter().map(|i| SKEWED[*i]).sum::<f64>() / n;
            let squares: f64 = picked.iter().map(|i| (SKEWED[*i] - mean).powi(2)).sum();
            (squares / n).sqrt()
        };
        near(bca(10, deviation, 0.95, 1), 0.3132, 1.1460, 0.05);
    }

    /// All 5⁵ resamples enumerated in Python, rounded to 10 digits so that equal sums tie, z₀ as
    /// `scipy.stats.norm.ppf(((t < x).sum() + (t <= x).sum()) / 2 / 3125)`, the acceleration by
    /// jackknife, the ends by `numpy.quantile(t, alpha)`, scipy 1.17.1. The upper end moves by
    /// 0.2 when its level moves by the Monte Carlo error, 0.003.
    #[test]
    fn every_step_agrees_with_an_enumeration() {
        let values = [0.2, 0.5, 0.9, 2.4, 0.4];
        let mean = |picked: &[usize]| picked.iter().map(|i| values[*i]).sum::<f64>() / 5.0;
        let mut all: Vec<f64> = (0..3125_usize)
            .map(|code| mean(&[1, 5, 25, 125, 625].map(|place| code / place % 5)))
            .collect();
        all.sort_by(f64::total_cmp);
        assert!((bias_correction(&all, 0.88) - 0.098_821_496_873).abs() < 1e-9);
        let total: f64 = values.iter().sum();
        let left_out: Vec<f64> = values.iter().map(|value| (total - value) / 4.0).collect();
        assert!((acceleration(&left_out) - 0.090_472_043_930).abs() < 1e-9);
        near(bca_mean(&values, 0.95), 0.4, 2.0, 0.21);
    }

    /// Two units have the means 0, ½, 1 with shares ¼, ½, ¼, which put both ends at the extremes.
    #[test]
    fn two_units_reach_both() {
        near(bca_mean(&[0.0, 1.0], 0.95), 0.0, 1.0, 1e-12);
    }

    /// `numpy.quantile([1, 2, 4, 8], p)`.
    #[test]
    fn quantiles_agree_with_numpy() {
        for (p, golden) in [(0.0, 1.0), (0.25, 1.75), (0.5, 3.0), (0.9, 6.8), (1.0, 8.0)] {
            assert!((quantile(&[1.0, 2.0, 4.0, 8.0], p) - golden).abs() < 1e-12);
        }
    }

    #[test]
    fn degenerate_units_give_a_point_or_nothing() {
        near(bca_mean(&[0.3; 5], 0.95), 0.3, 0.3, 1e-12);
        assert_eq!(bca_mean(&[], 0.95), None);
        assert_eq!(bca_mean(&[1.0], 0.95), None);
        assert_eq!(bca_mean(&[1.0, f64::NAN, 2.0], 0.95), None);
    }

    #[test]
    fn few_undefined_resamples_are_dropped_and_many_are_not() {
        // Undefined without unit 0: a share e⁻¹ of resamples, 2^-n when half the units will do.
        let needs = |few: usize| {
            move |picked: &[usize]| {
                let good = picked.iter().any(|i| *i < few);
                if good { picked[0] as f64 } else { f64::NAN }
            }
        };
        assert_eq!(bca(8, needs(1), 0.95, 1), None);
        assert!(bca(8, needs(4), 0.95, 1).is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn prop_interval_holds_the_mean_lies_within_the_values_and_repeats(
            values in prop::collection::vec(-5.0_f64..5.0, 2..12),
        ) {
            let found = bca_mean(&values, 0.95).unwrap();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            prop_assert!(found.low <= mean + 1e-12 && mean <= found.high + 1e-12);
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            prop_assert!(low <= found.low + 1e-12 && found.high <= high + 1e-12);
            prop_assert_eq!(Some(found), bca_mean(&values, 0.95));
            let narrower = bca_mean(&values, 0.5).unwrap();
            prop_assert!(found.low <= narrower.low && narrower.high <= found.high);
        }
    }
}
