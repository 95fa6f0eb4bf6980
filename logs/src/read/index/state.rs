//! How far a reader came, and whether the files are still those that it read.

use std::fs::{self, Metadata};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::read::tail::{Done, crc_of};
use crate::run::{RollBack, metrics_file};

/// How much older than the index a file must be for its time to say that it is what was read: a file may change twice within one
/// tick of the clock that stamps it, and some file systems count whole seconds.
pub(in crate::read) const TICK: Duration = Duration::from_millis(20);
const COARSE_TICK: Duration = Duration::from_secs(2);

/// How far a reader came.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(in crate::read) struct State {
    pub(in crate::read) files: Vec<FileState>,
    /// All names that were met, those of per-layer signals too.
    pub(in crate::read) names: Vec<String>,
    /// Attempt and step of the record that the newest attempt wrote last.
    pub(in crate::read) newest: Option<(u32, u64)>,
    pub(in crate::read) roll_backs: Vec<RollBack>,
}

/// How far it came in the file of an attempt.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::read) struct FileState {
    pub(in crate::read) attempt: u32,
    pub(in crate::read) done: Done,
    /// Length and time of change, nanoseconds since 1970, when it was read.
    stamp: (u64, u64),
}

impl FileState {
    /// Of a file that has been read so far; none where its bytes cannot be recognised.
    pub(in crate::read) fn of(run: &Path, attempt: u32, done: &Done) -> Option<Self> {
        done.crc?;
        let metadata = fs::metadata(run.join(metrics_file(attempt))).ok()?;
        Some(Self {
            attempt,
            done: done.clone(),
            stamp: stamp(&metadata)?,
        })
    }

    /// Whether the file still begins with what was read, and whether its stamp alone says so. `written` is when the index was.
    pub(super) fn holds(&self, run: &Path, written: u64) -> Option<bool> {
        let path = run.join(metrics_file(self.attempt));
        let stamp = stamp(&fs::metadata(&path).ok()?)?;
        let coarse = stamp.1.is_multiple_of(1_000_000_000);
        let tick = if coarse { COARSE_TICK } else { TICK };
        let settled = stamp.1.saturating_add(tick.as_nanos() as u64) <= written;
        if stamp == self.stamp && settled {
            return Some(true);
        }
        let same =
            stamp.0 >= self.done.offset && crc_of(&path, self.done.offset).ok() == self.done.crc;
        same.then_some(false)
    }
}

/// Length and time of change of a file, nanoseconds since 1970.
pub(super) fn stamp(metadata: &Metadata) -> Option<(u64, u64)> {
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    let modified = u64::try_from(modified.as_nanos()).ok()?;
    metadata.is_file().then_some((metadata.len(), modified))
}
