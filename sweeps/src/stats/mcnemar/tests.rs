//! McNemar's test, and how it compares with Fisher's on pairs that are alike.

use super::*;
use crate::stats::{Proportion, fisher_exact};
use proptest::prelude::*;
use statrs::function::factorial::ln_factorial;

fn close(found: f64, golden: f64) {
    assert!((found - golden).abs() < 1e-12, "{found} {golden}");
}

/// `scipy.stats.binomtest(b, b + c, 0.5).pvalue`, which
/// `statsmodels.stats.contingency_tables.mcnemar(exact=True)` gives as well.
#[test]
fn agrees_with_the_sign_test() {
    for (b, c, golden) in [
        (6, 0, 0.03125),
        (4, 0, 0.125),
        (5, 1, 0.21875),
        (10, 2, 0.038_574_218_75),
        (7, 7, 1.0),
        (1, 0, 1.0),
        (0, 0, 1.0),
    ] {
        close(mcnemar_exact(b, c), golden);
        close(mcnemar_exact(c, b), golden);
    }
    assert_eq!(mcnemar_exact(6, 0), 0.03125, "to the last bit");
    // Counted below 1,000 pairs, by the distribution above.
    let [below, above] = [(460, 540), (461, 541)].map(|(b, c)| mcnemar_exact(b, c));
    assert!((below / above - 1.0).abs() < 0.01, "{below} {above}");
    assert!(mcnemar_exact(9_000, 0) < 1e-300);
}

/// Probability of the tables of `n` pairs that `holds` accepts, where a pair falls into the four
/// kinds of [`PairCounts`], in their order, with the given probabilities.
fn probability(shares: [f64; 4], n: u64, holds: impl Fn(PairCounts) -> bool) -> f64 {
    let mut sum = 0.0;
    for both in 0..=n {
        for treatment_only in 0..=n - both {
            for control_only in 0..=n - both - treatment_only {
                let table = PairCounts {
                    both,
                    treatment_only,
                    control_only,
                    neither: n - both - treatment_only - control_only,
                };
                if holds(table) {
                    sum += chance(table, shares);
                }
            }
        }
    }
    sum.min(1.0)
}

/// Multinomial probability of a table.
fn chance(table: PairCounts, shares: [f64; 4]) -> f64 {
    let counts = [
        table.both,
        table.treatment_only,
        table.control_only,
        table.neither,
    ];
    let mut logarithm = ln_factorial(table.pairs());
    for (count, share) in counts.into_iter().zip(shares) {
        if count > 0 {
            logarithm += count as f64 * share.ln() - ln_factorial(count);
        }
    }
    logarithm.exp()
}

/// Shares of the four kinds of pairs when treatment and control show the event in shares `p` and
/// `q` with a correlation ρ within pairs; `None` where no two such events are so alike.
fn alike(p: f64, q: f64, correlation: f64) -> Option<[f64; 4]> {
    let both = p * q + correlation * (p * (1.0 - p) * q * (1.0 - q)).sqrt();
    let shares = [both, p - both, q - both, 1.0 - p - q + both];
    let possible = shares.iter().all(|share| *share > -1e-12);
    possible.then(|| shares.map(|share| share.max(0.0)))
}

fn fisher(found: PairCounts) -> f64 {
    let n = found.pairs();
    fisher_exact(
        Proportion::new(found.both + found.treatment_only, n),
        Proportion::new(found.both + found.control_only, n),
    )
}

fn mcnemar(found: PairCounts) -> f64 {
    mcnemar_exact(found.treatment_only, found.control_only)
}

const SHARES: [f64; 9] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/// Largest chance of p ≤ 0.05 without any effect, over shares of the event.
fn size(p_value: fn(PairCounts) -> f64, n: u64, correlation: f64) -> f64 {
    let of = |p: &f64| {
        let shares = alike(*p, *p, correlation)?;
        Some(probability(shares, n, |found| p_value(found) <= 0.05))
    };
    SHARES.iter().filter_map(of).fold(0.0, f64::max)
}

/// Chance of p ≤ 0.05 with more events under treatment.
fn power(p_value: fn(PairCounts) -> f64, shares: [f64; 4], n: u64) -> f64 {
    probability(shares, n, |found| {
        found.treatment_only > found.control_only && p_value(found) <= 0.05
    })
}

/// Neither test rejects too often, however alike the pairs are.
#[test]
fn both_tests_keep_their_level_on_pairs() {
    for n in [6, 8, 10, 12] {
        for correlation in (0..10).map(|step| f64::from(step) / 10.0) {
            for test in [fisher as fn(_) -> _, mcnemar] {
                let size = size(test, n, correlation);
                assert!(size <= 0.05, "{n} pairs, correlation {correlation}: {size}");
            }
        }
    }
    // The largest, of Fisher's test, is that of independent runs.
    assert!((size(fisher, 12, 0.0) - 0.0228).abs() < 0.001);
}

/// The table of decision 13, Fisher's power and McNemar's, computed apart in Python from
/// binomial coefficients.
#[test]
fn powers_are_those_of_the_decision() {
    for (n, p, q, correlation, golden) in [
        (6, 0.9, 0.05, 0.0, [0.774, 0.391]),
        (6, 0.9, 0.1, 0.1, [0.656, 0.264]),
        (8, 0.8, 0.2, 0.2, [0.596, 0.322]),
        (10, 0.7, 0.2, 0.3, [0.402, 0.377]),
        (12, 0.6, 0.3, 0.5, [0.128, 0.123]),
        (16, 0.8, 0.4, 0.3, [0.500, 0.609]),
        (20, 0.8, 0.4, 0.4, [0.680, 0.867]),
    ] {
        let shares = alike(p, q, correlation).unwrap();
        let found = [fisher as fn(_) -> _, mcnemar].map(|test| power(test, shares, n));
        for (found, golden) in found.into_iter().zip(golden) {
            assert!(
                (found - golden).abs() < 6e-4,
                "{n} {p} {q}: {found} {golden}"
            );
        }
    }
}

proptest! {
    #[test]
    fn prop_more_discordance_of_one_kind_is_more_evidence(b in 0_u64..40, c in 0_u64..40) {
        let p = mcnemar_exact(b, c);
        prop_assert!((0.0..=1.0).contains(&p));
        if b > c {
            prop_assert!(mcnemar_exact(b + 1, c) <= p + 1e-12);
            prop_assert!(mcnemar_exact(b, c + 1) >= p - 1e-12);
        }
    }

    #[test]
    fn prop_the_tables_of_n_pairs_have_probability_one(p in 0.0_f64..=1.0, q in 0.0_f64..=1.0) {
        let shares = alike(p, q, 0.0).unwrap();
        prop_assert!((probability(shares, 7, |_| true) - 1.0).abs() < 1e-9);
    }
}
