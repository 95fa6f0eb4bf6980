//! Runs that have failed and have no finite value are part of what is decided.

use super::made::{HIGHER, RISING, Run, SAME, fine, says, verdict_of};
use crate::Outcome;
use crate::criterion::Failed;
use crate::criterion::Open;
use crate::testing::card_text;
use crate::verdict::VerdictStatus::{Inconclusive, NotReproduced, Reproduced};
use crate::verdict::{RunState, State, judge};
use crate::{Card, Classified, Plan, Sweep};
use std::path::Path;

const SLOPE: &str = r#"
[criterion]
test = "slope"
along = "model.layers"
at = { "model.norm" = "post" }
above = 1.0
"#;

#[expect(clippy::unnecessary_wraps, reason = "beside runs that are missing")]
fn nonfinite() -> Run {
    Some((Outcome::Nonfinite, vec![f64::NAN]))
}

/// Post-LN is lower by a little in runs that last, and fails in the first `failed` seeds.
fn lower_where_it_lasts(failed: u64) -> impl Fn(&str, i64, u64) -> Run {
    move |norm, layers, seed| match norm {
        "post" if seed <= failed => nonfinite(),
        "post" => fine(layers as f64 - 0.1 - 0.001 * seed as f64),
        _ => fine(layers as f64),
    }
}

/// The metric's bad end is high, so a failed run of the treatment is a difference upwards.
#[test]
fn a_failed_run_is_the_worst_of_its_pair() {
    let lower = HIGHER.replace("treatment_higher", "treatment_lower");
    assert_eq!(
        verdict_of(&lower, lower_where_it_lasts(0)).status,
        Reproduced
    );
    let verdict = verdict_of(&lower, lower_where_it_lasts(2));
    assert_eq!(verdict.status, NotReproduced, "{}", verdict.sentence);
    let finding = &verdict.findings[0];
    assert_eq!(
        (finding.without_value, finding.failed),
        (2, Some(Failed::Worst))
    );
    assert!(
        !finding.as_stated,
        "two failed runs outweigh six small gains"
    );
    assert_eq!(finding.effects[0].interval, None, "none over survivors");
    says(
        &verdict.sentence,
        "over the 6 of 8 seeds with finite values",
    );
    says(
        &verdict.sentence,
        "; 2 runs without a finite value count as the highest",
    );
    // Six failures of eight are a difference upwards by themselves; p is that of the signs.
    let verdict = verdict_of(HIGHER, |norm, layers, seed| match norm {
        "post" => nonfinite(),
        _ => fine(layers as f64 + seed as f64),
    });
    assert_eq!(verdict.status, Reproduced);
    assert_eq!(verdict.findings[0].p_value, Some(2.0 / 256.0));
    says(&verdict.sentence, "has no value in any of 8 seeds");
}

/// In an interaction it counts which of the four runs failed.
#[test]
fn a_failed_run_of_an_interaction_counts_with_its_sign() {
    let card = format!(
        "{HIGHER}minus = {{ treatment = {{ \"model.norm\" = \"post\", \"model.layers\" = 2 }}, \
         control = {{ \"model.norm\" = \"deepnorm_glm\", \"model.layers\" = 2 }} }}\n"
    );
    let failing = |norm: &'static str, layers: i64| {
        verdict_of(&card, move |n, l, seed| {
            if (n, l) == (norm, layers) {
                nonfinite()
            } else {
                fine(seed as f64)
            }
        })
        .status
    };
    assert_eq!(failing("post", 4), Reproduced);
    assert_eq!(failing("deepnorm_glm", 2), Reproduced);
    assert_eq!(failing("post", 2), NotReproduced);
    assert_eq!(failing("deepnorm_glm", 4), NotReproduced);
    let both = verdict_of(&card, |_, layers, seed| match layers {
        4 => nonfinite(),
        _ => fine(seed as f64),
    });
    assert_eq!(
        both.status, Inconclusive,
        "treatment and control failed alike"
    );
}

/// An accuracy is worst when it is low, and a metric may say nothing about it.
#[test]
fn the_bad_end_is_that_of_the_metric_or_registered() {
    let with = |extra: &str| format!("{HIGHER}{extra}\n");
    let fails = |norm: &str, _: i64, seed: u64| match norm {
        "post" => nonfinite(),
        _ => fine(0.5 + 0.01 * seed as f64),
    };
    let accuracy = with("metric = { name = \"last_word_accuracy\" }");
    // The card's own metric comes first, the criterion's second.
    let twice = move |norm: &str, layers: i64, seed: u64| {
        fails(norm, layers, seed).map(|(outcome, values)| (outcome, vec![values[0]; 2]))
    };
    let verdict = verdict_of(&accuracy, twice);
    assert_eq!(verdict.status, NotReproduced);
    says(&verdict.sentence, "but not in the direction of the claim");
    let share = |worst: &str| {
        let metric = "metric = { name = \"embedding_share\" }";
        verdict_of(&with(&format!("worst = \"{worst}\"\n{metric}")), twice).status
    };
    assert_eq!((share("high"), share("low")), (Reproduced, NotReproduced));
}

#[test]
fn open_waits_for_every_value() {
    let open = format!("{HIGHER}failed = \"open\"\n");
    let higher = |failed: u64| {
        move |norm: &str, layers: i64, seed: u64| match norm {
            "post" if seed <= failed => nonfinite(),
            "post" => fine(layers as f64 + 0.1 + 0.001 * seed as f64),
            _ => fine(layers as f64),
        }
    };
    assert_eq!(verdict_of(&open, higher(0)).status, Reproduced);
    let verdict = verdict_of(&open, higher(1));
    assert_eq!(verdict.status, Inconclusive);
    assert_eq!(verdict.findings[0].open, Some(Open::NoValue));
    says(
        &verdict.sentence,
        "Inconclusive: finished runs have no finite value: ",
    );
    says(&verdict.sentence, "; 1 finished run without a finite value");
}

/// A mean has no place for what has no value: neither test of means may decide on the others.
#[test]
fn tests_of_means_stay_open_while_a_finished_run_has_no_value() {
    let equal = |failed: u64| {
        move |norm: &str, layers: i64, seed: u64| match norm {
            "post" if seed <= failed => nonfinite(),
            _ => fine((layers as f64).powf(1.5) * (1.0 + 0.001 * seed as f64)),
        }
    };
    for card in [SAME, SLOPE] {
        assert_eq!(verdict_of(card, equal(0)).status, Reproduced);
        let verdict = verdict_of(card, equal(1));
        assert_eq!(verdict.status, Inconclusive, "{}", verdict.sentence);
        assert_eq!(verdict.findings[0].failed, Some(Failed::Open));
        says(&verdict.sentence, "finished runs have no finite value");
    }
}

/// A metric that was never recorded is no failure, and ranks nowhere.
#[test]
fn a_metric_that_was_not_measured_leaves_it_open() {
    let never = |norm: &str, layers: i64, seed: u64| match norm {
        "post" if seed == 3 => Some((Outcome::Ok, Vec::new())),
        _ => fine(layers as f64 + 0.01 * seed as f64),
    };
    for card in [HIGHER, RISING] {
        let verdict = verdict_of(card, never);
        assert_eq!(verdict.status, Inconclusive);
        assert_eq!(verdict.findings[0].open, Some(Open::NoValue));
    }
    let failed = |norm: &str, layers: i64, seed: u64| match norm {
        "post" if seed == 3 => Some((Outcome::Nonfinite, Vec::new())),
        _ => fine(layers as f64 + 0.01 * seed as f64),
    };
    assert_eq!(verdict_of(RISING, failed).findings[0].open, None);
}

/// One open criterion keeps the others of its family from passing as if it had been seen.
#[test]
fn a_criterion_without_values_is_open_among_others() {
    let card = format!(
        "{}{}",
        HIGHER.replace("[criterion]", "[[criterion]]\nname = \"first\""),
        HIGHER
            .replace(
                "[criterion]",
                "[[criterion]]\nname = \"second\"\nfailed = \"open\""
            )
            .replace("\"model.layers\" = 4", "\"model.layers\" = 2")
    );
    let verdict = verdict_of(&card, |norm, layers, seed| match (norm, layers, seed) {
        ("post", 2, 1) => nonfinite(),
        ("post", _, _) => fine(1.0 + 0.001 * seed as f64),
        _ => fine(0.0),
    });
    assert_eq!(verdict.status, Inconclusive);
    assert_eq!(
        verdict.sentence,
        "Inconclusive: 1 of 2 criteria holds, 1 is open (`second`: finished runs have no finite value)."
    );
    says(
        &verdict.findings[1].line(),
        "second inconclusive: finished runs have no finite value: ",
    );
}

/// FP16 at three learning rates with 0, 5 and 17 of 24 runs lost: those that are left are better the
/// higher the rate, and the rate does no good.
#[test]
fn the_loss_does_not_fall_with_a_rate_at_which_most_runs_fail() {
    const CARD: &str = card_text!(
        "rates",
        "symptom",
        24,
        r#"
[fixed]
steps = 40
"precision.format" = "fp16"
[axes]
"optimizer.lr" = [1e-3, 0.4, 0.5]
[criterion]
test = "jonckheere"
along = "optimizer.lr"
at = { "optimizer.lr" = [1e-3, 0.4, 0.5] }
direction = "decreasing"
"#
    );
    let card = Card::parse(CARD, "card", Path::new(".")).unwrap();
    let mut plan = Plan::expand(&card, &[]).unwrap();
    let runs = std::mem::take(&mut plan.runs);
    let directory = tempfile::tempdir().unwrap();
    let sweep = Sweep::create_or_open(&directory.path().join("sweep"), &plan, CARD, &[]).unwrap();
    let states: Vec<RunState> = runs
        .iter()
        .map(|planned| {
            let rate = planned.settings["optimizer.lr"].as_float().unwrap();
            let (level, lost) = match rate {
                0.001 => (3.5, 0),
                0.4 => (3.3, 5),
                _ => (3.1, 17),
            };
            let mut state = RunState::new(planned);
            let failed = planned.seed <= lost;
            let value = if failed {
                f64::NAN
            } else {
                level + 0.004 * planned.seed as f64
            };
            state.state = State::Finished;
            state.metrics = vec![Some(value)];
            state.metric = Some(value);
            state.classified = Some(Classified {
                outcome: if failed {
                    Outcome::Nonfinite
                } else {
                    Outcome::Ok
                },
                value: state.metric,
                stuck_line: 3.9,
                diverged_line: None,
                crossed_at: None,
                reason: String::new(),
            });
            state
        })
        .collect();
    let verdict = judge(&sweep, &states).unwrap();
    assert_eq!(verdict.status, NotReproduced, "{}", verdict.sentence);
    assert!(verdict.findings[0].p_value.unwrap() > 0.5);
    says(&verdict.sentence, "at 0.4 (5 of 24 without)");
    says(&verdict.sentence, "at 0.5 (17 of 24 without)");
    says(
        &verdict.sentence,
        "22 runs without a finite value count as the highest",
    );
}
