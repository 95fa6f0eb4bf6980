//! The outcome rules at their edges.

use super::*;
use proptest::prelude::*;

const ENTROPY: f64 = 3.54;

fn records(losses: impl IntoIterator<Item = f64>) -> Vec<Record> {
    losses
        .into_iter()
        .enumerate()
        .map(|(index, loss)| {
            let mut record = Record::new(index as u64 + 1);
            record.set_named("loss", loss);
            record
        })
        .collect()
}

fn with_held_out(mut records: Vec<Record>, value: f64) -> Vec<Record> {
    let last = records.last_mut().unwrap();
    last.set_named("held_out_loss", value);
    records
}

fn outcome(losses: impl IntoIterator<Item = f64>) -> Outcome {
    classify(&records(losses), &OutcomeRules::default(), ENTROPY).outcome
}

/// A loss that falls from 5.6 and settles at 3.2 with a little noise.
fn healthy(steps: usize) -> Vec<f64> {
    (0..steps)
        .map(|t| {
            let t = t as f64;
            3.2 + 2.4 * (-t / 15.0).exp() + 0.02 * (t * 1.7).sin()
        })
        .collect()
}

#[test]
fn a_falling_loss_is_ok() {
    assert_eq!(outcome(healthy(150)), Outcome::Ok);
}

#[test]
fn the_unigram_level_is_stuck_and_the_margin_decides() {
    let flat = |level: f64| records(vec![level; 150]);
    let rules = OutcomeRules::default();
    let at = |level| classify(&flat(level), &rules, ENTROPY).outcome;
    assert_eq!(at(3.491), Outcome::Stuck, "above 3.54 - 0.05");
    assert_eq!(at(3.489), Outcome::Ok, "below 3.54 - 0.05");
}

#[test]
fn the_held_out_loss_decides_before_training_losses() {
    let stuck = with_held_out(records(healthy(150)), 3.55);
    let result = classify(&stuck, &OutcomeRules::default(), ENTROPY);
    assert_eq!(result.outcome, Outcome::Stuck);
    assert_eq!(result.value, Some(3.55));
    assert!(
        result.reason.contains("held-out loss 3.550"),
        "{}",
        result.reason
    );
}

#[test]
fn one_nonfinite_loss_outranks_everything() {
    let mut losses = vec![3.55; 150];
    losses[70] = f64::NAN;
    let result = classify(&records(losses), &OutcomeRules::default(), ENTROPY);
    assert_eq!(result.outcome, Outcome::Nonfinite);
    assert!(result.reason.contains("step 71"), "{}", result.reason);
    let infinite = with_held_out(records(healthy(150)), f64::INFINITY);
    assert_eq!(
        classify(&infinite, &OutcomeRules::default(), ENTROPY).outcome,
        Outcome::Nonfinite
    );
}

#[test]
fn a_skipped_step_with_finite_loss_is_no_failure() {
    let mut all = records(healthy(150));
    all[3].set_named("skipped", 1.0);
    all[3].set_named("grad_norm", f64::INFINITY);
    assert_eq!(
        classify(&all, &OutcomeRules::default(), ENTROPY).outcome,
        Outcome::Ok
    );
}

#[test]
fn a_loss_that_climbs_and_stays_has_diverged_even_above_the_stuck_line() {
    let mut losses = healthy(150);
    losses.extend(vec![6.0; 60]);
    let result = classify(&records(losses), &OutcomeRules::default(), ENTROPY);
    assert_eq!(result.outcome, Outcome::Diverged);
    let line = result.diverged_line.unwrap();
    assert!((3.65..3.8).contains(&line), "best 3.2 + 0.5, got {line}");
    assert!((151..=160).contains(&result.crossed_at.unwrap()));
}

#[test]
fn coming_back_within_a_hundred_steps_is_recovered_and_later_is_diverged() {
    let excursion = |steps: usize| {
        let mut losses = healthy(150);
        losses.extend(vec![6.0; steps]);
        losses.extend(vec![3.2; 60]);
        outcome(losses)
    };
    assert_eq!(excursion(30), Outcome::Recovered);
    assert_eq!(excursion(120), Outcome::Diverged, "came back too late");
}

#[test]
fn a_single_noisy_step_does_not_move_the_mean_over_the_line() {
    let mut losses = healthy(150);
    losses[100] = 8.0;
    assert_eq!(outcome(losses), Outcome::Ok, "(8 - 3.2) / 20 < 0.5");
}

#[test]
fn a_noisy_run_has_a_higher_line() {
    let run = |noise: f64, jump: f64| {
        let mut losses: Vec<f64> = (0..200)
            .map(|t| 2.0 + noise * (f64::from(t) * 1.7).sin())
            .collect();
        losses.extend(vec![2.0 + jump; 40]);
        outcome(losses)
    };
    assert_eq!(run(0.01, 1.0), Outcome::Diverged, "the line is 0.5 up");
    // The plain MAD of a sine is 0.707 of its amplitude: 7 × 0.707 × 0.28 = 1.4.
    assert_eq!(run(0.28, 1.0), Outcome::Ok);
    assert_eq!(run(0.28, 2.5), Outcome::Diverged);
}

#[test]
fn short_and_empty_runs_do_not_panic() {
    assert_eq!(outcome([]), Outcome::Ok);
    assert_eq!(outcome([5.5]), Outcome::Stuck);
    assert_eq!(outcome(vec![3.0; 19]), Outcome::Ok);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a log holds, classification ends, and non-finite values are always found.
    #[test]
    fn prop_any_losses_are_classified(
        losses in proptest::collection::vec(
            prop_oneof![8 => 0.0..20.0, 1 => Just(f64::NAN), 1 => Just(f64::INFINITY)], 0..200)
    ) {
        let any = losses.iter().any(|loss: &f64| !loss.is_finite());
        prop_assert_eq!(outcome(losses) == Outcome::Nonfinite, any);
    }

    /// Adding a constant to losses and entropy changes no outcome: the rules are about distances.
    #[test]
    fn prop_outcomes_do_not_depend_on_the_unit_zero(
        losses in proptest::collection::vec(2.0..6.0_f64, 20..200)
    ) {
        let shifted = records(losses.iter().map(|loss| loss + 4.0));
        let plain = records(losses);
        let rules = OutcomeRules::default();
        prop_assert_eq!(
            classify(&plain, &rules, ENTROPY).outcome,
            classify(&shifted, &rules, ENTROPY + 4.0).outcome
        );
    }
}
