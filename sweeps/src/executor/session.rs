//! One sitting of an executor: a queue of runs, the processes at work, and one loop.

mod ending;
mod requests;

use crate::executor::others::{Asked, is_held};
use crate::executor::process::{Process, open_console};
use crate::executor::progress::{Progress, Tally};
use crate::reader::{RunState, State, SweepReader, describe};
use crate::{LocalExecutor, Sweep, SweepError};
use experiments_config::ProbeKind;
use logs::disk::Place;
use logs::run::MANIFEST_FILE;
use logs::{LogError, Summary};
use std::collections::VecDeque;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Time between two looks at the processes.
const SLICE: Duration = Duration::from_millis(20);

/// The key of every run where runs are packed. A configuration that cannot be made packs with none; its
/// process will say why.
pub(super) fn pack_keys(executor: &LocalExecutor, sweep: &Sweep) -> Vec<Option<String>> {
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

/// Whether the only thing known of a run's end cannot be read. It then goes on from its last checkpoint, as
/// it would in a process of its own.
fn has_damaged_summary(sweep: &Sweep, run: &RunState) -> bool {
    let summary = Summary::load(&sweep.run_dir(&run.id));
    matches!(summary, Err(LogError::Damaged { .. }))
}

/// What an executor finds of a run when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// It is to be trained.
    ToDo,
    /// A process trains it that is not the executor's, or has still to leave.
    Elsewhere,
    /// Nothing is to be done for it.
    Over,
}

impl Found {
    pub(super) fn of(run: &RunState, executor: &LocalExecutor, sweep: &Sweep) -> Self {
        match run.state {
            State::Running => Self::Elsewhere,
            State::Stopped if is_held(&sweep.run_dir(&run.id)) => Self::Elsewhere,
            State::Stopped if sweep.is_set_down(&run.id) => Self::Over,
            State::Pending | State::Interrupted | State::Stopped => Self::ToDo,
            State::Failed if executor.retry_failed || has_damaged_summary(sweep, run) => Self::ToDo,
            State::Failed | State::Finished | State::Skipped => Self::Over,
        }
    }
}

/// Takes the next run off a queue and those that may be packed with it, up to `most`; none where the queue is empty.
pub(super) fn companions(
    queue: &mut VecDeque<usize>,
    keys: &[Option<String>],
    most: usize,
) -> Vec<usize> {
    let Some(first) = queue.pop_front() else {
        return Vec::new();
    };
    let key = |index: usize| keys.get(index).and_then(Option::as_ref);
    let Some(wanted) = key(first) else {
        return vec![first];
    };
    let fits = queue.iter().copied();
    let fits = fits.filter(|index| key(*index) == Some(wanted));
    let taken: Vec<usize> = std::iter::once(first).chain(fits).take(most).collect();
    queue.retain(|index| !taken.contains(index));
    taken
}

/// Who else starts runs of the sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Company {
    /// Nobody. Runs that processes of before are still at work on take a worker each.
    None,
    /// Executors of other machines: a run belongs to whoever gets hold of its lease.
    Executors,
    /// Whoever gave this session its runs, and looks after those that others have.
    Scheduler,
}

pub(super) struct Session<'a> {
    executor: &'a LocalExecutor,
    company: Company,
    sweep: &'a Sweep,
    place: Place,
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
    /// Those of the others that were asked to end.
    asked: Asked,
    /// Those of the others that could not be asked.
    out_of_reach: Vec<usize>,
    /// Runs that failed in this session.
    failed: Vec<usize>,
    /// Runs that somebody asked to have trained again, whatever they ended with.
    again: Vec<usize>,
    /// Why no run can go on.
    machine_failure: Option<SweepError>,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        executor: &'a LocalExecutor,
        sweep: &'a Sweep,
        company: Company,
        place: Place,
    ) -> Self {
        let reader = SweepReader::new(sweep.clone());
        let (mut queue, mut others) = (VecDeque::new(), Vec::new());
        for (index, run) in reader.states().iter().enumerate() {
            match Found::of(run, executor, sweep) {
                Found::ToDo => queue.push_back(index),
                Found::Elsewhere => others.push(index),
                Found::Over => {}
            }
        }
        Self {
            queue,
            others,
            pack_keys: pack_keys(executor, sweep),
            processes: Vec::new(),
            asked: Asked::default(),
            out_of_reach: Vec::new(),
            failed: Vec::new(),
            again: Vec::new(),
            machine_failure: None,
            reader,
            executor,
            company,
            sweep,
            place,
        }
    }

    fn id(&self, index: usize) -> String {
        self.sweep.runs()[index].id.clone()
    }

    fn directory(&self, index: usize) -> PathBuf {
        self.sweep.run_dir(&self.sweep.runs()[index].id)
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
        if self.company == Company::Scheduler {
            self.others.clear();
        }
        self.tell_earlier_failures(progress);
        loop {
            self.place.check().map_err(|_| self.sweep.gone())?;
            self.reap(progress)?;
            self.reader.poll();
            stopping |= stop.load(Ordering::Relaxed) || self.is_told_to_stop();
            if stopping || self.machine_failure.is_some() {
                self.stop_everything(progress);
            } else {
                self.look_after_others(progress);
                self.honour_requests(progress)?;
                self.fill(progress)?;
            }
            progress(self.tick());
            if self.is_over(stopping) {
                if self.company == Company::None {
                    self.sweep.withdraw_stop()?;
                }
                let tally = Tally::of(&self.reader, &self.failed, stopping);
                let tally = match self.company {
                    Company::None => tally,
                    Company::Executors | Company::Scheduler => tally.among_others(),
                };
                return self.machine_failure.take().map_or(Ok(tally), Err);
            }
            self.rest(stop)?;
        }
    }

    /// Runs that failed before and are not tried again.
    fn tell_earlier_failures(&self, progress: &mut dyn FnMut(Progress)) {
        let runs = self.reader.states().iter().enumerate();
        let failed = runs.filter(|(_, run)| run.state == State::Failed);
        for (_, run) in failed.filter(|(index, _)| !self.queue.contains(index)) {
            let why = run.message.as_deref().unwrap_or("no reason is known");
            progress(Progress::Failed {
                id: run.id.clone(),
                message: format!("{why} (it failed earlier; `--retry-failed` tries it again)"),
            });
        }
    }

    fn is_over(&self, stopping: bool) -> bool {
        let idle = self.processes.is_empty() && self.others.is_empty();
        idle && (stopping || self.machine_failure.is_some() || self.queue.is_empty())
    }

    /// Ends all processes in an orderly way, after an error.
    pub(super) fn abandon(&mut self) {
        self.processes.iter_mut().for_each(Process::stop);
        for process in &mut self.processes {
            // The error that led here is the one to report.
            while matches!(process.ended(), Ok(None)) {
                process.stop();
                sleep(SLICE);
            }
        }
    }

    /// Starts processes while workers are free.
    fn fill(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), SweepError> {
        while self.at_work() < self.executor.workers.max(1) {
            let mut runs = companions(&mut self.queue, &self.pack_keys, self.executor.pack);
            if runs.is_empty() {
                return Ok(());
            }
            if let Some(lacking) = self.executor.lacking() {
                self.machine_failure = Some(lacking);
                return Ok(());
            }
            runs.retain(|index| self.is_free(*index, progress));
            runs.retain(|index| self.is_ready(*index, progress));
            if self.machine_failure.is_some() {
                return Ok(());
            }
            if !runs.is_empty() {
                self.start(&runs, progress)?;
            }
        }
        Ok(())
    }

    /// Workers that are taken. Runs that other machines train take none of this one's.
    fn at_work(&self) -> usize {
        let others = match self.company {
            Company::None => self.others.len(),
            Company::Executors | Company::Scheduler => 0,
        };
        self.processes.len() + others
    }

    /// Whether a queued run is still to be trained: in company somebody else may have begun it, or done it.
    fn is_free(&mut self, index: usize, progress: &mut dyn FnMut(Progress)) -> bool {
        let run = &self.reader.states()[index];
        match (self.company, run.state) {
            (Company::None, _)
            | (_, State::Pending | State::Interrupted | State::Stopped | State::Skipped) => true,
            (_, State::Failed) if self.executor.retry_failed || self.again.contains(&index) => true,
            (_, State::Failed) => has_damaged_summary(self.sweep, run),
            (Company::Executors, State::Running) => {
                self.others.push(index);
                false
            }
            (Company::Scheduler, State::Running) => {
                progress(Progress::Elsewhere { id: run.id.clone() });
                false
            }
            (_, State::Finished) => {
                progress(Progress::ended(run));
                false
            }
        }
    }

    /// Whether a run's directory can be trained in. Where it cannot, that is this run's failure; the
    /// others go on.
    fn is_ready(&mut self, index: usize, progress: &mut dyn FnMut(Progress)) -> bool {
        let run = &self.sweep.runs()[index];
        let ready = self.sweep.restore(run).and_then(|note| {
            let mut console = open_console(&self.sweep.run_dir(&run.id))?;
            if let Some(note) = &note {
                // For who reads the run's own log; what counts is told below.
                let _ = writeln!(console, "note: {note}");
            }
            Ok(note)
        });
        let error = match ready {
            Ok(note) => {
                if let Some(message) = note {
                    let id = run.id.clone();
                    progress(Progress::Restored { id, message });
                }
                return true;
            }
            Err(error) => error,
        };
        let message = describe(&error);
        if logs::is_machine_failure(&error) {
            self.give_up(&run.id, message);
        } else {
            // What has begun is left alone, whatever is wrong with it.
            let has_begun = self.directory(index).join(MANIFEST_FILE).exists();
            if has_begun {
                self.failed.push(index);
            } else {
                self.note_failure(index, &message);
            }
            progress(Progress::Failed {
                id: run.id.clone(),
                message,
            });
        }
        false
    }

    fn start(
        &mut self,
        runs: &[usize],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), SweepError> {
        let placed = runs.iter().map(|index| (*index, self.directory(*index)));
        let placed: Vec<_> = placed.collect();
        match Process::start(self.executor, &placed) {
            Ok(process) => self.processes.push(process),
            Err(error) if logs::is_machine_failure(&error) => {
                self.give_up(&self.id(runs[0]), describe(&error));
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        for index in runs {
            progress(Progress::Started {
                id: self.id(*index),
                resumed: self.reader.states()[*index].step > 0,
            });
        }
        Ok(())
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
                Some(end) => {
                    let runs = self.processes.swap_remove(at).runs;
                    self.reader.poll();
                    self.dissolve(&runs, end, progress)?;
                }
            }
        }
        Ok(())
    }

    fn tick(&self) -> Progress {
        let at_work = self.processes.iter().flat_map(|process| &process.runs);
        let at_work = at_work.map(|run| run.index).chain(self.others.clone());
        let to_come: Vec<usize> = at_work.clone().chain(self.queue.iter().copied()).collect();
        Progress::tick(&self.reader, at_work.count(), &to_come)
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
