//! Differences of a metric: sign-flip permutation and equivalence.

use super::*;

fn permutation(seeds: usize) -> Bench {
    let criterion = compare("permutation", "direction = \"treatment_higher\"");
    Bench::new(&[NORMS], seeds, &criterion)
}

/// Losses around 3 with a standard deviation of 0.1, `effect` higher under treatment.
fn losses(effect: f64, correlation: f64) -> impl Fn(&mut ChaCha8Rng, Run) -> End {
    move |generator, run| {
        let noise = 0.1 * correlated(generator, run.shared, correlation);
        End::Loss(3.0 + noise + if run.treated { effect } else { 0.0 })
    }
}

#[test]
fn no_difference_is_found_too_often_paired_or_not() {
    for seeds in [6, 8, 10] {
        for correlation in [0.0, 0.8] {
            let verdicts = permutation(seeds).verdicts(SWEEPS, losses(0.0, correlation));
            at_most(small_p(&verdicts), SIZE);
            at_most(reproduced(&verdicts), 0.04);
            never_contradicts(&verdicts, 0.0);
        }
    }
}

#[test]
fn the_interval_of_a_mean_difference_covers_it() {
    for seeds in [6, 7, 8, 10] {
        let verdicts = permutation(seeds).verdicts(SWEEPS, losses(0.07, 0.5));
        at_least(coverage(&verdicts, 0, 0.07), COVERAGE);
        never_contradicts(&verdicts, 0.0);
    }
}

#[test]
fn a_large_difference_is_found() {
    let verdicts = permutation(8).verdicts(200, losses(0.3, 0.5));
    at_least(reproduced(&verdicts), 0.99);
    let verdicts = permutation(8).verdicts(200, losses(-0.3, 0.5));
    at_most(reproduced(&verdicts), 0.0);
}

#[test]
fn equivalence_is_not_claimed_at_the_margin_and_is_within() {
    let bench = Bench::new(&[NORMS], 8, &compare("tost", "margin = 0.1"));
    let at_the_margin = bench.verdicts(SWEEPS, losses(0.1, 0.5));
    at_most(reproduced(&at_the_margin), SIZE);
    let equal = bench.verdicts(200, losses(0.0, 0.9));
    at_least(reproduced(&equal), 0.9);
    // Its interval is at 90 %.
    at_least(coverage(&at_the_margin, 0, 0.1), 0.88);
}

/// At another level interval and test still say the same.
#[test]
fn intervals_are_at_the_level_of_their_tests() {
    let more = "direction = \"treatment_higher\"\nalpha = 0.01";
    let bench = Bench::new(&[NORMS], 8, &compare("permutation", more));
    let verdicts = bench.verdicts(300, losses(0.08, 0.5));
    never_contradicts(&verdicts, 0.0);
    at_least(coverage(&verdicts, 0, 0.08), 0.98);
    let bench = Bench::new(&[NORMS], 8, &compare("tost", "margin = 0.1\nalpha = 0.01"));
    for verdict in bench.verdicts(300, losses(0.03, 0.8)) {
        let finding = &verdict.findings[0];
        let ends = finding.effects[0].interval.unwrap();
        let inside = ends.low > -0.1 && ends.high < 0.1;
        assert_eq!(
            inside,
            finding.p_value.unwrap() < 0.01,
            "{}",
            finding.sentence
        );
    }
}

/// Losses are not normal: few runs that are much worse than the others, in either arm.
#[test]
fn outliers_in_both_arms_neither_break_the_level_nor_the_coverage() {
    let with_outliers = |effect: f64| {
        move |generator: &mut ChaCha8Rng, run: Run| {
            let far = if generator.random::<f64>() < 0.15 {
                1.0
            } else {
                0.0
            };
            let noise = far + 0.1 * normal(generator);
            End::Loss(3.0 + noise + if run.treated { effect } else { 0.0 })
        }
    };
    let verdicts = permutation(8).verdicts(SWEEPS, with_outliers(0.0));
    at_most(small_p(&verdicts), SIZE);
    let verdicts = permutation(8).verdicts(SWEEPS, with_outliers(0.1));
    at_least(coverage(&verdicts, 0, 0.1), COVERAGE);
    never_contradicts(&verdicts, 0.0);
}
