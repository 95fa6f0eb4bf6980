//! The order of the sweep table.

use std::cmp::Ordering;

use sweeps::{Outcome, State};

use super::columns::Column;
use crate::view::{Run, STATES};

/// Run numbers sorted by a column; arms in the order of the card. Runs without a value come last in either direction; equal runs keep the
/// order of the plan. Branches stand below their run.
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
            Column::Plan | Column::Curve => turned(a.cmp(&b)),
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
    with_branches(runs, &order)
}

/// The same order with what `rank` puts lower in front; a branch goes with its run.
pub(super) fn ranked<K: Ord>(runs: &[Run], order: &mut [usize], rank: impl Fn(usize) -> K) {
    let trunk = |run: &usize| runs[*run].branch.map_or(*run, |branch| branch.of);
    order.sort_by_key(|run| rank(trunk(run)));
}

/// 0 of a run that failed, 1 of one whose training did, else 2.
pub(super) fn failure(run: &Run) -> u8 {
    match (run.state, run.outcome) {
        (State::Failed, _) => 0,
        (_, Some(Outcome::Nonfinite | Outcome::Diverged | Outcome::Stuck)) => 1,
        (_, Some(Outcome::Ok | Outcome::Recovered) | None) => 2,
    }
}

/// The same order, with the branches of a run moved below it.
fn with_branches(runs: &[Run], order: &[usize]) -> Vec<usize> {
    let of = |run: usize| runs[run].branch.map(|branch| branch.of);
    let (branches, trunk): (Vec<usize>, Vec<usize>) =
        order.iter().partition(|run| of(**run).is_some());
    let below = |run: &usize| {
        let run = *run;
        let own = branches.iter().copied();
        let own = own.filter(move |branch| of(*branch) == Some(run));
        std::iter::once(run).chain(own).collect::<Vec<_>>()
    };
    trunk.iter().flat_map(below).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed::{STEPS, fixed};
    use crate::view::Branch;

    #[test]
    fn branches_stand_below_their_run_however_the_runs_are_sorted() {
        let mut runs = fixed(1, STEPS).sweep.runs;
        for (of, loss) in [(1, 9.0), (0, 1.0), (1, 8.0)] {
            let branch = Some(Branch { of, forked_at: 4 });
            let loss = Some(loss);
            let run = Run {
                loss,
                branch,
                ..runs[of].clone()
            };
            runs.push(run);
        }
        let order = |column, descending| sorted(&runs, |run| run, column, descending);
        assert_eq!(order(Column::Arm, false), [0, 4, 1, 3, 5, 2]);
        assert_eq!(order(Column::Plan, true), [2, 1, 5, 3, 0, 4]);
        let by_loss = order(Column::Loss, false);
        let place = |run| by_loss.iter().position(|other| *other == run);
        assert_eq!(place(5), place(1).map(|place| place + 1), "{by_loss:?}");
        assert_eq!(by_loss.len(), 6);
    }
}
