//! TensorBoard event files that grow while runs train.

use crate::source::{Run, Source, is_sweep};
use crate::tensorboard::{experiment, session, session_so_far};
use crate::{ExportError, Signals};
use logs::export::GrowingEvents;
use logs::signal::SIGNALS;
use logs::{FolderLock, Liveness, RunReader};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use sweeps::State;

/// Least time between two looks. A look at many runs takes long, and so does the pause then.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the end is asked for within a pause.
const ASK: Duration = Duration::from_millis(50);
/// Looks at which nothing trains until a sweep is taken for left: between two runs, or before another attempt, nothing does either.
const LEFT: u32 = 3;

/// Brings an export of a sweep or a run up to date again and again.
#[derive(Debug)]
pub struct Follower {
    dir: PathBuf,
    out: PathBuf,
    signals: Signals,
    /// None while there is neither a sweep nor a run.
    source: Option<Source>,
    written: BTreeMap<String, Written>,
    /// Whether somebody was seen to work on the sweep, and for how many looks nobody has since.
    worked: bool,
    idle: u32,
    _lock: FolderLock,
}

/// How far one run was exported.
#[derive(Debug)]
struct Written {
    file: GrowingEvents,
    start: f64,
    /// As the reader counts its changes.
    revision: u64,
    records: usize,
    last: Option<u64>,
    elapsed: f64,
}

/// What was exported in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    /// Runs with a step.
    pub runs: usize,
    /// Those that have ended.
    pub ended: usize,
    /// Runs that the sweep has; 1 of a run alone.
    pub planned: usize,
    /// Recorded steps of all.
    pub steps: usize,
}

impl Follower {
    /// Takes the folder `out` for itself. In `dir` may be a sweep, a run, or nothing yet.
    pub fn begin(dir: &Path, out: &Path, signals: Signals) -> Result<Self, ExportError> {
        let source = appeared(dir, &signals)?;
        let mut known = source.as_ref().map_or_else(BTreeSet::new, Source::recorded);
        known.extend(SIGNALS.iter().map(|signal| signal.name.to_owned()));
        signals.check(&known)?;
        Ok(Self {
            dir: dir.to_owned(),
            out: out.to_owned(),
            signals,
            source: None,
            written: BTreeMap::new(),
            worked: false,
            idle: 0,
            _lock: FolderLock::take(out)?,
        })
    }

    /// Goes on until all runs have ended, the command that trained a sweep has, or `stopped`. What the user should hear goes to `say`.
    pub fn follow(
        mut self,
        say: &mut dyn FnMut(&str),
        stopped: &dyn Fn() -> bool,
    ) -> Result<Followed, ExportError> {
        let mut waits = false;
        loop {
            let last = stopped();
            let begun = Instant::now();
            let ended = self.look()?;
            if !waits && self.written.is_empty() && !ended {
                waits = true;
                say(&format!(
                    "`{}` holds no recorded steps yet; waiting for them",
                    self.dir.display()
                ));
            }
            if last || ended {
                return self.end(say);
            }
            wait(PAUSE.max(begun.elapsed() * 10), stopped);
        }
    }

    /// Writes what is new; whether nothing more is to come.
    pub fn look(&mut self) -> Result<bool, ExportError> {
        if self.source.is_none() {
            self.source = appeared(&self.dir, &self.signals)?;
            if let Some(source) = self.source.as_ref().filter(|source| !source.is_run()) {
                experiment(source, &self.out, |_| true)?;
            }
        }
        let Some(source) = &mut self.source else {
            return Ok(false);
        };
        source.poll()?;
        let source = &*source;
        let runs = source.runs();
        // What was deleted and begun again is another run.
        self.written
            .retain(|id, _| runs.iter().any(|run| run.id == id));
        for run in runs {
            let is_new = |known: &Written| !known.is_of(&run);
            if self.written.get(run.id).is_none_or(is_new) {
                let folder = if source.is_run() {
                    self.out.clone()
                } else {
                    self.out.join(run.id)
                };
                let new = Written::new(&run, &folder)?;
                self.written.insert(run.id.to_owned(), new);
            }
            if let Some(known) = self.written.get_mut(run.id) {
                known.update(&run)?;
            }
        }
        let has_ended = source.has_ended();
        Ok(
            match source.sweep().map(|reader| reader.sweep().executor()) {
                // It may try a run again that failed.
                Some(Some(_)) => self.is_left(true),
                _ => has_ended || self.is_left(false),
            },
        )
    }

    /// Whether the command that trained the sweep, which was at work or not, has ended before its runs.
    fn is_left(&mut self, at_work: bool) -> bool {
        let Some(reader) = self.source.as_ref().and_then(Source::sweep) else {
            return false;
        };
        if at_work || reader.count(State::Running) > 0 {
            (self.worked, self.idle) = (true, 0);
        } else {
            self.idle += 1;
        }
        self.worked && self.idle >= LEFT
    }

    fn end(self, say: &mut dyn FnMut(&str)) -> Result<Followed, ExportError> {
        let Some(source) = &self.source else {
            return Err(ExportError::Nothing { path: self.dir });
        };
        if !source.is_run() {
            let recorded = source.recorded();
            experiment(source, &self.out, |name| recorded.contains(name))?;
        }
        for warning in source.warnings() {
            say(&format!("warning: {warning}"));
        }
        let runs = source.runs();
        Ok(Followed {
            runs: runs.len(),
            ended: runs.iter().filter(|run| run.has_ended()).count(),
            planned: source
                .sweep()
                .map_or(1, |reader| reader.sweep().runs().len()),
            steps: runs.iter().map(Run::len).sum(),
        })
    }
}

/// The sweep or run in a directory, once there is one.
fn appeared(dir: &Path, signals: &Signals) -> Result<Option<Source>, ExportError> {
    let is_there = is_sweep(dir) || {
        let reader = RunReader::open_scalars(dir)?;
        !reader.is_empty() || reader.liveness() != Liveness::Pending
    };
    let open = || Source::begun(dir, signals.clone());
    is_there.then(open).transpose()
}

impl Written {
    fn new(run: &Run<'_>, folder: &Path) -> Result<Self, ExportError> {
        let start = run.start();
        Ok(Self {
            file: GrowingEvents::new(folder, start)?,
            start,
            revision: run.reader.revision(),
            records: 0,
            last: None,
            elapsed: 0.0,
        })
    }

    /// Whether it is still that run: somebody may have deleted the folder and begun again.
    fn is_of(&self, run: &Run<'_>) -> bool {
        run.start().to_bits() == self.start.to_bits()
    }

    /// Writes the records that are new, and once more those that are others than before.
    fn update(&mut self, run: &Run<'_>) -> Result<(), ExportError> {
        // Before the numbers: TensorBoard does not go back to a file.
        self.tell(run)?;
        let reader = run.reader;
        if reader.revision() != self.revision || run.len() < self.records {
            self.revision = reader.revision();
            self.go_back(run, reader.changed().unwrap_or(0));
        }
        let file = &mut self.file;
        let (from, elapsed) = (self.records, self.elapsed);
        self.elapsed = run.parts(from, elapsed, |records, elapsed| {
            file.events.records(records, elapsed);
            file.write()
        })?;
        self.file.write()?;
        if run.len() > self.records {
            self.records = run.len();
            self.last = Some(reader.last_step());
        }
        self.tell(run)
    }

    /// Takes back what was told of a step and those behind it.
    fn go_back(&mut self, run: &Run<'_>, from: u64) {
        if self.last.is_none_or(|last| last < from) {
            return;
        }
        let steps = run.reader.steps(0..run.len());
        self.records = steps.partition_point(|step| *step < from);
        self.last = steps[..self.records].last().copied();
        self.elapsed = run.elapsed(self.records);
        self.file.events.restart(from);
    }

    /// Says what a run of several was given, and how it ended.
    fn tell(&mut self, run: &Run<'_>) -> Result<(), ExportError> {
        if run.is_alone {
            return Ok(());
        }
        if run.has_ended() {
            self.file.session(session(run), Some(self.elapsed))?;
        } else {
            self.file.session(session_so_far(run), None)?;
        }
        Ok(())
    }
}

fn wait(pause: Duration, stopped: &dyn Fn() -> bool) {
    let begun = Instant::now();
    while begun.elapsed() < pause && !stopped() {
        std::thread::sleep(ASK);
    }
}
