//! Writing a run directory.
//!
//! ```text
//! run.toml            resolved configuration (written by the caller)
//! manifest.json       provenance: Manifest
//! metrics-0001.jsonl  one file per attempt, one checksummed line per step
//! events.jsonl        lifecycle, alarms, overflows, interventions, over all attempts
//! summary.json        how the last attempt ended: Summary
//! lease.json          who writes now
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::disk::write_json_atomic;
use crate::error::LogError;
use crate::lease::Lease;
use crate::record::Record;

mod document;
mod event;
mod line_file;
mod manifest;
mod summary;

pub(crate) use document::load;
pub(crate) use event::now;
pub use event::{Event, EventKind};
use line_file::LineFile;
pub use manifest::Manifest;
pub use summary::{Status, Summary};

/// Version of the run directory that this program writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 1;
/// File name of the resolved configuration.
pub const CONFIG_FILE: &str = "run.toml";
/// File name of the [`Manifest`].
pub const MANIFEST_FILE: &str = "manifest.json";
/// File name of the [`Event`]s.
pub const EVENTS_FILE: &str = "events.jsonl";
/// File name of the [`Summary`].
pub const SUMMARY_FILE: &str = "summary.json";
/// File name of the [`Lease`].
pub const LEASE_FILE: &str = "lease.json";
/// File name of the process's output, written by whoever starts it.
pub const CONSOLE_FILE: &str = "console.log";
/// Directory of the checkpoints.
pub const CHECKPOINTS_DIR: &str = "checkpoints";

/// How often the lease is refreshed, at most.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// What a power failure may cost; a killed process loses nothing that was written.
const SYNC: Duration = Duration::from_secs(10);

/// File name of an attempt's metrics.
#[must_use]
pub fn metrics_file(attempt: u32) -> String {
    format!("metrics-{attempt:04}.jsonl")
}

/// The attempts that have a metrics file in `dir`, in order.
pub(crate) fn attempts(dir: &Path) -> Result<Vec<u32>, LogError> {
    let error = |error| LogError::io("list", dir, error);
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(error)? {
        let name = entry.map_err(error)?.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_prefix("metrics-")?.strip_suffix(".jsonl"))
            .and_then(|digits| digits.parse().ok());
        found.extend(number.filter(|&attempt| name.to_str() == Some(&metrics_file(attempt))));
    }
    found.sort_unstable();
    Ok(found)
}

/// Writes one attempt of a run. One process at a time may hold it for a directory.
#[derive(Debug)]
pub struct RunWriter {
    dir: PathBuf,
    attempt: u32,
    metrics: LineFile,
    events: LineFile,
    beaten: Instant,
    synced: Instant,
    // Last, so that it is given back after the files are closed.
    lease: Lease,
}

impl RunWriter {
    /// Creates `dir` where needed, takes its lease and starts the next attempt.
    pub fn open(dir: &Path) -> Result<Self, LogError> {
        if dir.exists() && !dir.is_dir() {
            let path = dir.to_owned();
            return Err(LogError::NotARun { path });
        }
        fs::create_dir_all(dir).map_err(|error| LogError::io("create", dir, error))?;
        let lease = Lease::take(&dir.join(LEASE_FILE))?;
        let attempt = attempts(dir)?.last().map_or(1, |last| last + 1);
        Ok(Self {
            dir: dir.to_owned(),
            attempt,
            metrics: LineFile::create(&dir.join(metrics_file(attempt)))?,
            events: LineFile::append(&dir.join(EVENTS_FILE))?,
            beaten: Instant::now(),
            synced: Instant::now(),
            lease,
        })
    }

    /// The number of this attempt, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The run directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Appends one step.
    pub fn step(&mut self, record: &Record) -> Result<(), LogError> {
        record.check()?;
        self.metrics.push(&record.to_line())?;
        self.keep_up()
    }

    /// Appends an event, stamped with this attempt.
    pub fn event(&mut self, event: &Event) -> Result<(), LogError> {
        let line = event.to_line(self.attempt).map_err(|source| {
            let path = self.dir.join(EVENTS_FILE);
            LogError::Encode { path, source }
        })?;
        self.events.push(&line)?;
        self.keep_up()
    }

    /// Brings everything written so far to the disk. Call it before a checkpoint counts as taken.
    pub fn sync(&mut self) -> Result<(), LogError> {
        self.synced = Instant::now();
        self.metrics.sync()?;
        self.events.sync()
    }

    /// Ends the attempt: syncs, writes the summary, gives the lease back. Without it (an error, a
    /// crash) the run reads as interrupted.
    pub fn finish(mut self, summary: &Summary) -> Result<(), LogError> {
        self.sync()?;
        write_json_atomic(&self.dir.join(SUMMARY_FILE), summary)
    }

    fn keep_up(&mut self) -> Result<(), LogError> {
        if self.beaten.elapsed() >= HEARTBEAT {
            self.beaten = Instant::now();
            self.lease.heartbeat()?;
        }
        if self.synced.elapsed() >= SYNC {
            self.sync()?;
        }
        Ok(())
    }
}
