//! Reading from disk: a sweep directory, a single run directory as a sweep of one, or several of them side by side.

use std::path::{Path, PathBuf};

use crate::error::MonitorError;
use crate::view::Source;
use branched::Branched;
use joined::Joined;

mod bell;
mod branched;
mod details;
mod joined;
mod run;
mod sweep;

/// Opens whatever is at these paths, with the twins of their replays and the forks that are named.
pub(crate) fn open(paths: &[&Path], forks: &[PathBuf]) -> Result<Box<dyn Source>, MonitorError> {
    let trunk = match paths {
        [only] => alone(only)?,
        several => Box::new(Joined::open(several, alone)?),
    };
    Ok(Box::new(Branched::new(trunk, forks)?))
}

fn alone(dir: &Path) -> Result<Box<dyn Source>, MonitorError> {
    match kind(dir) {
        Some(Kind::Sweep) => Ok(Box::new(sweep::SweepSource::open(dir)?)),
        Some(Kind::Run) => Ok(Box::new(run::RunSource::open(dir)?)),
        None => {
            // What cannot be listed holds nothing that could be named.
            let entries = dir.read_dir().into_iter().flatten().flatten();
            let entries = entries.map(|entry| entry.path());
            let mut inside: Vec<PathBuf> = entries.filter(|path| kind(path).is_some()).collect();
            inside.sort();
            Err(MonitorError::Neither {
                path: PathBuf::from(dir),
                inside,
            })
        }
    }
}

enum Kind {
    Sweep,
    Run,
}

/// What a directory holds, by its files.
fn kind(dir: &Path) -> Option<Kind> {
    let has = |name: &str| dir.join(name).exists();
    let run = ["run.toml", "manifest.json", "summary.json", "events.jsonl"];
    if has(logs::output::SWEEP_FILE) {
        Some(Kind::Sweep)
    } else if run.into_iter().any(has) {
        Some(Kind::Run)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
