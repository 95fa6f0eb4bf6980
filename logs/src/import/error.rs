//! Why nothing was imported.

use std::io;
use std::path::{Path, PathBuf};
use words::printable_path;

use super::FORMATS;
use super::source::Source;
use crate::error::LogError;

/// Why an import could not be done. Damage inside a source is no error: it is counted.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A path could not be read.
    #[error("cannot read `{}`", printable_path(path))]
    Read {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A path is a device, a pipe, a socket.
    #[error("`{}` is neither a file nor a folder of files", printable_path(path))]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// A file is of no format that is known.
    #[error(
        "`{}` is no log that can be imported: {found}; expected one of {}",
        printable_path(path),
        formats()
    )]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What it begins with.
        found: String,
    },
    /// No path holds a log.
    #[error("nothing to import: no file has numbers by step{}", listed(reasons))]
    Nothing {
        /// What was found instead.
        reasons: Vec<String>,
    },
    /// The place for the result is taken.
    #[error(
        "`{}` exists already; an import makes new run directories: name one that does not exist",
        printable_path(path)
    )]
    Exists {
        /// The place.
        path: PathBuf,
    },
    /// Files to follow belong to several runs.
    #[error(
        "the paths hold several runs, {}, and `--follow` follows one: name its files, or give `--one-run` if all are attempts of one",
        words::quoted(names)
    )]
    Several {
        /// The runs by their files' names.
        names: Vec<String>,
    },
    /// A run that follows other files.
    #[error(
        "`{}` follows {}, and none of these is among the paths; name another `--out`",
        printable_path(path),
        words::quoted(known)
    )]
    OtherSource {
        /// The run.
        path: PathBuf,
        /// Its files.
        known: Vec<String>,
    },
    /// The run directory that a follower writes is no longer where it was.
    #[error(
        "`{}` was moved or deleted while it was written; following has stopped, and what was recorded is where it was moved to",
        printable_path(path)
    )]
    Gone {
        /// The directory or file.
        path: PathBuf,
    },
    /// The disk is full.
    #[error(
        "no space left on the disk for `{}`; nothing was imported: free some space, then give the same command again",
        printable_path(path)
    )]
    Disk {
        /// The place for the result.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A name that the user gives a column cannot be used.
    #[error("the name `{entry}`: {why}; expected SOURCE=NAME, for example `train/lm_loss=loss`")]
    Map {
        /// The entry.
        entry: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The run could not be written.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl ImportError {
    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Read { path, source }
    }

    /// A complaint about a source of no known format.
    pub(super) fn unknown(source: &Source) -> Self {
        let first = source
            .lines()
            .next()
            .map(|(line, _)| String::from_utf8_lossy(line));
        let found = match (&source.broken, first) {
            (Some(why), _) => format!("it cannot be unpacked ({why})"),
            (None, None) => "it is empty".to_owned(),
            (None, Some(line)) => {
                let shown: String = line.chars().take(80).collect();
                format!(
                    "its first line, `{shown}`, has no column of steps (`--map COLUMN=step` names one)"
                )
            }
        };
        Self::Unknown {
            path: source.path.clone(),
            found,
        }
    }
}

fn formats() -> String {
    let names: Vec<&str> = FORMATS.iter().map(|format| format.name()).collect();
    names.join(", ")
}

fn listed(reasons: &[String]) -> String {
    let lines: Vec<String> = reasons
        .iter()
        .map(|reason| format!("\n  {reason}"))
        .collect();
    lines.concat()
}
