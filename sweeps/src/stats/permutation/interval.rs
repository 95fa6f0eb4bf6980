//! The interval that goes with the sign-flip test.

use super::{sign_flip, sign_flip_least};
use crate::stats::{Interval, moments};

/// Halvings of the distance between a mean that the test rejects and one that it does not: what is
/// left is 2⁻⁶⁰ of the spread of the differences.
const HALVINGS: usize = 60;

/// All means that [`sign_flip`] does not reject at `alpha`, in the unit of the differences: the
/// values θ for which p of the differences less θ is above `alpha`. They are an interval, because
/// p falls from 1 at the mean of the sample to both sides. It holds 0 exactly when p of the
/// differences themselves is above `alpha`, so test and interval never contradict each other, and
/// where the differences are symmetric about their mean it covers that mean with a probability of
/// at least 1 − `alpha` at any number of differences (Hartigan, JASA 64:1303, 1969). The ends are
/// means of some of the differences; of six at 0.05 they are the smallest and the largest.
///
/// Absent where nothing bounds the mean: for so few differences that 2^(1−n) is above `alpha`, five
/// at 0.05. Absent, too, when a difference is not finite. A point when all are equal.
#[must_use]
pub fn sign_flip_interval(differences: &[f64], alpha: f64) -> Option<Interval> {
    let (mean, _) = moments(differences).filter(|(mean, _)| mean.is_finite())?;
    let low = differences.iter().copied().fold(f64::INFINITY, f64::min);
    let high = differences
        .iter()
        .copied()
        .fold(f64::NEG_INFINITY, f64::max);
    let reach = high - low;
    if !reach.is_finite() || sign_flip_least(differences.len()) > alpha {
        return None;
    }
    if reach == 0.0 {
        return Some(Interval { low, high });
    }
    let mut interval = Interval {
        low: end(differences, alpha, mean, low - reach),
        high: end(differences, alpha, mean, high + reach),
    };
    // An end that is 0 is found but for rounding.
    if sign_flip(differences) > alpha {
        interval = interval.with(0.0);
    }
    Some(interval)
}

/// The last mean towards `rejected` that is not rejected.
fn end(differences: &[f64], alpha: f64, mut accepted: f64, mut rejected: f64) -> f64 {
    for _ in 0..HALVINGS {
        let tried = f64::midpoint(accepted, rejected);
        let moved: Vec<f64> = differences.iter().map(|d| d - tried).collect();
        if sign_flip(&moved) > alpha {
            accepted = tried;
        } else {
            rejected = tried;
        }
    }
    accepted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EIGHT: [f64; 8] = [0.12, -0.05, 0.31, 0.08, 0.22, -0.11, 0.19, 0.02];

    /// Ends by their definition: with k = ⌊α 2^(n−1)⌋, the k-th smallest and the k-th largest mean
    /// of a subset of the differences.
    fn by_subsets(differences: &[f64], alpha: f64) -> Interval {
        let mut means: Vec<f64> = (1_u32..1 << differences.len())
            .map(|bits| {
                let picked = (0..differences.len()).filter(|i| bits >> i & 1 == 1);
                let (sum, count) = picked.fold((0.0, 0.0), |(sum, count), i| {
                    (sum + differences[i], count + 1.0)
                });
                sum / count
            })
            .collect();
        means.sort_by(f64::total_cmp);
        let k = (alpha * 2f64.powi(differences.len() as i32 - 1)).floor() as usize;
        Interval {
            low: means[k - 1],
            high: means[means.len() - k],
        }
    }

    #[track_caller]
    fn same(found: Option<Interval>, golden: Interval) {
        let found = found.unwrap();
        assert!(
            (found.low - golden.low).abs() < 1e-9,
            "{found:?} {golden:?}"
        );
        assert!(
            (found.high - golden.high).abs() < 1e-9,
            "{found:?} {golden:?}"
        );
    }

    /// All subset means in Python, `numpy.sort(means)[k - 1]` and `[-k]`.
    #[test]
    fn ends_agree_with_means_of_subsets() {
        let golden = Interval {
            low: -0.026_666_666_667,
            high: 0.216_666_666_667,
        };
        same(sign_flip_interval(&EIGHT, 0.05), golden);
        same(sign_flip_interval(&EIGHT, 0.05), by_subsets(&EIGHT, 0.05));
        same(sign_flip_interval(&EIGHT, 0.01), by_subsets(&EIGHT, 0.01));
        let six = &EIGHT[..6];
        same(
            sign_flip_interval(six, 0.05),
            Interval {
                low: -0.11,
                high: 0.31,
            },
        );
    }

    #[test]
    fn too_few_differences_bound_nothing() {
        assert_eq!(sign_flip_interval(&[], 0.05), None);
        assert_eq!(sign_flip_interval(&EIGHT[..5], 0.05), None);
        assert!(sign_flip_interval(&EIGHT[..5], 0.07).is_some());
        assert_eq!(sign_flip_interval(&EIGHT, 0.005), None);
        let mut broken = EIGHT;
        broken[3] = f64::NAN;
        assert_eq!(sign_flip_interval(&broken, 0.05), None);
        broken[3] = f64::INFINITY;
        assert_eq!(sign_flip_interval(&broken, 0.05), None);
        let point = Interval {
            low: 0.3,
            high: 0.3,
        };
        assert_eq!(sign_flip_interval(&[0.3; 6], 0.05), Some(point));
        let point = Interval {
            low: 0.0,
            high: 0.0,
        };
        assert_eq!(sign_flip_interval(&[0.0; 6], 0.05), Some(point));
    }

    /// More differences than are counted exactly.
    #[test]
    fn drawn_assignments_have_an_interval_too() {
        let many: Vec<f64> = (0..34).map(|i| f64::from(i * 7 % 34) - 10.0).collect();
        let found = sign_flip_interval(&many, 0.05).unwrap();
        // Mean 6.5, standard error 1.71.
        assert!(
            (2.9..3.6).contains(&found.low) && (9.4..10.1).contains(&found.high),
            "{found:?}"
        );
    }

    proptest! {
        #[test]
        fn prop_it_excludes_zero_exactly_when_the_test_rejects(
            tenths in prop::collection::vec(-20_i32..30, 6..11),
            alpha in prop::sample::select(vec![0.05, 0.1, 0.2]),
        ) {
            let differences: Vec<f64> = tenths.iter().map(|t| 0.1 * f64::from(*t)).collect();
            let found = sign_flip_interval(&differences, alpha).unwrap();
            let excluded = found.low > 0.0 || found.high < 0.0;
            prop_assert_eq!(excluded, sign_flip(&differences) <= alpha);
            let golden = by_subsets(&differences, alpha);
            prop_assert!((found.low - golden.low).abs() < 1e-9);
            prop_assert!((found.high - golden.high).abs() < 1e-9);
            let mean = differences.iter().sum::<f64>() / differences.len() as f64;
            prop_assert!(found.low <= mean + 1e-12 && mean <= found.high + 1e-12);
        }
    }
}
