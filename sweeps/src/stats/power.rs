//! Power of designs: the chance that the protocol's tests find an effect of a stated size.
//!
//! Means and equivalence are computed; what has no closed form is in [`simulated`]. They say how
//! small an effect a design finds; the power for the effect that a card expects comes from deciding
//! simulated sweeps.

mod simulated;

pub use simulated::{sign_flip_power, trend_power};

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};
use statrs::function::gamma::ln_gamma;

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
