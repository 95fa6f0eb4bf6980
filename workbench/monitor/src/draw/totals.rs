//! Sums over the runs of a sweep.

use ratatui::{
    style::Style,
    text::{Line, Span},
};
use sweeps::State;

use crate::colour::Depth;
use crate::number::count;
use crate::view::{Run, STATES, Sweep, glyph};

/// Sums over the runs of a sweep; its branches are no part of it.
pub(super) struct Totals {
    pub(super) done: u64,
    pub(super) planned: u64,
    pub(super) finished: usize,
    /// Runs that are to finish: all but the skipped ones.
    pub(super) wanted: usize,
    /// Runs in each state, in the order of [`STATES`].
    states: [usize; STATES.len()],
}

impl Totals {
    pub(super) fn of(sweep: &Sweep) -> Self {
        let mut totals = Self {
            done: 0,
            planned: 0,
            finished: 0,
            wanted: 0,
            states: [0; STATES.len()],
        };
        for run in sweep.runs.iter().filter(|run| run.branch.is_none()) {
            let planned = planned(run);
            totals.planned += planned;
            totals.done += run.step.min(planned);
            totals.finished += usize::from(run.state == State::Finished);
            totals.wanted += usize::from(run.state != State::Skipped);
            if let Some(place) = STATES.iter().position(|phase| *phase == run.state) {
                totals.states[place] += 1;
            }
        }
        totals
    }

    pub(super) fn share(&self) -> f64 {
        if self.planned == 0 {
            0.0
        } else {
            self.done as f64 / self.planned as f64
        }
    }

    /// Glyph, number and (when `long`) name of every state that occurs, then the alarms.
    pub(super) fn states(&self, depth: Depth, alarms: usize, long: bool) -> Line<'static> {
        let mut spans = Vec::new();
        let mut add = |glyph: &str, number: usize, name: &str, style: Style| {
            let gap = if spans.is_empty() { "" } else { "  " };
            spans.push(Span::styled(format!("{gap}{glyph} "), style));
            let text = if long {
                format!("{} {name}", count(number as u64))
            } else {
                count(number as u64)
            };
            spans.push(Span::styled(text, depth.dim()));
        };
        for (state, number) in STATES.into_iter().zip(self.states) {
            if number > 0 {
                add(glyph(state), number, state.name(), depth.state(state));
            }
        }
        if alarms > 0 {
            add(
                "▲",
                alarms,
                if alarms == 1 { "alarm" } else { "alarms" },
                depth.warn(),
            );
        }
        Line::from(spans)
    }
}

/// Steps that a run is to have at the end. One that finished early or is left out has all it will have;
/// one that failed or was stopped lacks the rest.
fn planned(run: &Run) -> u64 {
    match run.state {
        State::Finished | State::Skipped => run.step,
        State::Running | State::Pending | State::Interrupted | State::Failed | State::Stopped => {
            run.steps
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(state: State, step: u64) -> Run {
        Run {
            id: String::new(),
            arm: "post".to_owned(),
            settings: Default::default(),
            seed: Some(1),
            state,
            step,
            steps: 40,
            loss: None,
            held_out: None,
            outcome: None,
            branch: None,
        }
    }

    #[test]
    fn a_stopped_or_failed_run_is_not_done() {
        for (state, step) in [
            (State::Stopped, 10),
            (State::Failed, 30),
            (State::Interrupted, 0),
        ] {
            let sweep = Sweep {
                runs: vec![run(State::Finished, 40), run(state, step)],
                ..Sweep::default()
            };
            let totals = Totals::of(&sweep);
            assert_eq!((totals.finished, totals.wanted), (1, 2), "{state}");
            assert_eq!((totals.done, totals.planned), (40 + step, 80), "{state}");
        }
    }

    #[test]
    fn a_skipped_run_and_one_that_finished_early_leave_nothing_to_do() {
        let sweep = Sweep {
            runs: vec![run(State::Finished, 25), run(State::Skipped, 10)],
            ..Sweep::default()
        };
        let totals = Totals::of(&sweep);
        assert_eq!((totals.finished, totals.wanted), (1, 1));
        assert_eq!(totals.share(), 1.0);
    }
}
