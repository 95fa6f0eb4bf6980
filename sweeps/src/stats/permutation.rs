//! The paired permutation test: the protocol's test for a difference of means.

mod interval;

pub use interval::sign_flip_interval;

use crate::stats::moments;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Up to this many pairs every assignment of signs is counted.
const EXACT: usize = 30;
/// Random assignments drawn for more pairs.
const FLIPS: u32 = 100_000;
/// Seed of those draws: the same values give the same p on every machine.
const SEED: u64 = 1935;
/// Sums this near to the observed one, relative to the sum of the absolute differences, tie with
/// it: the same subset added in another order differs by rounding.
const TIE: f64 = 1e-12;

/// Two-sided p value of the paired sign-flip permutation test of a mean of zero (Fisher, The
/// Design of Experiments, 1935, §21): the share of the 2ⁿ assignments of signs to the differences
/// whose absolute mean is at least the observed one. Exact up to 30 differences. Beyond, 100,000
/// assignments are drawn from a fixed seed and p = (k + 1)/(m + 1), k of m drawn at least as
/// extreme, which keeps the test valid (Phipson & Smyth, SAGMB 9:39, 2010).
///
/// The smallest p is [`sign_flip_least`]: five pairs cannot reach 0.05. Without differences,
/// with only zeros, or with one that is not finite, p is 1.
#[must_use]
pub fn sign_flip(differences: &[f64]) -> f64 {
    let largest = differences.iter().map(|d| d.abs()).fold(0.0, f64::max);
    if largest == 0.0 || differences.iter().any(|d| !d.is_finite()) {
        return 1.0;
    }
    // Scaled by the largest, so that no sum overflows.
    let scaled: Vec<f64> = differences.iter().map(|d| d / largest).collect();
    let observed = scaled.iter().sum::<f64>().abs();
    let sizes: Vec<f64> = scaled.iter().map(|d| d.abs()).collect();
    let limit = observed - TIE * sizes.iter().sum::<f64>();
    if limit <= 0.0 {
        1.0
    } else if sizes.len() <= EXACT {
        exact(&sizes, limit)
    } else {
        sampled(&sizes, limit)
    }
}

/// The smallest p that [`sign_flip`] can give of `n` differences: 2^(1−n) where all assignments are
/// counted, 1/100,001 where they are drawn.
#[must_use]
pub fn sign_flip_least(n: usize) -> f64 {
    if n > EXACT {
        return 1.0 / (f64::from(FLIPS) + 1.0);
    }
    2f64.powi(1 - n as i32).min(1.0)
}

/// Most differences other than 0 for which [`sign_flip_quick`] counts all assignments.
const QUICK: usize = 20;

/// [`sign_flip`] for the thousands of sweeps from which power is simulated. Differences of 0 change
/// no p and are left out. Of up to 20 others it is the same; of more it is p of Student's t test,
/// which the sign-flip test approaches (Hoeffding, Annals of Mathematical Statistics 23:169, 1952):
/// power at 21 normal differences is within 0.01 at levels from 0.01 on and within 0.02 at 0.001.
#[must_use]
pub(crate) fn sign_flip_quick(differences: &[f64]) -> f64 {
    let others: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    if others.len() <= QUICK {
        return sign_flip(&others);
    }
    let Some((mean, Some(variance))) = moments(&others).filter(|(mean, _)| mean.is_finite()) else {
        return 1.0;
    };
    let n = others.len() as f64;
    let t = mean.abs() / (variance / n).sqrt();
    // All alike: t is infinite.
    let tail = StudentsT::new(0.0, 1.0, n - 1.0).map_or(1.0, |law| law.sf(t.min(1e100)));
    (2.0 * tail).clamp(sign_flip_least(differences.len()), 1.0)
}

/// Counts both halves' sums against each other instead of all sums: 2^(n/2) work, which lets the
/// power planner run the test thousands of times.
fn exact(sizes: &[f64], limit: f64) -> f64 {
    let (first, second) = sizes.split_at(sizes.len() / 2);
    let (first, second) = (signed_sums(first), signed_sums(second));
    let mut reaching = second.len();
    let mut upper = 0;
    for sum in first.iter().rev() {
        // The smaller `sum`, the fewer of the second half lift it to the limit.
        while reaching > 0 && sum + second[second.len() - reaching] < limit {
            reaching -= 1;
        }
        upper += reaching;
    }
    // Both tails: the distribution is symmetric, and the limit is above zero.
    2.0 * upper as f64 / (first.len() * second.len()) as f64
}

/// All 2ⁿ sums ±a ±b …, ascending.
fn signed_sums(sizes: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0];
    for size in sizes {
        let higher: Vec<f64> = sums.iter().map(|sum| sum + size).collect();
        for sum in &mut sums {
            *sum -= size;
        }
        sums.extend(higher);
        // Two ascending runs: the stable sort only merges them.
        sums.sort_by(f64::total_cmp);
    }
    sums
}

fn sampled(sizes: &[f64], limit: f64) -> f64 {
    let mut generator = ChaCha8Rng::seed_from_u64(SEED);
    let extreme = (0..FLIPS)
        .filter(|_| {
            let sum: f64 = sizes
                .chunks(64)
                .map(|chunk| signed_sum(chunk, generator.next_u64()))
                .sum();
            sum.abs() >= limit
        })
        .count();
    (extreme as f64 + 1.0) / (f64::from(FLIPS) + 1.0)
}

/// Sum of up to 64 sizes, negative where the bit is set.
fn signed_sum(sizes: &[f64], bits: u64) -> f64 {
    sizes
        .iter()
        .enumerate()
        .map(|(i, size)| if bits >> i & 1 == 1 { -size } else { *size })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `scipy.stats.permutation_test((d,), numpy.mean, permutation_type='samples',
    /// n_resamples=numpy.inf).pvalue`, scipy 1.17.1; all are k/2ⁿ.
    #[test]
    fn agrees_with_scipy() {
        let cases: [(&[f64], f64); 4] = [
            (&[0.30, 0.21, 0.35, 0.28, 0.33, 0.26], 0.03125),
            (
                &[0.12, -0.05, 0.31, 0.08, 0.22, -0.11, 0.19, 0.02],
                0.101_562_5,
            ),
            (&[1.0, 1.0, -1.0, 2.0, 0.0, 3.0, -2.0], 0.53125),
            (
                &[
                    0.5, -0.3, 0.8, 1.1, -0.2, 0.4, 0.9, -0.6, 0.7, 0.1, -0.4, 0.6,
                ],
                0.103_515_625,
            ),
        ];
        for (differences, golden) in cases {
            assert_eq!(sign_flip(differences), golden);
        }
    }

    /// Golden by dynamic programming over all 2²⁴ sums of integers in Python. The tolerance of the
    /// draws is four standard errors.
    #[test]
    fn counting_and_sampling_agree_with_all_assignments() {
        let differences = [
            3, -1, 4, 1, -5, 9, 2, -6, 5, 3, 5, -8, 9, 7, -9, 3, 2, 3, -8, 4, 6, 2, 6, -4,
        ];
        let differences = differences.map(f64::from);
        let golden = 0.231_474_995_613;
        let p = sign_flip(&differences);
        assert!((p - golden).abs() < 1e-11, "{p}");
        let p = sampled(
            &differences.map(f64::abs),
            differences.iter().sum::<f64>() - 1e-9,
        );
        assert!((p - golden).abs() < 0.0054, "{p}");
    }

    /// Rule (k + 1)/(m + 1): never zero.
    #[test]
    fn sampling_never_gives_zero() {
        assert!((sign_flip(&[1.0; 40]) - 1.0 / 100_001.0).abs() < 1e-12);
    }

    #[test]
    fn the_smallest_p_is_that_of_differences_all_alike() {
        for n in [1, 5, 6, 21, 30, 31, 40] {
            let p = sign_flip(&vec![0.3; n]);
            assert!((p / sign_flip_least(n) - 1.0).abs() < 1e-9, "{n}: {p}");
        }
        assert_eq!(sign_flip_least(0), 1.0);
        assert!(sign_flip_least(40) > 1e-6, "drawn assignments reach 1e-5");
    }

    /// What stands in for the test in simulations is it where all assignments are counted, and near
    /// it beyond.
    #[test]
    fn the_quick_test_is_the_test_or_near_it() {
        let some: Vec<f64> = (0..24).map(|i| f64::from(i * 7 % 24) - 9.0).collect();
        let (quick, p) = (sign_flip_quick(&some), sign_flip(&some));
        assert!((quick / p - 1.0).abs() < 0.1, "{quick} {p}");
        assert_eq!(sign_flip_quick(&some[..20]), sign_flip(&some[..20]));
        let mut zeros = vec![0.0; 40];
        zeros[..6].fill(1.0);
        assert_eq!(sign_flip_quick(&zeros), 0.03125);
        assert_eq!(sign_flip_quick(&[1.0; 40]), sign_flip_least(40));
        assert_eq!(sign_flip_quick(&[f64::NAN; 40]), 1.0);
        assert_eq!(sign_flip_quick(&[0.0; 40]), 1.0);
    }

    /// Table of the protocol: 6 pairs reach 0.031, 8 pairs 0.008.
    #[test]
    fn fewest_pairs_of_the_protocol() {
        assert_eq!(sign_flip(&[0.1; 5]), 0.0625);
        assert_eq!(sign_flip(&[0.1; 6]), 0.03125);
        assert_eq!(sign_flip(&[0.1; 8]), 0.007_812_5);
    }

    #[test]
    fn nothing_to_test_gives_one() {
        for differences in [&[][..], &[0.0, 0.0], &[1.0, f64::NAN], &[f64::INFINITY]] {
            assert_eq!(sign_flip(differences), 1.0);
        }
        assert_eq!(sign_flip(&[2.0]), 1.0);
        assert_eq!(sign_flip(&[f64::MAX; 6]), 0.03125);
        assert_eq!(sign_flip(&[1.0, -1.0]), 1.0);
    }

    fn brute(differences: &[f64]) -> f64 {
        let sizes: f64 = differences.iter().map(|d| d.abs()).sum();
        let limit = differences.iter().sum::<f64>().abs() - 1e-12 * sizes;
        let all = 1_u64 << differences.len();
        let extreme = (0..all).filter(|bits| signed_sum(differences, *bits).abs() >= limit);
        extreme.count() as f64 / all as f64
    }

    proptest! {
        #[test]
        fn prop_exact_equals_brute_force(
            tenths in prop::collection::vec(-20_i32..20, 1..11),
        ) {
            // Tenths tie often, and differ by rounding when they do.
            let differences: Vec<f64> = tenths.iter().map(|t| 0.1 * f64::from(*t)).collect();
            prop_assert_eq!(sign_flip(&differences), brute(&differences));
        }

        #[test]
        fn prop_p_is_a_probability_and_ignores_sign_order_and_unit(
            differences in prop::collection::vec(-1.0_f64..1.0, 1..15),
        ) {
            let p = sign_flip(&differences);
            prop_assert!(p >= 2.0_f64.powi(1 - differences.len() as i32) && p <= 1.0);
            let other: Vec<f64> = differences.iter().rev().map(|d| -8.0 * d).collect();
            prop_assert_eq!(p, sign_flip(&other));
        }
    }
}
