//! Tests on differences of a metric: permutation and equivalence.

use super::made::{HIGHER, SAME, fine, says, verdict_of};
use crate::verdict::VerdictStatus::{Inconclusive, NotReproduced, Reproduced};

/// A seed's own level, which pairing takes away.
fn level(seed: u64) -> f64 {
    seed as f64
}

fn post_is_higher(by: f64) -> impl Fn(&str, i64, u64) -> super::made::Run {
    move |norm, _, seed| {
        let spread = 0.001 * seed as f64;
        fine(level(seed) + if norm == "post" { by + spread } else { 0.0 })
    }
}

#[test]
fn a_difference_within_seeds_is_found_below_a_larger_one_between_them() {
    let verdict = verdict_of(HIGHER, post_is_higher(0.1));
    assert_eq!(verdict.status, Reproduced);
    let finding = &verdict.findings[0];
    assert_eq!(
        finding.p_value,
        Some(2.0 / 256.0),
        "all of eight signs alike"
    );
    assert!((finding.effects[0].value - 0.1045).abs() < 1e-12);
    says(
        &verdict.sentence,
        "mean difference `layers=4 post` − `layers=4 deepnorm_glm` is 0.1045",
    );
}

#[test]
fn the_other_direction_does_not_hold_and_is_said() {
    let verdict = verdict_of(HIGHER, post_is_higher(-0.1));
    assert_eq!(verdict.status, NotReproduced);
    assert!(!verdict.findings[0].as_stated);
    says(&verdict.sentence, "but not in the direction of the claim");
}

#[test]
fn no_difference_does_not_hold_and_what_remains_possible_is_said() {
    let verdict = verdict_of(HIGHER, |norm, _, seed| {
        let sign = if seed % 2 == 0 { 0.1 } else { -0.1 };
        fine(if norm == "post" { sign } else { 0.0 })
    });
    assert_eq!(verdict.status, NotReproduced);
    assert_eq!(verdict.findings[0].p_value, Some(1.0));
    says(
        &verdict.notes.join("\n"),
        "`claim` not reproduced is not refuted: values from −0.1 to 0.1 remain possible",
    );
}

/// M1 on 27 November 2026: an interval from 0.024 to 0.059 beside a margin of 0.02.
#[test]
fn what_no_possible_value_agrees_with_is_refuted() {
    let verdict = verdict_of(SAME, post_is_higher(0.1));
    assert_eq!(verdict.status, NotReproduced);
    let notes = verdict.notes.join("\n");
    says(
        &notes,
        "is refuted: of the values that remain possible, 0.1",
    );
    says(&notes, "none is as it claims");
}

#[test]
fn a_difference_below_the_margin_does_not_hold_whatever_its_p_value() {
    let margin = |margin: f64| format!("{HIGHER}margin = {margin:?}\n");
    let verdict = verdict_of(&margin(0.2), post_is_higher(0.1));
    assert_eq!(verdict.status, NotReproduced);
    says(
        &verdict.sentence,
        "against a margin of 0.2 p = 0.0078 ≤ 0.05, but it lies below the margin",
    );
    assert_eq!(
        verdict_of(&margin(0.05), post_is_higher(0.1)).status,
        Reproduced
    );
    // A margin is a distance in the direction of the claim.
    let lower = margin(0.05).replace("treatment_higher", "treatment_lower");
    assert_eq!(verdict_of(&lower, post_is_higher(-0.1)).status, Reproduced);
    assert_eq!(
        verdict_of(&lower, post_is_higher(-0.01)).status,
        NotReproduced
    );
}

#[test]
fn an_interaction_is_a_difference_of_differences() {
    let card = format!(
        "{HIGHER}minus = {{ treatment = {{ \"model.norm\" = \"post\", \"model.layers\" = 2 }}, \
         control = {{ \"model.norm\" = \"deepnorm_glm\", \"model.layers\" = 2 }} }}\n"
    );
    // 0.3 at four layers and 0.1 at two leave 0.2.
    let crossed = |norm: &str, layers: i64, seed: u64| {
        let effect = if layers == 4 { 0.3 } else { 0.1 };
        let own = 0.001 * seed as f64 * layers as f64;
        fine(level(seed) + if norm == "post" { effect + own } else { 0.0 })
    };
    let verdict = verdict_of(&card, crossed);
    assert_eq!(verdict.status, Reproduced);
    assert!((verdict.findings[0].effects[0].value - 0.209).abs() < 1e-12);
    says(
        &verdict.sentence,
        ") − (`layers=2 post` − `layers=2 deepnorm_glm`)",
    );
    assert_eq!(verdict.findings[0].arms.len(), 4);
    // The same effect at both depths is none.
    let parallel =
        |norm: &str, _, seed: u64| fine(level(seed) + if norm == "post" { 0.3 } else { 0.0 });
    assert_eq!(verdict_of(&card, parallel).status, NotReproduced);
    // One of the four arms is enough to leave it open.
    let partial = |norm: &str, layers: i64, seed: u64| match (norm, layers, seed) {
        ("deepnorm_glm", 2, 8) => None,
        _ => crossed(norm, layers, seed),
    };
    assert_eq!(verdict_of(&card, partial).status, Inconclusive);
}

#[test]
fn missing_runs_leave_both_tests_open() {
    for card in [HIGHER, SAME] {
        let verdict = verdict_of(card, |norm, layers, seed| {
            let run = post_is_higher(0.0)(norm, layers, seed);
            run.filter(|_| norm != "post" || seed < 8)
        });
        assert_eq!(verdict.status, Inconclusive);
        assert!(
            verdict.sentence.starts_with("Inconclusive: so far "),
            "{}",
            verdict.sentence
        );
        says(
            &verdict.sentence,
            "1 of 16 runs has no outcome and could turn the verdict.",
        );
        let verdict = verdict_of(card, |_, _, _| None);
        assert_eq!(verdict.status, Inconclusive);
        says(&verdict.sentence, "no run has an outcome yet");
        assert!(
            verdict.findings[0].effects.is_empty(),
            "nothing has no mean"
        );
    }
}

#[test]
fn equivalence_needs_an_interval_within_the_margin() {
    let verdict = verdict_of(SAME, post_is_higher(0.001));
    assert_eq!(verdict.status, Reproduced);
    says(&verdict.sentence, "margin ±0.02");
    // 0.018 to 0.026: on either side of the margin.
    assert_eq!(
        verdict_of(SAME, post_is_higher(0.017)).status,
        NotReproduced
    );
    assert_eq!(
        verdict_of(SAME, post_is_higher(-0.03)).status,
        NotReproduced
    );
}

/// The example of docs/extending.md, from the card to the verdict.
#[test]
fn a_test_that_is_one_file_and_one_line_decides_a_card() {
    let sign = HIGHER.replace("permutation", "sign");
    let found = |higher: u64| {
        verdict_of(&sign, move |norm, _, seed| match norm {
            "post" if seed <= higher => fine(3.4),
            "post" => fine(3.1),
            _ => fine(3.2),
        })
    };
    let (all, seven) = (found(8), found(7));
    assert_eq!(all.status, Reproduced, "{}", all.sentence);
    assert_eq!(all.findings[0].p_value, Some(2.0 * 0.5f64.powi(8)));
    assert_eq!(seven.status, NotReproduced, "{}", seven.sentence);
    assert_eq!(found(0).status, NotReproduced);
}
