//! Following a run directory, live or finished.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::alarm::{Sighting, Watch, recorded, sightings};
use crate::error::LogError;
use crate::record::{Layers, Names, Record};
use crate::run::{
    EVENTS_FILE, Event, MANIFEST_FILE, Manifest, RollBack, SUMMARY_FILE, Summary, attempts,
    metrics_file,
};

mod abandoned;
mod document;
mod events;
mod index;
mod indexer;
mod kept;
mod liveness;
mod merge;
mod place;
mod span;
mod tail;
mod telling;

pub use abandoned::{Abandoned, abandoned};
use document::Document;
use events::Events;
pub use events::events;
pub use index::Column;
use index::{Index, PART};
pub use indexer::Indexer;
use liveness::LeaseReader;
pub use liveness::Liveness;
use merge::Merged;
use place::{Line, Place};
use tail::Tail;

/// Reads a run directory and keeps up with it: each [`RunReader::poll`] reads only what was added.
///
/// Attempts are merged by step, and the last attempt wins. What a [`RollBack`] abandoned is left out; [`abandoned()`] reads it. A half-written last line is left for the
/// next poll; a damaged line in the middle is skipped, counted and reported by [`RunReader::warnings`].
///
/// Without per-layer signals, most records of a long run are in its [index](crate::run::INDEX_DIR) instead of in memory: then
/// [`RunReader::column`], [`RunReader::series`] and [`RunReader::select`] read what is asked for, and [`RunReader::records`]
/// makes all of them at once.
#[derive(Debug)]
pub struct RunReader {
    dir: PathBuf,
    reading: Reading,
    attempts: Vec<(u32, Tail)>,
    /// The records before those of `merged`.
    index: Index,
    /// Bytes of lines whose records are in the index.
    indexed: u64,
    merged: Merged,
    latest: Option<Record>,
    names: Names,
    events: Events,
    manifest: Document<Manifest>,
    summary: Document<Summary>,
    lease: LeaseReader,
    liveness: Liveness,
    warnings: Vec<String>,
    /// All records, once somebody asked for them.
    all: OnceLock<Vec<Record>>,
    /// The run without its index, once that could not be read.
    lines: OnceLock<Box<RunReader>>,
}

/// What of a run is read, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// All signals, from the lines.
    Layers,
    /// Scalars, from the index as far as it goes.
    Scalars,
    /// Scalars, from the lines.
    Lines,
}

impl RunReader {
    /// Opens a run directory and reads what is there. A directory that does not exist yet is a
    /// pending run.
    pub fn open(dir: &Path) -> Result<Self, LogError> {
        Self::start(dir, Reading::Layers)
    }

    /// Like [`RunReader::open`], but leaves the per-layer signals out, which are most of the bytes:
    /// for tables and curves over many runs. [`RunReader::read_layers`] fetches them when wanted.
    ///
    /// Of a run whose lines take long to read, an [index](crate::run::INDEX_DIR) is written where that is possible.
    pub fn open_scalars(dir: &Path) -> Result<Self, LogError> {
        Self::start(dir, Reading::Scalars)
    }

    fn start(dir: &Path, reading: Reading) -> Result<Self, LogError> {
        let mut reader = Self::new(dir, reading);
        let outdated = reader.go_on()?;
        reader.poll()?;
        if outdated || reader.is_worth_keeping() {
            reader.seal();
        }
        Ok(reader)
    }

    /// A reader that has read nothing.
    fn new(dir: &Path, reading: Reading) -> Self {
        Self {
            dir: dir.to_owned(),
            reading,
            attempts: Vec::new(),
            index: Index::empty(dir),
            indexed: 0,
            merged: Merged::default(),
            latest: None,
            names: Names::default(),
            events: Events::new(dir),
            manifest: Document::new(dir.join(MANIFEST_FILE)),
            summary: Document::new(dir.join(SUMMARY_FILE)),
            lease: LeaseReader::new(dir),
            liveness: Liveness::Pending,
            warnings: Vec::new(),
            all: OnceLock::new(),
            lines: OnceLock::new(),
        }
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
        // What was forgotten since the last poll is read again by this one.
        if !self.attempts.is_empty() {
            self.merged.changed = None;
        }
        if self.lines.get().is_some() {
            self.forget(Reading::Lines);
        }
        self.find_attempts()?;
        // Before the summary: a run that ends between the two reads then counts as finished.
        let holder = self.lease.look()?;
        self.summary.refresh()?;
        let before = self.merged.revision;
        let new = self.read_metrics()?;
        self.events.poll()?;
        self.abandon()?;
        if new > 0 || before != self.merged.revision {
            self.all = OnceLock::new();
            self.find_latest();
        }
        self.liveness = Liveness::judge(holder, self.summary.get(), self.newest_attempt());
        self.collect_warnings();
        // While it goes on, an index would have to be written again and again.
        if self.liveness != Liveness::Running && self.is_worth_keeping() {
            self.seal();
        }
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
        let mut at = 0;
        while at < self.attempts.len() {
            match self.read_some(at, &mut new)? {
                Read::All => at += 1,
                Read::Some if self.merged.records.len() >= PART => self.seal(),
                Read::Some => {}
                Read::IndexLost => {
                    self.forget(Reading::Lines);
                    self.find_attempts()?;
                    (at, new) = (0, 0);
                }
            }
        }
        if self.merged.records.len() >= 2 * PART {
            self.seal();
        }
        Ok(new)
    }

    /// Reads the next lines of an attempt.
    fn read_some(&mut self, at: usize, new: &mut usize) -> Result<Read, LogError> {
        let (attempt, tail) = &mut self.attempts[at];
        let mut lost = false;
        let polled = tail.poll_some(PART, |line, offset| {
            let mut record = Record::parse_bytes(line, Layers::All, &mut self.names)?;
            let overtakes = self
                .index
                .last_step()
                .is_some_and(|last| record.step <= last);
            lost |= overtakes
                && !self
                    .merged
                    .unseal(&mut self.index, record.step, &self.names);
            let attempt = *attempt;
            let place = Place { attempt, offset };
            let spans = match self.reading {
                Reading::Layers => Box::default(),
                Reading::Scalars | Reading::Lines => {
                    span::take(&mut record, &mut self.merged.layered)
                }
            };
            self.merged.insert(record, Line { place, spans });
            *new += 1;
            Ok(())
        });
        // Also after an error: what was read before it counts.
        self.merged.settle();
        let polled = polled?;
        if polled.restarted {
            self.merged.change(0);
        }
        Ok(match polled.goes_on {
            _ if lost => Read::IndexLost,
            true => Read::Some,
            false => Read::All,
        })
    }

    /// Leaves out what roll-backs abandoned.
    fn abandon(&mut self) -> Result<(), LogError> {
        let all: Vec<RollBack> = self.events.all().iter().filter_map(RollBack::of).collect();
        let more = all.strip_prefix(self.merged.roll_backs.as_slice());
        let first = more.map(|more| more.iter().map(|back| back.to).min());
        let readable = match first {
            Some(None) => true,
            Some(Some(to)) => {
                let first = to.saturating_add(1);
                self.merged.unseal(&mut self.index, first, &self.names)
            }
            // Others than were known: who knows what the index lacks.
            None => self.index.len() == 0,
        };
        if !readable {
            self.forget(Reading::Lines);
            self.find_attempts()?;
            self.read_metrics()?;
        }
        self.merged.abandon(all);
        Ok(())
    }

    /// Everything that was read, to be read again.
    fn forget(&mut self, reading: Reading) {
        self.reading = reading;
        self.attempts.clear();
        self.index = Index::empty(&self.dir);
        self.indexed = 0;
        self.merged.forget();
        self.lines = OnceLock::new();
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
        let reached = self.last_step().max(summary.steps);
        let written = summary.records.unwrap_or(reached);
        written.saturating_sub(self.len() as u64)
    }

    /// From the next poll on, per-layer signals are read as well; what was read is read again.
    pub fn read_layers(&mut self) {
        if self.reading != Reading::Layers {
            self.forget(Reading::Layers);
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
        if self.index.len() == 0 {
            return &self.merged.records;
        }
        self.all.get_or_init(|| {
            let mut all = Vec::with_capacity(self.len());
            self.visit(0..self.len(), |record| all.push(record.clone()));
            all
        })
    }

    /// The record written last by the newest attempt: where the run is now. Records of later steps
    /// may exist from an attempt that was killed behind its last checkpoint.
    #[must_use]
    pub fn latest(&self) -> Option<&Record> {
        self.latest.as_ref()
    }

    /// Rises whenever records that were already delivered changed (a new attempt overtakes an old one,
    /// or a file was read again): whatever was derived record by record must then be derived anew.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.merged.revision
    }

    /// The least step from which on the last poll made records others than were delivered before; none where it only put some behind
    /// them. What is derived of the records before it still holds.
    #[must_use]
    pub fn changed(&self) -> Option<u64> {
        self.merged.changed
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
        recorded(self.events()).unwrap_or_else(|| {
            let (mut watch, mut alarms) = (Watch::default(), Vec::new());
            self.visit(0..self.len(), |record| {
                alarms.extend(watch.observe(record));
            });
            sightings(&alarms)
        })
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
}

/// How far the lines of an attempt were read.
enum Read {
    All,
    Some,
    /// They change what is in the index, which cannot be read.
    IndexLost,
}

/// What is said of lines that were lost.
fn missing(count: u64, noun: &str, file: &str) -> Option<String> {
    let are = if count == 1 { "is" } else { "are" };
    let lines = words::counted(count, noun);
    (count > 0).then(|| format!("{file}: {lines} {are} missing that the run wrote"))
}
