//! Following a run directory, live or finished.

use std::path::{Path, PathBuf};

use crate::alarm::{Sighting, alarms, recorded, sightings};
use crate::error::LogError;
use crate::record::{Names, Record};
use crate::run::{
    EVENTS_FILE, Event, MANIFEST_FILE, Manifest, RollBack, SUMMARY_FILE, Summary, attempts,
    metrics_file,
};

mod abandoned;
mod document;
mod events;
mod liveness;
mod merge;
mod tail;

pub use abandoned::{Abandoned, abandoned};
use document::Document;
use events::Events;
pub use events::events;
use liveness::LeaseReader;
pub use liveness::Liveness;
use merge::Merged;
use tail::Tail;

/// Reads a run directory and keeps up with it: each [`RunReader::poll`] reads only what was added.
///
/// Attempts are merged by step, and the last attempt wins. What a [`RollBack`] abandoned is left out; [`abandoned()`] reads it. A half-written last line is left for the
/// next poll; a damaged line in the middle is skipped, counted and reported by [`RunReader::warnings`].
#[derive(Debug)]
pub struct RunReader {
    dir: PathBuf,
    keep_layers: bool,
    attempts: Vec<(u32, Tail)>,
    merged: Merged,
    names: Names,
    events: Events,
    manifest: Document<Manifest>,
    summary: Document<Summary>,
    lease: LeaseReader,
    liveness: Liveness,
    warnings: Vec<String>,
}

impl RunReader {
    /// Opens a run directory and reads what is there. A directory that does not exist yet is a
    /// pending run.
    pub fn open(dir: &Path) -> Result<Self, LogError> {
        Self::start(dir, true)
    }

    /// Like [`RunReader::open`], but leaves the per-layer signals out, which are most of the bytes:
    /// for tables and curves over many runs. [`RunReader::read_layers`] fetches them when wanted.
    pub fn open_scalars(dir: &Path) -> Result<Self, LogError> {
        Self::start(dir, false)
    }

    fn start(dir: &Path, keep_layers: bool) -> Result<Self, LogError> {
        let mut reader = Self {
            dir: dir.to_owned(),
            keep_layers,
            attempts: Vec::new(),
            merged: Merged::default(),
            names: Names::default(),
            events: Events::new(dir),
            manifest: Document::new(dir.join(MANIFEST_FILE)),
            summary: Document::new(dir.join(SUMMARY_FILE)),
            lease: LeaseReader::new(dir),
            liveness: Liveness::Pending,
            warnings: Vec::new(),
        };
        reader.poll()?;
        Ok(reader)
    }

    /// Reads what was added since the last poll and returns the number of new records.
    pub fn poll(&mut self) -> Result<usize, LogError> {
        if !self.dir.exists() {
            return Ok(0);
        }
        if !self.dir.is_dir() {
            let path = self.dir.clone();
            return Err(LogError::NotARun { path });
        }
        self.manifest.refresh()?;
        self.find_attempts()?;
        // Before the summary: a run that ends between the two reads then counts as finished.
        let holder = self.lease.look()?;
        self.summary.refresh()?;
        let new = self.read_metrics()?;
        self.events.poll()?;
        let events = self.events.all().iter();
        self.merged
            .abandon(events.filter_map(RollBack::of).collect());
        self.liveness = Liveness::judge(holder, self.summary.get(), self.newest_attempt());
        self.collect_warnings();
        Ok(new)
    }

    fn find_attempts(&mut self) -> Result<(), LogError> {
        for number in attempts(&self.dir)? {
            if self.attempts.iter().all(|(known, _)| *known != number) {
                let tail = Tail::new(self.dir.join(metrics_file(number)));
                self.attempts.push((number, tail));
            }
        }
        self.attempts.sort_unstable_by_key(|(number, _)| *number);
        Ok(())
    }

    fn read_metrics(&mut self) -> Result<usize, LogError> {
        let mut new = 0;
        let polled = self.attempts.iter_mut().try_for_each(|(attempt, tail)| {
            let restarted = tail.poll(|line| {
                let record = Record::parse_bytes(line, self.keep_layers, &mut self.names)?;
                self.merged.insert(record, *attempt);
                new += 1;
                Ok(())
            })?;
            self.merged.revision += u64::from(restarted);
            Ok(())
        });
        // Also after an error: what was read before it counts.
        self.merged.settle();
        polled.map(|()| new)
    }

    fn collect_warnings(&mut self) {
        self.warnings.clear();
        let running = self.liveness == Liveness::Running;
        let newest = self.attempts.len();
        for (i, (_, tail)) in self.attempts.iter().enumerate() {
            let growing = running && i + 1 == newest;
            self.warnings.extend(tail.warnings(growing));
        }
        self.warnings.extend(self.events.warnings(running));
        let ended = |summary: &&Summary| !running && summary.attempt >= self.newest_attempt();
        let summary = self.summary.get().filter(ended);
        let steps = summary.map_or(0, |summary| self.missing_records(summary));
        let events = self.events.missing(summary);
        self.warnings.extend(missing(steps, "record", "metrics"));
        self.warnings.extend(missing(events, "event", EVENTS_FILE));
    }

    fn newest_attempt(&self) -> u32 {
        self.attempts.last().map_or(0, |(number, _)| *number)
    }

    /// Records that an ended run wrote and its files no longer hold: lines cut off whole leave no other
    /// trace.
    fn missing_records(&self, summary: &Summary) -> u64 {
        let records = self.records();
        let reached = records
            .last()
            .map_or(0, |last| last.step)
            .max(summary.steps);
        let written = summary.records.unwrap_or(reached);
        written.saturating_sub(records.len() as u64)
    }

    /// From the next poll on, per-layer signals are read as well; what was read is read again.
    pub fn read_layers(&mut self) {
        if !self.keep_layers {
            self.keep_layers = true;
            self.attempts.clear();
            self.merged.forget();
        }
    }

    /// The run directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// All records, sorted by step, the newest attempt's where several have the same step.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.merged.records
    }

    /// The record written last by the newest attempt: where the run is now. Records of later steps
    /// may exist from an attempt that was killed behind its last checkpoint.
    #[must_use]
    pub fn latest(&self) -> Option<&Record> {
        self.merged.latest()
    }

    /// Rises whenever records that were already delivered changed (a new attempt overtakes an old one,
    /// or a file was read again): whatever was derived record by record must then be derived anew.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.merged.revision
    }

    /// All events, in the order of the file.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        self.events.all()
    }

    /// The alarms as rows: those it told of while it trained, or, of a run that did not watch itself, those of the
    /// standard detectors over its records.
    #[must_use]
    pub fn sightings(&self) -> Vec<Sighting> {
        recorded(self.events()).unwrap_or_else(|| sightings(&alarms(self.records())))
    }

    /// Provenance, once written.
    #[must_use]
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.get()
    }

    /// How the last attempt that ended in an orderly way ended.
    #[must_use]
    pub fn summary(&self) -> Option<&Summary> {
        self.summary.get()
    }

    /// Damaged and torn lines, one sentence per file.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether the run is live, as of the last poll.
    #[must_use]
    pub fn liveness(&self) -> Liveness {
        self.liveness
    }

    /// (step, value) of a signal where it was recorded; `layer_grad_norm[3]` names one layer.
    #[must_use]
    pub fn series(&self, name: &str) -> Vec<(u64, f64)> {
        self.records()
            .iter()
            .filter_map(|record| Some((record.step, record.value(name)?)))
            .collect()
    }
}

/// What is said of lines that were lost.
fn missing(count: u64, noun: &str, file: &str) -> Option<String> {
    let are = if count == 1 { "is" } else { "are" };
    let lines = words::counted(count, noun);
    (count > 0).then(|| format!("{file}: {lines} {are} missing that the run wrote"))
}
