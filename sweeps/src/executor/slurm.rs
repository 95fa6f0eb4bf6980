//! Runs a sweep as jobs of Slurm.
//!
//! The executor stays where it was started, on a machine that has Slurm's commands, and trains nothing itself. It submits
//! what is to be done as an array of jobs, looks at Slurm's queue and at the sweep directory, and submits again what came back
//! unfinished: at its time limit, preempted, or from a node that was lost. Each job trains one run, or one pack, as an
//! executor of its own ([`task`]), whose directory is where it always is. When this executor is killed the jobs go on; the
//! same command finds them by their name and looks after them again.
//!
//! Whether a run is done, and whether somebody still writes it, is the word of its directory and its lease, never of
//! Slurm: a node that Slurm has lost may go on. `docs/decisions/0023-sweeps-beyond-one-machine.md` has the reasons.

mod commands;
mod error;
mod jobs;
mod nodes;
mod queue;
mod session;
mod stopping;
mod submission;
mod task;
mod time;

pub use error::SlurmError;
pub use queue::Waiting;
#[cfg(test)]
pub(super) use submission::Submission;

use super::{Entry, Executor, LocalExecutor, Progress, Tally};
use crate::{Sweep, SweepError};
use session::Session;
use std::ffi::OsString;
use std::sync::atomic::AtomicBool;

pub(super) const ENTRY: Entry = Entry {
    name: "slurm",
    about: "jobs of the cluster's scheduler, submitted from here",
    // That of Hydra's launcher for Slurm.
    workers: Some(256),
    schedules: true,
    make: |local, options| Box::new(SlurmExecutor { local, options }),
};

/// What Slurm is asked for.
#[derive(Debug, Clone, Default)]
pub struct SlurmOptions {
    /// Partition; Slurm's default where absent.
    pub partition: Option<String>,
    /// Account to charge.
    pub account: Option<String>,
    /// Time limit of a job, as `sbatch --time` reads it.
    pub time: Option<String>,
    /// Generic resources of a job, such as `gpu:1`.
    pub gres: Option<String>,
    /// Further arguments of `sbatch`.
    pub further: Vec<String>,
    /// What a job executes: the program and its arguments, to which the sweep directory, the number of the submission and
    /// the number of the job in it are added.
    pub task: Vec<OsString>,
}

impl SlurmOptions {
    /// The time limit of jobs that were measured to take so many seconds here: what [`time::limit`] makes of it, in the
    /// partition that they go to.
    pub fn limit(&mut self, seconds: f64) -> Result<(), SweepError> {
        let longest = commands::longest(self.partition.as_deref())?;
        self.time = Some(time::limit(seconds, longest).to_string());
        Ok(())
    }
}

/// Trains the runs as jobs of Slurm, up to [`LocalExecutor::workers`] at a time.
#[derive(Debug, Clone)]
pub struct SlurmExecutor {
    /// How many jobs at a time, and with how many runs and threads each.
    pub local: LocalExecutor,
    /// What Slurm is asked for.
    pub options: SlurmOptions,
}

impl Executor for SlurmExecutor {
    /// Lets Slurm say whether it would take a job with these options.
    fn check(&self) -> Result<(), SweepError> {
        Ok(commands::test(&self.arguments())?)
    }

    fn run(
        &self,
        sweep: &Sweep,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Tally, SweepError> {
        let place = sweep.place()?;
        let _lock = sweep.lock()?;
        sweep.forget_requests()?;
        let mut session = Session::new(self, sweep, place)?;
        let driven = session.drive(stop, progress);
        if driven.is_err() {
            session.abandon();
        }
        sweep.forget_queue();
        driven
    }
}

impl SlurmExecutor {
    /// Whether jobs are to begin at a time that the user named.
    fn wants_to_wait(&self) -> bool {
        let begins = |argument: &String| ["-b", "--begin"].iter().any(|b| argument.starts_with(b));
        self.options.further.iter().any(begins)
    }

    /// The arguments of `sbatch` that are the same for all jobs.
    fn arguments(&self) -> Vec<String> {
        let SlurmOptions {
            partition,
            account,
            time,
            gres,
            further,
            task: _,
        } = &self.options;
        let given = [
            ("partition", partition),
            ("account", account),
            ("time", time),
            ("gres", gres),
        ];
        let given = given.into_iter();
        let given = given.filter_map(|(key, value)| Some(format!("--{key}={}", value.as_ref()?)));
        let threads = self.local.threads.max(1);
        let mut arguments = vec![
            "--requeue".to_owned(),
            // A job opens its own log: in a name that Slurm is given `%` and `\` have a meaning.
            "--output=/dev/null".to_owned(),
            format!("--cpus-per-task={threads}"),
            time::warning(time.as_deref()),
        ];
        arguments.extend(given);
        arguments.extend(further.iter().cloned());
        arguments
    }
}
