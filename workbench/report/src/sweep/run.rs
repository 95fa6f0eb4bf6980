//! The runs of a sweep as rows.

use super::comparison::role;
use crate::prose::{self, NONE};
use crate::view::{Fact, Run};
use crate::{runs, spikes};
use logs::RunReader;
use sweeps::{PlannedRun, RunState, State, SweepReader};

/// Rows by arm, in the order of the card, and seed.
pub(crate) fn all(reader: &SweepReader) -> Vec<Run> {
    let card = &reader.sweep().plan().card;
    let planned = reader.sweep().runs();
    let failures = card.event();
    let mut runs = Vec::new();
    for (number, arm) in card.arms().iter().enumerate() {
        let of_arm = reader.states().iter().zip(planned).enumerate();
        for (index, (state, plan)) in of_arm.filter(|(_, (state, _))| state.arm == arm.label) {
            let event = state.shows(&failures) == Some(true);
            let colour = crate::plot::palette::colour_number(number);
            runs.push(row(state, plan, reader.reader(index), colour, event));
        }
    }
    runs
}

fn row(
    state: &RunState,
    plan: &PlannedRun,
    reader: Option<&RunReader>,
    colour: usize,
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
        arm: state.arm.clone(),
        colour,
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
