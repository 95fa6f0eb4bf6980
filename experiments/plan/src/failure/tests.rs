//! The failure model against tables, limits and a simulation of its own.

use super::journal::unix;
use super::*;
use proptest::prelude::*;

fn close(a: f64, b: f64, relative: f64) -> bool {
    (a - b).abs() <= relative * b.abs()
}

/// Garwood's limits as printed in tables of exact Poisson intervals.
#[test]
fn poisson_limits_are_those_of_the_tables() {
    for (count, low, high) in [
        (0, 0.0, 3.689),
        (1, 0.0253, 5.572),
        (5, 1.623, 11.668),
        (10, 4.795, 18.390),
        (11, 5.491, 19.682),
        (100, 81.364, 121.627),
    ] {
        let (l, h) = count_interval(count, 0.95).unwrap();
        assert!(
            (l - low).abs() < 6e-4 && (h - high).abs() < 6e-4,
            "{count}: {l} {h}"
        );
    }
    assert!(count_interval(3, 1.0).is_err());
    assert!(count_interval(3, f64::NAN).is_err());
}

/// The journal is complete and in order, and its clock is right: the run names of the log are UTC,
/// its headings UTC+8.
#[test]
fn the_journal_is_what_the_log_says() {
    let journal = journal().unwrap();
    let count = |cause| journal.restarts.iter().filter(|r| r.cause == cause).count();
    assert_eq!(count(Cause::Hardware), 11);
    assert_eq!(count(Cause::Divergence), 9);
    assert_eq!(count(Cause::Planned), 11);
    let resumed: Vec<i64> = journal
        .restarts
        .iter()
        .filter_map(|restart| unix(restart.resumed.as_ref()?))
        .collect();
    assert!(resumed.is_sorted());
    let steps: Vec<u64> = journal
        .restarts
        .iter()
        .filter_map(|r| r.from_step)
        .collect();
    assert!(steps.is_sorted());
    // 2022-05-05 19:53:15 UTC by `date -d ... +%s`.
    assert_eq!(unix(&journal.run.started), Some(1_651_780_395));
    // 20:14 in China is 12:14 UTC, and the next run began at 13:44:59.
    assert_eq!(journal.restarts[0].gap_seconds(), Some(5459.0));
    let json = serde_json::to_string(&journal).unwrap();
    assert!(json.contains("\"2022-05-07T13:44:59Z\""), "{json}");
}

/// The figures of the real cluster.
#[test]
fn the_real_cluster_fails_every_five_days_and_was_saved_near_the_optimum() {
    let estimate = estimate(&FailureInput::glm_130b().unwrap()).unwrap();
    assert!(close(
        estimate.between_failures.value,
        60.0 / 11.0 * DAY,
        1e-12
    ));
    assert!(close(
        estimate.between_failures.low,
        60.0 / 19.682 * DAY,
        1e-4
    ));
    assert!(close(
        estimate.between_failures.high,
        60.0 / 5.491 * DAY,
        1e-4
    ));
    assert!(close(
        estimate.per_node_year.value,
        11.0 * 365.0 / 5760.0,
        1e-12
    ));
    assert!(close(
        estimate.young_seconds,
        (2.0 * 60.0 * 60.0 / 11.0 * DAY).sqrt(),
        1e-12
    ));
    assert_eq!(estimate.best_steps, 85);
    let overhead = |steps| {
        let row = estimate.rows.iter().find(|row| row.steps == steps).unwrap();
        row.overhead.unwrap()
    };
    assert!(overhead(85) <= overhead(100) && overhead(100) < overhead(250));
    // Saving every 100 steps instead of 250 was worth about one percent, within 0.1 % of the best.
    assert!(overhead(100) - overhead(85) < 1e-3);
    assert!((0.005..0.02).contains(&(overhead(250) - overhead(100))));
    let progress = estimate.real.progress.as_ref().unwrap();
    assert_eq!((progress.from_step, progress.to_step), (6000, 48_100));
    assert!(
        (0.8..0.9).contains(&progress.goodput),
        "{}",
        progress.goodput
    );
}

/// The expected values are those of many simulated runs.
#[test]
fn goodput_and_lost_work_are_what_a_simulation_finds() {
    let cluster = Checkpointing {
        between_failures: 1000.0,
        checkpoint: 30.0,
        restart: 50.0,
    };
    let interval = 300.0;
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next_failure = || {
        // splitmix64
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let uniform = ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
        -(1.0 - uniform).ln() * cluster.between_failures
    };
    let (mut wall, mut lost, mut failures) = (0.0, 0.0, 0.0);
    let segments = 400_000;
    for _ in 0..segments {
        // Without memory, each segment may draw its own failure.
        loop {
            let failure = next_failure();
            if failure >= interval + cluster.checkpoint {
                wall += interval + cluster.checkpoint;
                break;
            }
            (wall, lost, failures) = (wall + failure, lost + failure, failures + 1.0);
            loop {
                let failure = next_failure();
                if failure >= cluster.restart {
                    wall += cluster.restart;
                    break;
                }
                wall += failure;
            }
        }
    }
    let goodput = f64::from(segments) * interval / wall;
    assert!(close(goodput, cluster.goodput(interval), 3e-3), "{goodput}");
    assert!(
        close(lost / failures, cluster.lost(interval), 1e-2),
        "{}",
        lost / failures
    );
}

proptest! {
    /// The step count called best is the best, and Young's and Daly's formulas are near it where
    /// saving is much shorter than the time between failures.
    #[test]
    fn the_best_interval_is_the_best(
        days in 1.0..100.0_f64,
        checkpoint in 1.0..300.0_f64,
        restart in 0.0..7200.0_f64,
    ) {
        let cluster = Checkpointing { between_failures: days * DAY, checkpoint, restart };
        let best = cluster.best_steps(1.0, MOST_STEPS);
        let goodput = |steps: u64| cluster.goodput(steps as f64);
        for other in [best / 2, best - 1, best + 1, best * 2] {
            prop_assert!(goodput(best) >= goodput(other.max(1)) - 1e-12);
        }
        prop_assert!(close(cluster.daly(), best as f64, 0.01), "{} {best}", cluster.daly());
        prop_assert!(close(cluster.young(), best as f64, 0.12), "{} {best}", cluster.young());
        // First order: saving, half an interval redone, and a restart per failure.
        let tau = best as f64;
        let first = checkpoint / tau + (tau / 2.0 + restart) / (days * DAY);
        prop_assert!(close(cluster.overhead(tau).unwrap(), first, 0.25));
    }

    /// Any input has an estimate or an error, and the estimate prints and serialises.
    #[test]
    fn any_input_has_an_answer(
        nodes in any::<u64>(),
        seconds in any::<(f64, f64, f64)>(),
        plain in (1_u64..2_000_000, -3.0..8.0_f64, -3.0..8.0_f64, -3.0..8.0_f64),
        intervals in prop::collection::vec(any::<u64>(), 0..3),
    ) {
        let wild = FailureInput {
            nodes,
            step_seconds: seconds.0,
            checkpoint_seconds: seconds.1,
            restart_seconds: seconds.2,
            intervals,
        };
        let ten = |power: f64| 10_f64.powf(power);
        let tame = FailureInput {
            nodes: plain.0,
            step_seconds: ten(plain.1),
            checkpoint_seconds: ten(plain.2),
            restart_seconds: ten(plain.3),
            intervals: vec![7],
        };
        for input in [wild, tame] {
            let Ok(estimate) = estimate(&input) else { continue };
            for row in &estimate.rows {
                prop_assert!((0.0..=1.0).contains(&row.goodput), "{row:?}");
                prop_assert!(row.lost_seconds.is_finite() && row.lost_seconds >= 0.0);
            }
            prop_assert!(estimate.best_steps >= 1);
            prop_assert!(estimate.text().lines().all(|line| line.chars().count() <= 110), "{}", estimate.text());
            prop_assert!(!serde_json::to_string(&estimate).unwrap().contains("NaN"));
        }
    }
}

/// Errors name the quantity and the range.
#[test]
fn absurd_clusters_are_refused() {
    let usual = FailureInput::glm_130b().unwrap();
    let message = |input: &FailureInput| estimate(input).unwrap_err().to_string();
    let none = FailureInput {
        nodes: 0,
        ..usual.clone()
    };
    assert_eq!(message(&none), "`nodes` is 0, expected 1 to 1,000,000");
    let negative = FailureInput {
        checkpoint_seconds: -1.0,
        ..usual.clone()
    };
    assert_eq!(
        message(&negative),
        "`checkpoint_seconds` is -1, expected 1e-3 to 1e7 s"
    );
    let never = FailureInput {
        intervals: vec![0],
        ..usual
    };
    assert!(message(&never).starts_with("`intervals` is 0"));
}
