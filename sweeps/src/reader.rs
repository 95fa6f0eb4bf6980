//! Following a sweep, live or finished, by reading its directory only.

mod follower;
mod state;
mod time_left;

pub use state::{RunState, State};

use crate::stats::median;
use crate::{PlannedRun, Request, Sweep, SweepError};
use follower::Follower;
use logs::RunReader;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;
use std::thread::ScopedJoinHandle;
use time_left::{Phase, Timed};

impl RunState {
    /// A run that has not begun.
    pub(crate) fn new(run: &PlannedRun) -> Self {
        Self {
            id: run.id.clone(),
            arm: run.arm.clone(),
            seed: run.seed,
            role: run.role,
            state: State::Pending,
            step: 0,
            steps: run.steps,
            loss: None,
            held_out_loss: None,
            tokens_per_second: None,
            metric: None,
            metrics: Vec::new(),
            seconds: None,
            classified: None,
            spikes: Vec::new(),
            spiked: None,
            missing_languages: Vec::new(),
            message: None,
            not_judged: None,
            job: None,
        }
    }
}

/// Follows all runs of a sweep. A poll reads only what was appended since the last one, and
/// nothing of runs that have finished.
#[derive(Debug)]
pub struct SweepReader {
    sweep: Sweep,
    followers: Vec<Follower>,
    states: Vec<RunState>,
    /// Number of the arm of each run, and what a step of it costs.
    costs: OnceLock<Vec<(usize, f64)>>,
}

impl SweepReader {
    /// Opens the sweep in `dir` and polls once.
    pub fn open(dir: &Path) -> Result<Self, SweepError> {
        Ok(Self::new(Sweep::open(dir)?))
    }

    /// Follows `sweep`, polled once.
    #[must_use]
    pub fn new(sweep: Sweep) -> Self {
        let mut reader = Self {
            followers: sweep.runs().iter().map(|_| Follower::default()).collect(),
            states: sweep.runs().iter().map(RunState::new).collect(),
            costs: OnceLock::new(),
            sweep,
        };
        reader.poll();
        reader
    }

    /// Takes in what has happened since the last poll; returns the number of new records. A run
    /// that cannot be read is shown as failed, the others are followed all the same.
    pub fn poll(&mut self) -> usize {
        let new = self.poll_runs();
        let mut queue = self.sweep.queue();
        for run in &mut self.states {
            run.job = queue.remove(&run.id);
        }
        new
    }

    /// The sweep followed.
    #[must_use]
    pub fn sweep(&self) -> &Sweep {
        &self.sweep
    }

    /// All runs in the order of the plan.
    #[must_use]
    pub fn states(&self) -> &[RunState] {
        &self.states
    }

    /// Records and events of one run; `None` when its directory cannot be read. Records come
    /// without per-layer signals until [`SweepReader::read_layers`] asks for them.
    #[must_use]
    pub fn reader(&self, index: usize) -> Option<&RunReader> {
        self.followers.get(index)?.reader.as_ref()
    }

    /// Reads the per-layer signals of one run from now on, those already written included.
    pub fn read_layers(&mut self, index: usize) -> Result<(), SweepError> {
        let follower = self.followers.get_mut(index);
        if let Some(reader) = follower.and_then(|follower| follower.reader.as_mut()) {
            reader.read_layers();
            // Finished runs are not polled any more.
            reader.poll()?;
        }
        Ok(())
    }

    /// What runs lose that have learned nothing, as the cap of [`crate::ByAxis::sensitivity`] is: the median of their first
    /// losses, where the card's metric is a loss.
    #[must_use]
    pub fn untrained(&self) -> Option<f64> {
        if !self.sweep.plan().card.metric.name.contains("loss") {
            return None;
        }
        let first = self.followers.iter().filter_map(|run| run.first_loss);
        median(first.filter(|loss| loss.is_finite()).collect())
    }

    /// Runs in a state.
    #[must_use]
    pub fn count(&self, state: State) -> usize {
        self.states.iter().filter(|run| run.state == state).count()
    }

    /// Finished steps and planned steps over all runs that were not skipped. What a failed or stopped
    /// run has left is still planned; a finished one has nothing left, wherever it ended.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        let runs = self.states.iter();
        let runs = runs.filter(|run| run.state != State::Skipped);
        runs.fold((0, 0), |(done, all), run| match run.state {
            State::Finished => (done + run.step, all + run.step),
            State::Pending
            | State::Running
            | State::Interrupted
            | State::Stopped
            | State::Failed
            | State::Skipped => (done + run.step.min(run.steps), all + run.steps),
        })
    }

    /// Seconds left, from what the runs that are done took and how fast those at work are; absent when none is. Runs that failed
    /// or were stopped are not in it: nothing more comes of them without another command.
    #[must_use]
    pub fn eta_seconds(&self) -> Option<f64> {
        self.seconds_left(|run| {
            let state = self.states[run].state;
            matches!(state, State::Running | State::Pending | State::Interrupted)
        })
    }

    /// The same of the runs that somebody waits for, by their numbers in the plan.
    pub(crate) fn seconds_left(&self, waited_for: impl Fn(usize) -> bool) -> Option<f64> {
        let costs = self.costs.get_or_init(|| costs(&self.sweep));
        let timed = |(index, run): (usize, &RunState)| {
            let (arm, work) = costs[index];
            let follower = &self.followers[index];
            let left = run.steps.saturating_sub(run.step);
            let phase = match run.state {
                State::Finished => follower.done(),
                _ if !waited_for(index) => Phase::Over,
                State::Running => Phase::AtWork {
                    left,
                    step: follower.seconds_per_step(),
                },
                State::Pending
                | State::Interrupted
                | State::Stopped
                | State::Failed
                | State::Skipped => Phase::ToCome { left },
            };
            Timed {
                arm,
                steps: run.steps,
                work,
                began: follower.began(),
                phase,
            }
        };
        let runs: Vec<Timed> = self.states.iter().enumerate().map(timed).collect();
        time_left::seconds_left(&runs)
    }

    /// On as many threads as there are CPUs while much is to be read: at the start, and when many runs are at work.
    fn poll_runs(&mut self) -> usize {
        let sweep = &self.sweep;
        let open = self.states.iter().filter(|run| run.classified.is_none());
        let threads = match open.count() {
            ..ENOUGH => 1,
            _ => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let part = self.states.len().div_ceil(threads).max(1);
        let runs = sweep.runs().chunks(part);
        let parts = runs
            .zip(self.followers.chunks_mut(part))
            .zip(self.states.chunks_mut(part));
        let poll = move |((runs, followers), states): (
            (&[PlannedRun], &mut [Follower]),
            &mut [RunState],
        )|
              -> usize {
            let all = runs.iter().zip(followers).zip(states);
            all.map(|((run, follower), state)| poll_run(sweep, run, follower, state))
                .sum()
        };
        if threads == 1 {
            return parts.map(poll).sum();
        }
        std::thread::scope(|scope| {
            let threads: Vec<_> = parts.map(|part| scope.spawn(move || poll(part))).collect();
            // A thread panics only where reading on one thread would have.
            let read = threads.into_iter().map(ScopedJoinHandle::join);
            read.map(|new| new.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .sum()
        })
    }
}

/// Number of the arm of each run, and its tokens times parameters a step; a configuration that cannot be made costs nothing.
fn costs(sweep: &Sweep) -> Vec<(usize, f64)> {
    let mut known: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
    let cost = |run: &PlannedRun| {
        let config = sweep.plan().config(run);
        config.map_or(0.0, |config| {
            config.tokens_per_step() as f64 * config.checkpoint_bytes() as f64
        })
    };
    let runs = sweep.runs().iter();
    runs.map(|run| {
        let next = known.len();
        *known.entry(&run.arm).or_insert_with(|| (next, cost(run)))
    })
    .collect()
}

/// Runs to be read from which on threads are worth their start.
const ENOUGH: usize = 16;

/// Takes in what is new of one run.
fn poll_run(
    sweep: &Sweep,
    run: &PlannedRun,
    follower: &mut Follower,
    state: &mut RunState,
) -> usize {
    if state.classified.is_some() {
        return 0;
    }
    let directory = sweep.run_dir(&run.id);
    if follower.reader.is_some() && !directory.exists() {
        // Deleted or moved: the run is one that has not begun.
        *follower = Follower::default();
        *state = RunState::new(run);
    }
    let new = match follower.poll(&directory) {
        Ok(new) => {
            follower.observe(state, run, sweep);
            new
        }
        Err(error) => {
            state.state = State::Failed;
            state.message = Some(describe(&error));
            0
        }
    };
    let idle = matches!(
        state.state,
        State::Pending | State::Interrupted | State::Stopped
    );
    if idle && sweep.requested(&run.id, Request::Skip) {
        state.state = State::Skipped;
    }
    new
}

/// An error with its causes, in one line.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests;
