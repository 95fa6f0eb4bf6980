//! Where the runs of a sweep are trained, from the command line.

use super::{Lines, cost, display, executor};
use crate::cli::{Execution, Place};
use crate::failure::{Failure, exit};
use crate::signals::Stop;
use experiments_text::Cache;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use sweeps::executor::Entry;
use sweeps::{Executor, LocalExecutor, Plan, SlurmOptions, Sweep};

/// An executor that was asked for.
pub(super) struct Fleet {
    entry: &'static Entry,
    options: SlurmOptions,
    execution: Execution,
    retry_failed: bool,
}

impl Fleet {
    pub(super) fn new(
        place: &Place,
        execution: &Execution,
        retry_failed: bool,
    ) -> Result<Self, Failure> {
        let (options, any) = place.slurm();
        if any && !place.executor.schedules {
            return Err(Failure::usage(format!(
                "--partition, --account, --time, --gres and --sbatch are for `--executor slurm`; the executor is `{}`",
                place.executor.name
            )));
        }
        Ok(Self {
            entry: place.executor,
            options,
            execution: execution.clone(),
            retry_failed,
        })
    }

    /// Refuses what nothing could be run with, before anything is written.
    pub(super) fn check(&self, cache: &Cache) -> Result<(), Failure> {
        let local = self.local(cache, &[])?;
        let executor = self.entry.make(local, self.options.clone());
        Ok(executor.check()?)
    }

    /// The executor for the runs of a plan.
    pub(super) fn executor(self, plan: &Plan, cache: &Cache) -> Result<Box<dyn Executor>, Failure> {
        let mut local = self.local(cache, &plan.missing_languages)?;
        local.needs = needs(plan, &local, cache)?;
        let mut options = self.options.clone();
        if self.entry.schedules {
            options.task = self.task(&local, cache);
            if options.time.is_none() {
                options.limit(cost::longest(plan, cache)? * local.pack as f64)?;
            }
        }
        Ok(self.entry.make(local, options))
    }

    fn local(&self, cache: &Cache, missing_languages: &[String]) -> Result<LocalExecutor, Failure> {
        let mut local = executor(&self.execution, cache, missing_languages)?;
        local.retry_failed = self.retry_failed;
        if let (None, Some(workers)) = (self.execution.workers, self.entry.workers) {
            local.workers = workers;
        }
        Ok(local)
    }

    /// What a job executes: this program, with the same ways to run.
    fn task(&self, local: &LocalExecutor, cache: &Cache) -> Vec<std::ffi::OsString> {
        let mut task = vec![local.program.clone().into_os_string()];
        task.extend(["--cache".into(), display(cache.root()).into()]);
        task.extend(["sweep", "job", "--threads"].map(Into::into));
        task.push(local.threads.to_string().into());
        task.push("--pack".into());
        task.push(local.pack.to_string().into());
        if self.retry_failed {
            task.push("--retry-failed".into());
        }
        task
    }
}

/// Files that the runs of a plan need wherever they are trained.
fn needs(plan: &Plan, local: &LocalExecutor, cache: &Cache) -> Result<Vec<PathBuf>, Failure> {
    let mut needs = vec![local.program.clone(), display(cache.root()).into()];
    for run in &plan.runs {
        let config = plan.config(run)?;
        let texts = config.data.sources.iter();
        let texts = texts.filter_map(|source| source.path.clone());
        let tasks = config.tasks.sources.iter();
        needs.extend(texts.chain(tasks.filter_map(|source| source.path.clone())));
        needs.extend(config.model.init.weights);
    }
    needs.sort();
    needs.dedup();
    Ok(needs)
}

/// Trains the runs of a job of Slurm. Its exit code says what its node is to be blamed for, and nothing of the runs: they
/// say that themselves.
pub(super) fn job(
    dir: &Path,
    (submission, index): (u32, usize),
    execution: &Execution,
    retry_failed: bool,
    cache: &Cache,
) -> Result<ExitCode, Failure> {
    let sweep = Sweep::open(dir)?;
    let stop = Stop::listen()?;
    let mut local = executor(execution, cache, &sweep.plan().missing_languages)?;
    local.retry_failed = retry_failed;
    local.workers = 1;
    let mut lines = Lines::default();
    let tally = local.run_job(&sweep, submission, index, stop.flag(), &mut |news| {
        lines.show(&news);
    });
    lines.end();
    let tally = tally?;
    Ok(if tally.told_to_stop {
        ExitCode::from(exit::STOPPED)
    } else {
        ExitCode::SUCCESS
    })
}
