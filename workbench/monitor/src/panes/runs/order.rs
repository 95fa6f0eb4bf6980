//! The order of the sweep table.

use std::cmp::Ordering;

use super::columns::Column;
use crate::view::{Run, STATES};

/// Run numbers sorted by a column; arms in the order of the card. Runs without a value come last in either direction; equal runs keep the
/// order of the plan.
pub(super) fn sorted(
    runs: &[Run],
    arm: impl Fn(usize) -> usize,
    column: Column,
    descending: bool,
) -> Vec<usize> {
    let mut order: Vec<usize> = (0..runs.len()).collect();
    let turned = |ordering: Ordering| {
        if descending {
            ordering.reverse()
        } else {
            ordering
        }
    };
    order.sort_by(|&a, &b| {
        let (x, y) = (&runs[a], &runs[b]);
        match column {
            Column::Plan => turned(a.cmp(&b)),
            Column::Arm => turned(arm(a).cmp(&arm(b))).then(x.seed.cmp(&y.seed)),
            Column::Seed => turned(x.seed.cmp(&y.seed)),
            Column::Progress => turned(x.progress().total_cmp(&y.progress())),
            Column::Step => turned(x.step.cmp(&y.step)),
            Column::Loss => absent_last(x.loss, y.loss, turned),
            Column::HeldOut => absent_last(x.held_out, y.held_out, turned),
            Column::Outcome => match (x.outcome, y.outcome) {
                (Some(x), Some(y)) => turned(x.cmp(&y)),
                (x, y) => y.is_some().cmp(&x.is_some()),
            },
            Column::State => turned(rank(x).cmp(&rank(y))),
        }
    });
    order
}

/// NaN sorts as the largest loss, since that is what a lost run is; an absent loss is no loss.
fn absent_last(x: Option<f64>, y: Option<f64>, turned: impl Fn(Ordering) -> Ordering) -> Ordering {
    match (x, y) {
        (Some(x), Some(y)) => turned(x.abs().total_cmp(&y.abs()).then(x.total_cmp(&y))),
        (x, y) => y.is_some().cmp(&x.is_some()),
    }
}

fn rank(run: &Run) -> usize {
    STATES
        .iter()
        .position(|state| *state == run.state)
        .unwrap_or(STATES.len())
}
