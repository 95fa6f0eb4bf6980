//! The runs of a sweep as rows.

use super::comparison::role;
use crate::arms::ArmLook;
use crate::prose::{self, NONE};
use crate::view::{BestRow, Fact, Run, SpikeRow};
use crate::{runs, spikes};
use logs::RunReader;
use std::collections::HashMap;
use sweeps::{PlannedRun, RunState, State, SweepReader};

/// Rows of the table of the best runs.
const MOST_BEST: usize = 10;
/// Of fewer runs the table of runs says as much.
const FEWEST_BEST: usize = 3;

/// Rows by arm, in the order of the card, and seed.
pub(crate) fn all(reader: &SweepReader, looks: &[ArmLook]) -> Vec<Run> {
    let failures = reader.sweep().plan().card.event();
    let planned = reader.sweep().runs();
    let row = |(number, index): (usize, usize)| {
        let state = &reader.states()[index];
        let event = state.shows(&failures) == Some(true);
        row(
            state,
            &planned[index],
            reader.reader(index),
            (number, &looks[number]),
            event,
        )
    };
    in_order(reader).into_iter().map(row).collect()
}

/// The trained runs with the lowest final losses, the values that the outcome rule looked at.
pub(crate) fn best(reader: &SweepReader, looks: &[ArmLook]) -> Vec<BestRow> {
    let failures = reader.sweep().plan().card.event();
    let order = in_order(reader);
    let trained = order.iter().enumerate().filter_map(|(place, at)| {
        let state = &reader.states()[at.1];
        let loss = state.classified.as_ref()?.value?;
        let trained = state.shows(&failures) != Some(true) && loss.is_finite();
        trained.then_some((loss, place, at.0, state))
    });
    let mut trained: Vec<(f64, usize, usize, &RunState)> = trained.collect();
    // Equal losses stay in the order of the page.
    trained.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (Some(best), true) = (trained.first(), trained.len() >= FEWEST_BEST) else {
        return Vec::new();
    };
    let best = best.0;
    let row = |(loss, place, arm, state): &(f64, usize, usize, &RunState)| BestRow {
        run: state.id.clone(),
        place: place + 1,
        arm: looks[*arm].name.clone(),
        number: *arm,
        colour: looks[*arm].paint.class(),
        seed: state.seed,
        loss: prose::loss(*loss),
        behind: prose::loss(loss - best),
        outcome: state
            .outcome()
            .map_or_else(|| NONE.to_owned(), |outcome| outcome.to_string()),
    };
    trained.iter().take(MOST_BEST).map(row).collect()
}

/// Number of the arm and of the run, in the order of the page.
fn in_order(reader: &SweepReader) -> Vec<(usize, usize)> {
    let arms = reader.sweep().plan().card.arms();
    let numbers: HashMap<&str, usize> = arms
        .iter()
        .enumerate()
        .map(|(number, arm)| (&*arm.label, number))
        .collect();
    let states = reader.states().iter().enumerate();
    let mut runs: Vec<(usize, usize)> = states
        .filter_map(|(index, run)| Some((*numbers.get(run.arm.as_str())?, index)))
        .collect();
    runs.sort_unstable();
    runs
}

/// The spikes of all runs as rows.
pub(crate) fn spikes(reader: &SweepReader) -> (Vec<SpikeRow>, String) {
    let of = |(arm, index): (usize, usize)| {
        let state = &reader.states()[index];
        (&*state.id, arm, &*state.spikes)
    };
    spikes::rows(&in_order(reader).into_iter().map(of).collect::<Vec<_>>())
}

fn row(
    state: &RunState,
    plan: &PlannedRun,
    reader: Option<&RunReader>,
    (number, look): (usize, &ArmLook),
    event: bool,
) -> Run {
    let (class, outcome) = match state.outcome() {
        Some(outcome) if event => ("event", outcome.to_string()),
        Some(outcome) => ("trained", outcome.to_string()),
        None if state.state == State::Failed => ("failed", state.state.to_string()),
        None => ("open", state.state.to_string()),
    };
    let (events, events_left_out) = reader.map_or((Vec::new(), None), runs::events);
    Run {
        id: state.id.clone(),
        arm: look.name.clone(),
        number,
        colour: look.paint.class(),
        seed: state.seed.to_string(),
        role: role(state.role).to_owned(),
        outcome,
        class,
        held_out_loss: runs::held_out_loss(reader),
        spikes: match state.state {
            State::Finished => spikes::cell(&state.spikes),
            _ => NONE.to_owned(),
        },
        steps: runs::steps(state.step, state.steps),
        reason: reason(state),
        facts: facts(state, plan, reader),
        events,
        events_left_out,
    }
}

fn reason(state: &RunState) -> String {
    if let Some(classified) = &state.classified {
        return classified.reason.clone();
    }
    if let Some(message) = &state.message {
        return message.clone();
    }
    match state.state {
        State::Pending => "not begun",
        State::Running => "still running",
        State::Interrupted => "its process is gone; the same command continues it",
        State::Stopped => "stopped on request; the same command continues it",
        State::Skipped => "left out on request",
        State::Failed => "its process ended with an error, see `console.log`",
        State::Finished => NONE,
    }
    .to_owned()
}

fn facts(state: &RunState, plan: &PlannedRun, reader: Option<&RunReader>) -> Vec<Fact> {
    let settings = plan.settings.iter();
    let mut facts: Vec<Fact> = settings
        .map(|(key, value)| Fact::code(key, sweeps::card::label(value)))
        .collect();
    facts.push(Fact::new("state", state.state.name()));
    facts.push(Fact::new("why", reason(state)));
    if let Some(classified) = &state.classified {
        facts.push(Fact::new(
            "value against stuck line",
            format!(
                "{} against {}",
                prose::loss_or_dash(classified.value),
                prose::loss(classified.stuck_line)
            ),
        ));
        facts.extend(
            classified
                .diverged_line
                .map(|line| Fact::new("divergence line", prose::loss(line))),
        );
    }
    facts.extend(reader.into_iter().flat_map(runs::facts));
    facts.extend(spikes::facts(&state.spikes));
    facts.push(Fact::code("folder", format!("runs/{}", state.id)));
    facts
}
