//! Growth exponents: slopes on logarithmic axes.

use crate::stats::{Interval, mean_interval};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One run's measurement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SlopePoint {
    /// Seed of the run.
    pub seed: u64,
    /// Swept quantity, for example layers; above zero.
    pub x: f64,
    /// Measured quantity, for example ‖ΔF‖; above zero.
    pub y: f64,
}

/// An exponent b in y ∝ xᵇ, without unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Slope {
    /// Mean of the seeds' slopes.
    pub slope: f64,
    /// Student t interval over seeds; absent for one seed.
    pub interval: Option<Interval>,
    /// Seeds with a slope.
    pub seeds: usize,
    /// Points of these seeds.
    pub points: usize,
}

/// Exponent of y over x: the least-squares slope of ln y on ln x within each seed, then mean and
/// Student's t interval over the seeds' slopes (two-stage summary measures: Matthews, Altman,
/// Campbell & Royston, BMJ 300:230, 1990).
///
/// Seeds are the independent unit: runs of one seed share the initial-value stream and the data
/// order across x, so their residuals move together, and a single line through all points would
/// take them for independent and give an interval that is too narrow. The within-seed slope also
/// cancels what a seed does to every x alike.
///
/// Absent when any x or y is not finite and above zero, because its logarithm does not exist and
/// dropping the point (a diverged run, usually) would flatten the slope unseen. Seeds with fewer
/// than two different x have no slope and are left out; absent when none is left.
#[must_use]
pub fn log_log_slope(points: &[SlopePoint], level: f64) -> Option<Slope> {
    let usable = |value: f64| value.is_finite() && value > 0.0;
    if !points.iter().all(|p| usable(p.x) && usable(p.y)) {
        return None;
    }
    let mut seeds = BTreeMap::<u64, Vec<(f64, f64)>>::new();
    for point in points {
        let logs = (point.x.ln(), point.y.ln());
        seeds.entry(point.seed).or_default().push(logs);
    }
    let fits: Vec<(f64, usize)> = seeds
        .values()
        .filter_map(|points| Some((least_squares(points)?.slope, points.len())))
        .collect();
    let slopes: Vec<f64> = fits.iter().map(|fit| fit.0).collect();
    let estimate = mean_interval(&slopes, level)?;
    Some(Slope {
        slope: estimate.mean,
        interval: estimate.interval,
        seeds: estimate.n,
        points: fits.iter().map(|fit| fit.1).sum(),
    })
}

/// The least-squares line through points (x, y).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    pub(crate) slope: f64,
    /// Value at x = 0.
    pub(crate) start: f64,
    /// Sum of the squared distances of x from its mean.
    pub(crate) spread: f64,
}

/// The line; absent when all x are equal.
pub(crate) fn least_squares(points: &[(f64, f64)]) -> Option<Line> {
    let (first, _) = points.first()?;
    if points.iter().all(|(x, _)| x == first) {
        return None;
    }
    let n = points.len() as f64;
    let x_mean = points.iter().map(|(x, _)| x).sum::<f64>() / n;
    let y_mean = points.iter().map(|(_, y)| y).sum::<f64>() / n;
    let products: f64 = points
        .iter()
        .map(|(x, y)| (x - x_mean) * (y - y_mean))
        .sum();
    let spread: f64 = points.iter().map(|(x, _)| (x - x_mean).powi(2)).sum();
    let slope = products / spread;
    Some(Line {
        slope,
        start: y_mean - slope * x_mean,
        spread,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn point(seed: u64, x: f64, y: f64) -> SlopePoint {
        SlopePoint { seed, x, y }
    }

    fn table() -> Vec<SlopePoint> {
        let rows = [
            [1.1, 2.0, 4.3, 8.1],
            [0.9, 2.1, 3.7, 7.2],
            [1.0, 1.8, 4.0, 8.9],
        ];
        (1..)
            .zip(rows)
            .flat_map(|(seed, row)| {
                [6.0, 12.0, 24.0, 48.0]
                    .into_iter()
                    .zip(row)
                    .map(move |(x, y)| point(seed, x, y))
            })
            .collect()
    }

    /// `s = [scipy.stats.linregress(log(x), log(y)).slope for each seed]`, `numpy.mean(s)`,
    /// `scipy.stats.ttest_1samp(s, 0).confidence_interval(0.95)`, scipy 1.17.1.
    #[test]
    fn agrees_with_scipy() {
        let found = log_log_slope(&table(), 0.95).unwrap();
        assert!((found.slope - 1.005_871_561_903).abs() < 1e-9);
        let interval = found.interval.unwrap();
        assert!((interval.low - 0.886_206_338_193).abs() < 1e-8);
        assert!((interval.high - 1.125_536_785_613).abs() < 1e-8);
        assert_eq!((found.seeds, found.points), (3, 12));
    }

    #[test]
    fn what_has_no_logarithm_has_no_slope() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(
                log_log_slope(&[table(), vec![point(1, 96.0, bad)]].concat(), 0.95),
                None
            );
            assert_eq!(
                log_log_slope(&[table(), vec![point(1, bad, 1.0)]].concat(), 0.95),
                None
            );
        }
        assert_eq!(log_log_slope(&[], 0.95), None);
    }

    #[test]
    fn seeds_without_two_depths_are_left_out() {
        let lone = [table(), vec![point(9, 6.0, 1.0), point(9, 6.0, 2.0)]].concat();
        assert_eq!(log_log_slope(&lone, 0.95), log_log_slope(&table(), 0.95));
        assert_eq!(log_log_slope(&lone[12..], 0.95), None);
        let one = log_log_slope(&table()[..4], 0.95).unwrap();
        assert_eq!((one.interval, one.seeds), (None, 1));
    }

    proptest! {
        #[test]
        fn prop_power_laws_are_recovered_whatever_the_seeds_scale(
            exponent in -3.0_f64..3.0,
            scales in prop::collection::vec(0.01_f64..100.0, 2..8),
        ) {
            let points: Vec<SlopePoint> = (0..)
                .zip(&scales)
                .flat_map(|(seed, scale)| {
                    [2.0_f64, 3.0, 7.0].map(|x| point(seed, x, scale * x.powf(exponent)))
                })
                .collect();
            let found = log_log_slope(&points, 0.95).unwrap();
            prop_assert!((found.slope - exponent).abs() < 1e-9);
            let interval = found.interval.unwrap();
            prop_assert!(interval.low <= found.slope && found.slope <= interval.high);
            prop_assert!(interval.high - interval.low < 1e-9);
        }
    }
}
