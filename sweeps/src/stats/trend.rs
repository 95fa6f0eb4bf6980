//! Trend over ordered groups, for example a metric over a dose.

mod tied;

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

/// Most arrangements of the values over the groups for which the exact distribution is counted;
/// counts of this size are exact in 128 bits.
const MOST_ARRANGEMENTS: f64 = 1e36;

/// Result of the trend test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    /// J: pairs of values from two groups in increasing order, ties counted half.
    pub statistic: f64,
    /// (J − E J)/√Var J, the variance corrected for ties; 0 when the variance is.
    pub z: f64,
    /// One-sided p against values that grow from group to group.
    pub p_increasing: f64,
    /// One-sided p against values that fall from group to group.
    pub p_decreasing: f64,
}

/// Test of Jonckheere (Biometrika 41:133, 1954) and Terpstra for a monotone trend over `groups`
/// in their order, with the variance of Hollander & Wolfe (Nonparametric Statistical Methods,
/// 1999, §6.2, equation 6.19). p is that of all arrangements of the values found over the groups.
/// They are counted where no values tie and there are at most 10³⁶ (five groups of ten have
/// 5·10³¹), and where values tie in small groups (three of eight). In larger groups with ties
/// 100,000 arrangements are drawn from a fixed seed and p = (k + 1)/(m + 1), which keeps the test
/// valid. Only beyond 10³⁶ without ties is p normal, without continuity correction.
///
/// Infinite values rank as they are, so a diverged run may count as the worst. With a NaN, fewer
/// than two groups with values, or only equal values there is no evidence: both p are 1.
#[must_use]
pub fn jonckheere(groups: &[Vec<f64>]) -> Trend {
    let mut pooled: Vec<f64> = groups.iter().flatten().copied().collect();
    pooled.sort_by(f64::total_cmp);
    let ties: Vec<usize> = pooled.chunk_by(|a, b| a == b).map(<[f64]>::len).collect();
    let sizes: Vec<usize> = groups.iter().map(Vec::len).collect();
    let statistic = statistic(groups);
    let variance = variance(&sizes, &ties);
    // One group or one value has variance 0 but for rounding; any other has at least about ¼.
    if variance < 1e-6 || pooled.iter().any(|value| value.is_nan()) {
        return Trend {
            statistic,
            z: 0.0,
            p_increasing: 1.0,
            p_decreasing: 1.0,
        };
    }
    let z = (statistic - mean(&sizes)) / variance.sqrt();
    let (p_increasing, p_decreasing) = if ties.len() < pooled.len() {
        tied::tails(&sizes, &ties, statistic)
    } else if let Some(shares) = distribution(&sizes) {
        let at = statistic as usize;
        (shares[at..].iter().sum(), shares[..=at].iter().sum())
    } else {
        (Normal::standard().sf(z), Normal::standard().cdf(z))
    };
    Trend {
        statistic,
        z,
        p_increasing: p_increasing.min(1.0),
        p_decreasing: p_decreasing.min(1.0),
    }
}

/// J, the sum of the Mann–Whitney counts of all pairs of groups.
pub(super) fn statistic(groups: &[Vec<f64>]) -> f64 {
    let mut halves = 0_u64;
    for (i, lower) in groups.iter().enumerate() {
        for upper in &groups[i + 1..] {
            for a in lower {
                let half = |b: &f64| u64::from(b > a) + u64::from(b >= a);
                halves += upper.iter().map(half).sum::<u64>();
            }
        }
    }
    halves as f64 / 2.0
}

/// Expected J without a trend.
fn mean(sizes: &[usize]) -> f64 {
    let total = sizes.iter().sum::<usize>() as f64;
    let squares: f64 = sizes.iter().map(|n| (*n as f64).powi(2)).sum();
    (total * total - squares) / 4.0
}

fn variance(sizes: &[usize], ties: &[usize]) -> f64 {
    let sum = |counts: &[usize], term: fn(f64) -> f64| -> f64 {
        counts.iter().map(|count| term(*count as f64)).sum()
    };
    let pairs: fn(f64) -> f64 = |t| t * (t - 1.0);
    let triples: fn(f64) -> f64 = |t| t * (t - 1.0) * (t - 2.0);
    let main: fn(f64) -> f64 = |t| t * (t - 1.0) * (2.0 * t + 5.0);
    let total = sizes.iter().sum::<usize>() as f64;
    // Below three values the numerators that belong to a zero denominator are zero too.
    (main(total) - sum(sizes, main) - sum(ties, main)) / 72.0
        + sum(sizes, triples) * sum(ties, triples) / (36.0 * triples(total).max(1.0))
        + sum(sizes, pairs) * sum(ties, pairs) / (8.0 * pairs(total).max(1.0))
}

/// Probability of every J from 0 on without a trend and without ties; absent when there are too
/// many arrangements.
///
/// The counts are the coefficients of the Gaussian multinomial ∏(1 − qⁱ)/∏ₖ∏(1 − qⁱ), i up to N
/// above and up to nₖ below: a group of n put before N values contributes ∏ (1 − q^(N+i))/(1 − qⁱ).
pub(super) fn distribution(sizes: &[usize]) -> Option<Vec<f64>> {
    let (mut counts, mut before, mut arrangements) = (vec![1_i128], 0, 1.0);
    for size in sizes {
        for i in 1..=*size {
            arrangements *= (before + i) as f64 / i as f64;
            if arrangements > MOST_ARRANGEMENTS {
                return None;
            }
            counts.resize(counts.len() + before + i, 0);
            for j in (before + i..counts.len()).rev() {
                counts[j] -= counts[j - before - i];
            }
            for j in i..counts.len() {
                counts[j] += counts[j - i];
            }
            // The quotient is a polynomial again, i degrees shorter.
            counts.truncate(counts.len() - i);
        }
        before += size;
    }
    let total = counts.iter().sum::<i128>() as f64;
    Some(counts.iter().map(|count| *count as f64 / total).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(found: f64, golden: f64) {
        assert!((found - golden).abs() < 1e-9, "{found} {golden}");
    }

    /// Hollander & Wolfe, example 6.2 (pieces made by three groups with more and more
    /// information): J = 79. z from their equation 6.19 in Python, p by counting all 17,153,136
    /// arrangements of the tied values there.
    #[test]
    fn example_of_hollander_and_wolfe() {
        let found = jonckheere(&[
            vec![40.0, 35.0, 38.0, 43.0, 44.0, 41.0],
            vec![38.0, 40.0, 47.0, 44.0, 40.0, 42.0],
            vec![48.0, 40.0, 45.0, 43.0, 46.0, 44.0],
        ]);
        assert_eq!(found.statistic, 79.0);
        close(found.z, 2.039_293_058_845);
        close(found.p_increasing, 0.020_966_486_828);
        close(found.p_decreasing, 0.981_200_172_377);
    }

    /// All 1680 (210) arrangements enumerated in Python.
    #[test]
    fn exact_p_agrees_with_enumeration() {
        let found = jonckheere(&[
            vec![1.2, 0.7, 2.1],
            vec![1.9, 3.3, 2.6],
            vec![2.4, 4.1, 3.9],
        ]);
        assert_eq!(found.statistic, 24.0);
        close(found.z, 7.0 / 3.0);
        close(found.p_increasing, 18.0 / 1680.0);
        close(found.p_decreasing, 1672.0 / 1680.0);
        let found = jonckheere(&[vec![5.0, 3.1], vec![4.2, 2.2, 1.5], vec![1.1, 0.3]]);
        assert_eq!(found.statistic, 1.0);
        close(found.z, -2.251_436_323_159);
        close(found.p_increasing, 209.0 / 210.0);
        close(found.p_decreasing, 3.0 / 210.0);
    }

    /// Two groups are the Mann–Whitney test: `scipy.stats.mannwhitneyu([2.4, 4.1, 3.9, 5.0],
    /// [1.2, 0.7, 2.1, 3.0, 2.8], alternative='greater', method='exact')`, scipy 1.17.1.
    #[test]
    fn two_groups_agree_with_scipy() {
        let found = jonckheere(&[vec![1.2, 0.7, 2.1, 3.0, 2.8], vec![2.4, 4.1, 3.9, 5.0]]);
        assert_eq!(found.statistic, 18.0);
        close(found.p_increasing, 0.031_746_031_746);
    }

    /// Variance of J over all arrangements of tied values, enumerated in Python.
    #[test]
    fn tied_variance_agrees_with_enumeration() {
        close(variance(&[3, 3, 3], &[1, 3, 4, 1]), 17.758_928_571_429);
        close(variance(&[2, 3, 2], &[3, 3, 1]), 8.2);
        close(variance(&[1, 1], &[1, 1]), 0.25);
    }

    #[test]
    fn no_evidence_gives_one() {
        for groups in [
            vec![],
            vec![vec![1.0, 2.0], vec![]],
            vec![vec![1.0], vec![1.0], vec![1.0]],
            vec![vec![1.0], vec![f64::NAN], vec![3.0]],
        ] {
            let found = jonckheere(&groups);
            assert_eq!((found.p_increasing, found.p_decreasing), (1.0, 1.0));
        }
        let worst = jonckheere(&[vec![1.0, 2.0], vec![3.0, f64::INFINITY]]);
        close(worst.p_increasing, 1.0 / 6.0);
    }

    #[test]
    fn large_designs_fall_back_to_the_normal_approximation() {
        assert_eq!(distribution(&[40; 6]), None);
        let tens = distribution(&[10; 5]).unwrap();
        let (mean, total) = (mean(&[10; 5]), tens.iter().sum::<f64>());
        close(total, 1.0);
        let of = |j: usize| (j as f64 - mean).powi(2);
        let spread: f64 = tens.iter().enumerate().map(|(j, p)| of(j) * p).sum();
        close(spread / variance(&[10; 5], &[1; 50]), 1.0);
        let groups: Vec<Vec<f64>> = (0..6)
            .map(|g| (0..40).map(|i| f64::from(7 * i + g)).collect())
            .collect();
        let found = jonckheere(&groups);
        close(found.p_increasing, Normal::standard().sf(found.z));
    }

    proptest! {
        #[test]
        fn prop_reversal_swaps_the_directions(
            groups in prop::collection::vec(prop::collection::vec(0_i8..9, 0..5), 0..5),
        ) {
            let groups: Vec<Vec<f64>> = groups
                .into_iter()
                .map(|group| group.into_iter().map(f64::from).collect())
                .collect();
            let found = jonckheere(&groups);
            let back = jonckheere(&groups.into_iter().rev().collect::<Vec<_>>());
            for p in [found.p_increasing, found.p_decreasing] {
                prop_assert!((0.0..=1.0).contains(&p));
            }
            prop_assert!((found.z + back.z).abs() < 1e-9);
            prop_assert!((found.p_increasing - back.p_decreasing).abs() < 1e-9);
            prop_assert!((found.p_decreasing - back.p_increasing).abs() < 1e-9);
        }
    }
}
