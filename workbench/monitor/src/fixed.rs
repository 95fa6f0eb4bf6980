//! A sweep in memory, for tests.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use logs::{Event, Record};
use sweeps::{Outcome, State as RunState};

use crate::error::MonitorError;
use crate::view::{Details, Revision, Run, Source, Sweep};

#[path = "../examples/demo/synthetic.rs"]
mod synthetic;

/// Runs of a sweep, with what a test changes under the reader's eyes.
#[derive(Default)]
pub(crate) struct Fixed {
    pub(crate) sweep: Sweep,
    pub(crate) records: Vec<Vec<Record>>,
    /// Detectors for which every run asks for a bell.
    pub(crate) bells: Vec<String>,
    /// Records that the next look brings, and of which run.
    pub(crate) coming: Rc<RefCell<Vec<(usize, Record)>>>,
}

pub(crate) const STEPS: u64 = 150;

/// Three arms of `seeds` seeds, the last seed of every arm half done.
pub(crate) fn fixed(seeds: u64, steps: u64) -> Fixed {
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
                branch: None,
            });
            records.push(run);
        }
    }
    Fixed {
        sweep,
        records,
        ..Fixed::default()
    }
}

impl Source for Fixed {
    fn poll(&mut self) -> Result<bool, MonitorError> {
        let coming = self.coming.take();
        for (run, record) in &coming {
            self.records[*run].push(record.clone());
        }
        Ok(!coming.is_empty())
    }

    fn sweep(&self) -> &Sweep {
        &self.sweep
    }

    fn records(&self, run: usize) -> &[Record] {
        &self.records[run]
    }

    fn events(&self, _run: usize) -> &[Event] {
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

    fn directory(&self, _run: usize) -> Option<&Path> {
        None
    }

    fn bells(&self, _run: usize) -> Vec<String> {
        self.bells.clone()
    }
}
