//! Which attempts make one run.

use super::*;

/// The loss of a training; `seed` is its noise.
fn loss(seed: u64, step: u64) -> f64 {
    let noise = (step.wrapping_mul(2_654_435_761).wrapping_add(seed * 97) % 1000) as f64 / 1000.0;
    2.0 + 9.0 / (1.0 + step as f64 / 50.0) + 0.1 * noise
}

fn segment(
    source: usize,
    steps: std::ops::RangeInclusive<u64>,
    value: impl Fn(u64) -> f64,
) -> Segment {
    let records = steps.map(|step| {
        let mut record = Record::new(step);
        record.set_named("loss", value(step));
        record
    });
    Segment {
        source,
        clock: None,
        records: records.collect(),
    }
}

/// Numbers of the segments, run by run.
fn runs(segments: &[Segment]) -> Vec<Vec<usize>> {
    let runs = stitch(segments).into_iter();
    runs.map(|run| run.attempts.into_iter().map(|(number, _)| number).collect())
        .collect()
}

#[test]
fn a_restart_joins_where_its_first_step_is_the_same() {
    // Behind the first step, which both computed from one checkpoint, the two drift apart.
    let drift = |step| loss(1, step) + if step > 101 { 0.003 } else { 0.0 };
    let segments = [
        segment(0, 101..=300, drift),
        segment(1, 1..=120, |step| loss(1, step)),
    ];
    let run = &stitch(&segments)[0];
    assert_eq!(run.attempts[0], (1, Join::Start));
    let Join::Overlap {
        first,
        last,
        steps,
        equal,
        largest_difference,
    } = run.attempts[1].1
    else {
        panic!("{:?}", run.attempts)
    };
    assert_eq!((first, last, steps, equal), (101, 120, 20, 1));
    assert!((largest_difference - 0.003).abs() < 1e-9);
}

#[test]
fn trainings_of_the_same_steps_are_rivals_and_the_whole_one_comes_first() {
    let segments = [
        segment(0, 1..=60, |step| loss(1, step)),
        segment(1, 61..=200, |step| loss(1, step)),
        segment(2, 1..=200, |step| loss(2, step)),
        segment(3, 1..=20, |step| loss(3, step)),
    ];
    assert_eq!(runs(&segments), [vec![2], vec![0, 1], vec![3]]);
}

#[test]
fn a_boundary_joins_only_where_the_loss_goes_on() {
    let low = segment(0, 1..=100, |step| loss(1, step));
    let on = segment(1, 101..=200, |step| loss(1, step));
    let high = segment(2, 201..=300, |_| 11.0);
    assert_eq!(runs(&[low, on, high]), [vec![0, 1], vec![2]]);
}

#[test]
fn a_collapse_behind_the_first_step_of_a_resume_stays_in_the_run() {
    let low = segment(0, 1..=100, |step| loss(1, step));
    let bad = segment(
        1,
        101..=200,
        |step| if step == 101 { loss(1, step) } else { 11.0 },
    );
    assert_eq!(runs(&[low, bad]), [vec![0, 1]]);
}

#[test]
fn attempts_of_one_file_stay_together_and_clocks_order_files() {
    let mut segments = [
        segment(0, 50..=70, |step| loss(1, step)),
        segment(0, 40..=60, |_| 9.0),
        segment(1, 1..=50, |step| loss(1, step)),
    ];
    assert_eq!(runs(&segments), [vec![2, 0, 1]]);
    for (segment, clock) in segments.iter_mut().zip([20.0, 20.0, 10.0]) {
        segment.clock = Some(clock);
    }
    assert_eq!(runs(&segments), [vec![2, 0, 1]]);
}

#[test]
fn a_sparse_log_joins_by_the_level_of_its_first_common_step() {
    let sparse = |source, from: u64, to: u64, shift: f64| {
        let mut segment = segment(source, from..=to, |step| loss(1, step) + shift);
        segment.records.retain(|record| record.step % 10 == 0);
        segment
    };
    assert_eq!(
        runs(&[sparse(0, 1, 300, 0.0), sparse(1, 200, 400, 0.01)]),
        [vec![0, 1]]
    );
    assert_eq!(
        runs(&[sparse(0, 1, 300, 0.0), sparse(1, 200, 400, 3.0)]),
        [vec![0], vec![1]]
    );
    assert_eq!(
        runs(&[sparse(0, 1, 300, 0.0), sparse(1, 1, 400, 0.01)]),
        [vec![1], vec![0]]
    );
}

#[test]
fn of_several_runs_that_end_before_it_an_attempt_continues_the_nearest() {
    let segments = [
        segment(0, 1..=60, |step| loss(1, step)),
        segment(1, 1..=100, |step| loss(2, step) + 0.05),
        segment(2, 1..=100, |step| loss(3, step) + 0.3),
        segment(3, 101..=200, |step| loss(4, step) + 0.3),
    ];
    assert_eq!(runs(&segments), [vec![2, 3], vec![1], vec![0]]);
}

#[test]
fn an_excursion_at_the_boundary_does_not_part_a_run() {
    let spiked = |step| if step == 100 { 9.0 } else { loss(1, step) };
    let segments = [
        segment(0, 1..=100, spiked),
        segment(1, 101..=200, |step| loss(1, step)),
    ];
    assert_eq!(runs(&segments), [vec![0, 1]]);
}
