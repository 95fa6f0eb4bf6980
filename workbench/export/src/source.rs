//! What is exported: a sweep with the arms of its runs, or a run alone.

use crate::{ExportError, Signals};
use logs::export::step_seconds;
use logs::read::Column;
use logs::{Manifest, Record, RunReader};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use sweeps::{PlannedRun, RunState, Settings, State, SweepReader};

/// The runs of a sweep that have recorded a step, or a run alone.
#[derive(Debug)]
pub struct Source {
    name: String,
    kind: Kind,
    signals: Signals,
}

#[derive(Debug)]
enum Kind {
    Sweep(Box<SweepReader>),
    Run(Box<RunReader>),
}

/// One run of a [`Source`].
#[derive(Debug)]
pub(crate) struct Run<'a> {
    /// Run id, or the folder's name.
    pub(crate) id: &'a str,
    /// Label of the arm; empty of a run alone.
    pub(crate) arm: &'a str,
    pub(crate) seed: Option<u64>,
    /// Axis values; none of a run alone.
    pub(crate) settings: Settings,
    /// How it ended; its state where it has no outcome.
    pub(crate) outcome: String,
    pub(crate) state: State,
    pub(crate) reader: &'a RunReader,
    /// Whether it is no sweep's.
    pub(crate) is_alone: bool,
    signals: &'a Signals,
}

/// Records that are in memory at once, with their per-layer signals and without.
const LINES: usize = 4096;
const ROWS: usize = 65_536;

impl Run<'_> {
    /// Number of records.
    pub(crate) fn len(&self) -> usize {
        self.reader.len()
    }

    /// A scalar of all records, by step.
    pub(crate) fn column(&self, name: &str) -> Column {
        self.reader.column(name, 0..self.len())
    }

    /// When it was begun, seconds since 1970; 0 where it does not say.
    pub(crate) fn start(&self) -> f64 {
        self.reader
            .manifest()
            .and_then(Manifest::created_seconds)
            .unwrap_or(0.0)
    }

    pub(crate) fn finished(&self) -> bool {
        self.state == State::Finished
    }

    /// Whether nothing more comes of it without another command.
    pub(crate) fn has_ended(&self) -> bool {
        has_ended(self.state)
    }

    /// Seconds that the records before one took.
    pub(crate) fn elapsed(&self, before: usize) -> f64 {
        let seconds = self.reader.column("step_seconds", 0..before);
        seconds.iter().map(step_seconds).sum()
    }

    /// Shows the records from one on with the signals that are wanted, some at a time, each with the seconds from the run's start to
    /// its end, of which `elapsed` lie before the first; the seconds to the end of the last.
    pub(crate) fn parts<E>(
        &self,
        from: usize,
        mut elapsed: f64,
        mut show: impl FnMut(&[Record], &[f64]) -> Result<(), E>,
    ) -> Result<f64, E> {
        let size = if self.signals.has_layers() {
            LINES
        } else {
            ROWS
        };
        for first in (from..self.len()).step_by(size) {
            let own = first..self.len().min(first + size);
            let steps = self.reader.steps(own.clone());
            let seconds = self.reader.column("step_seconds", own.clone());
            let mut times = Vec::with_capacity(steps.len());
            for seconds in seconds.iter() {
                elapsed += step_seconds(seconds);
                times.push(elapsed);
            }
            let records = self.records(own, &steps);
            // A line that can no longer be read is not among them.
            let place = |record: &Record| steps.binary_search(&record.step).ok();
            let times: Vec<f64> = records
                .iter()
                .map(|record| place(record).map_or(elapsed, |at| times[at]))
                .collect();
            show(&records, &times)?;
        }
        Ok(elapsed)
    }

    /// Some of the records, whose steps these are.
    fn records(&self, own: Range<usize>, steps: &[u64]) -> Vec<Record> {
        let (Some(first), Some(last)) = (steps.first(), steps.last()) else {
            return Vec::new();
        };
        if self.signals.has_layers() {
            let mut records = self.reader.with_layers(*first..last.saturating_add(1));
            for record in &mut records {
                self.signals.reduce(record);
            }
            return records;
        }
        let Signals::Named(names) = self.signals else {
            let mut records = Vec::with_capacity(own.len());
            self.reader
                .visit(own, |record| records.push(record.clone()));
            return records;
        };
        let mut records: Vec<Record> = steps.iter().map(|step| Record::new(*step)).collect();
        for name in names {
            let column = self.reader.column(name, own.clone());
            for (record, value) in records.iter_mut().zip(column.iter()) {
                if let Some(value) = value {
                    record.set_named(name, value);
                }
            }
        }
        records
    }
}

fn has_ended(state: State) -> bool {
    match state {
        State::Finished | State::Stopped | State::Skipped | State::Failed => true,
        State::Pending | State::Running | State::Interrupted => false,
    }
}

impl Source {
    /// Opens a sweep or run directory, in which something is recorded, and reads what is to be exported of it.
    pub fn open(dir: &Path, signals: Signals) -> Result<Self, ExportError> {
        let source = Self::begun(dir, signals)?;
        if source.runs().is_empty() {
            let path = dir.to_owned();
            return Err(ExportError::Nothing { path });
        }
        source.signals.check(&source.recorded())?;
        Ok(source)
    }

    /// The same of one in which nothing may be recorded yet.
    pub(crate) fn begun(dir: &Path, signals: Signals) -> Result<Self, ExportError> {
        let kind = if is_sweep(dir) {
            Kind::Sweep(Box::new(SweepReader::open(dir)?))
        } else {
            Kind::Run(Box::new(RunReader::open_scalars(dir)?))
        };
        let name = match &kind {
            Kind::Sweep(reader) => reader.sweep().plan().card.name.clone(),
            Kind::Run(_) => folder_name(dir),
        };
        Ok(Self {
            name,
            kind,
            signals,
        })
    }

    /// Takes in what was recorded since.
    pub(crate) fn poll(&mut self) -> Result<(), ExportError> {
        match &mut self.kind {
            Kind::Sweep(reader) => {
                reader.poll();
            }
            Kind::Run(reader) if reader.dir().exists() => {
                reader.poll()?;
            }
            // Deleted or moved: what comes in its place is another run.
            Kind::Run(reader) => **reader = RunReader::open_scalars(reader.dir())?,
        }
        Ok(())
    }

    /// Names of all scalars that any run has.
    pub(crate) fn recorded(&self) -> BTreeSet<String> {
        let names = self.runs().into_iter();
        names.flat_map(|run| run.reader.scalar_names()).collect()
    }

    /// The signals that are exported.
    pub(crate) fn signals(&self) -> &Signals {
        &self.signals
    }

    /// Whether it is a run alone.
    #[must_use]
    pub fn is_run(&self) -> bool {
        matches!(self.kind, Kind::Run(_))
    }

    /// The sweep, if it is one.
    pub(crate) fn sweep(&self) -> Option<&SweepReader> {
        match &self.kind {
            Kind::Sweep(reader) => Some(reader),
            Kind::Run(_) => None,
        }
    }

    /// Whether nothing more comes of any run without another command.
    pub(crate) fn has_ended(&self) -> bool {
        match &self.kind {
            Kind::Sweep(reader) => reader.states().iter().all(|run| has_ended(run.state)),
            Kind::Run(reader) => has_ended(reader.liveness().into()),
        }
    }

    /// Name of the card, or of the run's folder.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What was damaged or lost, a sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let of = |run: &Run<'_>| {
            let own = run.reader.warnings().iter();
            own.map(|warning| format!("{}: {warning}", run.id))
                .collect::<Vec<_>>()
        };
        self.runs().iter().flat_map(of).collect()
    }

    /// Runs with a record, in the order of the plan.
    pub(crate) fn runs(&self) -> Vec<Run<'_>> {
        match &self.kind {
            Kind::Run(reader) => vec![self.alone(reader)].into_iter().filter(begun).collect(),
            Kind::Sweep(reader) => self.of_sweep(reader),
        }
    }

    fn alone<'a>(&'a self, reader: &'a RunReader) -> Run<'a> {
        let state = State::from(reader.liveness());
        Run {
            id: &self.name,
            arm: "",
            seed: reader.manifest().map(|manifest| manifest.seed),
            settings: Settings::new(),
            outcome: state.to_string(),
            state,
            reader,
            is_alone: true,
            signals: &self.signals,
        }
    }

    fn of_sweep<'a>(&'a self, reader: &'a SweepReader) -> Vec<Run<'a>> {
        let states = reader
            .states()
            .iter()
            .zip(reader.sweep().runs())
            .enumerate();
        let run = |(index, (state, planned)): (usize, (&'a RunState, &'a PlannedRun))| {
            Some(Run {
                id: &state.id,
                arm: &state.arm,
                seed: Some(state.seed),
                settings: planned.settings.clone(),
                outcome: state
                    .outcome()
                    .map_or(state.state.to_string(), |outcome| outcome.to_string()),
                state: state.state,
                reader: reader.reader(index)?,
                is_alone: false,
                signals: &self.signals,
            })
        };
        states.filter_map(run).filter(begun).collect()
    }
}

fn begun(run: &Run<'_>) -> bool {
    !run.reader.is_empty()
}

/// Whether the directory is that of a sweep.
pub(crate) fn is_sweep(dir: &Path) -> bool {
    dir.join(logs::output::SWEEP_FILE).exists()
}

/// The folder's name, also for `.`.
fn folder_name(dir: &Path) -> String {
    let absolute: PathBuf = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let name = absolute.file_name();
    name.map_or("run".to_owned(), |name| name.to_string_lossy().into_owned())
}
