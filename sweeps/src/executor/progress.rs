//! What an executor tells while it works, and what it says at the end.

use crate::Outcome;
use crate::reader::{State, SweepReader};
use serde::Serialize;
use std::time::Duration;

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
    /// A run ended on request, or was not started because of one.
    Stopped {
        /// Run id.
        id: String,
    },
    /// A run's process was killed; it goes on next time.
    Interrupted {
        /// Run id.
        id: String,
    },
    /// How far all runs together are; once per look at the directory.
    Tick {
        /// Finished runs.
        finished: usize,
        /// Runs of the sweep.
        total: usize,
        /// Runs at work.
        running: usize,
        /// Finished steps of the runs that are to finish.
        steps_done: u64,
        /// All their steps.
        steps: u64,
        /// Seconds left, from the steps done since the executor began and the time they took.
        eta_seconds: Option<f64>,
    },
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
    /// Never begun.
    pub pending: usize,
    /// Whether the executor itself was told to stop.
    pub told_to_stop: bool,
}

impl Tally {
    pub(super) fn of(reader: &SweepReader, told_to_stop: bool) -> Self {
        Self {
            finished: reader.count(State::Finished),
            failed: reader.count(State::Failed),
            skipped: reader.count(State::Skipped),
            unfinished: reader.count(State::Stopped)
                + reader.count(State::Interrupted)
                + reader.count(State::Running),
            pending: reader.count(State::Pending),
            told_to_stop,
        }
    }

    /// Whether every run that was not skipped has finished.
    #[must_use]
    pub fn is_complete(self) -> bool {
        self.failed + self.unfinished + self.pending == 0
    }
}

/// Seconds left when `done` steps took `elapsed` and `left` steps remain at the same pace.
pub(super) fn eta(elapsed: Duration, done: u64, left: u64) -> Option<f64> {
    (done > 0).then(|| elapsed.as_secs_f64() * left as f64 / done as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_so_far_gives_the_time_left() {
        assert_eq!(eta(Duration::from_secs(10), 100, 50), Some(5.0));
        assert_eq!(eta(Duration::from_secs(10), 0, 50), None);
    }
}
