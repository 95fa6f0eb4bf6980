//! Stopping a sweep, or one of its runs, from another process: with an executor at work or without.

use super::others::{Asked, Contact, Unreached, name};
use crate::reader::State;
use crate::sweep::{ExecutorProcess, ExecutorWatch};
use crate::{Request, Sweep, SweepError, SweepReader};
use logs::Lease;
use logs::run::LEASE_FILE;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// News while a sweep is being stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopNews {
    /// This executor was asked to stop.
    Executor(ExecutorProcess),
    /// A job of Slurm without an executor was asked to stop, or cancelled where it waited.
    Job(String),
    /// The process that trains a run without an executor was asked to stop.
    Run {
        /// Run id.
        id: String,
    },
    /// No process trains the run any more.
    Ended {
        /// Run id.
        id: String,
    },
}

/// A run that may still be trained, by a process that cannot be asked to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StillRunning {
    /// Run id.
    pub id: String,
    /// The process, and why it cannot be reached.
    pub process: Unreached,
}

/// What is known while one waits.
struct Stopping<'a> {
    sweep: &'a Sweep,
    reader: SweepReader,
    asked: Asked,
    /// Runs whose processes were asked by us.
    waiting: Vec<usize>,
    news: &'a mut dyn FnMut(StopNews),
}

impl Sweep {
    /// Makes the executor at work and every process that trains a run save its state and end, and
    /// returns when all have. What could not be reached is returned; nothing is left behind that would
    /// stop the next executor.
    pub fn stop(
        &self,
        interval: Duration,
        news: &mut dyn FnMut(StopNews),
    ) -> Result<Vec<StillRunning>, SweepError> {
        let mut told = Vec::new();
        let mut watch = ExecutorWatch::new(self);
        loop {
            let (living, unknown) = watch.at_work();
            let at_work: Vec<_> = living.into_iter().chain(unknown).collect();
            if at_work.is_empty() {
                break;
            }
            // An executor that has just begun forgets the requests of before.
            if !self.stop_requested() {
                self.request_stop()?;
            }
            for executor in at_work {
                if !told.contains(&executor) {
                    news(StopNews::Executor(executor.clone()));
                    told.push(executor);
                }
            }
            sleep(interval);
        }
        self.stop_jobs_left(interval, news)?;
        self.withdraw_stop()?;
        let mut stopping = Stopping::new(self, news);
        let all: Vec<usize> = (0..self.runs().len()).collect();
        Ok(stopping.wait(&all, interval))
    }

    /// Makes whoever trains the run `id` save its state and end, and returns when that has happened.
    /// Without an executor at work a [`Request::Stop`] is forgotten again, a [`Request::Skip`] stays.
    pub fn end_run(
        &self,
        id: &str,
        request: Request,
        interval: Duration,
        news: &mut dyn FnMut(StopNews),
    ) -> Result<Vec<StillRunning>, SweepError> {
        let index = self.runs().iter().position(|run| run.id == id);
        self.request(id, request)?;
        for executor in self.executors() {
            news(StopNews::Executor(executor));
        }
        let mut stopping = Stopping::new(self, news);
        while !self.executors().is_empty()
            && is_open(self, &mut stopping.reader, id, index, request)
        {
            sleep(interval);
        }
        if self.executors().is_empty() {
            stopping.end_job(id, index, request, interval)?;
        }
        self.withdraw(id, Request::Stop)?;
        // An executor takes care of what it can reach.
        if !self.executors().is_empty() {
            return Ok(index
                .and_then(|index| stopping.still(index))
                .into_iter()
                .collect());
        }
        Ok(stopping.wait(index.as_slice(), interval))
    }
}

/// How long an executor may take to take a run up: many of its looks at the requests.
const TAKEN_UP_WITHIN: Duration = Duration::from_secs(20);

impl Sweep {
    /// Makes the executor at work go on with the run `id` that ended early, or is no longer left out, and returns when it has
    /// taken it up: it is trained when a worker is free. `false` where there is no executor, or none that does; then nothing
    /// is left behind, and the next `sweep run` goes on with the run.
    pub fn resume_run(&self, id: &str, interval: Duration) -> Result<bool, SweepError> {
        self.request_resume(id)?;
        let begun = Instant::now();
        while self.is_to_resume(id) {
            if self.executors().is_empty() || begun.elapsed() > TAKEN_UP_WITHIN {
                self.withdraw_resume(id)?;
                return Ok(false);
            }
            sleep(interval);
        }
        Ok(true)
    }
}

impl<'a> Stopping<'a> {
    fn new(sweep: &'a Sweep, news: &'a mut dyn FnMut(StopNews)) -> Self {
        Self {
            sweep,
            reader: SweepReader::new(sweep.clone()),
            asked: Asked::default(),
            waiting: Vec::new(),
            news,
        }
    }

    /// Ends the job of a run that an executor has left.
    fn end_job(
        &mut self,
        id: &str,
        index: Option<usize>,
        request: Request,
        interval: Duration,
    ) -> Result<(), SweepError> {
        let Self {
            sweep,
            reader,
            news,
            ..
        } = self;
        let mut is_open = || is_open(sweep, reader, id, index, request);
        sweep.end_job_of(id, &mut is_open, interval, *news)
    }

    /// The process that trains a run, if one does.
    fn still(&mut self, index: usize) -> Option<StillRunning> {
        self.reader.poll();
        let run = &self.reader.states()[index];
        let lease = self.sweep.run_dir(&run.id).join(LEASE_FILE);
        let holder = Lease::holder(&lease).ok().flatten();
        let holder = holder.filter(|_| run.state == State::Running)?;
        Some(StillRunning {
            id: run.id.clone(),
            process: Unreached::Elsewhere(name(&holder)),
        })
    }

    /// Asks the processes that train these runs and waits until they have ended.
    fn wait(&mut self, runs: &[usize], interval: Duration) -> Vec<StillRunning> {
        loop {
            self.reader.poll();
            let left = runs.iter().filter_map(|index| self.ask(*index)).collect();
            if self.waiting.is_empty() {
                return left;
            }
            sleep(interval);
        }
    }

    /// Asks the process that trains a run; returns it where it cannot be reached.
    fn ask(&mut self, index: usize) -> Option<StillRunning> {
        let run = &self.sweep.runs()[index];
        let id = run.id.clone();
        let waited = self.waiting.contains(&index);
        match self.asked.stop(&self.sweep.run_dir(&id)) {
            Contact::Asked => {
                if !waited {
                    self.waiting.push(index);
                    (self.news)(StopNews::Run { id });
                }
                None
            }
            Contact::Gone => {
                if waited {
                    self.waiting.retain(|other| *other != index);
                    (self.news)(StopNews::Ended { id });
                }
                None
            }
            // Another machine's process may be gone though its lease is there.
            Contact::OutOfReach(_) if self.reader.states()[index].state != State::Running => None,
            Contact::OutOfReach(process) => Some(StillRunning { id, process }),
        }
    }
}

/// Whether whoever trains a run has still to honour a request.
fn is_open(
    sweep: &Sweep,
    reader: &mut SweepReader,
    id: &str,
    index: Option<usize>,
    request: Request,
) -> bool {
    match request {
        // Forgotten once it is honoured.
        Request::Stop => sweep.requested(id, request),
        Request::Skip => {
            reader.poll();
            index.is_some_and(|index| reader.states()[index].state == State::Running)
        }
    }
}
