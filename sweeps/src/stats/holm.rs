//! Many tests at once.

/// Adjusted p values of Holm (Scandinavian Journal of Statistics 6:65, 1979), in the order given:
/// the k-th smallest of m is multiplied by m − k + 1, raised to the largest before it and capped
/// at 1. Rejecting where the adjusted p is at most α keeps the chance of any false rejection in
/// the family at α, whatever the dependence between tests. NaN, a test that could not be made,
/// counts as 1 and stays in the family.
#[must_use]
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let p = |i: usize| {
        if p_values[i].is_nan() {
            1.0
        } else {
            p_values[i]
        }
    };
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p(*a).total_cmp(&p(*b)));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut least: f64 = 0.0;
    for (rank, i) in order.into_iter().enumerate() {
        let tests_left = (p_values.len() - rank) as f64;
        least = least.max(tests_left * p(i)).min(1.0);
        adjusted[i] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `statsmodels.stats.multitest.multipletests(p, method='holm')[1]`, statsmodels 0.15.0. The
    /// second family is that of Benjamini & Hochberg (JRSS B 57:289, 1995).
    #[test]
    fn agrees_with_statsmodels() {
        let cases: [(&[f64], &[f64]); 2] = [
            (
                &[0.01, 0.04, 0.03, 0.005, 0.2],
                &[0.04, 0.09, 0.09, 0.025, 0.2],
            ),
            (
                &[
                    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240,
                    0.4262, 0.5719, 0.6528, 0.759, 1.0,
                ],
                &[
                    0.0015, 0.0056, 0.0247, 0.114, 0.2211, 0.278, 0.278, 0.278, 0.3213, 1.0, 1.0,
                    1.0, 1.0, 1.0, 1.0,
                ],
            ),
        ];
        for (p_values, golden) in cases {
            for (found, golden) in holm(p_values).iter().zip(golden) {
                assert!((found - golden).abs() < 1e-12, "{found} {golden}");
            }
        }
    }

    #[test]
    fn one_test_is_itself_and_nan_is_no_evidence() {
        assert_eq!(holm(&[]), Vec::<f64>::new());
        assert_eq!(holm(&[0.03]), [0.03]);
        assert_eq!(holm(&[f64::NAN, 0.03]), [1.0, 0.06]);
    }

    proptest! {
        #[test]
        fn prop_monotone_capped_and_independent_of_order(
            p_values in prop::collection::vec(0.0_f64..=1.0, 1..20),
        ) {
            let adjusted = holm(&p_values);
            for (i, p) in p_values.iter().enumerate() {
                let bonferroni = (p * p_values.len() as f64).min(1.0);
                prop_assert!(*p <= adjusted[i] && adjusted[i] <= bonferroni.max(*p) + 1e-12);
                for (j, other) in p_values.iter().enumerate() {
                    prop_assert!(p > other || adjusted[i] <= adjusted[j]);
                }
            }
            let reversed: Vec<f64> = p_values.iter().rev().copied().collect();
            let mut back = holm(&reversed);
            back.reverse();
            prop_assert_eq!(back, adjusted);
        }
    }
}
