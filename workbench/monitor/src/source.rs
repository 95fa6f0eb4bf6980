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
