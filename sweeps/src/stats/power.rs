//! Power of designs: the chance that the protocol's tests find an effect of a stated size.
//!
//! Counts of failures, means and equivalence are computed, not simulated; what has no closed form
//! is in [`simulated`].

mod simulated;

pub use simulated::{ld50_power, sign_flip_power, trend_power};

use crate::stats::{Proportion, fisher_exact};
use statrs::distribution::{Binomial, ContinuousCDF, Discrete, Normal, StudentsT};
use statrs::function::gamma::ln_gamma;

/// Probability that the two-sided [`fisher_exact`] gives p ≤ `alpha` and points the stated way:
/// more failures under the treatment if `treatment_more`, else fewer. Summed over all pairs of
/// counts, each binomial with its chance of failure. 0 for a chance outside 0..=1.
#[must_use]
pub fn fisher_power(
    p_treatment: f64,
    n_treatment: u64,
    p_control: f64,
    n_control: u64,
    alpha: f64,
    treatment_more: bool,
) -> f64 {
    let (Ok(treatment), Ok(control)) = (
        Binomial::new(p_treatment, n_treatment),
        Binomial::new(p_control, n_control),
    ) else {
        return 0.0;
    };
    let mut power = 0.0;
    for first in 0..=n_treatment {
        for second in 0..=n_control {
            let (a, b) = (
                Proportion::new(first, n_treatment),
                Proportion::new(second, n_control),
            );
            let stated_way = if treatment_more {
                a.share() > b.share()
            } else {
                a.share() < b.share()
            };
            if stated_way && fisher_exact(a, b) <= alpha {
                power += treatment.pmf(first) * control.pmf(second);
            }
        }
    }
    power.min(1.0)
}

/// Probability that Student's t interval of a mean of `n` normal values excludes a value
/// `distance_in_sd` standard deviations from the true mean, on either side: the power of the
/// two-sided t test (noncentral t). 0 below two values, which have no interval.
#[must_use]
pub fn mean_interval_power(distance_in_sd: f64, n: usize, level: f64) -> f64 {
    if n < 2 || distance_in_sd.is_nan() {
        return 0.0;
    }
    let root = (n as f64).sqrt();
    let quantile = t_quantile(n, f64::midpoint(1.0, level));
    let shift = distance_in_sd.abs() * root;
    let normal = Normal::standard();
    over_spread(n, f64::INFINITY, |spread| {
        normal.cdf(shift - quantile * spread) + normal.cdf(-shift - quantile * spread)
    })
}

/// Probability that [`tost`](crate::stats::tost) gives p ≤ `alpha` for `n` normal differences of
/// this true `mean` and `sd`; all three in the unit of `margin`. Exact (Phillips, Journal of
/// Pharmacokinetics and Biopharmaceutics 18:137, 1990). 0 below two differences.
#[must_use]
pub fn tost_power(mean: f64, sd: f64, margin: f64, n: usize, alpha: f64) -> f64 {
    if n < 2 || !(margin > 0.0 && sd >= 0.0 && mean.is_finite()) {
        return 0.0;
    }
    if sd == 0.0 {
        return f64::from(u8::from(mean.abs() < margin));
    }
    let scale = (n as f64).sqrt() / sd;
    let quantile = t_quantile(n, 1.0 - alpha);
    let normal = Normal::standard();
    // Larger sample spreads leave no mean that passes both tests.
    over_spread(n, margin * scale / quantile, |spread| {
        let upper = (margin - mean) * scale - quantile * spread;
        let lower = (-margin - mean) * scale + quantile * spread;
        normal.cdf(upper) - normal.cdf(lower)
    })
}

/// Smallest number of seeds from 1 to `most` whose power reaches `target`; absent when none does.
/// Power of exact tests on counts is a saw-tooth in n, so a larger number may fall below `target`
/// again.
pub fn seeds_needed(power_at: impl Fn(usize) -> f64, target: f64, most: usize) -> Option<usize> {
    (1..=most).find(|n| power_at(*n) >= target)
}

/// Quantile of Student's t with n − 1 degrees of freedom.
fn t_quantile(n: usize, p: f64) -> f64 {
    StudentsT::new(0.0, 1.0, n as f64 - 1.0).map_or(f64::INFINITY, |t| t.inverse_cdf(p))
}

/// Expectation of `value` over s/σ of a sample of `n` normal values, the part below `upper`: √(χ²/ν)
/// with ν = n − 1, whose density is 2 (ν/2)^(ν/2) s^(ν−1) e^(−νs²/2) / Γ(ν/2). Simpson's rule.
fn over_spread(n: usize, upper: f64, value: impl Fn(f64) -> f64) -> f64 {
    const INTERVALS: usize = 2000;
    let freedom = n as f64 - 1.0;
    // χ is at most as widely spread as a standard normal: 10⁻¹⁸ lies outside.
    let reach = 9.0 / freedom.sqrt();
    let low = (1.0 - 1.0 / freedom.sqrt() - reach).max(0.0);
    let high = (1.0 + reach).min(upper);
    if high <= low {
        return 0.0;
    }
    let half = freedom / 2.0;
    let factor = 2.0_f64.ln() + half * half.ln() - ln_gamma(half);
    let term = |i: usize| {
        let s = low + (high - low) * i as f64 / INTERVALS as f64;
        // 0·ln 0 at one degree of freedom.
        let power = if freedom > 1.0 {
            (freedom - 1.0) * s.ln()
        } else {
            0.0
        };
        let weight = match i {
            0 | INTERVALS => 1.0,
            _ => 2.0 + 2.0 * (i % 2) as f64,
        };
        weight * (factor + power - half * s * s).exp() * value(s)
    };
    let sum: f64 = (0..=INTERVALS).map(term).sum();
    (sum * (high - low) / (3.0 * INTERVALS as f64)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(found: f64, golden: f64) {
        assert!(
            (found - golden).abs() < 1e-7,
            "found {found}, golden {golden}"
        );
    }

    /// Sum of `scipy.stats.binom.pmf(a, n1, p1) * binom.pmf(b, n2, p2)` over the tables with
    /// `scipy.stats.fisher_exact(table).pvalue <= alpha` in the direction, scipy 1.17.1.
    #[test]
    fn fisher_power_agrees_with_scipy() {
        for (p1, n1, p2, n2, alpha, more, fewer) in [
            (0.9, 6, 0.1, 6, 0.05, 0.659_002_251_789, 1.09e-10),
            (0.5, 10, 0.2, 12, 0.05, 0.204_115_836_928, 1.350_878_08e-4),
            (1.0, 4, 0.0, 4, 0.05, 1.0, 0.0),
            (0.7, 40, 0.4, 40, 0.01, 0.462_277_679_477, 1.186_658_3e-8),
        ] {
            close(fisher_power(p1, n1, p2, n2, alpha, true), more);
            close(fisher_power(p1, n1, p2, n2, alpha, false), fewer);
            close(fisher_power(p2, n2, p1, n1, alpha, false), more);
        }
        close(fisher_power(1.5, 4, 0.0, 4, 0.05, true), 0.0);
        close(fisher_power(0.5, 0, 0.5, 4, 0.05, true), 0.0);
    }

    /// `t = scipy.stats.t.ppf((1 + level) / 2, n - 1); nct.sf(t, n - 1, d * sqrt(n)) + nct.cdf(-t,
    /// n - 1, d * sqrt(n))`, scipy 1.17.1; at 0.95 also `statsmodels.stats.power.TTestPower()
    /// .power(d, n, 0.05)`, statsmodels 0.15.0.
    #[test]
    fn mean_interval_power_agrees_with_scipy() {
        for (distance, n, level, golden) in [
            (1.0, 8, 0.95, 0.680_833_958_206),
            (2.0, 4, 0.95, 0.754_983_917_114),
            (0.5, 30, 0.90, 0.848_261_924_036),
            (3.0, 2, 0.95, 0.260_770_714_229),
            (0.0, 5, 0.95, 0.05),
            (f64::INFINITY, 5, 0.95, 1.0),
            (1.0, 1, 0.95, 0.0),
        ] {
            close(mean_interval_power(distance, n, level), golden);
        }
    }

    /// `scipy.integrate.quad` of the same integral with `scipy.stats.chi2.pdf`, scipy 1.17.1; a
    /// million simulated experiments each agree within 0.0005.
    #[test]
    fn tost_power_agrees_with_scipy() {
        for (mean, sd, n, golden) in [
            (0.0, 0.01, 6, 0.987_231_019_974),
            (0.005, 0.01, 8, 0.984_100_182_894),
            (0.0, 0.02, 10, 0.795_207_266_706),
            (0.02, 0.01, 8, 0.05),
            (0.0, 0.01, 2, 0.251_419_161_391),
            (0.01, 0.0, 2, 1.0),
            (0.02, 0.0, 2, 0.0),
            (0.0, 0.01, 1, 0.0),
        ] {
            close(tost_power(mean, sd, 0.02, n, 0.05), golden);
        }
    }

    /// The protocol: all against none needs four seeds an arm.
    #[test]
    fn seeds_needed_is_the_smallest() {
        let power = |n: usize| fisher_power(1.0, n as u64, 0.0, n as u64, 0.05, true);
        assert_eq!(seeds_needed(power, 0.8, 10), Some(4));
        assert_eq!(seeds_needed(power, 0.8, 3), None);
        let power = |n: usize| mean_interval_power(1.0, n, 0.95);
        assert_eq!(seeds_needed(power, 0.8, 40), Some(10));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn prop_power_is_a_probability_and_grows_with_the_effect(
            effect in 0.0_f64..3.0, more in 0.0_f64..2.0, n in 2_usize..30,
        ) {
            let (small, large) = (
                mean_interval_power(effect, n, 0.95),
                mean_interval_power(effect + more, n, 0.95),
            );
            prop_assert!((0.0..=1.0).contains(&small) && small <= large + 1e-9);
            prop_assert!(small >= 0.05 - 1e-7);
            let near = tost_power(effect, 1.0, 2.0, n, 0.05);
            let far = tost_power(effect + more, 1.0, 2.0, n, 0.05);
            prop_assert!((0.0..=1.0).contains(&near) && far <= near + 1e-9);
        }
    }
}
