//! The three lines on top: what this is, how far it is, and the tabs.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{Screen, cut, line, progress, put};
use crate::colour::{Depth, strong};
use crate::layout;
use crate::number::count;
use crate::view::{Run, STATES, Sweep, glyph};
use sweeps::State;

/// Sums over the runs of a sweep.
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
        for run in &sweep.runs {
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
    fn states(&self, depth: Depth, alarms: usize, long: bool) -> Line<'static> {
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
                add(
                    glyph(state),
                    number,
                    state.name(),
                    state_style(depth, state),
                );
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

/// The colour of a state.
pub(super) fn state_style(depth: Depth, state: State) -> Style {
    match state {
        State::Running => depth.accent(),
        State::Finished => depth.good(),
        State::Failed => depth.bad(),
        State::Interrupted | State::Stopped => depth.warn(),
        State::Pending | State::Skipped => depth.dim(),
    }
}

pub(super) fn draw(screen: Screen, buffer: &mut Buffer) {
    let Screen {
        sweep,
        state,
        layout,
        depth,
        ..
    } = screen;
    let area = layout.header;
    let totals = Totals::of(sweep);

    let mut x = put(
        buffer,
        area,
        area.x + 1,
        area.y,
        &cut(&sweep.name, area.width - 2),
        depth.accent().patch(strong()),
    );
    if !sweep.title.is_empty() && x + 8 < area.right() {
        x = put(
            buffer,
            area,
            x + 2,
            area.y,
            &cut(&sweep.title, area.right() - x - 3),
            Style::new(),
        );
    }
    let _ = x;

    progress_line(screen, &totals, layout::rows(area, 1, 1), buffer);

    for (tab, place) in &layout.tabs {
        let open = *tab == state.tab;
        let number = crate::state::Tab::ALL
            .iter()
            .position(|other| other == tab)
            .unwrap_or(0)
            + 1;
        let text = format!(" {number} {} ", tab.title());
        let style = if open {
            depth.cursor().patch(strong())
        } else {
            depth.dim()
        };
        put(buffer, *place, place.x, place.y, &text, style);
    }
    if let Some(warning) = sweep.warnings.first() {
        let x = layout
            .tabs
            .last()
            .map_or(area.x, |(_, tab)| tab.right() + 2);
        let row = Rect {
            y: area.y + 2,
            height: 1,
            ..area
        };
        let more = if sweep.warnings.len() > 1 {
            format!(" (+{})", sweep.warnings.len() - 1)
        } else {
            String::new()
        };
        let text = cut(
            &format!("! {warning}{more}"),
            row.right().saturating_sub(x + 1),
        );
        put(buffer, row, x, row.y, &text, depth.bad());
    }
}

/// Bar, share, counts and time left; on the right the states and the alarms. What does not fit is shortened: first
/// the names of the states, which the table has too, then the steps.
fn progress_line(screen: Screen, totals: &Totals, area: Rect, buffer: &mut Buffer) {
    let Screen {
        sweep,
        scene,
        depth,
        ..
    } = screen;
    let share = format!(" {:>3.0} %", (totals.share() * 100.0).floor());
    let steps = format!("  {}/{} steps", count(totals.done), count(totals.planned));
    let end = match sweep.eta {
        Some(eta) => format!("  eta {}", words::short_duration(eta)),
        None if totals.finished == totals.wanted && totals.wanted > 0 => "  done".into(),
        None => String::new(),
    };
    let runs = format!("  {}/{} runs{end}", totals.finished, totals.wanted);
    let long = totals.states(depth, scene.alarm_total, true);
    let short = totals.states(depth, scene.alarm_total, false);
    let full = format!("{share}{steps}{runs}");
    let bar = (area.width / 4).clamp(8, 40);
    let choices = [
        (bar, &full, &long),
        (bar, &full, &short),
        (10, &format!("{share}{runs}"), &short),
    ];
    let width = |(bar, text, right): &(u16, &String, &Line)| {
        usize::from(*bar) + text.len() + right.width() + 4
    };
    let fitting = choices
        .iter()
        .find(|choice| width(choice) <= usize::from(area.width));
    let (bar, text, right) = *fitting.unwrap_or(&choices[2]);
    let bar = Rect::new(area.x + 1, area.y, bar, 1).intersection(area);
    progress(buffer, bar, totals.share(), depth.accent(), depth.faint());
    put(buffer, area, bar.right(), area.y, text, Style::new());
    if fitting.is_some() {
        line(
            buffer,
            area,
            area.right() - 1 - right.width() as u16,
            area.y,
            right,
            area.width,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(state: State, step: u64) -> Run {
        Run {
            arm: "post".to_owned(),
            seed: Some(1),
            state,
            step,
            steps: 40,
            loss: None,
            held_out: None,
            outcome: None,
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
