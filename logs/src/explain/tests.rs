//! Simulated runs in which the truth is known.

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

use super::*;

/// Where something is planted.
const AT: u64 = 400;
const STEPS: u64 = 700;
/// Runs of which most answers must be right.
const RUNS: u64 = 300;

fn noise(seed: u64, size: f64) -> Vec<f64> {
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    // Near enough to normal: the sum of twelve uniform numbers.
    let one = |random: &mut ChaCha12Rng| (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
    (0..=STEPS).map(|_| size * one(&mut random)).collect()
}

/// A falling loss with the moves of its batches and some of its own.
fn run(batches: u64, model: u64) -> Vec<Record> {
    let (shared, own) = (noise(batches, 0.05), noise(1000 + model, 0.02));
    let level = |step: u64| 3.0 + 0.2 * model as f64 + 6.0 * (-(step as f64) / 60.0).exp();
    let record = |step: u64| {
        let mut record = Record::new(step);
        let place = step as usize;
        record.set_named("loss", level(step) + shared[place] + own[place]);
        record
    };
    (1..=STEPS).map(record).collect()
}

/// Adds `height` to the losses of some steps.
fn plant(records: &mut [Record], steps: std::ops::RangeInclusive<u64>, height: f64) {
    for record in records {
        if steps.contains(&record.step) {
            let loss = record.scalar("loss").unwrap();
            record.set_named("loss", loss + height);
        }
    }
}

fn attempt(attempt: u32, first: u64, last: u64, join: Join) -> Attempt {
    Attempt {
        attempt,
        source: 0,
        first,
        last,
        records: last - first + 1,
        join,
    }
}

fn explained(
    records: &[Record],
    attempts: &[Attempt],
    siblings: &[(Kin, &[Record])],
) -> Vec<Explained> {
    let siblings: Vec<Sibling<'_>> = siblings
        .iter()
        .map(|(kin, records)| Sibling {
            name: "other",
            kin: *kin,
            records,
        })
        .collect();
    let known = Known {
        records,
        attempts,
        siblings: &siblings,
        restore_within: RESTORE_WITHIN,
    };
    incidents(records)
        .into_iter()
        .map(|incident| known.explain(incident))
        .collect()
}

/// The only incident there is.
fn only(records: &[Record], attempts: &[Attempt], siblings: &[(Kin, &[Record])]) -> Explained {
    let mut found = explained(records, attempts, siblings);
    assert_eq!(
        found.len(),
        1,
        "{:?}",
        found.iter().map(|one| &one.incident).collect::<Vec<_>>()
    );
    found.remove(0)
}

/// Of a bad batch, a batch bad for one model and a bad state, siblings tell which it was, and runs with other batches do not count. A sibling
/// may show 3.5 deviations by chance, so not every answer is right; 29 of 30 must be.
#[test]
fn siblings_decide_between_batch_and_state() {
    use Kin::{OtherSize, SameSize};
    let mut right: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for seed in 0..RUNS {
        let height = 0.8 + 2.0 * seed as f64 / RUNS as f64;
        let planted = |model, last| {
            let mut records = run(seed, model);
            plant(&mut records, AT..=last, height);
            records
        };
        let (calm, others) = (run(seed, 1), run(seed + 20_000, 2));
        let mut check = |what, records: &[Record], siblings: &[(Kin, &[Record])], expected| {
            let found = explained(records, &[], siblings);
            let is_right = found.len() == 1 && found[0].answer == expected;
            *right.entry(what).or_default() += usize::from(is_right);
        };
        let (ours, sibling) = (planted(0, AT), planted(1, AT));
        check("alone", &ours, &[], Answer::Batch);
        check("others", &ours, &[(OtherSize, &others)], Answer::Batch);
        check(
            "data",
            &ours,
            &[(OtherSize, &sibling), (OtherSize, &others)],
            Answer::Data,
        );
        check(
            "model",
            &ours,
            &[(OtherSize, &calm), (SameSize, &calm)],
            Answer::DataAndModel,
        );
        check(
            "size",
            &ours,
            &[(SameSize, &sibling), (OtherSize, &calm)],
            Answer::DataAndModel,
        );
        let (ours, sibling) = (planted(0, AT + 20), planted(1, AT + 20));
        check("lasting, alone", &ours, &[], Answer::Unclear);
        check(
            "lasting, state",
            &ours,
            &[(OtherSize, &calm)],
            Answer::NotDataAlone,
        );
        check(
            "lasting, data",
            &ours,
            &[(OtherSize, &sibling)],
            Answer::Data,
        );
    }
    eprintln!("{right:?} of {RUNS}");
    assert_eq!(right.len(), 8);
    assert!(
        right.values().all(|count| 30 * count >= 29 * RUNS as usize),
        "{right:?} of {RUNS}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// A restore is suspected shortly behind an attempt's start and nowhere else.
    #[test]
    fn a_restore_is_suspected_behind_an_attempts_start_only(seed in 0_u64..10_000, behind in 0_u64..60) {
        let mut records = run(seed, 0);
        plant(&mut records, AT..=STEPS, 5.0);
        let first = AT - behind;
        let boundary = Join::Boundary { before: first - 1, first };
        let attempts = [attempt(1, 1, first - 1, Join::Start), attempt(2, first, STEPS, boundary)];
        let found = only(&records, &attempts, &[]);
        // Its first two values count whatever the steps between them.
        let expected = if behind < RESTORE_WITHIN { Answer::Restore } else { Answer::Unclear };
        prop_assert_eq!(found.answer, expected);
        let first_is_bad = found.seen.iter().any(|line| line.contains("first loss already shows it"));
        prop_assert_eq!(first_is_bad, behind == 0);
        let begun_with_it = [attempt(1, 1, 20, Join::Start), attempt(2, 1, STEPS, Join::Given)];
        prop_assert_eq!(only(&records, &begun_with_it, &[]).answer, Answer::Unclear);
    }

    /// Calm runs have nothing to explain.
    #[test]
    fn nothing_is_invented(seed in 0_u64..10_000) {
        prop_assert_eq!(incidents(&run(seed, 0)), []);
    }
}

/// What the attempt before recorded at the same steps: the losses that were replaced differ by less or more than the spike.
#[test]
fn an_earlier_attempt_at_the_same_steps_is_a_witness() {
    let mut records = run(3, 0);
    plant(&mut records, AT..=AT + 9, 2.0);
    let again = |earlier: u64, largest_difference| {
        let overlap = Join::Overlap {
            first: AT - 2,
            last: AT + 40,
            steps: 43,
            equal: 40,
            largest_difference,
        };
        let attempts = [
            attempt(1, 1, AT - 3, Join::Start),
            attempt(2, earlier, AT + 40, Join::Given),
            attempt(3, AT - 2, STEPS, overlap),
        ];
        only(&records, &attempts, &[])
    };
    let without = again(300, 2.1);
    assert_eq!(without.answer, Answer::Restore);
    assert!(
        without.seen[0].contains("which did not have it"),
        "{:?}",
        without.seen
    );
    assert_eq!(again(300, 0.1).answer, Answer::Unclear);
    // One that began at the same step restored the same: it speaks for the restore.
    let twice = again(AT - 2, 0.0);
    assert_eq!(twice.answer, Answer::Restore);
    assert!(
        twice.seen[0].contains("40 of 43 losses alike"),
        "{:?}",
        twice.seen
    );
}

#[test]
fn shapes_are_told_apart() {
    let shape = |change: &dyn Fn(&mut Vec<Record>)| {
        let mut records = run(5, 0);
        change(&mut records);
        only(&records, &[], &[]).incident
    };
    let rise = |steps: std::ops::RangeInclusive<u64>, height| {
        shape(&move |records| plant(records, steps.clone(), height))
    };
    assert_eq!(rise(AT..=AT, 1.0).shape, Shape::OneStep);
    assert_eq!(rise(AT..=AT + 30, 1.0).shape, Shape::Spike);
    let shift = rise(AT..=AT + 150, 1.0);
    assert_eq!((shift.shape, shift.back), (Shape::Shift, Some(AT + 151)));
    let collapse = rise(AT..=STEPS, 8.0);
    assert_eq!((collapse.shape, collapse.back), (Shape::Collapse, None));
    assert_eq!(rise(STEPS - 30..=STEPS, 1.0).shape, Shape::Divergence);
    assert_eq!(rise(STEPS - 3..=STEPS, 1.0).shape, Shape::Unfinished);
    let nan = rise(AT..=AT + 2, f64::NAN);
    assert_eq!(
        (nan.shape, nan.last, nan.back),
        (Shape::NonFinite, AT + 2, Some(AT + 3))
    );
    assert_eq!(rise(AT..=STEPS, f64::NAN).back, None);
    // Of a log of every tenth step nobody knows what one value stands for.
    let rare = shape(&|records| {
        plant(records, AT..=AT, 1.0);
        for record in records.iter_mut() {
            record.step *= 10;
        }
    });
    assert_eq!(rare.shape, Shape::OneValue);
}

/// All NaN, no loss, a single record, constant losses: no panic, and nothing invented.
#[test]
fn poor_logs_are_told_as_they_are() {
    let mut all_nan = run(1, 0);
    plant(&mut all_nan, 1..=STEPS, f64::NAN);
    let found = only(&all_nan, &[], &[(Kin::SameSize, &all_nan)]);
    assert_eq!((found.answer, found.incident.first), (Answer::Unclear, 1));
    assert_eq!(found.siblings[0].correlation, None);
    assert!(incidents(&[]).is_empty());
    assert!(incidents(&[Record::new(7)]).is_empty());
    let mut stuck = run(1, 0);
    for record in &mut stuck {
        record.set_named("loss", 7.0);
    }
    plant(&mut stuck, AT..=AT, 1.0);
    let found = only(&stuck, &[], &[(Kin::SameSize, &stuck)]);
    assert_eq!(
        found.siblings[0].correlation, None,
        "what never moves cannot be compared"
    );
    assert_eq!(found.answer, Answer::Batch);
}

#[test]
fn the_loss_scale_and_the_gradient_norm_are_looked_at() {
    let mut records = run(9, 0);
    for record in &mut records {
        let fallen = record.step + 4 >= AT;
        record.set_named("loss_scale", if fallen { 1024.0 } else { 65_536.0 });
        record.set_named(
            "grad_norm",
            if fallen && record.step < AT + 9 {
                30.0
            } else {
                1.0
            },
        );
    }
    let found = explained(&records, &[], &[]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].incident.shape, Shape::Silent);
    let too_few = |found: &Explained| {
        found
            .seen
            .iter()
            .any(|line| line.contains("too few values"))
    };
    assert!(!too_few(&found[0]));
    let short = &records[AT as usize - 20..];
    assert!(explained(short, &[], &[]).iter().all(too_few));
    plant(&mut records, AT..=AT + 9, 2.0);
    let found = only(&records, &[], &[]);
    assert_eq!(found.incident.first, AT);
    let seen = found.seen.join("\n");
    assert!(seen.contains("doubled 4 steps before"), "{seen}");
    assert!(seen.contains("fallen by 6 halvings before it"), "{seen}");
    let untold = found.untold.join("\n");
    assert!(
        !untold.contains("grad_norm") && untold.contains("--sibling"),
        "{untold}"
    );
}

#[test]
fn the_text_says_what_and_why_and_what_cannot_be_told_once() {
    let mut records = run(5, 0);
    plant(&mut records, 200..=200, 1.0);
    plant(&mut records, AT..=AT + 9, 1.0);
    let text = text(&explained(&records, &[], &[]));
    assert!(
        text.starts_with("step 200: an excursion of one step, loss "),
        "{text}"
    );
    assert!(
        text.contains("The excursion at step 200 is put down to data or data × model: "),
        "{text}"
    );
    assert!(
        text.contains("What caused the spike at step 400 cannot be said: "),
        "{text}"
    );
    assert_eq!(
        text.matches("the log has no `grad_norm`").count(),
        1,
        "{text}"
    );
}

/// The same log imported twice is no second witness.
#[test]
fn a_run_under_another_name_says_nothing_more() {
    let mut records = run(7, 0);
    plant(&mut records, AT..=AT + 9, 2.0);
    let alone = only(&records, &[], &[]);
    let found = only(&records, &[], &[(Kin::SameSize, &records)]);
    assert!(found.siblings[0].same_run && !found.siblings[0].same_batches);
    assert_eq!(found.answer, alone.answer);
    assert!(
        found.seen.join("\n").contains("it is this run"),
        "{:?}",
        found.seen
    );
    let mut twin = records.clone();
    plant(&mut twin, AT..=AT, 0.1);
    let found = only(&records, &[], &[(Kin::SameSize, &twin)]);
    assert_eq!(
        found.answer,
        Answer::Data,
        "from one state, and another course"
    );
}

/// A loss scale falls, and its moves are those of no batch.
#[test]
fn a_fall_is_looked_for_downwards_in_other_runs() {
    let with_fall = |model| {
        let mut records = run(8, model);
        for record in &mut records {
            let fallen = record.step + 1 > AT;
            record.set_named("loss_scale", if fallen { 1024.0 } else { 65_536.0 });
        }
        records
    };
    let (records, other) = (with_fall(0), with_fall(1));
    let found = only(&records, &[], &[(Kin::SameSize, &other)]);
    assert_eq!(found.incident.signal, "loss_scale");
    assert_eq!(found.answer, Answer::Data, "{}", found.sentence);
    let calm = run(8, 2);
    let found = only(&records, &[], &[(Kin::SameSize, &calm)]);
    assert_eq!(found.siblings[0].deviations, None);
    assert!(
        found.seen.join("\n").contains("`other` has too few"),
        "{:?}",
        found.seen
    );
}

#[test]
fn no_value_is_told_in_hundreds_of_digits() {
    let mut records = run(4, 0);
    plant(&mut records, AT..=AT, 1e300);
    let text = text(&explained(&records, &[], &[]));
    assert!(text.starts_with("step 400: an excursion of one step, loss "));
    assert!(text.contains(" to 1e300\n"), "{text}");
}
