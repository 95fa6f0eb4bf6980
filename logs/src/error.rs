//! Errors that name the file and say what to do.

use std::io;
use std::path::{Path, PathBuf};

use crate::record::limits::{MOST_LAYERS, MOST_NAMES};

/// Why a run directory could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk (or the user's quota) is full.
    #[error(
        "no space left on the disk that holds `{}`; what was recorded so far stays readable: free some space, then give the same command again to continue",
        path.display()
    )]
    Disk {
        /// The file that was being written.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The same, where what was begun is removed again.
    #[error(
        "no space left on the disk for `{}`; nothing of it was made: free some space, then give the same command again",
        path.display()
    )]
    NothingMade {
        /// What was to be made.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Any other failure of the operating system.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried, for example `read`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Another process writes this run.
    #[error(
        "`{}` is in use by process {pid} on {host} since {since}; stop that process first, or wait until it ends",
        path.display()
    )]
    Held {
        /// The lease file.
        path: PathBuf,
        /// The process that holds it.
        pid: u32,
        /// The machine it runs on.
        host: String,
        /// When it took the lease.
        since: String,
    },
    /// Another command works in the folder.
    #[error(
        "another command works in `{}`; wait until it ends, or name another folder",
        path.display()
    )]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// Another process has taken the run over while this one wrote it.
    #[error(
        "`{}` was taken over by process {pid} on {host} at {since}, while this process did not answer; it has stopped writing, and that process goes on",
        path.display()
    )]
    Lost {
        /// The lease file.
        path: PathBuf,
        /// The process that holds it now.
        pid: u32,
        /// The machine it runs on.
        host: String,
        /// When it took the lease.
        since: String,
    },
    /// Another process took the run over, wrote it, and has ended.
    #[error(
        "another process has continued `{}` behind attempt {attempt}, while this one did not answer; it has stopped writing",
        path.display()
    )]
    Overtaken {
        /// The run directory.
        path: PathBuf,
        /// The attempt that was overtaken.
        attempt: u32,
    },
    /// What is being written is no longer where it was.
    #[error(
        "`{}` was moved or deleted while it was written; training has stopped, and what was recorded is where it was moved to",
        path.display()
    )]
    Gone {
        /// The directory or file.
        path: PathBuf,
    },
    /// The directory belongs to something else.
    #[error(
        "`{}` holds `{found}`, which is no part of a run; a run needs a directory of its own: name a new or an empty one",
        path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// One of its entries.
        found: String,
    },
    /// A command was told to write over what a run or a sweep consists of.
    #[error(
        "`{}` is part of the run or sweep in `{}`, which would lose it; name another file",
        path.display(),
        dir.display()
    )]
    Recorded {
        /// What was to be written.
        path: PathBuf,
        /// The run or sweep directory.
        dir: PathBuf,
    },
    /// The path is not a directory.
    #[error("`{}` is a file; expected a run directory (the one that holds `run.toml`)", path.display())]
    NotARun {
        /// What was given.
        path: PathBuf,
    },
    /// The file was written by a newer version of this program.
    #[error(
        "`{}` has format version {found}, but this program reads versions up to {supported}; use the program version that wrote it, or a newer one",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// The newest version this program reads.
        supported: u32,
    },
    /// The file is not what its name promises.
    #[error("`{}` is damaged: {message}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column where known.
        message: String,
    },
    /// A record holds a name that the line format cannot carry.
    #[error(
        "`{name}` cannot name a recorded signal: a name is not empty, holds no `[`, is used once, and is not `step`, `nonfinite` or `crc`"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// A record holds more than a reader takes.
    #[error(
        "a record has {names} names and up to {layers} layers; at most {} and {} can be read back",
        MOST_NAMES,
        MOST_LAYERS
    )]
    Large {
        /// Names of scalars and per-layer signals.
        names: usize,
        /// Values of the longest per-layer signal.
        layers: usize,
    },
    /// A value could not be written as JSON.
    #[error("`{}` cannot be written as JSON", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
}

impl LogError {
    /// Of what is made as a whole or not at all, at `path`: a full disk leaves nothing to continue.
    #[must_use]
    pub fn as_a_whole(self, path: &Path) -> Self {
        match self {
            Self::Disk { source, .. } => Self::NothingMade {
                path: path.to_owned(),
                source,
            },
            other => other,
        }
    }

    /// Wraps a failure of the operating system, telling a full disk from the rest.
    #[must_use]
    pub fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Disk { path, source }
            }
            _ => Self::Io {
                action,
                path,
                source,
            },
        }
    }
}
