//! What a job does: it is an executor for its own runs.

use crate::executor::session::Company;
use crate::{LocalExecutor, Progress, Sweep, SweepError, Tally};
use std::sync::atomic::AtomicBool;

impl LocalExecutor {
    /// Trains the runs of job `index` of submission `number`, and leaves alone what another process trains. Requests
    /// to stop or skip one of its runs are honoured; the whole sweep is the business of who submitted the job.
    pub fn run_job(
        &self,
        sweep: &Sweep,
        number: u32,
        index: usize,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Tally, SweepError> {
        let part = sweep.part(&sweep.runs_of_job(number, index)?);
        self.drive(&part, Company::Scheduler, part.place()?, stop, progress)
    }
}
