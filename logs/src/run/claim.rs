//! The right to write a run, before anything is written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::line_file::LineFile;
use super::{
    CHECKPOINTS_DIR, EVENTS_FILE, INDEX_DIR, LEASE_FILE, MANIFEST_FILE, REPLAYS_DIR, RunWriter,
    attempts, is_file_of_run, metrics_file,
};
use crate::clock::Moment;
use crate::disk::{ASIDE, is_temporary, sweep_temporaries};
use crate::error::LogError;
use crate::folder;
use crate::lease::Lease;

/// What a run directory holds beside its files; the last three are a report.
const BESIDE: [&str; 6] = [
    CHECKPOINTS_DIR,
    INDEX_DIR,
    REPLAYS_DIR,
    "report.html",
    "report.md",
    "figures",
];

/// A run directory that nobody else writes. Nothing of the run is changed until [`RunLease::begin`],
/// so whatever speaks against going on can be found out before.
#[derive(Debug)]
pub struct RunLease {
    dir: PathBuf,
    lease: Lease,
}

impl RunLease {
    /// Refuses a directory that holds something else than a run: a sweep, somebody's files. One that
    /// is missing or empty may become a run.
    pub fn check_directory(dir: &Path) -> Result<(), LogError> {
        let error = |error| LogError::io("list", dir, error);
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(cause) if cause.kind() == io::ErrorKind::NotADirectory => {
                let path = dir.to_owned();
                return Err(LogError::NotARun { path });
            }
            Err(cause) => return Err(error(cause)),
        };
        if dir.join(MANIFEST_FILE).is_file() {
            return Ok(());
        }
        for entry in entries {
            let name = entry.map_err(error)?.file_name();
            if !is_own(&name) {
                return Err(LogError::Foreign {
                    path: dir.to_owned(),
                    found: name.to_string_lossy().into_owned(),
                });
            }
        }
        Ok(())
    }

    /// Creates `dir` where needed and takes its lease. Refuses what [`RunLease::check_directory`] refuses.
    pub fn take(dir: &Path) -> Result<Self, LogError> {
        Self::check_directory(dir)?;
        folder::make(dir).map_err(|error| LogError::io("create", dir, error))?;
        let lease = Lease::take(&dir.join(LEASE_FILE))?;
        Ok(Self {
            dir: dir.to_owned(),
            lease,
        })
    }

    /// Starts the next attempt, and removes what a killed writer left half written.
    pub fn begin(mut self) -> Result<RunWriter, LogError> {
        self.confirm()?;
        self.lease.settle();
        let dir = self.dir.clone();
        sweep_temporaries(&dir);
        sweep_temporaries(&dir.join(CHECKPOINTS_DIR));
        sweep_temporaries(&dir.join(INDEX_DIR));
        let attempt = attempts(&dir)?.last().map_or(1, |last| last + 1);
        let metrics = LineFile::create(&dir.join(metrics_file(attempt)));
        Ok(RunWriter {
            attempt,
            metrics: metrics.map_err(|error| beaten(error, &dir, attempt))?,
            events: LineFile::append(&dir.join(EVENTS_FILE))?,
            dir,
            confirmed: Moment::now(),
            synced: Instant::now(),
            claim: self,
        })
    }

    /// The run directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The lease itself.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Fails where the run was moved, deleted or taken over since.
    pub(super) fn confirm(&self) -> Result<(), LogError> {
        self.lease.confirm()
    }
}

/// Where the file system has no locks, two machines may find a run free at once. The file of an attempt is made once, so
/// one of them gets it.
fn beaten(error: LogError, dir: &Path, attempt: u32) -> LogError {
    match error {
        LogError::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
            LogError::Overtaken {
                path: dir.to_owned(),
                attempt: attempt - 1,
            }
        }
        other => other,
    }
}

fn is_own(name: &std::ffi::OsStr) -> bool {
    let is_known =
        |name: &str| is_file_of_run(name) || BESIDE.contains(&name) || name.starts_with(ASIDE);
    is_temporary(name) || name.to_str().is_some_and(is_known)
}
