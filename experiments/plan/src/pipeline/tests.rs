//! What a timeline must be, for any input.

mod drawing;

use super::*;
use crate::{PlanError, Schedule};
use proptest::prelude::*;
use std::collections::HashMap;

fn input(schedule: Schedule, stages: u64, micro_batches: u64, chunks: u64) -> PipelineInput {
    PipelineInput {
        stages,
        micro_batches,
        chunks,
        schedule,
        forward_seconds: 1.0,
        backward_seconds: 2.0,
        send_seconds: 0.0,
    }
}

/// Any legal input of moderate size.
fn legal() -> impl Strategy<Value = PipelineInput> {
    let schedule = prop_oneof![
        Just(Schedule::Gpipe),
        Just(Schedule::OneForwardOneBackward),
        Just(Schedule::Interleaved)
    ];
    let seconds = || 0.01..10.0_f64;
    let send = prop_oneof![Just(0.0), 0.001..3.0_f64];
    (
        schedule,
        1..12_u64,
        1..40_u64,
        2..5_u64,
        seconds(),
        seconds(),
        send,
    )
        .prop_map(
            |(schedule, stages, micro_batches, chunks, forward, backward, send)| {
                let interleaved = schedule == Schedule::Interleaved;
                PipelineInput {
                    stages,
                    micro_batches: if interleaved {
                        micro_batches.div_ceil(4) * stages
                    } else {
                        micro_batches
                    },
                    chunks: if interleaved { chunks } else { 1 },
                    schedule,
                    forward_seconds: forward,
                    backward_seconds: backward,
                    send_seconds: send,
                }
            },
        )
}

proptest! {
    /// The simulation and the papers' formulas are two independent ways to the same number.
    #[test]
    fn agrees_with_the_formula(input in legal()) {
        let input = PipelineInput { send_seconds: 0.0, ..input };
        let timeline = simulate(&input).unwrap();
        let formula = closed_form(&input).unwrap();
        prop_assert!((timeline.bubble - formula).abs() < 1e-9, "{} {formula}", timeline.bubble);
    }

    /// No pass runs before its input has arrived, and no stage does two things at once.
    #[test]
    fn respects_every_dependency(input in legal()) {
        let timeline = simulate(&input).unwrap();
        let (p, v) = (input.stages as u32, input.chunks as u32);
        let events: HashMap<_, _> = timeline
            .events
            .iter()
            .map(|event| ((event.chunk * p + event.stage, event.micro_batch, event.pass), *event))
            .collect();
        prop_assert_eq!(events.len(), timeline.events.len());
        let send = if p > 1 { input.send_seconds } else { 0.0 };
        for ((position, micro_batch, pass), event) in &events {
            let end = |position, pass| events[&(position, *micro_batch, pass)].end;
            match pass {
                Pass::Forward if *position == 0 => {}
                Pass::Forward => {
                    prop_assert!(event.start >= end(position - 1, Pass::Forward) + send);
                }
                Pass::Backward => {
                    prop_assert!(event.start >= end(*position, Pass::Forward));
                    if position + 1 < p * v {
                        prop_assert!(event.start >= end(position + 1, Pass::Backward) + send);
                    }
                }
            }
        }
        for pair in timeline.events.windows(2) {
            prop_assert!(pair[0].stage < pair[1].stage || pair[0].end <= pair[1].start);
        }
    }

    /// Every stage does every pass once, and the bubble is what is left of its time.
    #[test]
    fn conserves_work(input in legal()) {
        let timeline = simulate(&input).unwrap();
        let passes = 2 * input.stages * input.micro_batches * input.chunks;
        prop_assert_eq!(timeline.events.len() as u64, passes);
        let work = input.micro_batches as f64 * (input.forward_seconds + input.backward_seconds);
        for stage in 0..input.stages {
            let busy: f64 = timeline
                .events
                .iter()
                .filter(|event| u64::from(event.stage) == stage)
                .map(|event| event.end - event.start)
                .sum();
            prop_assert!((busy - work).abs() < 1e-9 * work.max(1.0));
        }
        prop_assert!((timeline.bubble - (1.0 - work / timeline.seconds)).abs() < 1e-9);
        prop_assert!(timeline.seconds >= work * (1.0 - 1e-12));
    }

    /// What each stage holds decides whether a layout fits: 1F1B min(m, p − s) micro-batches,
    /// GPipe all m, interleaved min(v·m, 2(p − s − 1) + (v − 1)p + 1) chunks.
    #[test]
    fn holds_what_the_schedule_promises(input in legal()) {
        let timeline = simulate(&input).unwrap();
        let (p, m, v) = (input.stages, input.micro_batches, input.chunks);
        for (stage, held) in (0..).zip(&timeline.peak_in_flight) {
            let expected = match input.schedule {
                Schedule::Gpipe => m,
                Schedule::OneForwardOneBackward => m.min(p - stage),
                Schedule::Interleaved => (v * m).min(2 * (p - stage - 1) + (v - 1) * p + 1),
            };
            prop_assert_eq!(*held, expected, "stage {}", stage);
        }
    }

    /// A legal input never deadlocks, and slower messages never make a step faster.
    #[test]
    fn slower_messages_make_no_step_faster(input in legal(), more in 0.001..2.0_f64) {
        let timeline = simulate(&input).unwrap();
        let slower = PipelineInput { send_seconds: input.send_seconds + more, ..input };
        prop_assert!(simulate(&slower).unwrap().seconds >= timeline.seconds - 1e-9);
    }

    /// Whatever a user types, the answer is a timeline or an error, quickly.
    #[test]
    fn any_input_has_an_answer(
        stages in any::<u64>(),
        micro_batches in any::<u64>(),
        chunks in any::<u64>(),
        small in any::<bool>(),
        seconds in any::<(f64, f64, f64)>(),
    ) {
        let cut = |value: u64| if small { value % 7 } else { value };
        for schedule in [Schedule::Gpipe, Schedule::OneForwardOneBackward, Schedule::Interleaved] {
            let input = PipelineInput {
                stages: cut(stages),
                micro_batches: cut(micro_batches),
                chunks: cut(chunks),
                schedule,
                forward_seconds: seconds.0,
                backward_seconds: seconds.1,
                send_seconds: seconds.2,
            };
            let _ = closed_form(&input);
            if let Ok(timeline) = simulate(&input) {
                prop_assert!(timeline.seconds.is_finite());
            }
        }
    }
}

/// The published figure: GLM-130B equations 5 and 6 at m = 176, p = 8.
#[test]
fn glm_130b_idles_3_825_percent() {
    let published = input(Schedule::OneForwardOneBackward, 8, 176, 1);
    let timeline = simulate(&published).unwrap();
    assert_eq!(closed_form(&published), Some(7.0 / 183.0));
    assert!((timeline.bubble - 7.0 / 183.0).abs() < 1e-12);
    assert_eq!(format!("{:.3}", 100.0 * timeline.bubble), "3.825");
    assert!((timeline.seconds - 183.0 * 3.0).abs() < 1e-9);
    assert_eq!(timeline.peak_in_flight, [8, 7, 6, 5, 4, 3, 2, 1]);
}

/// Figure 4 of Narayanan et al. 2021: 4 stages, 8 micro-batches, 2 chunks, backward twice forward.
#[test]
fn interleaving_halves_the_bubble_time_of_two_chunks() {
    let plain = simulate(&input(Schedule::OneForwardOneBackward, 4, 8, 1)).unwrap();
    let interleaved = simulate(&input(Schedule::Interleaved, 4, 8, 2)).unwrap();
    let work = 8.0 * 3.0;
    assert!((plain.seconds - work - 9.0).abs() < 1e-12);
    assert!((interleaved.seconds - work - 4.5).abs() < 1e-12);
    assert!((interleaved.bubble - 3.0 / 19.0).abs() < 1e-12);
}

/// Messages cost 1F1B more than their number in the fill: a stage runs only p − s ahead, so in the
/// long run each micro-batch pays for the round trip to the last stage, 2(p − 1)/p messages.
#[test]
fn one_forward_one_backward_waits_for_round_trips() {
    let with = |micro_batches, schedule| PipelineInput {
        send_seconds: 0.5,
        ..input(schedule, 8, micro_batches, 1)
    };
    let seconds = |input: &PipelineInput| simulate(input).unwrap().seconds;
    let long = with(960, Schedule::OneForwardOneBackward);
    let longer = with(1920, Schedule::OneForwardOneBackward);
    let per_micro_batch = (seconds(&longer) - seconds(&long)) / 960.0;
    assert!(
        (per_micro_batch - (3.0 + 0.5 * 2.0 * 7.0 / 8.0)).abs() < 1e-9,
        "{per_micro_batch}"
    );
    // GPipe hides them but for the fill and the drain.
    let gpipe = seconds(&with(960, Schedule::Gpipe));
    assert!(
        (gpipe - (967.0 * 3.0 + 2.0 * 7.0 * 0.5)).abs() < 1e-6,
        "{gpipe}"
    );
}

/// The largest pipelines that are asked for in practice are simulated whole.
#[test]
fn a_deep_pipeline_is_simulated_whole() {
    let timeline = simulate(&input(Schedule::OneForwardOneBackward, 64, 1024, 1)).unwrap();
    assert_eq!(timeline.events.len(), 131_072);
}

/// Errors name the quantity and what would be legal.
#[test]
fn impossible_pipelines_are_refused_with_the_nearest_legal() {
    let f1b1 = Schedule::OneForwardOneBackward;
    let message = |input: &PipelineInput| simulate(input).unwrap_err().to_string();
    assert_eq!(
        message(&input(f1b1, 0, 4, 1)),
        "`stages` is 0, expected at least 1"
    );
    assert_eq!(
        message(&input(f1b1, 8, 1_000_000_000, 1)),
        "`micro_batches` is 1000000000, expected at most 262,144 with 8 stages × 1 chunk \
         (the simulation holds up to 4,194,304 operations)"
    );
    assert_eq!(
        message(&input(f1b1, u64::MAX, u64::MAX, 1)),
        "`stages` is 18446744073709551615, expected at most 2,097,152 \
         (the simulation holds up to 4,194,304 operations)"
    );
    assert_eq!(
        message(&input(Schedule::Interleaved, 4, 10, 2)),
        "the interleaved schedule needs micro_batches (10) divisible by stages (4); \
         nearest legal: 8 or 12 micro-batches"
    );
    assert!(
        message(&input(Schedule::Interleaved, 4, 3, 2)).ends_with("nearest legal: 4 micro-batches")
    );
    assert!(message(&input(Schedule::Gpipe, 4, 8, 2)).contains("the interleaved schedule"));
    assert!(message(&input(Schedule::Interleaved, 4, 8, 1)).contains("2 chunks"));
    for seconds in [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e300] {
        let bad = PipelineInput {
            forward_seconds: seconds,
            ..input(f1b1, 4, 8, 1)
        };
        assert!(
            matches!(simulate(&bad), Err(PlanError::Size { .. })),
            "{seconds}"
        );
    }
    let bad = PipelineInput {
        send_seconds: -0.5,
        ..input(f1b1, 4, 8, 1)
    };
    assert_eq!(
        message(&bad),
        "`send_seconds` is -0.5, expected 0 or 1e-9 to 1e6 s"
    );
}
