//! Whole screens, from fixed data, and every key and click on every size.

use logs::Record;
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{
    KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::style::Color;
use sweeps::{Outcome, State as RunState};

use super::*;
use crate::keys::BINDINGS;
use crate::state::{Axis, Column, Pane, Tab};
use crate::view::{Details, Revision, Run, Sweep};

#[path = "../../examples/demo/synthetic.rs"]
mod synthetic;

mod keys_and_mouse;
mod screens;

/// A sweep in memory: three arms of `seeds` seeds, the last seed of every arm half done.
struct Fixed {
    sweep: Sweep,
    records: Vec<Vec<Record>>,
}

const STEPS: u64 = 150;

fn fixed(seeds: u64, steps: u64) -> Fixed {
    let arms = ["post", "deepnorm_glm", "pre"];
    let mut sweep = Sweep {
        name: "quickstart".into(),
        title: "Post-LN stalls at depth where DeepNorm trains".into(),
        eta: Some(200.0),
        ..Sweep::default()
    };
    let mut records = Vec::new();
    for seed in 1..=seeds {
        for (number, arm) in arms.into_iter().enumerate() {
            let (state, step) = match (seed == seeds, number) {
                (false, _) => (RunState::Finished, steps),
                (true, 0) => (RunState::Running, steps / 2),
                (true, 1) => (RunState::Failed, steps / 3),
                (true, _) => (RunState::Pending, 0),
            };
            let run = synthetic::records(number, seed, step, steps);
            let last = |name: &str| run.iter().rev().find_map(|record| record.scalar(name));
            sweep.runs.push(Run {
                arm: arm.into(),
                seed: Some(seed),
                state,
                step,
                steps,
                loss: last("loss"),
                held_out: last("held_out_loss"),
                outcome: (state == RunState::Finished).then_some(match (number, seed) {
                    (0, 3) => Outcome::Nonfinite,
                    (0, _) => Outcome::Stuck,
                    _ => Outcome::Ok,
                }),
            });
            records.push(run);
        }
    }
    Fixed { sweep, records }
}

impl Source for Fixed {
    fn poll(&mut self) -> Result<bool, MonitorError> {
        Ok(false)
    }

    fn sweep(&self) -> &Sweep {
        &self.sweep
    }

    fn records(&self, run: usize) -> &[Record] {
        &self.records[run]
    }

    fn events(&self, _run: usize) -> &[logs::Event] {
        &[]
    }

    fn revision(&self, run: usize) -> Revision {
        Some((0, self.records[run].len()))
    }

    fn layer_records(&mut self, run: usize) -> &[Record] {
        &self.records[run]
    }

    fn details(&self, run: usize) -> Details {
        Details {
            facts: vec![
                (
                    "run".into(),
                    format!(
                        "quickstart-{}-0123abcd-s{}",
                        self.sweep.runs[run].arm,
                        self.sweep.runs[run].seed.unwrap()
                    ),
                ),
                ("state".into(), "finished".into()),
            ],
            events: vec![
                (150, "finish".into(), "all steps done".into()),
                (0, "start".into(), "fresh start".into()),
            ],
            warnings: vec![
                "`metrics-0001.jsonl` line 7: checksum does not match, line skipped".into(),
            ],
        }
    }
}

fn app(seeds: u64, depth: Depth) -> App {
    App::new(Box::new(fixed(seeds, STEPS)), depth)
}

fn empty() -> App {
    App::new(
        Box::new(Fixed {
            sweep: Sweep::default(),
            records: Vec::new(),
        }),
        Depth::True,
    )
}
