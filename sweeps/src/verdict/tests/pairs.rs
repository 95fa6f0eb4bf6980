//! McNemar's test beside Fisher's, and instead of it.

use super::made::{HEAD, HIGHER, Run, SAME, counted, fine, says, verdict_of};
use crate::criterion::{Detail, Open};
use crate::stats::PairCounts;
use crate::verdict::VerdictStatus::{Inconclusive, NotReproduced, Reproduced};
use crate::verdict::finding;
use crate::verdict::{RunState, State};
use crate::{Card, Classified, Outcome, Plan};
use std::path::Path;

/// Seeds of each arm that are stuck.
fn stuck(post: &'static [u64], glm: &'static [u64]) -> impl Fn(&str, i64, u64) -> Run {
    move |norm, _, seed| {
        let failed = if norm == "post" { post } else { glm };
        if failed.contains(&seed) {
            Some((Outcome::Stuck, vec![3.6]))
        } else {
            fine(3.2)
        }
    }
}

#[test]
fn both_p_values_are_printed_and_the_registered_one_decides() {
    // Five of eight against none: 0.026 by Fisher's test, 0.0625 by McNemar's.
    let runs = || stuck(&[1, 2, 3, 4, 5], &[]);
    let fisher = verdict_of(&counted("fisher", "treatment_more"), runs());
    let mcnemar = verdict_of(&counted("mcnemar", "treatment_more"), runs());
    assert_eq!((fisher.status, mcnemar.status), (Reproduced, NotReproduced));
    says(
        &fisher.sentence,
        "two-sided Fisher p = 0.026 ≤ 0.05 (beside it McNemar's exact test, 8 pairs: p = 0.062)",
    );
    says(
        &mcnemar.sentence,
        "McNemar's exact test, 8 pairs, p = 0.062 > 0.05 (beside it two-sided Fisher: p = 0.026)",
    );
    let [first, second] = [&fisher, &mcnemar].map(|verdict| verdict.findings[0].clone());
    assert_eq!(second.p_value, Some(0.0625));
    assert_eq!(
        second.beside.as_ref().unwrap().p_value,
        first.p_value.unwrap()
    );
    let table = PairCounts {
        both: 0,
        treatment_only: 5,
        control_only: 0,
        neither: 3,
    };
    assert_eq!((first.pairs, second.pairs), (Some(table), Some(table)));
    says(&mcnemar.notes.join("\n"), "Not reproduced is not refuted");
}

/// Which seeds fail matters to McNemar's test only.
#[test]
fn pairs_that_agree_say_nothing() {
    let apart = verdict_of(
        &counted("mcnemar", "treatment_more"),
        stuck(&[1, 2, 3, 4, 5, 6, 7, 8], &[1]),
    );
    assert_eq!(apart.findings[0].pairs.unwrap().both, 1);
    assert_eq!(apart.status, Reproduced, "seven pairs of one kind: 0.016");
    let crossed = verdict_of(
        &counted("mcnemar", "treatment_more"),
        stuck(&[2, 3, 4, 5, 6, 7], &[8]),
    );
    assert_eq!(crossed.findings[0].p_value, Some(0.125));
    assert_eq!(crossed.status, NotReproduced);
    let opposite = verdict_of(
        &counted("mcnemar", "treatment_more"),
        stuck(&[], &[1, 2, 3, 4, 5, 6]),
    );
    assert_eq!(opposite.status, NotReproduced);
    says(&opposite.sentence, "in the direction opposite to the claim");
}

#[test]
fn a_missing_run_leaves_mcnemar_open_only_if_it_could_turn_it() {
    let partial = |post: &'static [u64], missing: u64| {
        verdict_of(
            &counted("mcnemar", "treatment_more"),
            move |norm, layers, seed| {
                stuck(post, &[])(norm, layers, seed).filter(|_| norm != "post" || seed != missing)
            },
        )
    };
    let seven = partial(&[1, 2, 3, 4, 5, 6, 7], 8);
    assert_eq!(seven.status, Reproduced, "{}", seven.sentence);
    says(
        &seven.sentence,
        "1 of 16 runs has no outcome and cannot change the verdict.",
    );
    assert_eq!(partial(&[1, 2, 3, 4, 5], 8).status, Inconclusive);
    assert_eq!(partial(&[1, 2, 3, 4], 8).status, NotReproduced);
}

const SLOPE: &str = r#"
[criterion]
test = "slope"
along = "model.layers"
at = { "model.norm" = "post" }
above = 1.0
"#;

const DOSE: &str = r#"
[criterion]
test = "ld50"
along = "model.layers"
treatment = { "model.norm" = "post" }
control = { "model.norm" = "deepnorm_glm" }
direction = "treatment_lower"
"#;

/// Finished runs of every arm, no two arms with a seed in common.
fn strangers(card: &Card) -> Vec<RunState> {
    let arms = card.arms();
    let plan = Plan::expand(card, &[]).unwrap();
    let state = |planned: &crate::PlannedRun| {
        let arm = arms.iter().position(|arm| arm.label == planned.arm);
        let mut state = RunState::new(planned);
        state.seed += 100 * arm.unwrap() as u64;
        state.state = State::Finished;
        state.metric = Some(3.2 + 0.01 * planned.seed as f64);
        state.metrics = vec![state.metric];
        state.classified = Some(Classified {
            outcome: if arm == Some(0) {
                Outcome::Stuck
            } else {
                Outcome::Ok
            },
            value: state.metric,
            stuck_line: 3.49,
            diverged_line: None,
            crossed_at: None,
            reason: String::new(),
        });
        state
    };
    plan.runs.iter().map(state).collect()
}

/// Nothing was compared, so nothing speaks against the claim.
#[test]
fn a_test_of_pairs_without_a_pair_is_open() {
    let mcnemar = counted("mcnemar", "treatment_more");
    for criterion in [HIGHER, SAME, SLOPE, DOSE, &mcnemar] {
        let card = Card::parse(&format!("{HEAD}{criterion}"), "card", Path::new(".")).unwrap();
        let (arms, states) = (card.arms(), strangers(&card));
        for detail in [Detail::Full, Detail::Decision] {
            let found = finding::of(&card, &arms, &card.criteria[0], &states, detail).unwrap();
            assert_eq!(found.status, Inconclusive, "{criterion}");
            assert_eq!(found.open, Some(Open::TooFewPairs), "{criterion}");
        }
    }
}
