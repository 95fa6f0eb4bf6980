//! What an executor tells while it works, and what it says at the end.

use super::others::Unreached;
use crate::Outcome;
use crate::reader::{RunState, State, SweepReader};
use serde::Serialize;

/// News from an executor.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Progress {
    /// A run's process was started.
    Started {
        /// Run id.
        id: String,
        /// Whether it goes on from an earlier attempt.
        resumed: bool,
    },
    /// All steps of a run are done.
    Finished {
        /// Run id.
        id: String,
        /// Its outcome, where the run directory allows one.
        outcome: Option<Outcome>,
    },
    /// A run failed; the others go on.
    Failed {
        /// Run id.
        id: String,
        /// Why, in one line.
        message: String,
    },
    /// The configuration of a run that had not begun was missing or not the planned one, and was made again.
    Restored {
        /// Run id.
        id: String,
        /// What was done, in one line.
        message: String,
    },
    /// Something that is not of one run.
    Note {
        /// What, in one line.
        message: String,
    },
    /// A run ended on request, or was not started because of one.
    Stopped {
        /// Run id.
        id: String,
        /// What it says itself: none where it was asked to, else the alarm that stopped it.
        message: Option<String>,
    },
    /// A run's process was killed, or met the limits of the machine; it goes on next time.
    Interrupted {
        /// Run id.
        id: String,
        /// What is known of it, in one line.
        message: String,
    },
    /// A run is trained by a process that is none of the executor's, and its end is waited for.
    Elsewhere {
        /// Run id.
        id: String,
    },
    /// A run was to be stopped, and its process cannot be reached from here; it goes on.
    OutOfReach {
        /// Run id.
        id: String,
        /// The process, and why.
        process: Unreached,
    },
    /// How far all runs together are; once per look at the directory.
    Tick {
        /// Finished runs.
        finished: usize,
        /// Runs of the sweep without those that are skipped.
        total: usize,
        /// Runs at work.
        running: usize,
        /// Finished steps of these runs.
        steps_done: u64,
        /// All their steps.
        steps: u64,
        /// Seconds until nothing is left to do for the executor, as [`SweepReader::eta_seconds`] has them. Runs that failed
        /// or were stopped are not waited for.
        eta_seconds: Option<f64>,
    },
}

impl Progress {
    /// The news of a run that has finished, or has failed as its directory says.
    pub(super) fn ended(run: &RunState) -> Self {
        let id = run.id.clone();
        if run.state == State::Failed {
            let message = run.message.clone().unwrap_or_default();
            return Self::Failed { id, message };
        }
        Self::Finished {
            outcome: run.outcome(),
            id,
        }
    }
}

/// How a sweep stands when an executor ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Runs by state.
    pub finished: usize,
    /// Failed; tried again only when asked.
    pub failed: usize,
    /// Left out on request.
    pub skipped: usize,
    /// Ended on request or killed; go on next time.
    pub unfinished: usize,
    /// Still trained by processes that could not be reached.
    pub out_of_reach: usize,
    /// Never begun.
    pub pending: usize,
    /// Whether the executor itself was told to stop.
    pub told_to_stop: bool,
}

impl Tally {
    /// Counts the runs; `failed` are those that failed, whether or not their directories can say so.
    pub(super) fn of(reader: &SweepReader, failed: &[usize], told_to_stop: bool) -> Self {
        let states = reader.states().iter().enumerate();
        let states = states.map(|(index, run)| match run.state {
            State::Pending | State::Interrupted | State::Stopped if failed.contains(&index) => {
                State::Failed
            }
            state => state,
        });
        let count = |wanted: &[State]| states.clone().filter(|s| wanted.contains(s)).count();
        Self {
            finished: count(&[State::Finished]),
            failed: count(&[State::Failed]),
            skipped: count(&[State::Skipped]),
            unfinished: count(&[State::Stopped, State::Interrupted]),
            out_of_reach: count(&[State::Running]),
            pending: count(&[State::Pending]),
            told_to_stop,
        }
    }

    /// Runs that others train are theirs, and no failure to reach anybody.
    pub(super) fn among_others(self) -> Self {
        Self {
            unfinished: self.unfinished + self.out_of_reach,
            out_of_reach: 0,
            ..self
        }
    }

    /// Whether every run that was not skipped has finished.
    #[must_use]
    pub fn is_complete(self) -> bool {
        self.failed + self.unfinished + self.out_of_reach + self.pending == 0
    }
}

impl Progress {
    /// How far all runs are, of which so many are at work; `to_come` are those that the executor waits for, at work or
    /// not.
    pub(super) fn tick(reader: &SweepReader, running: usize, to_come: &[usize]) -> Self {
        let (steps_done, steps) = reader.progress();
        Self::Tick {
            finished: reader.count(State::Finished),
            total: reader.states().len() - reader.count(State::Skipped),
            running,
            steps_done,
            steps,
            eta_seconds: match to_come {
                [] => Some(0.0),
                _ => reader.seconds_left(|run| to_come.contains(&run)),
            },
        }
    }
}
