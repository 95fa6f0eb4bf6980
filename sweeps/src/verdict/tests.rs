//! Verdicts of whole, partial and broken sweeps.

mod bench;
mod ceilings;
mod differences;
mod failed;
mod made;
mod pairs;
mod several;
mod spiked;
mod trends;

use super::*;
use crate::criterion::{Effect, Quantity};
use crate::stats::Proportion;
use crate::testing::{finish, sweep};
use logs::{Status, Summary};

/// States in which the first runs of each arm have the given outcomes.
fn states(sweep: &Sweep, post: &[Outcome], glm: &[Outcome]) -> Vec<RunState> {
    let mut states = SweepReader::new(sweep.clone()).states().to_vec();
    for (arm, outcomes) in [("post", post), ("deepnorm_glm", glm)] {
        let runs = states.iter_mut().filter(|run| run.arm == arm);
        for (run, outcome) in runs.zip(outcomes) {
            run.state = State::Finished;
            let value = if *outcome == Outcome::Ok { 3.2 } else { 3.6 };
            run.metric = Some(value + run.seed as f64 / 100.0);
            run.metrics = vec![run.metric];
            run.classified = Some(crate::Classified {
                outcome: *outcome,
                value: run.metric,
                stuck_line: 3.49,
                diverged_line: None,
                crossed_at: None,
                reason: String::new(),
            });
        }
    }
    states
}

fn verdict(post: &[Outcome], glm: &[Outcome]) -> Verdict {
    let (_directory, sweep) = sweep();
    judge(&sweep, &states(&sweep, post, glm)).unwrap()
}

use Outcome::{Diverged, Nonfinite, Ok as Fine, Stuck};

#[test]
fn all_against_none_is_reproduced() {
    let verdict = verdict(&[Stuck, Stuck, Diverged, Nonfinite], &[Fine; 4]);
    assert_eq!(verdict.status, VerdictStatus::Reproduced);
    let finding = &verdict.findings[0];
    assert!((finding.p_value.unwrap() - 2.0 / 70.0).abs() < 1e-12);
    assert_eq!(
        verdict.sentence,
        "Reproduced: stuck, diverged or nonfinite in 4 of 4 runs with `post` and 0 of 4 with \
         `deepnorm_glm`; two-sided Fisher p = 0.029 ≤ 0.05 (beside it McNemar's exact test, 4 \
         pairs: p = 0.12); difference 100 points, 95 % interval 15 to 100."
    );
    assert!(
        verdict.notes[1].starts_with("0 of 4 with `deepnorm_glm` still allows 60 %"),
        "{:?}",
        verdict.notes
    );
    let of_mean = |e: &&Effect| matches!(e.what, Quantity::MeanDifference(_));
    let means = finding.effects.iter().find(of_mean);
    assert!((means.unwrap().value - 0.4).abs() < 1e-12);
    assert_eq!(verdict.arms[0].outcomes[&Stuck], 2);
}

#[test]
fn no_difference_is_not_reproduced_and_not_refuted() {
    let verdict = verdict(&[Stuck, Fine, Fine, Fine], &[Fine; 4]);
    assert_eq!(verdict.status, VerdictStatus::NotReproduced);
    assert!(
        verdict.sentence.contains("p = 1.00 > 0.05"),
        "{}",
        verdict.sentence
    );
    assert!(
        verdict
            .notes
            .iter()
            .any(|note| note.starts_with("Not reproduced is not refuted")),
        "{:?}",
        verdict.notes
    );
}

#[test]
fn the_opposite_direction_is_not_reproduced() {
    let verdict = verdict(&[Fine; 4], &[Stuck; 4]);
    assert_eq!(verdict.status, VerdictStatus::NotReproduced);
    assert!(
        verdict
            .sentence
            .contains("in the direction opposite to the claim that `post` fails more"),
        "{}",
        verdict.sentence
    );
}

#[test]
fn missing_runs_that_could_turn_it_leave_it_open() {
    let verdict = verdict(&[Stuck; 4], &[Fine; 3]);
    assert_eq!(verdict.status, VerdictStatus::Inconclusive);
    assert_eq!(verdict.missing_runs.len(), 1);
    assert!(
        verdict
            .sentence
            .ends_with("1 of 8 runs has no outcome and could turn the verdict."),
        "{}",
        verdict.sentence
    );
}

#[test]
fn missing_runs_that_cannot_turn_it_do_not_keep_it_open() {
    // Two good runs under treatment: even with the others stuck, 2 of 4 against 0 of 4 is p = .43.
    let verdict = verdict(&[Fine, Fine], &[Fine; 4]);
    assert_eq!(verdict.status, VerdictStatus::NotReproduced);
    assert!(
        verdict
            .sentence
            .ends_with("2 of 8 runs have no outcome and cannot change the verdict."),
        "{}",
        verdict.sentence
    );
}

#[test]
fn nothing_run_is_inconclusive() {
    let verdict = verdict(&[], &[]);
    assert_eq!(verdict.status, VerdictStatus::Inconclusive);
    assert_eq!(verdict.missing_runs.len(), 8);
    assert!(
        verdict.sentence.contains("no run has an outcome yet"),
        "{}",
        verdict.sentence
    );
}

#[test]
fn a_failed_run_has_no_outcome_and_is_named() {
    let (_directory, sweep) = sweep();
    for run in sweep.runs() {
        let directory = sweep.run_dir(&run.id);
        if run.seed == 2 && run.arm == "post" {
            let failed = Summary::new(Status::Failed, 0, 0, 0.0);
            logs::write_json_atomic(&directory.join("summary.json"), &failed).unwrap();
        } else {
            finish(&directory, if run.arm == "post" { 3.6 } else { 3.2 });
        }
    }
    let verdict = sweep.verdict().unwrap();
    assert_eq!(verdict.status, VerdictStatus::Inconclusive);
    assert_eq!(
        verdict.findings[0].counts[0].proportion,
        Proportion::new(3, 3)
    );
    assert_eq!(verdict.failed_runs.len(), 1);
    assert_eq!(verdict.failed_runs, verdict.missing_runs);
    assert_eq!(verdict.missing_languages, ["zh"]);
    let notes = verdict.notes.join("\n");
    assert!(notes.contains("No text was available in: zh"), "{notes}");
    assert!(
        notes.contains("Failed without an outcome: small-post-"),
        "{notes}"
    );

    sweep.write_verdict(&verdict).unwrap();
    let text = std::fs::read_to_string(sweep.dir().join("verdict.json")).unwrap();
    assert_eq!(serde_json::from_str::<Verdict>(&text).unwrap(), verdict);
}

#[test]
fn an_edited_criterion_is_flagged_and_not_used() {
    let (_directory, sweep) = sweep();
    let path = sweep.dir().join("sweep.toml");
    let text = crate::testing::CARD.replace("treatment_more", "treatment_less");
    std::fs::write(path, text).unwrap();
    let verdict = judge(&sweep, &states(&sweep, &[Stuck; 4], &[Fine; 4])).unwrap();
    assert!(verdict.criterion_changed);
    assert_eq!(
        verdict.status,
        VerdictStatus::Reproduced,
        "by the registered criterion"
    );
    assert!(
        verdict
            .notes
            .last()
            .unwrap()
            .contains("edited after the sweep had begun")
    );
}

#[test]
fn a_nonfinite_metric_leaves_the_mean_but_not_the_count() {
    let (_directory, sweep) = sweep();
    let mut states = states(&sweep, &[Nonfinite; 4], &[Fine; 4]);
    let post = states.iter_mut().find(|run| run.arm == "post").unwrap();
    post.metric = Some(f64::NAN);
    post.metrics = vec![post.metric];
    let verdict = judge(&sweep, &states).unwrap();
    assert_eq!(
        verdict.findings[0].counts[0].proportion,
        Proportion::new(4, 4)
    );
    assert_eq!(verdict.arms[0].metric.unwrap().n, 3);
}
