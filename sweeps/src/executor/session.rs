//! One sitting of an executor: a queue of runs, the processes at work, and one loop.

use crate::executor::process::{Charge, Process, STOPPED, last_words};
use crate::executor::progress::{Progress, Tally, eta};
use crate::reader::{State, SweepReader};
use crate::{LocalExecutor, Request, Sweep, SweepError};
use experiments_config::ProbeKind;
use logs::run::{Status, Summary, metrics_file};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Time between two looks at the processes.
const SLICE: Duration = Duration::from_millis(20);

/// The key of every run where runs are packed. A configuration that cannot be made packs with none; its
/// process will say why.
fn pack_keys(executor: &LocalExecutor, sweep: &Sweep) -> Vec<Option<String>> {
    if executor.pack < 2 {
        return Vec::new();
    }
    let plan = sweep.plan();
    let key = |run| {
        let config = plan.config(run).ok()?;
        // A probe takes no pass that could be shared.
        (config.probe.kind == ProbeKind::Train).then(|| config.pack_key())
    };
    sweep.runs().iter().map(key).collect()
}

pub(super) struct Session<'a> {
    executor: &'a LocalExecutor,
    sweep: &'a Sweep,
    reader: SweepReader,
    /// Runs still to be started, as positions in the plan.
    queue: VecDeque<usize>,
    /// What decides with whom each run may be packed; empty where nobody is.
    pack_keys: Vec<Option<String>>,
    /// Processes of this executor at work.
    processes: Vec<Process>,
    /// Runs that another process is at work on, for example one that outlived a killed executor.
    /// They take a worker each.
    others: Vec<usize>,
    began: Instant,
    steps_at_begin: u64,
}

impl<'a> Session<'a> {
    pub(super) fn new(executor: &'a LocalExecutor, sweep: &'a Sweep) -> Self {
        let reader = SweepReader::new(sweep.clone());
        let positions = |wanted: &dyn Fn(State) -> bool| -> Vec<usize> {
            let states = reader.states().iter().enumerate();
            states
                .filter(|(_, run)| wanted(run.state))
                .map(|(index, _)| index)
                .collect()
        };
        let queue = positions(&|state| match state {
            State::Pending | State::Interrupted | State::Stopped => true,
            State::Failed => executor.retry_failed,
            State::Running | State::Finished | State::Skipped => false,
        });
        Self {
            others: positions(&|state| state == State::Running),
            queue: queue.into(),
            pack_keys: pack_keys(executor, sweep),
            processes: Vec::new(),
            began: Instant::now(),
            steps_at_begin: reader.progress().0,
            reader,
            executor,
            sweep,
        }
    }

    /// Works until nothing is left to do, or until told to stop.
    pub(super) fn drive(
        &mut self,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Tally, SweepError> {
        let mut stopping = false;
        loop {
            self.reap(progress)?;
            self.reader.poll();
            stopping |= stop.load(Ordering::Relaxed) || self.sweep.stop_requested();
            if stopping {
                self.processes.iter_mut().for_each(Process::stop);
            } else {
                self.honour_requests(progress)?;
                self.look_after_others(progress);
                self.fill(progress)?;
            }
            progress(self.tick());
            let idle = self.processes.is_empty();
            if idle && (stopping || (self.queue.is_empty() && self.others.is_empty())) {
                self.sweep.withdraw_stop()?;
                return Ok(Tally::of(&self.reader, stopping));
            }
            self.rest(stop)?;
        }
    }

    /// Ends all processes in an orderly way, after an error.
    pub(super) fn abandon(&mut self) {
        self.processes.iter_mut().for_each(Process::stop);
        for process in &mut self.processes {
            // The error that led here is the one to report.
            let _ = process.wait();
        }
    }

    /// Starts processes while workers are free.
    fn fill(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), SweepError> {
        while self.processes.len() + self.others.len() < self.executor.workers.max(1) {
            let Some(first) = self.queue.pop_front() else {
                return Ok(());
            };
            let mut runs = vec![first];
            runs.extend(self.companions(first));
            let directory = |index: usize| self.sweep.run_dir(&self.sweep.runs()[index].id);
            let runs: Vec<_> = runs
                .iter()
                .map(|index| (*index, directory(*index)))
                .collect();
            self.processes.push(Process::start(self.executor, &runs)?);
            for (index, _) in runs {
                progress(Progress::Started {
                    id: self.sweep.runs()[index].id.clone(),
                    resumed: self.reader.states()[index].step > 0,
                });
            }
        }
        Ok(())
    }

    /// Takes the next runs off the queue that may be packed with `first`.
    fn companions(&mut self, first: usize) -> Vec<usize> {
        let key = |index: usize| self.pack_keys.get(index).and_then(Option::as_ref);
        let Some(wanted) = key(first) else {
            return Vec::new();
        };
        let fits = self.queue.iter().copied();
        let fits = fits.filter(|index| key(*index) == Some(wanted));
        let taken: Vec<usize> = fits.take(self.executor.pack - 1).collect();
        self.queue.retain(|index| !taken.contains(index));
        taken
    }

    /// Takes leave of processes that have ended.
    fn reap(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), SweepError> {
        let mut at = 0;
        while at < self.processes.len() {
            let process = &mut self.processes[at];
            let index = process.runs[0].index;
            let ended = process.ended().map_err(|source| SweepError::Wait {
                run: self.sweep.runs()[index].id.clone(),
                source,
            })?;
            match ended {
                None => at += 1,
                Some(status) => {
                    let runs = self.processes.swap_remove(at).runs;
                    self.reader.poll();
                    self.dissolve(&runs, status.code(), progress)?;
                }
            }
        }
        Ok(())
    }

    /// What the end of a process means for its runs. `code` is absent where a signal killed it.
    fn dissolve(
        &mut self,
        runs: &[Charge],
        code: Option<i32>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), SweepError> {
        if let [run] = runs {
            progress(self.conclude(run.index, code)?);
            return Ok(());
        }
        let asked: Vec<bool> = runs
            .iter()
            .map(|run| self.is_asked_for(run.index))
            .collect();
        let on_behalf = asked.contains(&true);
        for (run, asked) in runs.iter().zip(asked) {
            let own = self.own_code(run, code);
            // It only ended because another one was asked to.
            if own == Some(STOPPED) && on_behalf && !asked {
                self.queue.push_front(run.index);
            } else {
                progress(self.conclude(run.index, own)?);
            }
        }
        Ok(())
    }

    /// The exit code a run of a pack would have had in a process of its own.
    fn own_code(&self, run: &Charge, code: Option<i32>) -> Option<i32> {
        let state = self.reader.states()[run.index].state;
        let ended = run.has_ended(&self.sweep.run_dir(&self.sweep.runs()[run.index].id));
        match (state, code) {
            (State::Finished, _) => Some(0),
            (State::Stopped | State::Skipped, _) if ended => Some(STOPPED),
            // Nothing of its own, though the process says that all is well.
            (_, Some(0 | STOPPED)) => Some(1),
            (_, code) => code,
        }
    }

    /// Whether somebody wants a single run to end.
    fn is_asked_for(&self, index: usize) -> bool {
        let id = &self.sweep.runs()[index].id;
        let requests = [Request::Stop, Request::Skip];
        requests.into_iter().any(|r| self.sweep.requested(id, r))
    }

    /// What the end of a run's process means for the run.
    fn conclude(&mut self, index: usize, code: Option<i32>) -> Result<Progress, SweepError> {
        let run = &self.reader.states()[index];
        let id = run.id.clone();
        let news = match (code, run.state) {
            (Some(0), State::Finished) => Progress::Finished {
                outcome: run.outcome(),
                id: id.clone(),
            },
            // The trainer could not get hold of the run because somebody else trains it.
            (Some(_), State::Running) => {
                self.others.push(index);
                return Ok(Progress::Stopped { id });
            }
            (Some(STOPPED), _) => Progress::Stopped { id: id.clone() },
            (None, _) => Progress::Interrupted { id: id.clone() },
            (Some(code), state) => {
                let message = self.explain(index, code);
                if state != State::Failed {
                    self.record_failure(index, &message)?;
                }
                Progress::Failed {
                    id: id.clone(),
                    message,
                }
            }
        };
        self.sweep.withdraw(&id, Request::Stop)?;
        Ok(news)
    }

    fn explain(&self, index: usize, code: i32) -> String {
        let run = &self.reader.states()[index];
        let words = match (&run.message, run.state) {
            (Some(message), State::Failed) => Some(message.clone()),
            _ => last_words(&self.sweep.run_dir(&run.id)),
        };
        let what = match code {
            0 => "ended without finishing its steps".to_owned(),
            2 => "refused its input (exit code 2)".to_owned(),
            _ => format!("ended with exit code {code}"),
        };
        match words {
            Some(words) => format!("{what}: {words}"),
            None => what,
        }
    }

    /// Says in the run directory what a trainer could not say itself.
    fn record_failure(&mut self, index: usize, message: &str) -> Result<(), SweepError> {
        let run = &self.reader.states()[index];
        let directory = self.sweep.run_dir(&run.id);
        let attempts = (1..=9999)
            .take_while(|number| directory.join(metrics_file(*number)).exists())
            .last();
        let summary = Summary {
            message: Some(message.to_owned()),
            ..Summary::new(Status::Failed, run.step, attempts.unwrap_or(0), 0.0)
        };
        summary.save(&directory)?;
        self.reader.poll();
        Ok(())
    }

    /// Requests about single runs.
    fn honour_requests(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), SweepError> {
        for mut process in std::mem::take(&mut self.processes) {
            if process.runs.iter().any(|run| self.is_asked_for(run.index)) {
                process.stop();
            }
            self.processes.push(process);
        }
        for index in std::mem::take(&mut self.queue) {
            let id = &self.sweep.runs()[index].id;
            let stop = self.sweep.requested(id, Request::Stop);
            if stop {
                self.sweep.withdraw(id, Request::Stop)?;
            }
            if stop || self.sweep.requested(id, Request::Skip) {
                progress(Progress::Stopped { id: id.clone() });
            } else {
                self.queue.push_back(index);
            }
        }
        Ok(())
    }

    /// Runs of other processes: wait for them, and take over what they leave unfinished.
    fn look_after_others(&mut self, progress: &mut dyn FnMut(Progress)) {
        for index in std::mem::take(&mut self.others) {
            let run = &self.reader.states()[index];
            match run.state {
                State::Running => self.others.push(index),
                State::Finished => progress(Progress::Finished {
                    id: run.id.clone(),
                    outcome: run.outcome(),
                }),
                State::Pending | State::Interrupted => self.queue.push_front(index),
                State::Stopped | State::Skipped => {
                    progress(Progress::Stopped { id: run.id.clone() });
                }
                State::Failed => progress(Progress::Failed {
                    id: run.id.clone(),
                    message: run.message.clone().unwrap_or_default(),
                }),
            }
        }
    }

    fn tick(&self) -> Progress {
        let (steps_done, steps) = self.reader.progress();
        let since = steps_done.saturating_sub(self.steps_at_begin);
        Progress::Tick {
            finished: self.reader.count(State::Finished),
            total: self.sweep.runs().len(),
            running: self.processes.iter().map(|p| p.runs.len()).sum::<usize>() + self.others.len(),
            steps_done,
            steps,
            eta_seconds: eta(self.began.elapsed(), since, steps - steps_done),
        }
    }

    /// Sleeps for one interval, but not past the end of a process or a call to stop.
    fn rest(&mut self, stop: &AtomicBool) -> Result<(), SweepError> {
        let until = Instant::now() + self.executor.interval;
        let stopping = stop.load(Ordering::Relaxed);
        while Instant::now() < until && stop.load(Ordering::Relaxed) == stopping {
            for process in &mut self.processes {
                let run = &self.sweep.runs()[process.runs[0].index].id;
                let ended = process.ended().map_err(|source| SweepError::Wait {
                    run: run.clone(),
                    source,
                })?;
                if ended.is_some() {
                    return Ok(());
                }
            }
            sleep(SLICE.min(self.executor.interval));
        }
        Ok(())
    }
}
