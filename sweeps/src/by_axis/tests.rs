use super::*;
use crate::outcome::Classified;
use crate::plan::Plan;
use crate::stats::{Interval, Ld50};
use crate::testing::card_text;
use crate::{Outcome, State};
use std::path::Path;

const CARD: &str = card_text!(
    "many",
    "exploration",
    5,
    r#"
[fixed]
steps = 40
[axes]
"model.norm" = ["post", "pre"]
"model.num_heads" = [2, 1]
"optimizer.lr" = [1e-2, 1e-3, 3e-3, 1e-4]
[[exclude]]
where = { "model.norm" = "pre", "model.num_heads" = 1, "optimizer.lr" = 1e-2 }
"#
);

/// All runs of [`CARD`]; `failed` and `metric` by arm and seed.
fn runs(
    failed: impl Fn(&Arm, u64) -> bool,
    metric: impl Fn(&Arm, u64) -> f64,
) -> (Card, Vec<RunState>) {
    let card = Card::parse(CARD, "card", Path::new(".")).unwrap();
    let plan = Plan::expand(&card, &[]).unwrap();
    let arms = card.arms();
    let states = plan.runs.iter().map(|planned| {
        let arm = arms.iter().find(|arm| arm.label == planned.arm).unwrap();
        let outcome = if failed(arm, planned.seed) {
            Outcome::Stuck
        } else {
            Outcome::Ok
        };
        let mut run = RunState::new(planned);
        run.state = State::Finished;
        run.metric = Some(metric(arm, planned.seed));
        run.classified = Some(Classified {
            outcome,
            value: run.metric,
            stuck_line: 3.5,
            diverged_line: None,
            crossed_at: None,
            reason: String::new(),
        });
        run
    });
    let states = states.collect();
    (card, states)
}

fn rate(arm: &Arm) -> f64 {
    number(&arm.settings["optimizer.lr"]).unwrap()
}

fn heads(arm: &Arm) -> f64 {
    number(&arm.settings["model.num_heads"]).unwrap()
}

#[test]
fn the_axes_are_those_that_differ_and_numbers_ascend() {
    let (card, states) = runs(|_, _| false, |_, _| 3.0);
    let by_axis = ByAxis::new(&card, &states);
    let axes = by_axis.axes();
    let keys: Vec<&str> = axes.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["model.norm", "model.num_heads", "optimizer.lr"]);
    assert_eq!(axes[1].1, [Value::from(1), Value::from(2)]);
    assert_eq!(axes[2].1, [1e-4, 1e-3, 3e-3, 1e-2].map(Value::from));
    assert_eq!(by_axis.dose().as_deref(), Some("optimizer.lr"));
    let dose_axes = by_axis.dose_axes();
    let doses: Vec<&str> = dose_axes.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(doses, ["optimizer.lr"], "two numbers are no dose");
    let (down, right) = by_axis.matrix_axes().unwrap();
    assert_eq!(
        (down.as_deref(), &*right),
        (Some("model.norm"), "optimizer.lr")
    );
    assert_eq!(
        by_axis.contrast(),
        Some(("model.norm".to_owned(), Value::from("post")))
    );
}

#[test]
fn the_matrix_counts_every_run_once_and_leaves_missing_arms_empty() {
    let (card, mut states) = runs(|arm, seed| rate(arm) > 2e-3 && seed <= 3, |_, _| 3.0);
    states[0].classified = None;
    let by_axis = ByAxis::new(&card, &states);
    let matrix = by_axis.matrix(Some("model.norm"), "optimizer.lr").unwrap();
    assert_eq!(matrix.panels.len(), 2, "one for each number of heads");
    let cells = || {
        matrix
            .panels
            .iter()
            .flat_map(|panel| panel.cells.iter().flatten())
    };
    assert_eq!(cells().flatten().map(|cell| cell.count.n).sum::<u64>(), 74);
    assert_eq!(cells().flatten().map(|cell| cell.runs).sum::<u64>(), 75);
    assert_eq!(cells().filter(|cell| cell.is_none()).count(), 1);
    let mut panels = matrix.panels.iter();
    let one = panels.find(|panel| panel.at["model.num_heads"] == Value::from(1));
    let high = one.unwrap().cells[0][3].clone().unwrap();
    assert_eq!((high.count.events, high.count.n), (3, 5));
    let arm = by_axis
        .cells()
        .into_iter()
        .find(|cell| cell.arm == high.arm);
    assert_eq!(arm, Some(high), "counted alone as in the matrix");
    assert_eq!(
        by_axis.matrix(None, "optimizer.lr").unwrap().panels.len(),
        4
    );
    assert_eq!(by_axis.matrix(Some("model.depth"), "optimizer.lr"), None);
}

/// Runs fail above a rate of their own: the curve finds it, and says where it knows no more than the grid.
#[test]
fn the_dose_curve_finds_where_half_of_the_runs_fail() {
    // With two heads seed s fails from the s-th rate on, with one head all from the same.
    let grid = [1e-4, 1e-3, 3e-3, 1e-2, f64::INFINITY];
    let fails = |arm: &Arm, seed: u64| match heads(arm) {
        1.0 => rate(arm) > 2e-3,
        _ => rate(arm) >= grid[seed as usize - 1],
    };
    let (card, states) = runs(fails, |_, _| 3.0);
    let curves = ByAxis::new(&card, &states).doses("optimizer.lr");
    assert_eq!(curves.len(), 4);
    let shares = |found: &DosesOfArms| -> Vec<u64> {
        let doses = found.curve.doses.iter();
        doses.map(|dose| dose.count.events).collect()
    };
    let of = |heads: i64| {
        let is = |found: &&DosesOfArms| {
            found.at["model.norm"] == Value::from("post")
                && found.at["model.num_heads"] == Value::from(heads)
        };
        curves.iter().find(is).unwrap()
    };
    let one = of(1);
    assert_eq!(shares(one), [0, 0, 5, 5]);
    let ends = Interval {
        low: 1e-3,
        high: 3e-3,
    };
    assert_eq!(one.curve.ld50, Ld50::Between(ends), "separated: no point");
    let two = of(2);
    assert_eq!(shares(two), [1, 2, 3, 4]);
    let Ld50::At(half) = two.curve.ld50 else {
        panic!("{:?}", two.curve.ld50);
    };
    let interval = two.curve.interval.unwrap();
    assert!(
        interval.low < half && half < interval.high,
        "{half} {interval:?}"
    );
    assert!((3e-4..3e-3).contains(&half), "{half}");
}

#[test]
fn the_sensitivity_is_that_of_the_medians() {
    let (card, states) = runs(
        |_, _| false,
        |arm, seed| {
            let worse = if rate(arm) > 5e-3 { 0.5 } else { 0.0 };
            let value = 3.0 + worse + 0.01 * (seed as f64 - 3.0);
            if heads(arm) > 1.5 && rate(arm) > 5e-3 && seed > 1 {
                f64::NAN
            } else {
                value
            }
        },
    );
    let curves = ByAxis::new(&card, &states).sensitivity("optimizer.lr", Some(4.0));
    let of = |heads: i64| {
        let is = |curve: &&Sensitivity| {
            curve.at["model.norm"] == Value::from("post")
                && curve.at["model.num_heads"] == Value::from(heads)
        };
        curves.iter().find(is).unwrap()
    };
    let medians: Vec<f64> = of(1).points.iter().map(|point| point.median).collect();
    assert_eq!(medians, [3.0, 3.0, 3.0, 3.5]);
    assert_eq!(of(1).sensitivity, Some(0.125));
    assert_eq!(of(2).points[3].median, f64::INFINITY);
    assert_eq!(
        of(2).sensitivity,
        Some(0.25),
        "a lost rate costs 1 nat of 4"
    );
    let none = ByAxis::new(&card, &states).sensitivity("optimizer.lr", None);
    assert_eq!(none[0].sensitivity, None);
}

#[test]
fn pairs_share_a_seed_and_differ_in_one_axis() {
    let (card, states) = runs(
        |_, _| false,
        |arm, seed| {
            let better = if heads(arm) > 1.5 { 0.25 } else { 0.0 };
            let lost = seed == 5 && rate(arm) > 5e-3;
            if lost {
                f64::INFINITY
            } else {
                3.0 - better + 0.5 * seed as f64
            }
        },
    );
    let pairs = ByAxis::new(&card, &states).pairs("model.num_heads", &Value::from(1));
    assert_eq!(
        pairs.len(),
        7,
        "one rate has no arm with one head under pre"
    );
    for pair in &pairs {
        assert!(
            pair.differences
                .iter()
                .all(|(_, difference)| *difference == -0.25)
        );
        assert_eq!(pair.estimate.unwrap().mean, -0.25);
        let lost = pair.at["optimizer.lr"] == Value::from(1e-2);
        assert_eq!(pair.not_finite, usize::from(lost));
        assert_eq!(pair.differences.len(), 5 - usize::from(lost));
    }
}
