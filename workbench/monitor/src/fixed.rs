//! A sweep in memory, for tests.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use logs::lease::Holder;
use logs::{Event, Manifest, Record};
use sweeps::card::Role;
use sweeps::{Card, Classified, Outcome, RunState, Settings, State};
use toml::Value;

use crate::error::MonitorError;
use crate::log::Log;
use crate::machine::{Gpu, Gpus, Memory, Process, Reading};
use crate::view::{Details, Judging, Revision, Run, SoFar, Source, Sweep};

#[path = "../examples/demo/synthetic.rs"]
mod synthetic;

use synthetic::Signals;

/// Runs of a sweep, with what a test changes under the reader's eyes.
#[derive(Default)]
pub(crate) struct Fixed {
    pub(crate) sweep: Sweep,
    pub(crate) records: Vec<Vec<Record>>,
    /// What the runs are counted by.
    pub(crate) card: Option<Arc<Card>>,
    /// What the criteria find.
    pub(crate) so_far: Option<SoFar>,
    /// Held by a test for as long as they are to take.
    pub(crate) judge: Arc<Mutex<()>>,
    /// Detectors for which every run asks for a bell.
    pub(crate) bells: Vec<String>,
    /// Where the runs are on disk, all of them.
    pub(crate) directory: Option<PathBuf>,
    /// Records that the next look brings, and of which run.
    pub(crate) coming: Rc<RefCell<Vec<(usize, Record)>>>,
    /// Runs whose records the next look finds gone.
    pub(crate) emptied: Rc<RefCell<Vec<usize>>>,
    /// How many runs at the end the next look finds gone.
    pub(crate) vanished: Rc<Cell<usize>>,
    /// How often the records of each run were rewritten.
    pub(crate) rewritten: Vec<u64>,
}

/// What a test changes under the reader's eyes, from the next look on.
pub(crate) struct Changes {
    pub(crate) coming: Rc<RefCell<Vec<(usize, Record)>>>,
    pub(crate) emptied: Rc<RefCell<Vec<usize>>>,
    pub(crate) vanished: Rc<Cell<usize>>,
}

pub(crate) const STEPS: u64 = 150;

/// Three arms of `seeds` seeds, the last seed of every arm half done.
pub(crate) fn fixed(seeds: u64, steps: u64) -> Fixed {
    let arms = ["post", "deepnorm_glm", "pre"];
    let sweep = Sweep {
        name: "quickstart".into(),
        title: "Post-LN stalls at depth where DeepNorm trains".into(),
        eta: Some(200.0),
        ..Sweep::default()
    };
    let axes = r#""model.norm" = ["post", "deepnorm_glm", "pre"]"#;
    let mut all = Fixed {
        sweep,
        card: card(seeds, axes),
        ..Fixed::default()
    };
    for seed in 1..=seeds {
        for (number, arm) in arms.into_iter().enumerate() {
            let (state, step) = match (seed == seeds, number) {
                (false, _) => (State::Finished, steps),
                (true, 0) => (State::Running, steps / 2),
                (true, 1) => (State::Failed, steps / 3),
                (true, _) => (State::Pending, 0),
            };
            let outcome = match (number, seed) {
                (0, 3) => Outcome::Nonfinite,
                (0, _) => Outcome::Stuck,
                _ => Outcome::Ok,
            };
            let norm = ("model.norm".to_owned(), Value::String(arm.into()));
            let run = Run {
                id: format!("quickstart-{arm}-0123abcd-s{seed}"),
                arm: arm.into(),
                settings: Arc::new([norm].into()),
                seed: Some(seed),
                state,
                step,
                steps,
                loss: None,
                held_out: None,
                outcome: (state == State::Finished).then_some(outcome),
                branch: None,
            };
            all.push(run, number);
        }
    }
    all
}

/// Four numbers of heads by five learning rates, the last seed of the last arms to come: the more of both, the worse.
pub(crate) fn twenty(seeds: u64) -> Fixed {
    let mut all = Fixed::default();
    all.sweep.name = "heads".into();
    all.sweep.title = "More heads need a lower learning rate".into();
    all.card = card(
        seeds,
        r#"
"model.num_heads" = [8, 4, 2, 1]
"optimizer.lr" = [1e-3, 3e-3, 1e-2, 3e-2, 1e-1]"#,
    );
    let heads = [8, 4, 2, 1].into_iter().enumerate();
    let rates = [0.001, 0.003, 0.01, 0.03, 0.1];
    let arms = heads.flat_map(|(h, heads)| {
        rates
            .into_iter()
            .enumerate()
            .map(move |(r, lr)| (h, r, heads, lr))
    });
    let arms: Vec<(usize, usize, i64, f64)> = arms.collect();
    for seed in 1..=seeds {
        for (number, (h, r, heads, lr)) in arms.iter().enumerate() {
            let fails = (*r + 3 - h) as u64 + seed % 2 >= 5;
            let (state, step) = match (seed == seeds, number) {
                (true, 17) => (State::Running, STEPS / 2),
                (true, 18..) => (State::Pending, 0),
                _ => (State::Finished, STEPS),
            };
            all.push(
                Run {
                    id: format!("heads-num_heads-{heads}-lr-{lr}-0123abcd-s{seed}"),
                    arm: format!("num_heads={heads} lr={lr}"),
                    settings: Arc::new(Settings::from([
                        ("model.num_heads".to_owned(), Value::Integer(*heads)),
                        ("optimizer.lr".to_owned(), Value::Float(*lr)),
                    ])),
                    seed: Some(seed),
                    state,
                    step,
                    steps: STEPS,
                    loss: None,
                    held_out: None,
                    outcome: (state == State::Finished).then_some(if fails {
                        Outcome::Diverged
                    } else {
                        Outcome::Ok
                    }),
                    branch: None,
                },
                if fails { 0 } else { 1 + number % 2 },
            );
        }
    }
    all
}

/// Every arm of a card of these axes, all runs finished: the greater a number, the worse, and every third seed of what fails is
/// lost. The last arm has a run to come.
pub(crate) fn counted(seeds: u64, axes: &str) -> Fixed {
    let mut all = Fixed {
        card: card(seeds, axes),
        ..Fixed::default()
    };
    let arms = all.card.as_ref().map_or_else(Vec::new, |card| card.arms());
    for seed in 1..=seeds {
        for (number, arm) in arms.iter().enumerate() {
            let sizes = arm.settings.values().filter_map(sweeps::card::number);
            let fails = sizes.map(f64::log10).sum::<f64>() + 0.3 * seed as f64 > 0.0;
            let comes = seed == seeds && number + 1 == arms.len();
            let outcome = match (fails, seed % 3) {
                (true, 0) => Outcome::Nonfinite,
                (true, _) => Outcome::Stuck,
                (false, _) => Outcome::Ok,
            };
            let run = Run {
                id: format!("fixed-{}-s{seed}", arm.slug()),
                arm: arm.label.clone(),
                settings: Arc::new(arm.settings.clone()),
                seed: Some(seed),
                state: if comes {
                    State::Pending
                } else {
                    State::Finished
                },
                step: if comes { 0 } else { 4 },
                steps: 4,
                loss: None,
                held_out: None,
                outcome: (!comes).then_some(outcome),
                branch: None,
            };
            all.push(run, usize::from(!fails));
        }
    }
    all
}

/// A card of these axes; none without runs.
pub(crate) fn card(seeds: u64, axes: &str) -> Option<Arc<Card>> {
    let text = format!(
        r#"
name = "fixed"
title = "Made up"
hypothesis = "None."
kind = "exploration"
base = "t0"
seeds = {seeds}
[fixed]
steps = {STEPS}
[axes]
{axes}
[metric]
name = "held_out_loss"
"#
    );
    let parsed = || Arc::new(Card::parse(&text, "card", Path::new(".")).unwrap());
    (seeds > 0).then(parsed)
}

/// A run of a card as a reader would have it.
fn state(run: &Run) -> RunState {
    let classified = |outcome| Classified {
        outcome,
        value: run.held_out,
        stuck_line: 3.5,
        diverged_line: None,
        crossed_at: None,
        reason: String::new(),
    };
    RunState {
        id: run.id.clone(),
        arm: run.arm.clone(),
        seed: run.seed.unwrap_or(0),
        role: Role::Confirmatory,
        state: run.state,
        step: run.step,
        steps: run.steps,
        loss: run.loss,
        held_out_loss: run.held_out,
        tokens_per_second: None,
        metric: run.outcome.and(run.held_out),
        metrics: Vec::new(),
        seconds: None,
        classified: run.outcome.map(classified),
        spikes: Vec::new(),
        spiked: None,
        missing_languages: Vec::new(),
        message: None,
        not_judged: None,
        job: None,
    }
}

impl Fixed {
    pub(crate) fn changes(&self) -> Changes {
        Changes {
            coming: Rc::clone(&self.coming),
            emptied: Rc::clone(&self.emptied),
            vanished: Rc::clone(&self.vanished),
        }
    }

    fn push(&mut self, run: Run, kind: usize) {
        let seed = run.seed.unwrap_or(0);
        let record = |step| synthetic::record((kind, seed), step, run.steps, Signals::Shown);
        let records: Vec<Record> = (1..=run.step).map(record).collect();
        let last = |name: &str| records.iter().rev().find_map(|record| record.scalar(name));
        let (loss, held_out) = (last("loss"), last("held_out_loss"));
        self.sweep.runs.push(Run {
            loss,
            held_out,
            ..run
        });
        self.records.push(records);
    }
}

impl Source for Fixed {
    fn poll(&mut self) -> Result<bool, MonitorError> {
        let coming = self.coming.take();
        for (run, record) in &coming {
            self.records[*run].push(record.clone());
        }
        let emptied = self.emptied.take();
        self.rewritten.resize(self.records.len(), 0);
        for run in &emptied {
            self.records[*run].clear();
            self.rewritten[*run] += 1;
        }
        let vanished = self.vanished.take().min(self.records.len());
        let left = self.records.len() - vanished;
        self.records.truncate(left);
        self.sweep.runs.truncate(left);
        Ok(!coming.is_empty() || !emptied.is_empty() || vanished > 0)
    }

    fn sweep(&self) -> &Sweep {
        &self.sweep
    }

    fn log(&self, run: usize) -> Log<'_> {
        Log::Memory(&self.records[run])
    }

    fn card(&self) -> Option<Arc<Card>> {
        self.card.clone()
    }

    fn states(&self) -> Vec<RunState> {
        self.sweep.runs.iter().map(state).collect()
    }

    fn untrained(&self) -> Option<f64> {
        Some(4.0)
    }

    fn judging(&self) -> Option<Judging> {
        let found = self.so_far.clone()?;
        let judge = Arc::clone(&self.judge);
        Some(Box::new(move || {
            drop(judge.lock());
            Some(found)
        }))
    }

    fn events(&self, _run: usize) -> &[Event] {
        &[]
    }

    fn revision(&self, run: usize) -> Revision {
        let rewritten = self.rewritten.get(run).copied().unwrap_or(0);
        Some((rewritten, self.records[run].len()))
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
            earlier: 0,
            warnings: vec![
                "`metrics-0001.jsonl` line 7: checksum does not match, line skipped".into(),
            ],
        }
    }

    /// The axes, and a few keys that all runs share.
    fn configuration(&self, run: usize) -> Result<toml::Table, String> {
        let run = self.sweep.runs.get(run).ok_or("there is no such run")?;
        let seed = run.seed.unwrap_or(0) as i64;
        let mut table = toml::Table::from_iter([("seed".to_owned(), Value::Integer(seed))]);
        for (key, value) in run.settings.iter() {
            let (section, name) = key.split_once('.').unwrap_or(("", key));
            let section = table
                .entry(section)
                .or_insert_with(|| toml::Table::new().into());
            section
                .as_table_mut()
                .unwrap()
                .insert(name.to_owned(), value.clone());
        }
        Ok(table)
    }

    fn directory(&self, _run: usize) -> Option<&Path> {
        self.directory.as_deref()
    }

    fn manifest(&self, _run: usize) -> Option<&Manifest> {
        None
    }

    /// Of a run that is trained.
    fn holder(&self, run: usize) -> Option<Holder> {
        Some(Holder {
            pid: run as u32,
            host: logs::lease::hostname(),
            boot: None,
            pid_namespace: None,
            start_ticks: None,
            since: String::new(),
        })
    }

    fn read_machine(&mut self, processes: &[u32]) -> Reading {
        let process = Process {
            busy: Some(0.97),
            memory: 300 << 20,
        };
        let gpu = Gpu {
            index: "0".to_owned(),
            name: "NVIDIA H100 80GB HBM3".to_owned(),
            busy: Some(0.83),
            memory: Some((40 << 30, 80 << 30)),
            temperature: Some(61.0),
            power: None,
        };
        Reading {
            processors: 2,
            busy: Some(0.97),
            load: Some(2.5),
            memory: Some(Memory {
                used: 5 << 30,
                all: 16 << 30,
            }),
            gpus: Gpus::Known(vec![gpu]),
            processes: processes.iter().map(|id| (*id, process)).collect(),
        }
    }

    fn bells(&self, _run: usize) -> Vec<String> {
        self.bells.clone()
    }
}
