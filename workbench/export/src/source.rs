//! What is exported: a sweep with the arms of its runs, or a run alone.

use crate::ExportError;
use logs::read::Column;
use logs::{Manifest, RunReader};
use std::path::{Path, PathBuf};
use sweeps::{PlannedRun, RunState, Settings, State, SweepReader};

/// The runs of a sweep that have recorded a step, or a run alone.
#[derive(Debug)]
pub struct Source {
    name: String,
    kind: Kind,
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
    pub(crate) finished: bool,
    pub(crate) reader: &'a RunReader,
}

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

    /// The run with its per-layer signals, which the tables leave out.
    pub(crate) fn with_layers(&self) -> Result<RunReader, ExportError> {
        Ok(RunReader::open(self.reader.dir())?)
    }
}

impl Source {
    /// Opens a sweep or run directory and reads all of it.
    pub fn open(dir: &Path) -> Result<Self, ExportError> {
        let kind = if is_sweep(dir) {
            Kind::Sweep(Box::new(SweepReader::open(dir)?))
        } else {
            Kind::Run(Box::new(RunReader::open_scalars(dir)?))
        };
        let name = match &kind {
            Kind::Sweep(reader) => reader.sweep().plan().card.name.clone(),
            Kind::Run(_) => folder_name(dir),
        };
        let source = Self { name, kind };
        if source.runs().is_empty() {
            let path = dir.to_owned();
            return Err(ExportError::Nothing { path });
        }
        Ok(source)
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
            Kind::Sweep(reader) => of_sweep(reader),
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
            finished: state == State::Finished,
            reader,
        }
    }
}

fn begun(run: &Run<'_>) -> bool {
    !run.reader.is_empty()
}

fn of_sweep(reader: &SweepReader) -> Vec<Run<'_>> {
    let states = reader
        .states()
        .iter()
        .zip(reader.sweep().runs())
        .enumerate();
    let run = |(index, (state, planned)): (usize, (&'_ RunState, &'_ PlannedRun))| {
        Some(Run {
            id: reader.states()[index].id.as_str(),
            arm: reader.states()[index].arm.as_str(),
            seed: Some(state.seed),
            settings: planned.settings.clone(),
            outcome: state
                .outcome()
                .map_or(state.state.to_string(), |outcome| outcome.to_string()),
            finished: state.state == State::Finished,
            reader: reader.reader(index)?,
        })
    };
    states.filter_map(run).filter(begun).collect()
}

/// Whether the directory is that of a sweep.
fn is_sweep(dir: &Path) -> bool {
    dir.join(logs::output::SWEEP_FILE).exists()
}

/// The folder's name, also for `.`.
fn folder_name(dir: &Path) -> String {
    let absolute: PathBuf = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let name = absolute.file_name();
    name.map_or("run".to_owned(), |name| name.to_string_lossy().into_owned())
}
