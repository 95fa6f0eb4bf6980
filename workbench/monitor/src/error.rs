//! How the monitor ends: as the user wants it, or by what goes wrong before or beside the drawing.

use std::path::{Path, PathBuf};

/// Why the monitor could not start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// There is neither a sweep nor a run.
    #[error("`{}` {}", path.display(), what(path, inside))]
    Neither {
        /// What was to be shown.
        path: PathBuf,
        /// Sweeps and runs in it, one after the other.
        inside: Vec<PathBuf>,
    },
    /// Of several directories two are the same, or one lies in the other.
    #[error("`{}` {}", path.display(), within(path, other, *is_same))]
    Within {
        /// The directory.
        path: PathBuf,
        /// The one that it lies in.
        other: PathBuf,
        /// Whether it is that one.
        is_same: bool,
    },
    /// The sweep cannot be read.
    #[error(transparent)]
    Sweep(#[from] sweeps::SweepError),
    /// The run cannot be read.
    #[error(transparent)]
    Run(#[from] logs::LogError),
    /// There is no terminal to draw on.
    #[error(
        "the monitor needs a terminal, and standard output or input is none; use `monitor --snapshot` in scripts"
    )]
    NoTerminal,
    /// A command that was given at the start.
    #[error("`{line}`: {problem}")]
    Command {
        /// As it was given.
        line: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The user's keys and colours.
    #[error("`{}`: {problem}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The screen cannot be made a picture.
    #[error(transparent)]
    Picture(#[from] workbench_picture::PictureError),
    /// The terminal refused.
    #[error("cannot draw on the terminal: {0}")]
    Terminal(#[from] std::io::Error),
}

/// What there is instead, and what would be right.
fn what(path: &Path, inside: &[PathBuf]) -> String {
    let found = match path.metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "is not there".to_owned(),
        Err(error) => format!("cannot be read: {error}"),
        Ok(found) if !found.is_dir() => "is no directory".to_owned(),
        Ok(_) => "holds neither a sweep (`sweep.json`) nor a run (`run.toml` or `manifest.json`)"
            .to_owned(),
    };
    match inside.first() {
        Some(first) => format!(
            "{found} itself, but {} of them, such as `{}`: name those to be shown, and several are shown together",
            inside.len(),
            first.display()
        ),
        None => format!("{found}; give the directory that `sweep run` or `train` wrote to"),
    }
}

fn within(path: &Path, other: &Path, is_same: bool) -> String {
    let other = match is_same {
        true if path == other => return "is there twice; give it once".to_owned(),
        true => format!("is the same directory as `{}`", other.display()),
        false => format!("lies in `{}`", other.display()),
    };
    format!("{other}, which is shown as well; give one of them")
}

/// Why the monitor ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The user left with `q`; a sweep that is running goes on.
    Left,
    /// The user pressed Ctrl-C, which raw mode keeps from becoming a signal: the caller decides what to stop.
    Interrupted,
    /// The caller asked for it, or another thread of the process panicked and needs the screen for its message.
    Stopped,
}
