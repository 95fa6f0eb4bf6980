//! A single run directory, shown as a sweep of one.

use std::path::Path;
use std::sync::Arc;

use logs::{Event, Liveness, Manifest, RunReader};
use sweeps::State;

use super::{bell, details};
use crate::error::MonitorError;
use crate::log::{Log, chunks};
use crate::view::{Details, Revision, Run, Source, Sweep};

pub(super) struct RunSource {
    reader: RunReader,
    name: String,
    last: Last,
    view: Sweep,
}

/// The last values of some signals of a run. Only records that are new are looked at: of a signal that was never recorded, all
/// would be.
#[derive(Debug, Default)]
pub(super) struct Last {
    revision: u64,
    seen: usize,
    loss: Option<f64>,
    held_out_loss: Option<f64>,
    step_seconds: Option<f64>,
}

impl Last {
    pub(super) fn of(reader: &RunReader) -> Self {
        let mut last = Self::default();
        last.follow(reader);
        last
    }

    pub(super) fn follow(&mut self, reader: &RunReader) {
        if self.revision != reader.revision() || self.seen > reader.len() {
            *self = Self::default();
        }
        self.revision = reader.revision();
        let new = self.seen..reader.len();
        self.seen = new.end;
        for (name, value) in [
            ("loss", &mut self.loss),
            ("held_out_loss", &mut self.held_out_loss),
            ("step_seconds", &mut self.step_seconds),
        ] {
            let chunks = chunks(new.clone()).rev();
            let mut last =
                chunks.map(|chunk| reader.column(name, chunk).iter().rev().flatten().next());
            *value = last.find_map(|value| value).or(*value);
        }
    }
}

impl RunSource {
    pub(super) fn open(dir: &Path) -> Result<Self, MonitorError> {
        let reader = RunReader::open_scalars(dir)?;
        // A directory given as `.` has its name in its absolute path.
        let full = dir.canonicalize().unwrap_or_else(|_| dir.to_path_buf());
        let name = full.file_name().map_or_else(
            || "run".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        );
        let last = Last::of(&reader);
        Ok(Self {
            view: view(&reader, &name, &last),
            reader,
            name,
            last,
        })
    }
}

impl Source for RunSource {
    fn poll(&mut self) -> Result<bool, MonitorError> {
        let new = self.reader.poll()?;
        self.last.follow(&self.reader);
        let view = view(&self.reader, &self.name, &self.last);
        let changed = new > 0 || view != self.view;
        self.view = view;
        Ok(changed)
    }

    fn sweep(&self) -> &Sweep {
        &self.view
    }

    fn log(&self, _run: usize) -> Log<'_> {
        Log::Files(&self.reader)
    }

    fn events(&self, _run: usize) -> &[Event] {
        self.reader.events()
    }

    fn revision(&self, _run: usize) -> Revision {
        Some((self.reader.revision(), self.reader.len()))
    }

    fn details(&self, _run: usize) -> Details {
        details::of(&self.reader, vec![state_fact(&self.reader)])
    }

    fn directory(&self, _run: usize) -> Option<&Path> {
        Some(self.reader.dir())
    }

    fn manifest(&self, _run: usize) -> Option<&Manifest> {
        self.reader.manifest()
    }

    fn bells(&self, _run: usize) -> Vec<String> {
        bell::asked(self.reader.dir())
    }
}

/// The state, and what the run said at its end.
pub(super) fn state_fact(reader: &RunReader) -> (String, String) {
    let message = reader
        .summary()
        .and_then(|summary| summary.message.as_ref());
    let message = message.map_or(String::new(), |message| format!(": {message}"));
    let state = state(reader.liveness());
    ("state".to_owned(), format!("{}{message}", state.name()))
}

fn view(reader: &RunReader, name: &str, last: &Last) -> Sweep {
    let run = row(reader, name, last);
    let seconds = last.step_seconds.filter(|seconds| *seconds > 0.0);
    // Of a run that does not say where it ends there is no time left to tell.
    let left = reader
        .manifest()
        .map(|_| run.steps.saturating_sub(run.step));
    Sweep {
        name: name.to_owned(),
        title: String::new(),
        eta: left
            .zip(seconds)
            .filter(|_| run.state == State::Running)
            .map(|(left, seconds)| seconds * left as f64),
        runs: vec![run],
        warnings: reader.warnings().to_vec(),
    }
}

/// A run that no card judges.
pub(super) fn row(reader: &RunReader, name: &str, last: &Last) -> Run {
    let step = reader.latest().map_or(0, |record| record.step);
    let manifest = reader.manifest();
    Run {
        id: name.to_owned(),
        arm: name.to_owned(),
        settings: Arc::default(),
        seed: manifest
            .filter(|manifest| manifest.imported.is_none())
            .map(|manifest| manifest.seed),
        state: state(reader.liveness()),
        step,
        // Without a manifest the end is unknown; then what is done counts as all there is.
        steps: manifest.map_or(step, |manifest| manifest.steps),
        loss: last.loss,
        held_out: last.held_out_loss,
        // The outcome's thresholds are a card's, and a lone run has none.
        outcome: None,
        branch: None,
    }
}

fn state(liveness: Liveness) -> State {
    liveness.into()
}
