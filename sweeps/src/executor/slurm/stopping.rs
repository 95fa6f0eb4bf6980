//! Ending jobs: all of a sweep, or that of one run, with an executor or without.

use super::commands::{self, LOOK, Listed};
use super::error::SlurmError;
use super::jobs::Job;
use crate::executor::process::GRACE;
use crate::{StopNews, Sweep, SweepError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Cancels the jobs that wait, and asks those that run to end, or kills them where they were asked long ago.
pub(super) fn stop_jobs(jobs: &mut [Job]) -> Result<(), SlurmError> {
    let (mut cancelled, mut asked) = (Vec::new(), Vec::new());
    for job in jobs.iter_mut().filter(|job| !job.is_gone) {
        let is_late = job.asked.is_some_and(|when| when.elapsed() > GRACE);
        if job.is_pending() || is_late {
            cancelled.push(job.name());
        } else if job.asked.is_none() {
            asked.push(job.name());
        }
        job.asked.get_or_insert_with(Instant::now);
    }
    commands::cancel(&cancelled)?;
    commands::ask_to_end(&asked)
}

impl Sweep {
    /// Ends jobs of an executor that is no more, and returns when they have ended.
    pub(in crate::executor) fn stop_jobs_left(
        &self,
        interval: Duration,
        news: &mut dyn FnMut(StopNews),
    ) -> Result<(), SweepError> {
        let mut jobs: Vec<Job> = Vec::new();
        while self.has_queue() {
            let listed = match commands::list(&self.job_name()) {
                Ok(listed) if listed.is_empty() => {
                    self.forget_queue();
                    break;
                }
                // What such a machine cannot ask, it cannot stop; the runs themselves say who trains them.
                Err(SlurmError::NoCommand { .. }) => return Ok(()),
                listed => listed?,
            };
            jobs.retain(|job| listed.iter().any(|listed| job.is(listed)));
            for found in listed {
                if !jobs.iter().any(|job| job.is(&found)) {
                    news(StopNews::Job(found.name()));
                    jobs.push(Job::of(found, Vec::new()));
                }
            }
            stop_jobs(&mut jobs)?;
            sleep(interval.max(LOOK / 3));
        }
        Ok(())
    }

    /// Ends the job of a run where no executor is at work. One that waits is cancelled, with the other runs of its pack,
    /// which the next executor submits again; one that runs reads the request for its run, on whatever machine, and is
    /// waited for as long as the request is open.
    pub(in crate::executor) fn end_job_of(
        &self,
        id: &str,
        is_open: &mut dyn FnMut() -> bool,
        interval: Duration,
        news: &mut dyn FnMut(StopNews),
    ) -> Result<(), SweepError> {
        let mut told = false;
        while self.has_queue() {
            let listed = match commands::list(&self.job_name()) {
                // What such a machine cannot ask, it cannot stop; the run itself says who trains it.
                Err(SlurmError::NoCommand { .. }) => return Ok(()),
                listed => listed?,
            };
            let is_of_run = |job: &&Listed| {
                let runs = self.runs_of_job(job.submission, job.index);
                runs.is_ok_and(|runs| runs.iter().any(|run| run == id))
            };
            let Some(job) = listed.iter().find(is_of_run) else {
                return Ok(());
            };
            if !told {
                news(StopNews::Job(job.name()));
                told = true;
            }
            if job.is_pending() {
                commands::cancel(&[job.name()])?;
            } else if !is_open() {
                return Ok(());
            }
            sleep(interval.max(LOOK / 3));
        }
        Ok(())
    }
}
