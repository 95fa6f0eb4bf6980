//! The runs of a criterion, for simulations.

use crate::card::{Arm, Card};
use crate::criterion::{Criterion, SimulatedRuns};
use crate::reader::{RunState, State};
use crate::{Classified, Outcome, PlannedRun};

/// All runs of the criterion's arms, with the seeds of the card or with 1 to `seeds`, dealt out in turn to arms that
/// are pooled. `None` where the card says no effect, or the test knows no chance.
pub(super) fn of<'a>(
    card: &Card,
    criterion: &'a Criterion,
    all: &[Arm],
    seeds: Option<usize>,
) -> Option<SimulatedRuns<'a>> {
    let expect = criterion
        .expect
        .as_ref()
        .filter(|_| criterion.has_chance())?;
    let arms = all.iter().filter(|arm| criterion.arms().has(arm));
    let arms: Vec<Arm> = arms.cloned().collect();
    let metrics = card.metrics().len();
    let metric = card.metric_of(criterion);
    let place = card.metrics().iter().position(|known| *known == metric);
    let within = place.filter(|_| criterion.control_metric.is_some());
    let cell_of = criterion.arms().cells(&arms.iter().collect::<Vec<_>>());
    let cells = cell_of.iter().max().map_or(1, |last| last + 1);
    let (mut states, mut arm_of) = (Vec::new(), Vec::new());
    for (place, arm) in arms.iter().enumerate() {
        let first = cell_of[place] as u64 + 1;
        let dealt = seeds.map(|count| (first..=count as u64).step_by(cells).collect());
        for seed in dealt.unwrap_or_else(|| arm.seeds.clone()) {
            states.push(finished(arm, seed, metrics));
            arm_of.push(place);
        }
    }
    Some(SimulatedRuns {
        expect,
        arms,
        cell_of,
        states,
        arm_of,
        within,
    })
}

/// A run that has finished well, with room for all metrics of the card.
fn finished(arm: &Arm, seed: u64, metrics: usize) -> RunState {
    let mut state = RunState::new(&PlannedRun::without_plan(String::new(), arm, seed));
    state.state = State::Finished;
    state.metrics = vec![Some(0.0); metrics];
    state.classified = Some(Classified {
        outcome: Outcome::Ok,
        value: None,
        stuck_line: 0.0,
        diverged_line: None,
        crossed_at: None,
        reason: String::new(),
    });
    state
}
