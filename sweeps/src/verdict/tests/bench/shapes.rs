//! Trends, slopes and doses along an axis.

use super::*;

const RISING: &str = "[[criterion]]\ntest = \"jonckheere\"\nalong = \"model.layers\"\n\
                      direction = \"increasing\"\n";

#[test]
fn no_trend_is_found_too_often_with_and_without_ties() {
    let noise = |correlation: f64, steps: f64| {
        move |generator: &mut ChaCha8Rng, run: Run| {
            let value = correlated(generator, run.shared, correlation);
            // Rounded to few values, most of which tie.
            End::Loss(3.0 + (value * steps).round() / steps / 10.0)
        }
    };
    for seeds in [3, 5, 8] {
        let bench = Bench::new(&[DEPTHS], seeds, RISING);
        for (correlation, steps) in [(0.0, 1e6), (0.7, 1e6), (0.0, 0.7), (0.0, 0.4)] {
            let verdicts = bench.verdicts(600, noise(correlation, steps));
            at_most(reproduced(&verdicts), SIZE);
        }
    }
}

#[test]
fn a_trend_is_found() {
    let rising = |generator: &mut ChaCha8Rng, run: Run| {
        End::Loss(3.0 + 0.1 * run.layers.log2() + 0.05 * normal(generator))
    };
    let verdicts = Bench::new(&[DEPTHS], 5, RISING).verdicts(200, rising);
    at_least(reproduced(&verdicts), 0.99);
}

/// Losses that grow like a power of depth, with an exponent of its own for every seed.
fn power_law(exponent: f64) -> impl Fn(&mut ChaCha8Rng, Run) -> End {
    move |generator, run| {
        let exponent = exponent + 0.05 * run.shared;
        End::Loss(run.layers.powf(exponent) * (1.0 + 0.01 * normal(generator)))
    }
}

#[test]
fn an_exponent_at_the_end_of_its_bound_is_not_said_to_lie_inside() {
    for bound in ["above = 0.2", "inside = [0.2, 0.9]", "at_most = 0.2"] {
        let criterion =
            format!("[[criterion]]\ntest = \"slope\"\nalong = \"model.layers\"\n{bound}\n");
        let verdicts = Bench::new(&[DEPTHS], 6, &criterion).verdicts(SWEEPS, power_law(0.2));
        at_most(reproduced(&verdicts), SIZE);
        at_least(coverage(&verdicts, 0, 0.2), COVERAGE);
    }
}

fn dose(seeds: usize) -> Bench {
    let criterion = compare(
        "ld50",
        "along = \"model.layers\"\ndirection = \"treatment_higher\"",
    );
    let doses = "\"model.layers\" = [2, 4, 8, 16]";
    Bench::new(&[NORMS, doses], seeds, &criterion)
}

/// Runs that fail from a depth on that differs between seeds: 2^(2 ± spread) layers, times `ratio`
/// under treatment.
fn cliff(ratio: f64, spread: f64) -> impl Fn(&mut ChaCha8Rng, Run) -> End {
    move |generator, run| {
        let limit = 2.5 + spread * run.shared + 0.3 * normal(generator);
        let limit = limit + if run.treated { ratio.log2() } else { 0.0 };
        if run.layers.log2() > limit {
            End::Stuck
        } else {
            End::Loss(3.0)
        }
    }
}

#[test]
fn no_ratio_of_doses_is_found_too_often() {
    for seeds in [6, 8] {
        for spread in [0.05, 0.8] {
            let verdicts = dose(seeds).verdicts(250, cliff(1.0, spread));
            at_most(small_p(&verdicts), SIZE);
            at_most(reproduced(&verdicts), SIZE / 2.0);
            never_contradicts(&verdicts, 1.0);
        }
    }
}

#[test]
fn the_interval_of_a_ratio_of_doses_covers_it() {
    let verdicts = dose(8).verdicts(250, cliff(2.0, 0.8));
    let known = share(&verdicts, |v| {
        let effect = v.findings[0].effects.first();
        effect.is_some_and(|effect| effect.interval.is_some())
    });
    at_least(known, 0.9);
    at_least(coverage(&verdicts, 0, 2.0) / known, COVERAGE);
    at_least(reproduced(&verdicts), 0.8);
}
