//! Runs a sweep as separate processes on this machine.

use super::session::{Company, Session};
use super::{Entry, Executor, Progress, Tally};
use crate::{Sweep, SweepError};
use logs::disk::Place;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub(super) const ENTRY: Entry = Entry {
    name: "local",
    about: "processes on this machine",
    workers: None,
    schedules: false,
    make: |local, _| Box::new(local),
};

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
    /// Files and folders that a run needs on its machine beside the sweep directory: the program, the texts. They are looked
    /// for before a run is begun.
    pub needs: Vec<PathBuf>,
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
            needs: Vec::new(),
            interval: Duration::from_millis(500),
        }
    }

    /// What this machine has not of what runs need.
    pub(super) fn lacking(&self) -> Option<SweepError> {
        let path = self.needs.iter().find(|path| !path.exists())?;
        Some(SweepError::Lacking {
            machine: logs::lease::hostname(),
            path: path.clone(),
        })
    }

    /// Runs a sweep as this executor does, in `company`; `place` is where the sweep was when it began.
    pub(super) fn drive(
        &self,
        sweep: &Sweep,
        company: Company,
        place: Place,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Tally, SweepError> {
        let mut session = Session::new(self, sweep, company, place);
        let driven = session.drive(stop, progress);
        if driven.is_err() {
            // No process may outlive an executor that gives up.
            session.abandon();
        }
        driven
    }
}

impl Executor for LocalExecutor {
    fn check(&self) -> Result<(), SweepError> {
        Ok(())
    }

    /// Stopping it also stops runs that other processes train.
    fn run(
        &self,
        sweep: &Sweep,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Tally, SweepError> {
        let place = sweep.place()?;
        let _lock = sweep.lock()?;
        sweep.forget_requests()?;
        self.drive(sweep, Company::None, place, stop, progress)
    }
}
