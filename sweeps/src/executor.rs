//! Runs a sweep as separate processes on this machine.
//!
//! The contract with the trainer: it is started as `program train RUN_DIRECTORY`, reads
//! `run.toml` there, continues from the newest checkpoint if there is one, and exits with 0 when
//! all steps are done, 3 when it was asked to stop (SIGTERM) and has saved its state, 4 when the machine
//! ran out of something (disk space, open files), 2 on bad input, anything else on failure. It keeps the
//! lease of its run directory while it trains. Should it outlive its executor, it is found by that
//! lease, waited for or asked to stop, and never run a second time.
//!
//! A failure that is the machine's ends the session after the first run that meets it; nothing is
//! recorded against the run, so the same command continues.
//!
//! Runs that may be packed are given to one process, as `program train RUN_DIRECTORY
//! RUN_DIRECTORY…`. Its exit code is that of the run that fared worst, and each run's own end is read
//! from its directory. A run of a pack that is asked to end takes its process along; the others go on
//! in the next one.

mod folders;
mod others;
mod process;
mod progress;
mod session;
mod stop;

pub use others::Unreached;
pub use process::last_error;
pub use progress::{Progress, Tally};
pub use stop::{StillRunning, StopNews};

use crate::{Sweep, SweepError};
use session::Session;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Starts up to `workers` processes at a time.
#[derive(Debug, Clone)]
pub struct LocalExecutor {
    /// The program to start for each run, usually this one.
    pub program: PathBuf,
    /// Arguments before the run directory.
    pub arguments: Vec<String>,
    /// Processes at a time, at least 1.
    pub workers: usize,
    /// CPU threads of one process; 0 leaves it to the process.
    pub threads: usize,
    /// Most runs in one process, at least 1. Only runs whose configurations have the same
    /// [`experiments_config::Config::pack_key`] share one.
    pub pack: usize,
    /// Whether runs that have failed are tried again.
    pub retry_failed: bool,
    /// Time between two looks at the sweep directory. The end of a process is noticed at once.
    pub interval: Duration,
}

impl LocalExecutor {
    /// An executor for `program train RUN_DIRECTORY`, one run at a time.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: vec!["train".to_owned()],
            workers: 1,
            threads: 0,
            pack: 1,
            retry_failed: false,
            interval: Duration::from_millis(500),
        }
    }

    /// Runs everything that is not done: pending runs are started, interrupted and stopped ones
    /// go on, finished and skipped ones are left alone. A failed run does not stop the others. A run
    /// whose directory was deleted begins again.
    ///
    /// Setting `stop` (from a signal handler, for example) or a request in the directory makes all
    /// runs checkpoint and end, those included that other processes train, and then returns; the same
    /// call continues later. A sweep directory that is moved or deleted meanwhile is an error, and nothing is
    /// made in its old place. Also returns when some runs could not be finished: see [`Tally`].
    pub fn run(
        &self,
        sweep: &Sweep,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Tally, SweepError> {
        let place = sweep.place()?;
        let _lock = sweep.lock()?;
        // A request from before this executor was meant for another one.
        sweep.withdraw_stop()?;
        let mut session = Session::new(self, sweep, place);
        let driven = session.drive(stop, progress);
        if driven.is_err() {
            // No process may outlive an executor that gives up.
            session.abandon();
        }
        driven
    }
}

#[cfg(test)]
mod tests;
