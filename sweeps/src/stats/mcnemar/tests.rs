//! McNemar's test, and how it compares with Fisher's on pairs that are alike.

use super::*;
use crate::stats::{Proportion, fisher_exact};
use proptest::prelude::*;

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
    assert!(
        mcnemar_exact(9_000, 0) >= 0.0,
        "large counts underflow at worst"
    );
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

/// What decision 13 rests on: neither test rejects too often however alike the pairs are, and
/// Fisher's finds more.
#[test]
fn fisher_keeps_its_level_on_pairs_and_finds_more_than_mcnemar() {
    for n in [6, 8, 10, 12] {
        for step in 0..10 {
            let correlation = f64::from(step) / 10.0;
            let sizes = [fisher as fn(_) -> _, mcnemar].map(|test| size(test, n, correlation));
            println!(
                "size n={n} ρ={correlation}: {:.4} {:.4}",
                sizes[0], sizes[1]
            );
            assert!(
                sizes.iter().all(|size| *size <= 0.05),
                "{n} {correlation}: {sizes:?}"
            );
            for (p, q) in [
                (0.9, 0.1),
                (0.9, 0.05),
                (0.8, 0.2),
                (0.7, 0.2),
                (0.6, 0.1),
                (0.5, 0.05),
            ] {
                let Some(shares) = alike(p, q, correlation) else {
                    continue;
                };
                let powers = [fisher as fn(_) -> _, mcnemar].map(|test| power(test, shares, n));
                println!(
                    "power n={n} ρ={correlation} {p} {q}: {:.3} {:.3}",
                    powers[0], powers[1]
                );
            }
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
