//! One sitting of the executor: Slurm's queue on one side, the sweep directory on the other, and one loop.

mod ending;
mod submitting;

use super::SlurmExecutor;
use super::commands::{self, LOOK, Listed};
use super::jobs::Job;
use super::nodes::Nodes;
use super::queue::Waiting;
use super::stopping::stop_jobs;
use crate::executor::others::{Asked, Contact};
use crate::executor::progress::{Progress, Tally};
use crate::executor::session::{Found, pack_keys};
use crate::reader::{State, SweepReader};
use crate::{Request, Sweep, SweepError};
use logs::disk::Place;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Instant;

pub(super) struct Session<'a> {
    executor: &'a SlurmExecutor,
    sweep: &'a Sweep,
    place: Place,
    reader: SweepReader,
    /// The name of all jobs of the sweep.
    name: String,
    /// Most jobs of an array.
    most: usize,
    /// What decides with whom each run may be packed; empty where nobody is.
    pack_keys: Vec<Option<String>>,
    /// Runs still to be submitted, as positions in the plan.
    queue: Vec<usize>,
    jobs: Vec<Job>,
    /// Runs that a process trains that is in no job: one that Slurm lost sight of, or that somebody started by hand.
    others: Vec<usize>,
    /// Those of the others that were asked to end.
    asked: Asked,
    /// Runs that failed in this session.
    failed: Vec<usize>,
    /// Jobs in a row that took a run no step further.
    idle: BTreeMap<usize, usize>,
    nodes: Nodes,
    /// When the queue was last looked at.
    looked: Option<Instant>,
    /// What was last told of Slurm, so that it is told once.
    told: Option<String>,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        executor: &'a SlurmExecutor,
        sweep: &'a Sweep,
        place: Place,
    ) -> Result<Self, SweepError> {
        let reader = SweepReader::new(sweep.clone());
        let most = commands::most_in_an_array()?;
        let mut session = Self {
            place,
            most,
            name: sweep.job_name(),
            pack_keys: pack_keys(&executor.local, sweep),
            queue: Vec::new(),
            jobs: Vec::new(),
            others: Vec::new(),
            asked: Asked::default(),
            failed: Vec::new(),
            idle: BTreeMap::new(),
            nodes: sweep.nodes(),
            looked: None,
            told: None,
            reader,
            executor,
            sweep,
        };
        // Jobs of an executor before this one.
        session.take_in(commands::list(&session.name)?, &mut |_| {});
        for (index, run) in session.reader.states().iter().enumerate() {
            if session.jobs.iter().any(|job| job.has(index)) {
                continue;
            }
            match Found::of(run, &executor.local, sweep) {
                Found::ToDo => session.queue.push(index),
                Found::Elsewhere => session.others.push(index),
                Found::Over => {}
            }
        }
        Ok(session)
    }

    fn id(&self, index: usize) -> String {
        self.sweep.runs()[index].id.clone()
    }

    /// Works until nothing is left to do, or until told to stop.
    pub(super) fn drive(
        &mut self,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Tally, SweepError> {
        let mut stopping = false;
        for index in &self.others {
            progress(Progress::Elsewhere {
                id: self.id(*index),
            });
        }
        self.tell_of_nodes(progress);
        loop {
            self.place.check().map_err(|_| self.sweep.gone())?;
            let fresh = self.look(progress);
            self.reader.poll();
            if fresh {
                self.reap(progress)?;
            }
            stopping |= stop.load(Ordering::Relaxed) || self.sweep.stop_requested();
            if stopping {
                self.stop_everything(fresh, progress)?;
            } else {
                self.look_after_others(progress);
                self.honour_requests(progress)?;
            }
            if fresh {
                // Before there are jobs: by this file they are looked for.
                self.sweep.show_queue(&self.waiting())?;
                if !stopping {
                    self.submit(progress)?;
                }
            }
            progress(self.tick());
            let idle = self.jobs.is_empty() && self.others.is_empty();
            if idle && (stopping || self.queue.is_empty()) {
                self.sweep.withdraw_stop()?;
                return Ok(Tally::of(&self.reader, &self.failed, stopping));
            }
            sleep(self.executor.local.interval);
        }
    }

    /// Looks at Slurm's queue, if it is time to. False where nothing new is known, which is no news of the jobs: Slurm may
    /// be restarting.
    fn look(&mut self, progress: &mut dyn FnMut(Progress)) -> bool {
        if self.looked.is_some_and(|when| when.elapsed() < LOOK) {
            return false;
        }
        self.looked = Some(Instant::now());
        match commands::list(&self.name) {
            Ok(listed) => {
                self.take_in(listed, progress);
                true
            }
            Err(error) => {
                self.tell(format!("{error}; trying again"), progress);
                false
            }
        }
    }

    /// Tells something of Slurm that is not of one run, once.
    fn tell(&mut self, message: String, progress: &mut dyn FnMut(Progress)) {
        if self.told.as_ref() != Some(&message) {
            self.told = Some(message.clone());
            progress(Progress::Note { message });
        }
    }

    /// Takes in the queue. A job that is not known was submitted by an executor before, or by a command that failed after
    /// Slurm had taken it.
    fn take_in(&mut self, listed: Vec<Listed>, progress: &mut dyn FnMut(Progress)) {
        for job in &mut self.jobs {
            if let Some(known) = listed.iter().find(|listed| job.is(listed)) {
                job.listed = Some(known.clone());
                job.is_gone = false;
            } else {
                job.is_gone = true;
            }
        }
        for listed in listed {
            if !self.jobs.iter().any(|job| job.is(&listed)) {
                self.adopt(listed);
            }
        }
        for job in &mut self.jobs {
            if job.is_gone || job.is_pending() {
                if !job.is_gone && !self.executor.wants_to_wait() {
                    job.hasten();
                }
                continue;
            }
            if job.has_begun {
                continue;
            }
            job.has_begun = true;
            for (index, steps) in &job.runs {
                progress(Progress::Started {
                    id: self.sweep.runs()[*index].id.clone(),
                    resumed: *steps > 0,
                });
            }
        }
    }

    fn adopt(&mut self, listed: Listed) {
        let place = (listed.submission, listed.index);
        // Without its file nobody knows what it is for; it fails by itself.
        let ids = self.sweep.runs_of_job(place.0, place.1);
        let position = |id: &String| self.sweep.runs().iter().position(|run| run.id == *id);
        let runs: Vec<usize> = ids
            .unwrap_or_default()
            .iter()
            .filter_map(position)
            .collect();
        self.queue.retain(|index| !runs.contains(index));
        self.jobs.push(Job::of(listed, self.with_steps(&runs)));
    }

    fn with_steps(&self, runs: &[usize]) -> Vec<(usize, u64)> {
        let steps = |index: &usize| (*index, self.reader.states()[*index].step);
        runs.iter().map(steps).collect()
    }

    /// The job of every run that has one.
    fn waiting(&self) -> BTreeMap<String, Waiting> {
        let jobs = self.jobs.iter();
        let jobs = jobs.filter_map(|job| Some((job.listed.as_ref()?, &job.runs)));
        let runs = jobs.flat_map(|(listed, runs)| runs.iter().map(move |run| (run.0, listed)));
        runs.map(|(index, listed)| (self.id(index), Waiting::from(listed)))
            .collect()
    }

    /// Runs of processes that are in no job: waits for them, and submits what they leave unfinished.
    fn look_after_others(&mut self, progress: &mut dyn FnMut(Progress)) {
        for index in std::mem::take(&mut self.others) {
            let run = &self.reader.states()[index];
            match run.state {
                State::Running => self.others.push(index),
                State::Pending | State::Interrupted | State::Stopped | State::Skipped => {
                    self.queue.push(index);
                }
                State::Finished | State::Failed => progress(Progress::ended(run)),
            }
        }
    }

    /// Requests about single runs. Jobs that run honour them themselves.
    fn honour_requests(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), SweepError> {
        for index in std::mem::take(&mut self.queue) {
            if self.is_asked_for(index) {
                let id = self.id(index);
                self.sweep.withdraw(&id, Request::Stop)?;
                progress(Progress::Stopped { id, message: None });
            } else {
                self.queue.push(index);
            }
        }
        let mut cancelled = Vec::new();
        for place in 0..self.jobs.len() {
            let job = &self.jobs[place];
            let asked = job.runs.iter().any(|(index, _)| self.is_asked_for(*index));
            if asked && job.is_pending() && !job.cancelled {
                cancelled.push(job.name());
                self.jobs[place].cancelled = true;
            }
        }
        Ok(commands::cancel(&cancelled)?)
    }

    /// Whether somebody wants a single run to end.
    fn is_asked_for(&self, index: usize) -> bool {
        let id = &self.sweep.runs()[index].id;
        let requests = [Request::Stop, Request::Skip];
        requests.into_iter().any(|r| self.sweep.requested(id, r))
    }

    /// Cancels what waits, has what runs save its state and end, and names what cannot be reached.
    fn stop_everything(
        &mut self,
        fresh: bool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), SweepError> {
        if fresh {
            stop_jobs(&mut self.jobs)?;
        }
        for index in std::mem::take(&mut self.others) {
            let id = self.id(index);
            match self.asked.stop(&self.sweep.run_dir(&id)) {
                Contact::Asked => self.others.push(index),
                Contact::Gone => progress(Progress::Stopped { id, message: None }),
                Contact::OutOfReach(process) => progress(Progress::OutOfReach { id, process }),
            }
        }
        Ok(())
    }

    /// Cancels all jobs, after an error.
    pub(super) fn abandon(&mut self) {
        // The error that led here is the one to report.
        let _ = commands::cancel(&[format!("--name={}", self.name)]);
    }

    fn tick(&self) -> Progress {
        let at_work = self.jobs.iter().filter(|job| job.has_begun);
        let running = at_work.flat_map(|job| &job.runs).count() + self.others.len();
        let of_jobs = self.jobs.iter().flat_map(|job| &job.runs);
        let of_jobs = of_jobs.map(|(index, _)| *index);
        let to_come = of_jobs.chain(self.queue.iter().copied());
        let to_come: Vec<usize> = to_come.chain(self.others.iter().copied()).collect();
        Progress::tick(&self.reader, running, &to_come)
    }
}
