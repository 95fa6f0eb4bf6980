//! The rule as a truth table.

use super::*;
use Fate::{Calm, Later, Spike};

/// Where every twin spikes but these.
fn facts(others: &[(&str, Fate)]) -> Facts {
    let all = ["same", "order", "fp32", "older"];
    let mut fates: BTreeMap<String, Fate> = all
        .into_iter()
        .chain(OPTIMISER)
        .chain(BATCH)
        .chain(DATA)
        .chain(NUDGES)
        .map(|twin| (twin.to_owned(), Spike))
        .collect();
    fates.extend(
        others
            .iter()
            .map(|(twin, fate)| ((*twin).to_owned(), *fate)),
    );
    Facts {
        at: 122,
        control: Control::Same,
        recorded: true,
        fp32: false,
        fates,
        left: BTreeMap::new(),
    }
}

/// What differs from all spiking, and the answer.
#[expect(clippy::too_many_lines, reason = "a table")]
fn rows() -> Vec<(Vec<(&'static str, Fate)>, Answer)> {
    let cause = Answer::Cause;
    let batch = BATCH.map(|twin| (twin, Later));
    let with = |more: &[(&'static str, Fate)]| [&batch[..], more].concat();
    let data = DATA.map(|twin| (twin, Later));
    vec![
        (vec![], cause(Cause::State)),
        (
            vec![("lr-half", Later), ("clip-tighter", Later)],
            cause(Cause::State),
        ),
        (vec![("same", Calm)], Answer::NoSpike),
        (vec![("same", Later)], Answer::NoSpike),
        (with(&[]), cause(Cause::Data)),
        (
            with(&[("older", Calm), ("order", Calm), ("other-data", Calm)]),
            cause(Cause::Data),
        ),
        (
            with(&[("lr-half", Calm), ("egs", Calm)]),
            cause(Cause::Data),
        ),
        (with(&[("fp32", Calm)]), Answer::Unclear),
        // One of four batches without it is chance.
        (vec![("skip", Calm)], cause(Cause::State)),
        (vec![("fp32", Later)], cause(Cause::Precision)),
        (
            vec![
                ("fp32", Calm),
                ("lr-half", Calm),
                ("egs", Calm),
                ("order", Calm),
            ],
            cause(Cause::Precision),
        ),
        (
            vec![("fp32", Calm), ("nudge", Calm)],
            cause(Cause::Precision),
        ),
        (
            vec![("fp32", Calm), ("nudge", Calm), ("nudge-2", Later)],
            Answer::Unclear,
        ),
        (
            [&data[..], &[("order", Calm)]].concat(),
            cause(Cause::DataOrder),
        ),
        (data.to_vec(), cause(Cause::Data)),
        (
            with(&[("nudge", Calm), ("nudge-2", Calm)]),
            cause(Cause::Data),
        ),
        (
            vec![
                ("nudge", Calm),
                ("nudge-2", Later),
                ("egs", Calm),
                ("lr-half", Calm),
            ],
            Answer::Unclear,
        ),
        // One change, from two states.
        (
            vec![("clip-tighter", Calm), ("clip-tighter-2", Calm)],
            cause(Cause::Optimiser),
        ),
        // Chance again: other data have it, in one of two draws.
        (vec![("order", Calm)], cause(Cause::State)),
        (
            vec![("order", Calm), ("other-data", Calm)],
            cause(Cause::State),
        ),
        (vec![("beta2-lower", Calm)], Answer::Unclear),
        (
            vec![("beta2-lower", Calm), ("egs", Calm)],
            cause(Cause::Optimiser),
        ),
        (
            [
                &data[..],
                &[("clip-tighter", Calm), ("lr-half", Calm), ("order", Calm)],
            ]
            .concat(),
            cause(Cause::Optimiser),
        ),
        // What other formats than FP32 do says nothing by itself.
        (
            vec![("bf16", Calm), ("fp32-softmax", Calm)],
            cause(Cause::State),
        ),
    ]
}

#[test]
fn the_truth_table() {
    for (others, expected) in rows() {
        let found = attribute(&facts(&others));
        assert_eq!(found.answer, expected, "{others:?}: {}", found.sentence);
        assert!(found.sentence.ends_with('.') && found.sentence.contains("122"));
    }
}

/// Whatever their fates: a twin of which little is left at the step may spike by itself behind it.
#[test]
fn what_is_left_of_the_loss_with_other_batches_tells_a_bad_batch() {
    let found = |left: [f64; 4]| {
        let left = BATCH
            .iter()
            .zip(left)
            .map(|(twin, share)| ((*twin).to_owned(), share))
            .collect();
        attribute(&Facts { left, ..facts(&[]) }).answer
    };
    assert_eq!(found([0.1, -0.2, 0.3, 0.4]), Answer::Cause(Cause::Data));
    assert_eq!(found([0.1, 0.9, 0.3, 0.4]), Answer::Cause(Cause::State));
    let gone = BATCH.map(|twin| (twin, Calm));
    let left = BATCH.iter().map(|twin| ((*twin).to_owned(), 0.5)).collect();
    let answer = attribute(&Facts {
        left,
        ..facts(&gone)
    })
    .answer;
    assert_eq!(
        answer,
        Answer::Cause(Cause::State),
        "still high at the step, whatever follows"
    );
}

#[test]
fn a_record_that_the_control_leaves_at_an_attempt_was_restored_wrong() {
    let found = |control, same| {
        let facts = Facts {
            control,
            ..facts(&[("same", same)])
        };
        attribute(&facts).answer
    };
    let attempt = Control::OtherFromAttempt(118);
    assert_eq!(found(attempt, Calm), Answer::Cause(Cause::Restore));
    assert_eq!(found(attempt, Spike), Answer::Unclear);
    assert_eq!(found(Control::Other(118), Calm), Answer::Unclear);
    let calm = Facts {
        control: attempt,
        recorded: false,
        ..facts(&[("same", Calm)])
    };
    assert_eq!(attribute(&calm).answer, Answer::NoSpike);
}

#[test]
fn without_the_twins_that_would_decide_nothing_is_said() {
    for missing in [&BATCH[1..], &OPTIMISER[..], &["fp32"]] {
        let mut facts = facts(&[]);
        facts
            .fates
            .retain(|twin, _| !missing.contains(&twin.as_str()));
        assert_eq!(attribute(&facts).answer, Answer::Unclear, "{missing:?}");
    }
    let mut facts = facts(&[]);
    facts.fates.remove("fp32");
    facts.fp32 = true;
    assert_eq!(attribute(&facts).answer, Answer::Cause(Cause::State));
    facts.fates.remove("same");
    assert_eq!(attribute(&facts).answer, Answer::Unclear);
}

/// Somebody who named too few twins is told which to add.
#[test]
fn the_twins_that_did_not_run_and_would_decide_are_named() {
    let mut few = facts(&[]);
    few.fates
        .retain(|twin, _| ["same", "skip"].contains(&twin.as_str()));
    let told = attribute(&few);
    assert_eq!(told.answer, Answer::Unclear);
    assert_eq!(
        told.twins,
        ["other-batch", "fp32", "lr-half", "beta2-lower"]
    );
    few.fp32 = true;
    few.fates.insert("egs".to_owned(), Spike);
    assert_eq!(attribute(&few).twins, ["other-batch"]);
}
