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

#[cfg(test)]
mod tests {
    use super::*;

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
