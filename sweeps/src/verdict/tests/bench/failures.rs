//! Counts of failures, and what failures do to comparisons of a metric.

use super::*;
use VerdictStatus::{Inconclusive, NotReproduced};

/// Runs fail with these chances under treatment and control, more alike within a seed the higher
/// the correlation.
fn failing(chances: [f64; 2], correlation: f64) -> impl Fn(&mut ChaCha8Rng, Run) -> End {
    use statrs::distribution::{ContinuousCDF, Normal};
    let limits = chances.map(|chance| Normal::standard().inverse_cdf(chance));
    move |generator, run| {
        let limit = if run.treated { limits[0] } else { limits[1] };
        if correlated(generator, run.shared, correlation) < limit {
            End::Stuck
        } else {
            End::Loss(3.0 + 0.1 * normal(generator))
        }
    }
}

fn counts(test: &str, seeds: usize) -> Bench {
    let criterion = compare(test, "direction = \"treatment_more\"");
    Bench::new(&[NORMS], seeds, &criterion)
}

#[test]
fn no_difference_of_shares_is_found_too_often_paired_or_not() {
    for test in ["fisher", "mcnemar"] {
        for chance in [0.2, 0.5, 0.8] {
            for correlation in [0.0, 0.6] {
                let verdicts = counts(test, 8).verdicts(500, failing([chance; 2], correlation));
                at_most(small_p(&verdicts), SIZE);
                at_most(reproduced(&verdicts), SIZE / 2.0);
                never_contradicts(&verdicts, 0.0);
            }
        }
    }
}

#[test]
fn the_interval_of_a_difference_of_shares_covers_it() {
    for chances in [[0.9, 0.1], [0.5, 0.2], [0.7, 0.7]] {
        for seeds in [6, 10] {
            let verdicts = counts("fisher", seeds).verdicts(SWEEPS, failing(chances, 0.3));
            at_least(coverage(&verdicts, 0, chances[0] - chances[1]), COVERAGE);
            let held = share(&verdicts, |verdict| {
                verdict.findings[0].counts[0].interval.holds(chances[0])
            });
            at_least(held, COVERAGE);
            never_contradicts(&verdicts, 0.0);
        }
    }
}

/// Where the control nearly always fails as well, nothing was tested.
#[test]
fn a_ceiling_is_inconclusive() {
    for test in ["fisher", "mcnemar"] {
        let verdicts = counts(test, 6).verdicts(300, failing([0.99, 0.95], 0.0));
        at_most(reproduced(&verdicts), SIZE);
        at_least(status(&verdicts, Inconclusive), 0.7);
        let all = counts(test, 6).verdicts(10, |_, _| End::Stuck);
        assert_eq!(status(&all, Inconclusive), 1.0);
    }
}

/// Losses of which the higher half of the treatment's runs diverge: what survives looks better than
/// the control, and must not.
#[test]
fn survivors_do_not_decide() {
    let criterion = compare("permutation", "direction = \"treatment_lower\"");
    let survivors = |generator: &mut ChaCha8Rng, run: Run| {
        let loss = normal(generator);
        if run.treated && loss > 0.0 {
            End::Nonfinite
        } else {
            End::Loss(3.0 + 0.1 * loss)
        }
    };
    let verdicts = Bench::new(&[NORMS], 12, &criterion).verdicts(300, survivors);
    at_most(reproduced(&verdicts), SIZE);
    let rising = "[[criterion]]\ntest = \"jonckheere\"\nalong = \"model.layers\"\n\
                  direction = \"decreasing\"\n";
    let survivors = |generator: &mut ChaCha8Rng, run: Run| {
        let loss = normal(generator);
        if loss > 3.0 - run.layers.log2() {
            End::Nonfinite
        } else {
            End::Loss(3.0 + 0.1 * loss)
        }
    };
    let verdicts = Bench::new(&[DEPTHS], 8, rising).verdicts(300, survivors);
    at_most(reproduced(&verdicts), SIZE);
}

/// Failures in both arms alike.
#[test]
fn failures_that_are_alike_keep_the_level() {
    let alike = |generator: &mut ChaCha8Rng, run: Run| {
        if generator.random::<f64>() < 0.3 {
            End::Nonfinite
        } else {
            End::Loss(3.0 + 0.1 * correlated(generator, run.shared, 0.5))
        }
    };
    let higher = compare("permutation", "direction = \"treatment_higher\"");
    let verdicts = Bench::new(&[NORMS], 8, &higher).verdicts(SWEEPS, alike);
    at_most(small_p(&verdicts), SIZE);
    let rising = "[[criterion]]\ntest = \"jonckheere\"\nalong = \"model.layers\"\n\
                  direction = \"increasing\"\n";
    let verdicts = Bench::new(&[DEPTHS], 4, rising).verdicts(SWEEPS, alike);
    at_most(reproduced(&verdicts), SIZE);
    // A mean has no place for them.
    let equal = compare("tost", "margin = 5.0");
    let verdicts = Bench::new(&[NORMS], 8, &equal).verdicts(100, alike);
    at_most(reproduced(&verdicts), 0.1);
    at_most(status(&verdicts, NotReproduced), 0.0);
}

/// Runs that are missing leave it open, whatever the others show, unless they could not turn it.
#[test]
fn missing_runs_are_never_guessed() {
    let missing = |effect: f64| {
        move |generator: &mut ChaCha8Rng, run: Run| {
            let loss = 3.0 + 0.1 * normal(generator) + if run.treated { effect } else { 0.0 };
            if generator.random::<f64>() < 0.2 {
                End::Missing
            } else if loss > 3.4 {
                End::Stuck
            } else {
                End::Loss(loss)
            }
        }
    };
    for test in ["permutation", "fisher", "mcnemar", "tost"] {
        let more = match test {
            "permutation" => "direction = \"treatment_higher\"",
            "tost" => "margin = 5.0",
            _ => "direction = \"treatment_more\"",
        };
        let bench = Bench::new(&[NORMS], 8, &compare(test, more));
        let verdicts = bench.verdicts(300, missing(0.0));
        let complete = share(&verdicts, |verdict| verdict.missing_runs.is_empty());
        at_most(complete, 0.1);
        at_most(reproduced(&verdicts), SIZE);
        if test == "permutation" || test == "tost" {
            let verdicts = bench.verdicts(300, missing(0.3));
            assert!(
                verdicts
                    .iter()
                    .all(|v| v.missing_runs.is_empty() || v.status == Inconclusive)
            );
        }
    }
}
