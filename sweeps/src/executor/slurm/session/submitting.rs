//! Submitting what is to be done, as arrays of jobs.

use super::Session;
use crate::SweepError;
use crate::executor::progress::Progress;
use crate::executor::session::companions;
use crate::executor::slurm::commands;
use crate::executor::slurm::error::SlurmError;
use crate::executor::slurm::jobs::Job;
use crate::executor::slurm::submission::{Submission, script};
use std::path::Path;

impl Session<'_> {
    /// Submits the runs of the queue as one array, of which so many jobs run at a time as there is room for.
    pub(super) fn submit(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), SweepError> {
        let room = self.executor.local.workers.saturating_sub(self.jobs.len());
        if room == 0 || self.queue.is_empty() {
            return Ok(());
        }
        let packs = self.packs();
        let ids = |pack: &Vec<usize>| pack.iter().map(|index| self.id(*index)).collect();
        let submission = Submission {
            jobs: packs.iter().map(ids).collect(),
        };
        let number = self.sweep.enter_submission(&submission)?;
        let array = match self.sbatch(number, packs.len(), room) {
            Ok(array) => array,
            // It may have been taken all the same; the next look at the queue shows it.
            Err(SlurmError::Failed { message, .. })
                if !self.jobs.is_empty() || is_silence(&message) =>
            {
                self.tell(
                    format!("no job could be submitted: {message}; trying again"),
                    progress,
                );
                return Ok(());
            }
            Err(SlurmError::Failed { message, .. }) => {
                return Err(SlurmError::Refused { message }.into());
            }
            Err(error) => return Err(error.into()),
        };
        self.told = None;
        for (place, pack) in packs.iter().enumerate() {
            self.queue.retain(|index| !pack.contains(index));
            let runs = self.with_steps(pack);
            self.jobs
                .push(Job::new(array.clone(), (number, place), runs));
        }
        Ok(())
    }

    /// The runs of the queue by job, as many as an array takes.
    fn packs(&self) -> Vec<Vec<usize>> {
        let mut queue = self.queue.clone().into();
        let mut packs = Vec::new();
        while packs.len() < self.most {
            let pack = companions(&mut queue, &self.pack_keys, self.executor.local.pack);
            if pack.is_empty() {
                break;
            }
            packs.push(pack);
        }
        packs
    }

    /// Submits so many jobs; the number of the array.
    fn sbatch(&self, number: u32, jobs: usize, room: usize) -> Result<String, SlurmError> {
        let dir = std::path::absolute(self.sweep.dir());
        let dir = dir.unwrap_or_else(|_| self.sweep.dir().to_owned());
        let mut arguments = self.executor.arguments();
        arguments.extend([
            format!("--job-name={}", self.name),
            format!("--comment={number}"),
            format!("--array=0-{}%{room}", jobs - 1),
        ]);
        let avoided = self.nodes.avoided();
        if !avoided.is_empty() {
            arguments.push(format!("--exclude={avoided}"));
        }
        let options = &self.executor.options;
        let needs = self.executor.local.needs.iter().map(AsRef::as_ref);
        let needs: Vec<&Path> = needs.chain([dir.as_path()]).collect();
        let log = self.sweep.job_logs(number);
        let log = std::path::absolute(&log).unwrap_or(log);
        let number = number.to_string();
        let mut task: Vec<_> = options.task.iter().map(AsRef::as_ref).collect();
        task.extend([dir.as_os_str(), number.as_ref()]);
        commands::submit(&arguments, &script(&log, &needs, &task))
    }
}

/// Whether `sbatch` could not speak to Slurm, which says nothing of what it would have said.
fn is_silence(message: &str) -> bool {
    [
        "Unable to contact",
        "Socket timed out",
        "Connection refused",
    ]
    .iter()
    .any(|words| message.contains(words))
}
