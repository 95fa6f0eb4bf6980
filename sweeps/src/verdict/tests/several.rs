//! Exact bounds, cards with several criteria, and budgets.

use super::made::{Run, fine, says, verdict_at, verdict_of};
use crate::Outcome;
use crate::card::Role;
use crate::verdict::VerdictStatus::{Inconclusive, NotReproduced, Reproduced};

const EXACT: &str = r#"
[criterion]
test = "exact"
at = { "model.norm" = "post", "model.layers" = [2, 4] }
equals = 0.0
"#;

#[test]
fn an_exact_bound_holds_when_every_run_of_its_arms_is_within() {
    let only_others = |norm: &str, layers: i64, _: u64| match (norm, layers) {
        ("post", 2 | 4) => fine(-0.0),
        _ => fine(1.0),
    };
    let verdict = verdict_of(EXACT, only_others);
    assert_eq!(verdict.status, Reproduced);
    says(&verdict.sentence, "at layers=2/4, post");
    says(&verdict.sentence, "is 0: exactly 0 in 16 of 16 runs");
}

#[test]
fn one_run_refutes_an_exact_bound_before_the_others_have_begun() {
    let verdict = verdict_of(EXACT, |norm, layers, seed| match (norm, layers, seed) {
        ("post", 4, 2) => fine(1e-12),
        _ => None,
    });
    assert_eq!(verdict.status, NotReproduced);
    says(&verdict.sentence, "exactly 0 in 0 of 1 runs");
    says(
        &verdict.sentence,
        "15 of 16 runs have no outcome and cannot change the verdict.",
    );
    // The other way round nothing is decided before the last.
    let verdict = verdict_of(EXACT, |_, layers, seed| {
        fine(0.0).filter(|_| layers < 4 || seed < 8)
    });
    assert_eq!(verdict.status, Inconclusive);
    assert_eq!(verdict_of(EXACT, |_, _, _| None).status, Inconclusive);
}

#[test]
fn a_run_without_a_number_lies_outside_every_bound_and_is_said() {
    let verdict = verdict_of(EXACT, |_, _, seed| {
        fine(if seed == 1 { f64::NAN } else { 0.0 })
    });
    assert_eq!(verdict.status, NotReproduced);
    says(
        &verdict.sentence,
        "exactly 0 in 14 of 16 runs; 2 runs without a number",
    );
}

/// The same comparison on two metrics.
const TWO: &str = r#"
[[criterion]]
name = "loss"
test = "permutation"
treatment = { "model.norm" = "post", "model.layers" = 4 }
control = { "model.norm" = "deepnorm_glm", "model.layers" = 4 }
direction = "treatment_higher"
[[criterion]]
name = "gradient"
test = "permutation"
metric = { name = "grad_norm" }
treatment = { "model.norm" = "post", "model.layers" = 4 }
control = { "model.norm" = "deepnorm_glm", "model.layers" = 4 }
direction = "treatment_higher"
"#;

/// `turned` of the smallest differences point the other way. Of 256 signs, 2, 4 or 10 are as far
/// from 0: p = .0078, .0156 or .039.
fn two(turned: [u64; 2]) -> impl Fn(&str, i64, u64) -> Run {
    move |norm, _, seed| {
        let difference = |turned: u64| {
            let size = seed as f64;
            if norm != "post" {
                0.0
            } else if seed <= turned {
                -size
            } else {
                size
            }
        };
        Some((Outcome::Ok, turned.map(difference).to_vec()))
    }
}

/// The card claims both, which is false as soon as one is: no correction. Who takes one of them by
/// itself goes by the p value after Holm.
#[test]
fn both_hold_at_their_own_level_and_holm_is_for_single_claims() {
    let verdict = verdict_of(TWO, two([2, 2]));
    let [loss, gradient] = verdict.findings.as_slice() else {
        panic!("two criteria");
    };
    for finding in [loss, gradient] {
        let p = finding.p_value.unwrap();
        assert!((0.025..0.05).contains(&p), "{p} alone would do");
        assert_eq!(finding.p_adjusted, Some(2.0 * p));
        assert_eq!(finding.status, Reproduced);
        says(
            &finding.line(),
            &format!(
                "holds: {}; taken by itself, after Holm p = ",
                finding.sentence
            ),
        );
    }
    assert_eq!(verdict.status, Reproduced);
    assert_eq!(verdict.sentence, "Reproduced: 2 of 2 criteria hold.");

    let verdict = verdict_of(TWO, two([0, 5]));
    assert_eq!(verdict.status, NotReproduced);
    says(
        &verdict.notes.join("\n"),
        "`gradient` not reproduced is not refuted",
    );
}

/// An interval decides at α, so for Holm's correction its criterion has p = α where it holds.
#[test]
fn criteria_decided_by_intervals_count_in_the_correction() {
    let slope = "[[criterion]]\nname = \"slope\"\ntest = \"slope\"\nalong = \"model.layers\"\n\
                 at = { \"model.norm\" = \"deepnorm_glm\" }\nmetric = { name = \"update_norm\" }\n\
                 above = 0.5\n";
    let card = format!("{}{slope}", TWO.split_at(TWO.rfind("[[").unwrap()).0);
    let verdict = verdict_of(&card, |norm, layers, seed| {
        let (outcome, mut metrics) = two([0, 0])(norm, layers, seed)?;
        metrics[1] = layers as f64 * (1.0 + 0.01 * seed as f64);
        Some((outcome, metrics))
    });
    assert_eq!(verdict.status, Reproduced);
    let [loss, slope] = verdict.findings.as_slice() else {
        panic!("two criteria");
    };
    assert_eq!(loss.p_adjusted, Some(2.0 * loss.p_value.unwrap()));
    assert_eq!((slope.p_value, slope.p_adjusted), (None, None));
}

#[test]
fn one_criterion_that_does_not_hold_decides_and_a_descriptive_one_never_does() {
    let verdict = verdict_of(TWO, two([0, 5]));
    assert_eq!(verdict.status, NotReproduced);
    assert_eq!(
        verdict.sentence,
        "Not reproduced: 1 of 2 criteria holds, 1 does not."
    );

    let descriptive = TWO.replace("\"grad_norm\" }", "\"grad_norm\" }\nrole = \"descriptive\"");
    let verdict = verdict_of(&descriptive, two([2, 5]));
    assert_eq!(
        verdict.status, Reproduced,
        "the first is alone in its family"
    );
    let [loss, gradient] = verdict.findings.as_slice() else {
        panic!("two criteria");
    };
    assert_eq!(
        (loss.p_adjusted, gradient.p_adjusted),
        (loss.p_value, gradient.p_value)
    );
    assert_eq!(
        (gradient.role, gradient.status),
        (Role::Descriptive, NotReproduced)
    );
    assert_eq!(verdict.sentence, "Reproduced: the criterion tested holds.");
    says(&gradient.line(), "gradient (descriptive) does not hold: ");
}

#[test]
fn an_open_criterion_takes_nothing_from_the_others() {
    let (first, second) = TWO.split_at(TWO.rfind("[[").unwrap());
    let card = format!(
        "{first}{}",
        second.replace("\"model.layers\" = 4", "\"model.layers\" = 2")
    );
    let open = |turned| {
        verdict_of(&card, move |norm, layers, seed| {
            two([turned, turned])(norm, layers, seed).filter(|_| layers != 2)
        })
    };
    let verdict = open(2);
    assert_eq!(verdict.status, Inconclusive);
    assert_eq!(
        verdict.sentence,
        "Inconclusive: 1 of 2 criteria holds, 1 is open. 16 of 32 runs have no outcome and could \
         turn the verdict."
    );
    let verdict = open(5);
    assert_eq!(verdict.status, NotReproduced, "too large even alone");
    says(
        &verdict.sentence,
        "1 does not, 1 is open. 16 of 32 runs have no outcome and cannot change the verdict.",
    );
}

#[test]
fn missing_runs_of_several_criteria_are_counted_once_each() {
    let (first, second) = TWO.split_at(TWO.rfind("[[").unwrap());
    let card = format!(
        "{first}{}",
        second.replace("\"model.layers\" = 4", "\"model.layers\" = 2")
    );
    let verdict = verdict_of(&card, |norm, layers, seed| {
        two([0, 0])(norm, layers, seed).filter(|_| seed > 1)
    });
    says(&verdict.sentence, "4 of 32 runs have no outcome");
    let verdict = verdict_of(TWO, |norm, layers, seed| {
        two([0, 0])(norm, layers, seed).filter(|_| seed > 1)
    });
    says(&verdict.sentence, "2 of 16 runs have no outcome");
}

#[test]
fn a_smoke_run_decides_nothing_however_clear_it_is() {
    let card = format!("{EXACT}\n[budget.smoke]\nseeds = 1\n");
    let verdict = verdict_at(&card, Some("smoke"), |_, _, _| fine(0.0));
    assert_eq!(verdict.status, Inconclusive);
    assert_eq!(verdict.findings[0].status, Reproduced, "shown all the same");
    assert_eq!(
        verdict.sentence,
        "Inconclusive: a smoke run shows that the card works and decides nothing."
    );
    let verdict = verdict_at(&card, Some("smoke"), |_, _, _| None);
    assert!(
        verdict
            .sentence
            .ends_with("nothing. 2 of 2 runs have no outcome."),
        "{}",
        verdict.sentence
    );
}

#[test]
fn criteria_outside_a_budget_are_named_and_not_judged() {
    let card = format!("{TWO}\n[[criterion]]\nname = \"deep\"\n{}", {
        let deep = EXACT.replace("[criterion]\n", "").replace("[2, 4]", "16");
        format!(
            "{deep}\n[budget.cpu]\naxes = {{ \"model.layers\" = [4] }}\n[budget.deep]\naxes = {{ \"model.layers\" = [8] }}\n"
        )
    });
    // What has to hold as well is not in the budget.
    let verdict = verdict_at(&card, Some("cpu"), two([0, 0]));
    assert_eq!(verdict.status, Inconclusive);
    assert_eq!(
        verdict.sentence,
        "Inconclusive: 2 of 3 criteria hold, 1 is not tested at this budget."
    );
    let refuted = verdict_at(&card, Some("cpu"), two([8, 0]));
    assert_eq!(refuted.status, NotReproduced);
    let shown = card.replace("name = \"deep\"", "name = \"deep\"\nrole = \"descriptive\"");
    let verdict = verdict_at(&shown, Some("cpu"), two([0, 0]));
    assert_eq!(verdict.status, Reproduced);
    assert_eq!(verdict.sentence, "Reproduced: 2 of 2 criteria hold.");
    assert_eq!(verdict.untested, ["deep"]);
    assert_eq!(verdict.findings.len(), 2);
    assert_eq!(
        verdict.notes.last().unwrap(),
        "Not tested at this budget, because its arms are not in it: deep."
    );
    let verdict = verdict_at(&card, Some("deep"), two([0, 0]));
    assert_eq!(verdict.status, Inconclusive);
    says(
        &verdict.sentence,
        "no criterion of the card can be tested at this budget",
    );
}
