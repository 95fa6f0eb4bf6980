//! Whether a file is the one that was read before, without reading it.

use crate::TextError;
use serde::{Deserialize, Serialize};
use std::fs::{self, Metadata};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Age below which a file's time stamps prove nothing: a second write within the resolution of the
/// file system's clock (2 s at worst) leaves them unchanged.
const RACY: Duration = Duration::from_secs(2);

/// What differs when a file was written to or another one was put in its place. Who writes can set
/// size and modification time back, but not the change of the inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    size: u64,
    device: u64,
    inode: u64,
    /// Seconds since 1970 and nanoseconds.
    modified: (i64, i64),
    /// Of the inode: its content, name, rights or times.
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(path: &Path) -> Result<Self, TextError> {
        let metadata = fs::metadata(path).map_err(TextError::read(path))?;
        Ok(Self::from(&metadata))
    }

    #[cfg(unix)]
    fn from(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            size: metadata.len(),
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    #[cfg(not(unix))]
    fn from(metadata: &Metadata) -> Self {
        let since = metadata.modified().ok();
        let since = since.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let since = since.unwrap_or_default();
        let modified = (since.as_secs() as i64, i64::from(since.subsec_nanos()));
        Self {
            size: metadata.len(),
            device: 0,
            inode: 0,
            modified,
            changed: modified,
        }
    }

    /// Whether an equal stamp later means an equal file: its last change is long enough ago, and not
    /// in the future of a clock that was set back.
    pub(super) fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs() as i64);
        [self.modified, self.changed]
            .iter()
            .all(|(seconds, _)| seconds.saturating_add(RACY.as_secs() as i64) < now)
    }
}
