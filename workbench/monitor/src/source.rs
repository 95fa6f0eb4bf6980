//! Reading from disk: a sweep directory, or a single run directory as a sweep of one.

use std::path::{Path, PathBuf};

use crate::error::MonitorError;
use crate::view::Source;
use branched::Branched;

mod bell;
mod branched;
mod details;
mod run;
mod sweep;

/// Opens whatever `dir` is, with the twins of its replays and the forks that are named.
pub(crate) fn open(dir: &Path, forks: &[PathBuf]) -> Result<Box<dyn Source>, MonitorError> {
    Ok(Box::new(Branched::new(alone(dir)?, forks)?))
}

fn alone(dir: &Path) -> Result<Box<dyn Source>, MonitorError> {
    let has = |name: &str| dir.join(name).exists();
    if has(logs::output::SWEEP_FILE) {
        Ok(Box::new(sweep::SweepSource::open(dir)?))
    } else if ["run.toml", "manifest.json", "summary.json", "events.jsonl"]
        .into_iter()
        .any(has)
    {
        Ok(Box::new(run::RunSource::open(dir)?))
    } else {
        Err(MonitorError::Neither {
            path: PathBuf::from(dir),
        })
    }
}

#[cfg(test)]
mod tests;
