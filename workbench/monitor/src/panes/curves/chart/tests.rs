//! Grouping, smoothing and scales on values small enough to follow by hand.

use super::*;
use crate::shared::Thinned;

const STEPS: [f64; 4] = [1.0, 2.0, 3.0, 4.0];

fn chart(runs: &[(usize, [f64; 4])], choices: CurveChoices) -> Chart {
    made(runs, choices, false)
}

fn log_chart(runs: &[(usize, [f64; 4])], choices: CurveChoices) -> Chart {
    made(runs, choices, true)
}

fn made(runs: &[(usize, [f64; 4])], choices: CurveChoices, log: bool) -> Chart {
    let values: Vec<Vec<(u32, f64)>> = runs
        .iter()
        .map(|(_, values)| {
            values
                .iter()
                .enumerate()
                .map(|(record, value)| (record as u32, *value))
                .collect()
        })
        .collect();
    let curves: Vec<Curve> = runs
        .iter()
        .zip(&values)
        .map(|((arm, _), values)| Curve {
            values,
            steps: Thinned::whole(&STEPS),
            x: Thinned::whole(&STEPS),
            run: 0,
            arm: *arm,
            focus: false,
        })
        .collect();
    build("loss", &curves, 2, choices, (log, None), 100)
}

#[test]
fn a_group_is_the_mean_and_the_range_of_its_seeds() {
    let chart = chart(
        &[(0, [4.0, 3.0, 2.0, 1.0]), (0, [6.0, 3.0, 4.0, 3.0])],
        CurveChoices::default(),
    );
    assert_eq!(
        chart.lines[0].points,
        [(1.0, 5.0), (2.0, 3.0), (3.0, 3.0), (4.0, 2.0)]
    );
    assert_eq!(
        chart.bands[0].points,
        [
            (1.0, 4.0, 6.0),
            (2.0, 3.0, 3.0),
            (3.0, 2.0, 4.0),
            (4.0, 1.0, 3.0)
        ]
    );
    let named = Named {
        arm: 0,
        run: None,
        value: 2.0,
    };
    assert_eq!(chart.legend, [named]);
    assert_eq!(chart.seeds, (2, 2));
    assert_eq!(chart.x, (1.0, 4.0));
}

#[test]
fn a_non_finite_value_is_marked_and_leaves_the_mean_of_the_others() {
    let both = chart(
        &[
            (0, [4.0, f64::NAN, f64::INFINITY, 1.0]),
            (0, [6.0, 3.0, 4.0, 3.0]),
        ],
        CurveChoices::default(),
    );
    assert_eq!(both.marks, [(2.0, 0), (3.0, 0)]);
    assert_eq!(both.lines[0].points[1], (2.0, 3.0));
    let alone = chart(&[(0, [4.0, f64::NAN, 3.0, 1.0])], CurveChoices::default());
    assert!(
        alone.lines[0].points[1].1.is_nan(),
        "alone it breaks the line"
    );
    assert!(alone.bands[0].points.is_empty(), "one run has no band");
}

#[test]
fn smoothing_moves_the_line_and_never_the_band() {
    let smooth = CurveChoices {
        smooth: true,
        ..CurveChoices::default()
    };
    let chart = chart(&[(0, [1.0, 1.0, 9.0, 1.0]), (0, [1.0; 4])], smooth);
    assert_eq!(chart.bands[0].points[2], (3.0, 1.0, 9.0));
    assert!(chart.lines[0].points[2].1 < 3.0);
}

#[test]
fn single_runs_keep_their_raw_line_behind_the_smoothed_one() {
    let choices = CurveChoices {
        grouped: false,
        smooth: true,
        ..CurveChoices::default()
    };
    let tones: Vec<Tone> = chart(&[(0, [1.0; 4]), (1, [2.0; 4])], choices)
        .lines
        .iter()
        .map(|line| line.tone)
        .collect();
    assert_eq!(
        tones,
        [Tone::Faint, Tone::Faint, Tone::Normal, Tone::Normal]
    );
}

#[test]
fn a_log_axis_counts_what_it_cannot_show() {
    let chart = log_chart(&[(0, [100.0, 0.0, -1.0, 10.0])], CurveChoices::default());
    assert_eq!(chart.not_positive, 2);
    let points = &chart.lines[0].points;
    assert_eq!((points[0].1, points[3].1), (2.0, 1.0));
    assert!(points[1].1.is_nan() && points[2].1.is_nan());
}

#[test]
fn equal_values_and_no_values_still_have_a_range() {
    for runs in [vec![(0, [3.0; 4])], vec![(0, [f64::NAN; 4])], vec![]] {
        let chart = chart(&runs, CurveChoices::default());
        assert!(chart.y.0 < chart.y.1 && chart.x.0 < chart.x.1);
    }
}

/// Values by hand: 4, 5, 6 have mean 5 and deviation 1, and t of two degrees of freedom is 4.3027 at 0.975.
#[test]
fn the_interval_is_students_and_needs_two_runs() {
    let choices = CurveChoices {
        band: BandKind::Interval,
        ..CurveChoices::default()
    };
    let chart = chart(
        &[(0, [4.0; 4]), (0, [5.0; 4]), (0, [6.0; 4]), (1, [1.0; 4])],
        choices,
    );
    let (_, low, high) = chart.bands[0].points[0];
    let half = 4.302_652_73 / 3f64.sqrt();
    assert!(
        (low - (5.0 - half)).abs() < 1e-6 && (high - (5.0 + half)).abs() < 1e-6,
        "{low} {high}"
    );
    assert!(chart.bands[1].points.is_empty());
}

#[test]
fn zoom_shows_a_part_and_the_cursor_reads_there() {
    let choices = CurveChoices {
        zoom: Some((2.0, 3.0)),
        cursor: Some(2.5),
        grouped: false,
        ..CurveChoices::default()
    };
    let chart = chart(&[(0, [9.0, 3.0, 2.0, 1.0])], choices);
    assert_eq!((chart.x, chart.whole), ((2.0, 3.0), (1.0, 4.0)));
    assert_eq!(chart.lines[0].points, [(2.0, 3.0), (3.0, 2.0)]);
    let read: Vec<f64> = chart.legend.iter().map(|named| named.value).collect();
    assert_eq!(
        read,
        [3.0],
        "one value a run, the last one before the cursor"
    );
}

#[test]
fn a_log_x_axis_leaves_out_what_has_no_logarithm() {
    let choices = CurveChoices {
        log_x: true,
        ..CurveChoices::default()
    };
    let x = [0.0, 1.0, 10.0, 100.0];
    let values = [(0, 4.0), (1, 3.0), (2, 2.0), (3, 1.0)];
    let curve = Curve {
        values: &values,
        steps: Thinned::whole(&STEPS),
        x: Thinned::whole(&x),
        run: 0,
        arm: 0,
        focus: false,
    };
    let chart = build("loss", &[curve], 1, choices, (false, None), 100);
    assert_eq!(chart.lines[0].points, [(0.0, 3.0), (1.0, 2.0), (2.0, 1.0)]);
}
