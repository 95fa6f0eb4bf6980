//! Equivalence: evidence that a difference is small, which a p value above 0.05 is not.

use crate::stats::{Interval, mean_interval};
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Result of two one-sided tests, in the unit of the differences.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Equivalence {
    /// p of the hypothesis that the mean lies outside ±margin; small speaks for equivalence.
    pub p: f64,
    /// Mean difference.
    pub mean: f64,
    /// Interval of the mean at 1 − 2α. It lies inside ±margin exactly when p < α.
    pub interval: Interval,
}

/// Paired two one-sided t tests (Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics
/// 15:657, 1987): p is the larger of the p values against mean ≤ −`margin` and mean ≥ `margin`.
/// `margin` is in the unit of the differences and must be stated before they are seen; `alpha`, the
/// largest p that will count, is that of the interval only.
///
/// Absent below two differences, whose spread is unknown, or when one is not finite. Without any
/// spread p is 0 inside the margin and 1 elsewhere. p is 1 for a margin that is not above zero.
#[must_use]
pub fn tost(differences: &[f64], margin: f64, alpha: f64) -> Option<Equivalence> {
    if !differences.iter().all(|d| d.is_finite()) {
        return None;
    }
    let estimate = mean_interval(differences, (1.0 - 2.0 * alpha).max(0.0))?;
    let (mean, sd) = (estimate.mean, estimate.sd?);
    // The nearer margin decides: its t is the smaller, its p the larger.
    let room = margin - mean.abs();
    let error = sd / (differences.len() as f64).sqrt();
    let p = if margin.is_nan() || margin <= 0.0 {
        1.0
    } else if error == 0.0 {
        f64::from(u8::from(room <= 0.0))
    } else {
        let freedom = differences.len() as f64 - 1.0;
        StudentsT::new(0.0, 1.0, freedom).map_or(1.0, |t| t.sf(room / error))
    };
    Some(Equivalence {
        p,
        mean,
        interval: estimate.interval?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIFFERENCES: [f64; 6] = [0.004, -0.006, 0.011, 0.002, -0.003, 0.007];

    /// `max(ttest_1samp(d, -m, alternative='greater').pvalue, ttest_1samp(d, m,
    /// alternative='less').pvalue)` and `ttest_1samp(d, 0).confidence_interval(0.9)`, scipy
    /// 1.17.1; the first two p also by `statsmodels.stats.weightstats.DescrStatsW(d)
    /// .ttost_mean(-m, m)[0]`, statsmodels 0.15.0.
    #[test]
    fn agrees_with_scipy_and_statsmodels() {
        let shifted = DIFFERENCES.map(|d| d + 0.018);
        for (differences, margin, golden) in [
            (DIFFERENCES, 0.02, 5.164_583_226_4e-4),
            (DIFFERENCES, 0.005, 0.187_314_925_667),
            (shifted, 0.02, 0.573_417_557_120),
        ] {
            let found = tost(&differences, margin, 0.05).unwrap();
            assert!((found.p - golden).abs() < 1e-9, "{found:?}");
        }
        let found = tost(&DIFFERENCES, 0.02, 0.05).unwrap();
        assert!((found.mean - 0.0025).abs() < 1e-12);
        assert!((found.interval.low + 0.002_670_212_567).abs() < 1e-9);
        assert!((found.interval.high - 0.007_670_212_567).abs() < 1e-9);
    }

    #[test]
    fn edges() {
        assert_eq!(tost(&[], 0.02, 0.05), None);
        assert_eq!(tost(&[0.0], 0.02, 0.05), None);
        assert_eq!(tost(&[0.0, f64::NAN], 0.02, 0.05), None);
        let p = |differences: &[f64], margin| tost(differences, margin, 0.05).unwrap().p;
        assert_eq!(p(&[0.0, 0.0], 0.02), 0.0);
        assert_eq!(p(&[0.02, 0.02], 0.02), 1.0);
        for margin in [0.0, -0.02, f64::NAN] {
            assert_eq!(p(&DIFFERENCES, margin), 1.0);
        }
    }

    proptest! {
        #[test]
        fn prop_interval_and_p_agree_and_sign_does_not_matter(
            differences in prop::collection::vec(-0.03_f64..0.03, 2..12),
        ) {
            let found = tost(&differences, 0.02, 0.05).unwrap();
            prop_assert!((0.0..=1.0).contains(&found.p));
            for alpha in [0.05, 0.01] {
                let ends = tost(&differences, 0.02, alpha).unwrap().interval;
                let inside = ends.low > -0.02 && ends.high < 0.02;
                prop_assert!(inside == (found.p < alpha) || (found.p - alpha).abs() < 1e-9);
            }
            let flipped: Vec<f64> = differences.iter().map(|d| -d).collect();
            prop_assert!((tost(&flipped, 0.02, 0.05).unwrap().p - found.p).abs() < 1e-12);
            prop_assert!(tost(&differences, 0.05, 0.05).unwrap().p <= found.p);
        }
    }
}
