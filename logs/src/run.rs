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

use crate::clock::Moment;
use crate::error::LogError;
use crate::lease::BEAT;
use crate::record::Record;

mod claim;
mod document;
mod event;
mod line_file;
mod manifest;
mod roll_back;
mod summary;

pub use claim::RunLease;
pub use document::{is_whole, save as save_document};
pub(crate) use document::{load, save};
pub use event::{Event, EventKind};
use line_file::LineFile;
pub use manifest::{Engine, Manifest, command_line};
pub use roll_back::RollBack;
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
/// File name of the [`crate::Lease`].
pub const LEASE_FILE: &str = "lease.json";
/// File name of the process's output, written by whoever starts it.
pub const CONSOLE_FILE: &str = "console.log";
/// Files of a run directory, beside the metrics.
const FILES: [&str; 6] = [
    CONFIG_FILE,
    MANIFEST_FILE,
    EVENTS_FILE,
    SUMMARY_FILE,
    LEASE_FILE,
    CONSOLE_FILE,
];
/// Directory of the checkpoints.
pub const CHECKPOINTS_DIR: &str = "checkpoints";
/// Folder of the index, which readers make of the metrics.
pub const INDEX_DIR: &str = "index";
/// Directory of the run's replays.
pub const REPLAYS_DIR: &str = "replays";

/// How long a writer goes on without making sure that the run is still there and its own.
const TRUST: Duration = BEAT.saturating_mul(2);
/// What a power failure may cost; a killed process loses nothing that was written.
const SYNC: Duration = Duration::from_secs(10);

/// File name of an attempt's metrics.
#[must_use]
pub fn metrics_file(attempt: u32) -> String {
    format!("metrics-{attempt:04}.jsonl")
}

/// Whether a file of that name is a part of a run.
pub(crate) fn is_file_of_run(name: &str) -> bool {
    let attempt = name.strip_prefix("metrics-");
    let is_metrics = attempt.is_some_and(|rest| rest.strip_suffix(".jsonl").is_some());
    is_metrics || FILES.contains(&name)
}

/// The attempts that have a metrics file in `dir`, in order.
pub fn attempts(dir: &Path) -> Result<Vec<u32>, LogError> {
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
///
/// A writer whose run was taken over by another process, moved or deleted, writes nothing more: every
/// method then fails with [`LogError::Lost`] or [`LogError::Gone`].
#[derive(Debug)]
pub struct RunWriter {
    dir: PathBuf,
    attempt: u32,
    metrics: LineFile,
    events: LineFile,
    confirmed: Moment,
    synced: Instant,
    // Last, so that it is given back after the files are closed.
    claim: RunLease,
}

impl RunWriter {
    /// Creates `dir` where needed, takes its lease and starts the next attempt.
    pub fn open(dir: &Path) -> Result<Self, LogError> {
        RunLease::take(dir)?.begin()
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
        self.ensure_ours()?;
        self.metrics.push(&record.to_line())?;
        self.keep_up()
    }

    /// Appends an event, stamped with this attempt.
    pub fn event(&mut self, event: &Event) -> Result<(), LogError> {
        let number = self.events.lines() + 1;
        let line = event.to_line(self.attempt, number).map_err(|source| {
            let path = self.dir.join(EVENTS_FILE);
            LogError::Encode { path, source }
        })?;
        self.ensure_ours()?;
        self.events.push(&line)?;
        self.keep_up()
    }

    /// Goes on as the next attempt, in a file of metrics of its own: the run has gone back to an earlier state.
    pub fn next_attempt(&mut self) -> Result<(), LogError> {
        self.sync()?;
        self.confirm()?;
        let next = self.attempt + 1;
        self.metrics = LineFile::create(&self.dir.join(metrics_file(next)))?;
        self.attempt = next;
        Ok(())
    }

    /// Brings everything written so far to the disk. Call it before a checkpoint counts as taken.
    pub fn sync(&mut self) -> Result<(), LogError> {
        self.synced = Instant::now();
        self.metrics.sync()?;
        self.events.sync()
    }

    /// Does `act`, such as giving a file its final name, if the run is still there and our own.
    pub fn publish<T, E: From<LogError>>(
        &mut self,
        act: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.confirm()?;
        self.claim.lease().while_held(act)
    }

    /// Ends the attempt: syncs, writes the summary, gives the lease back. Without it (an error, a
    /// crash) the run reads as interrupted.
    pub fn finish(mut self, summary: &Summary) -> Result<(), LogError> {
        self.sync()?;
        let dir = self.dir.clone();
        let summary = Summary {
            events: Some(self.events.lines()),
            ..summary.clone()
        };
        self.publish(|| summary.save(&dir))
    }

    /// Makes sure that what is written is written to this run.
    fn confirm(&mut self) -> Result<(), LogError> {
        self.claim.confirm()?;
        self.metrics.check()?;
        self.events.check()?;
        // Somebody who took over and has ended leaves no lease, but an attempt of his own.
        if attempts(&self.dir)?.last() != Some(&self.attempt) {
            return Err(LogError::Overtaken {
                path: self.dir.clone(),
                attempt: self.attempt,
            });
        }
        self.confirmed = Moment::now();
        Ok(())
    }

    fn ensure_ours(&mut self) -> Result<(), LogError> {
        if self.claim.lease().is_lost() || self.confirmed.is_over(TRUST) {
            self.confirm()?;
        }
        Ok(())
    }

    fn keep_up(&mut self) -> Result<(), LogError> {
        if self.synced.elapsed() >= SYNC {
            self.sync()?;
        }
        Ok(())
    }
}
