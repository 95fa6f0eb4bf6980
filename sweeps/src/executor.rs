//! Executors: where the runs of a sweep are trained.
//!
//! An executor is one file and one row of [`EXECUTORS`]: as processes of this machine ([`LocalExecutor`]), as such on
//! several machines that share the sweep directory ([`SharedExecutor`]), as jobs of Slurm ([`SlurmExecutor`]).
//!
//! The contract with the trainer: it is started as `program train RUN_DIRECTORY`, reads
//! `run.toml` there, continues from the newest checkpoint if there is one, and exits with 0 when
//! all steps are done, 3 when it was asked to stop (SIGTERM) and has saved its state, 4 when the machine
//! ran out of something (disk space, open files), 6 when another process has the run, 2 on bad input, anything else on
//! failure. It keeps the lease of its run directory while it trains. Should it outlive its executor, it is found by that
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
mod local;
mod others;
mod process;
mod progress;
mod session;
mod shared;
mod slurm;
mod stop;

pub use local::LocalExecutor;
pub use others::Unreached;
pub use process::last_error;
pub use progress::{Progress, Tally};
pub use shared::SharedExecutor;
pub use slurm::{SlurmError, SlurmExecutor, SlurmOptions, Waiting};
pub use stop::{StillRunning, StopNews};

use crate::{Sweep, SweepError};
use std::sync::atomic::AtomicBool;

/// Where the runs of a sweep are trained.
pub trait Executor {
    /// Refuses what nothing could be run with, before anything is written.
    fn check(&self) -> Result<(), SweepError>;

    /// Runs everything that is not done: pending runs are started, interrupted and stopped ones
    /// go on, finished and skipped ones are left alone. A failed run does not stop the others. A run
    /// whose directory was deleted begins again.
    ///
    /// Setting `stop` (from a signal handler, for example) or a request in the directory makes the executor's
    /// runs checkpoint and end, and then returns; the same call continues later. A sweep directory that is moved or
    /// deleted meanwhile is an error, and nothing is made in its old place. Also returns when some runs could not be
    /// finished: see [`Tally`].
    fn run(
        &self,
        sweep: &Sweep,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Tally, SweepError>;
}

/// An executor that can be asked for by name.
#[derive(Debug)]
pub struct Entry {
    /// The value of `--executor`.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub about: &'static str,
    /// Processes at a time where nobody says how many; none where the machine's cores say it.
    pub workers: Option<usize>,
    /// Whether [`SlurmOptions`] mean something to it.
    pub schedules: bool,
    make: fn(LocalExecutor, SlurmOptions) -> Box<dyn Executor>,
}

/// All executors, the usual one first.
pub const EXECUTORS: [&Entry; 3] = [&local::ENTRY, &shared::ENTRY, &slurm::ENTRY];

impl Entry {
    /// The executor, whose processes are started as `local` says.
    #[must_use]
    pub fn make(&self, local: LocalExecutor, options: SlurmOptions) -> Box<dyn Executor> {
        (self.make)(local, options)
    }
}

#[cfg(test)]
mod tests;
