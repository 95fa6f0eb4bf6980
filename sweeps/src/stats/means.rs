//! Means over runs and their t intervals.

use crate::stats::Interval;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// A mean over runs, in the unit of the values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Runs averaged.
    pub n: usize,
    /// Mean, or difference of means.
    pub mean: f64,
    /// Sample standard deviation (n − 1), or standard error for a difference; absent below two
    /// values.
    pub sd: Option<f64>,
    /// Interval for the mean; absent below two values.
    pub interval: Option<Interval>,
}

/// Mean with Student's t interval, mean ± t(n−1) · s/√n. Absent for no values; values must be
/// finite.
#[must_use]
pub fn mean_interval(values: &[f64], level: f64) -> Option<Estimate> {
    let (mean, variance) = moments(values)?;
    let n = values.len() as f64;
    Some(Estimate {
        n: values.len(),
        mean,
        sd: variance.map(f64::sqrt),
        interval: variance.map(|variance| around(mean, (variance / n).sqrt(), n - 1.0, level)),
    })
}

/// Difference of two means with Welch's t interval: standard error √(s₁²/n₁ + s₂²/n₂) and the
/// degrees of freedom of Welch and Satterthwaite (Welch, Biometrika 34, 1947). Absent when a
/// group has fewer than two values, because then its variance is unknown.
#[must_use]
pub fn mean_difference(first: &[f64], second: &[f64], level: f64) -> Option<Estimate> {
    let (a, b) = (moments(first)?, moments(second)?);
    let (n, m) = (first.len() as f64, second.len() as f64);
    let (u, v) = (a.1? / n, b.1? / m);
    let error = (u + v).sqrt();
    let freedom = (u + v).powi(2) / (u * u / (n - 1.0) + v * v / (m - 1.0));
    let mean = a.0 - b.0;
    Some(Estimate {
        n: first.len() + second.len(),
        mean,
        sd: Some(error),
        interval: Some(around(mean, error, freedom, level)),
    })
}

fn around(mean: f64, error: f64, freedom: f64, level: f64) -> Interval {
    // Without any spread the degrees of freedom are 0/0 and the interval is a point.
    let half = if error == 0.0 {
        0.0
    } else {
        StudentsT::new(0.0, 1.0, freedom).map_or(f64::INFINITY, |t| {
            t.inverse_cdf(f64::midpoint(1.0, level)) * error
        })
    };
    Interval {
        low: mean - half,
        high: mean + half,
    }
}

/// Mean, and from two values on the sample variance.
pub(crate) fn moments(values: &[f64]) -> Option<(f64, Option<f64>)> {
    let n = values.len() as f64;
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((mean, (values.len() > 1).then(|| squares / (n - 1.0))))
}

/// The median; absent for no values.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len().is_multiple_of(2) {
        f64::midpoint(values[middle - 1], upper)
    } else {
        upper
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const POST: [f64; 6] = [3.56, 3.59, 3.57, 3.41, 3.58, 3.55];
    const GLM: [f64; 5] = [3.26, 3.31, 3.22, 3.27, 3.30];

    fn close(found: f64, golden: f64) {
        assert!(
            (found - golden).abs() < 1e-8,
            "found {found}, golden {golden}"
        );
    }

    /// `scipy.stats.ttest_1samp(post, 0).confidence_interval(0.95)`, scipy 1.17.1.
    #[test]
    fn one_mean_agrees_with_scipy() {
        let estimate = mean_interval(&POST, 0.95).unwrap();
        let interval = estimate.interval.unwrap();
        close(estimate.mean, 3.543_333_333_333);
        close(estimate.sd.unwrap(), 0.066_833_125_519);
        close(interval.low, 3.473_196_269_488);
        close(interval.high, 3.613_470_397_179);
    }

    /// `scipy.stats.ttest_ind(post, glm, equal_var=False).confidence_interval(0.95)`,
    /// scipy 1.17.1.
    #[test]
    fn welch_agrees_with_scipy() {
        let interval = mean_difference(&POST, &GLM, 0.95)
            .unwrap()
            .interval
            .unwrap();
        close(interval.low, 0.198_227_210_475);
        close(interval.high, 0.344_439_456_192);
    }

    #[test]
    fn too_few_values_have_no_interval() {
        assert_eq!(mean_interval(&[], 0.95), None);
        let one = mean_interval(&[3.2], 0.95).unwrap();
        assert_eq!((one.mean, one.sd, one.interval), (3.2, None, None));
        assert_eq!(mean_difference(&[3.2], &GLM, 0.95), None);
    }

    #[test]
    fn identical_values_give_a_point() {
        let interval = mean_difference(&[2.0, 2.0], &[1.0, 1.0], 0.95)
            .unwrap()
            .interval
            .unwrap();
        assert_eq!((interval.low, interval.high), (1.0, 1.0));
    }
}
