//! Runs a sweep on several machines that share its directory, without a scheduler.
//!
//! Every machine executes the same command. Which of them trains a run is decided by the run's lease: the trainer that
//! gets it has the run, any other is refused, and its executor waits for the run's end like for that of any process that is
//! not its own. When a machine dies, its leases stop beating, and the others take its runs over from their last
//! checkpoints. `docs/decisions/0023-sweeps-beyond-one-machine.md` has the reasons.

use super::session::Company;
use super::{Entry, Executor, LocalExecutor, Progress, Tally};
use crate::{Sweep, SweepError};
use std::sync::atomic::AtomicBool;

pub(super) const ENTRY: Entry = Entry {
    name: "shared",
    about: "processes on every machine that executes the same command for the same directory",
    workers: None,
    schedules: false,
    make: |local, _| Box::new(SharedExecutor(local)),
};

/// One of several executors of a sweep.
#[derive(Debug, Clone)]
pub struct SharedExecutor(
    /// What it runs on this machine.
    pub LocalExecutor,
);

impl Executor for SharedExecutor {
    fn check(&self) -> Result<(), SweepError> {
        Ok(())
    }

    /// Stopping it by `stop` leaves the executors of other machines at work; a request in the directory stops them all.
    fn run(
        &self,
        sweep: &Sweep,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Tally, SweepError> {
        let place = sweep.place()?;
        let _seat = sweep.join()?;
        self.0
            .drive(sweep, Company::Executors, place, stop, progress)
    }
}
