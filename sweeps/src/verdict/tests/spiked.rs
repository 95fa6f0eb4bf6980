//! Whether a run's loss spiked is counted, and what a run counts as that lost its losses before it could be seen.

use super::made::{Ended, norm, says, verdict_on};
use crate::Outcome::{Nonfinite, Ok, Recovered, Stuck};
use crate::criterion::Failed;
use crate::criterion::Open;
use crate::verdict::Verdict;
use crate::verdict::VerdictStatus::{Exploration, Inconclusive, NotReproduced, Reproduced};
use crate::{Card, Outcome};
use std::path::Path;

/// Two norms at two learning rates, of which each has seeds of its own.
const HEAD: &str = r#"
name = "spiking"
title = "Made up"
hypothesis = "What was put in is found."
base = "t0"
seeds = 12
[fixed]
steps = 40
[axes]
"model.norm" = ["post", "pre"]
"optimizer.lr" = [1e-3, 3e-3]
[[arm]]
where = { "optimizer.lr" = 1e-3 }
seeds = [1, 2, 3, 4, 5, 6]
[[arm]]
where = { "optimizer.lr" = 3e-3 }
seeds = [7, 8, 9, 10, 11, 12]
"#;

const POOLED: &str = r#"
kind = "mechanism"
[criterion]
event = ["spiked"]
treatment = { "model.norm" = "post" }
control = { "model.norm" = "pre" }
pool = ["optimizer.lr"]
direction = "treatment_more"
"#;

/// How a run ended, whether it spiked, and its metric; `None` for one that has not finished.
type Run = Option<(Outcome, Option<bool>, f64)>;

/// The verdict when every run is what `run` makes of its norm and seed.
fn verdict_of(criteria: &str, run: impl Fn(&str, u64) -> Run) -> Verdict {
    verdict_when(criteria, |norm, seed| {
        let (outcome, spiked, metric) = run(norm, seed)?;
        Some((outcome, spiked, vec![Some(metric)]))
    })
}

/// The verdict when every run measured these metrics.
fn measured_verdict(
    criteria: &str,
    run: impl Fn(&str, u64) -> Option<Vec<Option<f64>>>,
) -> Verdict {
    verdict_when(criteria, |norm, seed| {
        Some((Ok, Some(true), run(norm, seed)?))
    })
}

fn verdict_when(criteria: &str, run: impl Fn(&str, u64) -> Ended) -> Verdict {
    let (kind, rest) = criteria
        .trim_start()
        .split_once('\n')
        .unwrap_or((criteria.trim(), ""));
    let text = format!("{kind}\n{HEAD}{rest}");
    let card = Card::parse(&text, "card", Path::new("."));
    let card = card.unwrap_or_else(|error| panic!("{error}"));
    verdict_on(&card, &text, |planned| run(norm(planned), planned.seed))
}

/// A run of this outcome that spiked or did not.
#[expect(clippy::unnecessary_wraps, reason = "beside runs that are missing")]
fn known(outcome: Outcome, spiked: bool) -> Run {
    Some((outcome, Some(spiked), 0.0))
}

/// A run that lost its losses before a first spike.
#[expect(clippy::unnecessary_wraps, reason = "beside runs that are missing")]
fn lost() -> Run {
    Some((Nonfinite, None, f64::NAN))
}

#[test]
fn a_run_that_spiked_counts_whatever_its_outcome_was() {
    let verdict = verdict_of(POOLED, |norm, seed| match (norm, seed) {
        ("post", 1..=4) => known(Recovered, true),
        ("post", 5..=9) => known(Stuck, true),
        ("post", _) => known(Ok, false),
        _ => known(Stuck, seed == 1),
    });
    assert_eq!(verdict.status, Reproduced, "{}", verdict.sentence);
    says(
        &verdict.sentence,
        "spiked in 9 of 12 runs with `post` and 1 of 12 with `pre`, pooled over `optimizer.lr`; two-sided Fisher",
    );
    says(&verdict.sentence, "McNemar's exact test, 12 pairs");
    let of_arm: Vec<u64> = verdict.arms.iter().map(|arm| arm.spiked.events).collect();
    assert_eq!(of_arm, [6, 3, 1, 0]);
    let pairs = verdict.findings[0].pairs.unwrap();
    assert_eq!((pairs.both, pairs.treatment_only), (1, 8));
}

#[test]
fn an_event_may_be_a_spike_or_an_outcome() {
    let card = POOLED.replace("[\"spiked\"]", "[\"spiked\", \"stuck\"]");
    let verdict = verdict_of(&card, |norm, seed| match (norm, seed) {
        ("post", 1..=6) => known(Stuck, false),
        ("post", _) => known(Recovered, true),
        _ => known(Ok, false),
    });
    says(&verdict.sentence, "spiked or stuck in 12 of 12 runs");
    assert_eq!(verdict.arms[0].events.events, 6);
}

/// Pairs share the seed and the value of the pooled axis.
#[test]
fn differences_are_paired_within_the_pooled_values() {
    let card = POOLED
        .replace("event = [\"spiked\"]", "test = \"permutation\"")
        .replace("treatment_more", "treatment_higher");
    let verdict = verdict_of(&card, |norm, seed| {
        let level = 10.0 * seed as f64;
        let more = if norm == "post" { 1.0 } else { 0.0 };
        Some((Ok, Some(true), level + more))
    });
    assert_eq!(verdict.status, Reproduced, "{}", verdict.sentence);
    says(
        &verdict.sentence,
        "`post` − `pre` is 1 (95 % interval over 12 seeds 1 to 1)",
    );
    assert_eq!(verdict.findings[0].p_value, Some(2.0 / 4096.0));
}

#[test]
fn a_run_that_was_lost_before_a_spike_is_not_one_without() {
    let runs = |norm: &str, seed: u64| match (norm, seed) {
        ("post", 1..=7) => known(Recovered, true),
        ("post", _) => known(Ok, false),
        (_, 1..=4) => lost(),
        _ => known(Ok, false),
    };
    // Seven of twelve against none of twelve would hold, and against four of twelve does not.
    let open = verdict_of(POOLED, runs);
    assert_eq!(open.status, Inconclusive, "{}", open.sentence);
    let finding = &open.findings[0];
    assert_eq!(finding.open, Some(Open::SpikesLost));
    assert_eq!((finding.without_value, finding.counts[1].missing), (4, 4));
    says(
        &open.sentence,
        "finished runs lost their losses before a first spike, or have too few of them",
    );
    says(
        &open.sentence,
        "4 runs that lost their losses before a spike, or have too few, are in neither number",
    );
    let worst = verdict_of(&format!("{POOLED}failed = \"worst\"\n"), runs);
    assert_eq!(worst.status, NotReproduced, "{}", worst.sentence);
    says(&worst.sentence, "and 4 of 12 with `pre`");
    says(
        &worst.sentence,
        "4 runs that lost their losses before a spike, or have too few, count as spiked",
    );
    assert_eq!(worst.findings[0].failed, Some(Failed::Worst));
    // Where all ways of filling them in agree, they leave nothing open.
    let clear = verdict_of(POOLED, |norm, seed| match (norm, seed) {
        ("post", _) => known(Recovered, true),
        (_, 1) => lost(),
        _ => known(Ok, false),
    });
    assert_eq!(clear.status, Reproduced, "{}", clear.sentence);
}

#[test]
fn the_opposite_of_a_claim_about_spikes_is_told_of_spikes() {
    let verdict = verdict_of(POOLED, |norm, _| known(Ok, norm == "pre"));
    assert_eq!(verdict.status, NotReproduced);
    says(&verdict.sentence, "the claim that `post` spikes more often");
}

#[test]
fn an_exploration_shows_its_arms_and_gives_no_verdict() {
    let all = verdict_of("kind = \"exploration\"", |_, seed| known(Ok, seed == 1));
    assert_eq!(all.status, Exploration);
    assert_eq!(
        all.sentence,
        "No verdict: `spiking` is an exploration, which registers no criterion."
    );
    assert_eq!((all.findings.len(), all.arms.len()), (0, 4));
    assert_eq!(all.arms[0].spiked.events, 1);
    let some = verdict_of("kind = \"exploration\"", |_, seed| {
        known(Ok, false).filter(|_| seed > 1)
    });
    says(&some.sentence, "2 of 24 runs have no outcome.");
}

const WITHIN: &str = r#"
kind = "mechanism"
[criterion]
test = "permutation"
metric = { name = "grad_norm_embedding", reduce = "spike_lead" }
treatment = { "model.norm" = "post" }
control_metric = { name = "layer_grad_norm", reduce = "spike_lead" }
pool = ["optimizer.lr"]
direction = "treatment_higher"
failed = "open"
"#;

/// Two metrics of the same runs, which are the second and third of the card.
#[test]
fn two_metrics_of_the_same_runs_are_compared_within_them() {
    let measured = |second: f64, third: f64| {
        move |_: &str, seed: u64| {
            Some(vec![
                Some(0.0),
                Some(second + seed as f64),
                Some(third + seed as f64),
            ])
        }
    };
    let verdict = measured_verdict(WITHIN, measured(3.0, 1.0));
    assert_eq!(verdict.status, Reproduced, "{}", verdict.sentence);
    says(
        &verdict.sentence,
        "lead of grad_norm_embedding over spikes of the loss: mean difference to lead of layer_grad_norm over spikes of \
         the loss with `post` is 2 (95 % interval over 12 seeds 2 to 2)",
    );
    assert_eq!(verdict.findings[0].arms.len(), 2, "the arms of one side");
    let reverse = measured_verdict(WITHIN, measured(1.0, 3.0));
    assert_eq!(reverse.status, NotReproduced);
}

/// A norm that was not recorded leaves it open, whichever of the two it is.
#[test]
fn either_metric_that_is_missing_leaves_a_comparison_within_runs_open() {
    for missing in [1, 2] {
        let verdict = measured_verdict(WITHIN, |_, seed| {
            let mut metrics = vec![Some(0.0), Some(9.0), Some(1.0)];
            metrics[missing] = metrics[missing].filter(|_| seed > 1);
            Some(metrics)
        });
        assert_eq!(verdict.status, Inconclusive, "{}", verdict.sentence);
        assert_eq!(verdict.findings[0].open, Some(Open::NoValue));
    }
}
