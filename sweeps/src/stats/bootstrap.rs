//! Bootstrap intervals over runs.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Resamples of every interval that is reported.
pub(super) const BOOTSTRAP_RESAMPLES: usize = 4_000;
/// Least share of resamples with a finite statistic. The interval describes only resamples that
/// have one; where more than a tenth have none, it would describe something else.
const LEAST_FINITE: f64 = 0.9;

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
pub(crate) fn quantile(sorted: &[f64], p: f64) -> f64 {
    let last = sorted.len() - 1;
    let position = p * last as f64;
    let below = (position as usize).min(last);
    let above = (below + 1).min(last);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `numpy.quantile([1, 2, 4, 8], p)`.
    #[test]
    fn quantiles_agree_with_numpy() {
        for (p, golden) in [(0.0, 1.0), (0.25, 1.75), (0.5, 3.0), (0.9, 6.8), (1.0, 8.0)] {
            assert!((quantile(&[1.0, 2.0, 4.0, 8.0], p) - golden).abs() < 1e-12);
        }
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
        assert_eq!(replicates(8, 1_000, needs(1), 1), None);
        let most = replicates(8, 1_000, needs(4), 1).unwrap();
        assert!((900..1_000).contains(&most.len()) && most.is_sorted());
    }
}
