//! Tests along an axis: exponents, trends and the dose at which half of the runs fail.

use super::made::{RISING, fine, says, verdict_of};
use crate::Outcome;
use crate::criterion::Open;
use crate::verdict::VerdictStatus::{Inconclusive, NotReproduced, Reproduced};

fn slope(bound: &str) -> String {
    format!(
        "[criterion]\ntest = \"slope\"\nalong = \"model.layers\"\n\
         at = {{ \"model.norm\" = \"post\" }}\n{bound}\n"
    )
}

/// Every seed has its own scale and the same exponent.
fn power_law(exponent: f64) -> impl Fn(&str, i64, u64) -> super::made::Run {
    move |_, layers, seed| fine(seed as f64 * (layers as f64).powf(exponent))
}

#[test]
fn the_exponent_of_a_power_law_is_found_exactly() {
    let verdict = verdict_of(&slope("inside = [1.4, 1.6]"), power_law(1.5));
    assert_eq!(verdict.status, Reproduced);
    let effect = &verdict.findings[0].effects[0];
    assert!((effect.value - 1.5).abs() < 1e-12);
    let interval = effect.interval.unwrap();
    assert!(interval.high - interval.low < 1e-9);
    says(
        &verdict.sentence,
        "at post: 1.5 (95 % interval over 8 seeds 1.5 to 1.5); expected between 1.4 and 1.6",
    );
    assert_eq!(verdict.findings[0].p_value, None, "an interval decides");
}

#[test]
fn all_of_the_interval_must_lie_in_the_bound() {
    for (bound, holds) in [
        ("above = 1.0", true),
        ("above = 2.0", false),
        ("below = 2.0", true),
        ("at_most = 1.0", false),
        ("at_least = 1.0", true),
    ] {
        let verdict = verdict_of(&slope(bound), power_law(1.5));
        assert_eq!(
            verdict.status == Reproduced,
            holds,
            "{bound}: {}",
            verdict.sentence
        );
        assert_eq!(verdict.status == NotReproduced, !holds, "{bound}");
    }
    // Exponents of 1.3 to 1.7: the mean is within, the interval is not.
    let spread = |_: &str, layers: i64, seed: u64| {
        fine((layers as f64).powf(1.5 + if seed.is_multiple_of(2) { 0.2 } else { -0.2 }))
    };
    assert_eq!(
        verdict_of(&slope("inside = [1.45, 1.55]"), spread).status,
        NotReproduced
    );
    assert_eq!(
        verdict_of(&slope("contains = 1.4"), spread).status,
        Reproduced
    );
}

#[test]
fn an_exponent_with_missing_runs_is_open_and_one_of_zeros_cannot_be_fitted() {
    let verdict = verdict_of(&slope("above = 1.0"), |norm, layers, seed| {
        power_law(1.5)(norm, layers, seed).filter(|_| norm != "post" || layers != 16 || seed != 1)
    });
    assert_eq!(verdict.status, Inconclusive);
    says(&verdict.sentence, "1 of 32 runs has no outcome");
    let verdict = verdict_of(&slope("above = 1.0"), |norm, layers, seed| match layers {
        2 => fine(0.0),
        _ => power_law(1.5)(norm, layers, seed),
    });
    assert_eq!(verdict.status, Inconclusive, "nothing was computed");
    says(
        &verdict.sentence,
        "Inconclusive: a value that is not above 0 has no exponent: ",
    );
    says(&verdict.sentence, "cannot be fitted: 0 has no logarithm");
}

#[test]
fn a_trend_holds_in_its_direction_only() {
    let rising = |_: &str, layers: i64, seed: u64| fine(layers as f64 + 0.01 * seed as f64);
    let falling = |_: &str, layers: i64, seed: u64| fine(-layers as f64 + 0.01 * seed as f64);
    let flat = |_: &str, _: i64, seed: u64| fine(seed as f64);
    let verdict = verdict_of(RISING, rising);
    assert_eq!(verdict.status, Reproduced);
    assert!(verdict.findings[0].p_value.unwrap() < 1e-6);
    says(
        &verdict.sentence,
        "2.045 at 2, 4.045 at 4, 8.045 at 8, 16.05 at 16",
    );
    says(&verdict.sentence, "rising trend in model.layers");
    assert_eq!(verdict_of(RISING, falling).status, NotReproduced);
    assert_eq!(verdict_of(RISING, flat).status, NotReproduced);
    let card = RISING.replace("increasing", "decreasing");
    assert_eq!(verdict_of(&card, falling).status, Reproduced);
    assert_eq!(verdict_of(&card, rising).status, NotReproduced);
}

#[test]
fn a_trend_with_missing_runs_is_open() {
    let rising = |_: &str, layers: i64, seed: u64| fine(layers as f64 + 0.01 * seed as f64);
    let verdict = verdict_of(RISING, |norm, layers, seed| {
        rising(norm, layers, seed).filter(|_| seed < 8)
    });
    assert_eq!(verdict.status, Inconclusive);
}

const DOSE: &str = r#"
[criterion]
test = "ld50"
along = "model.layers"
treatment = { "model.norm" = "deepnorm_glm" }
control = { "model.norm" = "post" }
direction = "treatment_higher"
"#;

/// Runs of each norm fail from a depth on.
fn from(post: i64, glm: i64) -> impl Fn(&str, i64, u64) -> super::made::Run {
    move |norm, layers, _| {
        let limit = if norm == "post" { post } else { glm };
        if layers >= limit {
            Some((Outcome::Stuck, vec![3.6]))
        } else {
            fine(3.2)
        }
    }
}

#[test]
fn doses_that_separate_perfectly_are_known_to_the_grid() {
    let verdict = verdict_of(DOSE, from(4, 16));
    assert_eq!(verdict.status, Reproduced, "{}", verdict.sentence);
    let finding = &verdict.findings[0];
    assert_eq!(finding.p_value, Some(2.0 / 256.0), "eight seeds alike");
    let effect = &finding.effects[0];
    assert!((3.5..4.5).contains(&effect.value), "{}", effect.value);
    let interval = effect.interval.unwrap();
    assert!((interval.low - 2.0).abs() < 1e-9 && (interval.high - 8.0).abs() < 1e-9);
    says(
        &verdict.sentence,
        "model.layers at which half of the runs are stuck, diverged or nonfinite: between 8 and 16 \
         under treatment, between 2 and 4 under control, ratio between 2 and 8 (95 % interval over \
         8 seeds 2 to 8); sign-flip permutation of the failures of 8 seeds p = 0.0078 ≤ 0.05",
    );
    let turned = DOSE.replace("treatment_higher", "treatment_lower");
    assert_eq!(verdict_of(&turned, from(4, 16)).status, NotReproduced);
    assert_eq!(verdict_of(&turned, from(16, 4)).status, Reproduced);
    assert_eq!(verdict_of(DOSE, from(8, 8)).status, NotReproduced);
}

#[test]
fn arms_that_never_fail_have_no_ratio_and_missing_runs_leave_it_open() {
    let verdict = verdict_of(DOSE, from(99, 99));
    assert_eq!(verdict.status, Inconclusive);
    says(
        &verdict.sentence,
        "above 16 under treatment, above 16 under control, which have no ratio: neither lies within",
    );
    says(
        &verdict.sentence,
        "Inconclusive: half of the runs fail outside the values swept: ",
    );
    let verdict = verdict_of(DOSE, |norm, layers, seed| {
        from(4, 16)(norm, layers, seed).filter(|_| seed > 1)
    });
    assert_eq!(verdict.status, Inconclusive);
    says(&verdict.sentence, "8 of 64 runs have no outcome");
}

/// One seed of each arm gives two doses and a ratio, and no interval: not "no ratio".
#[test]
fn what_few_runs_say_of_a_dose_does_not_contradict_itself() {
    let verdict = verdict_of(DOSE, |norm, layers, seed| {
        from(4, 16)(norm, layers, seed).filter(|_| seed == 1)
    });
    assert_eq!(verdict.status, Inconclusive);
    says(
        &verdict.sentence,
        "ratio between 2 and 8, without an interval over 1 seed; sign-flip permutation of the \
         failures of 1 seed p = 1.00 > 0.05",
    );
}

/// Runs of each norm that fail at these depths and no others.
fn failing(post: &[i64], glm: &[i64]) -> impl Fn(&str, i64, u64) -> super::made::Run {
    move |norm, layers, _| {
        let failing = if norm == "post" { post } else { glm };
        if failing.contains(&layers) {
            Some((Outcome::Stuck, vec![3.6]))
        } else {
            fine(3.2)
        }
    }
}

/// Fewer failures alone do not say where half of the runs fail.
#[test]
fn doses_that_do_not_exist_or_have_no_order_hold_nothing() {
    // The control fails in the shallow half, the treatment at one depth there or nowhere: no arm has
    // a dose below which it is fine, or none is known.
    for (post, glm) in [(&[2, 4][..], &[2][..]), (&[2, 4, 8], &[4]), (&[2, 8], &[2])] {
        let verdict = verdict_of(DOSE, failing(post, glm));
        assert_eq!(verdict.findings[0].p_value, Some(2.0 / 256.0));
        assert_eq!(verdict.status, Inconclusive, "{}", verdict.sentence);
        assert_eq!(verdict.findings[0].open, Some(Open::NoOrder));
        says(
            &verdict.sentence,
            "not in the order of the claim for certain: ",
        );
    }
    // What points against the claim decides against it whether there is a dose or not.
    assert_eq!(
        verdict_of(DOSE, failing(&[2], &[2, 4])).status,
        NotReproduced
    );
}

/// A dose outside those tried is known to one side, and so is the ratio.
#[test]
fn a_dose_outside_the_range_is_in_order_and_bounds_the_ratio_to_one_side() {
    for (post, glm, words, bound) in [
        (16, 99, "ratio above 1;", 1.0),
        (8, 99, "ratio above 2;", 2.0),
        (2, 8, "ratio above 2;", 2.0),
        (2, 99, "ratio above 8;", 8.0),
    ] {
        let verdict = verdict_of(DOSE, from(post, glm));
        assert_eq!(verdict.status, Reproduced, "{}", verdict.sentence);
        says(&verdict.sentence, words);
        let effect = &verdict.findings[0].effects[0];
        assert_eq!((effect.value, effect.interval), (bound, None));
        says(&effect.what.to_string(), "a lower bound");
    }
    let turned = DOSE.replace("treatment_higher", "treatment_lower");
    let verdict = verdict_of(&turned, from(99, 8));
    assert_eq!(verdict.status, Reproduced);
    says(
        &verdict.sentence,
        "above 16 under control, ratio below 0.5;",
    );
}

#[test]
fn a_dose_without_runs_is_not_one_without_a_trend() {
    let verdict = verdict_of(DOSE, |norm, layers, seed| {
        from(4, 16)(norm, layers, seed).filter(|_| norm == "post")
    });
    assert_eq!(verdict.status, Inconclusive);
    says(
        &verdict.sentence,
        "no run with an outcome under treatment, between 2 and 4 under control, which have no \
         ratio: an arm has no run with an outcome;",
    );
}
