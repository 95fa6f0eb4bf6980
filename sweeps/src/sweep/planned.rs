//! Whether a run's directory holds the run that the sweep planned.

use super::{SWEEP_FILE, make_folder};
use crate::{PlannedRun, Sweep, SweepError};
use experiments_config::load_file;
use logs::Manifest;
use logs::run::{CONFIG_FILE, MANIFEST_FILE};
use std::path::{Path, PathBuf};

impl PlannedRun {
    /// How a run that has begun differs from this one; none where it is this one. Its name alone says
    /// nothing: a directory can be copied to another name.
    pub(crate) fn mismatch(&self, manifest: &Manifest) -> Option<String> {
        let (hash, seed) = (&manifest.config_hash, manifest.seed);
        if *hash == self.config_hash && seed == self.seed {
            return None;
        }
        Some(format!(
            "its directory holds another run: its manifest says configuration {}, seed {seed}; planned are configuration {}, seed {}. Move the directory away, and the planned run begins anew",
            short(hash),
            short(&self.config_hash),
            self.seed
        ))
    }
}

/// Enough of a hash to tell two apart.
fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

impl Sweep {
    /// Makes sure that a run's directory is that of the run that was planned, before the run starts or goes
    /// on. Where it has not begun, its directory and configuration are made again as they were registered,
    /// and a configuration that differs is set aside; the sentence returned says so. Where it has begun,
    /// nothing is changed, and what differs is an error.
    pub(crate) fn restore(&self, run: &PlannedRun) -> Result<Option<String>, SweepError> {
        let directory = self.run_dir(&run.id);
        let path = directory.join(CONFIG_FILE);
        if let Some(manifest) = Manifest::load(&directory)? {
            return self.check_begun(run, &manifest, &path).map(|()| None);
        }
        if holds(&path, run) {
            return Ok(None);
        }
        make_folder(&self.dir().join("runs"))?;
        make_folder(&directory)?;
        let aside = path.symlink_metadata().is_ok();
        let aside = aside.then(|| logs::disk::set_aside(&path)).transpose()?;
        self.write_config(run)?;
        Ok(Some(match aside {
            None => format!("its `{CONFIG_FILE}` was missing and was made again from `sweep.json`"),
            Some(kept) => format!(
                "its `{CONFIG_FILE}` was not the one that was planned: it was made again from `sweep.json`, and what was there is kept as `{}`",
                kept.display()
            ),
        }))
    }

    fn check_begun(
        &self,
        run: &PlannedRun,
        manifest: &Manifest,
        path: &Path,
    ) -> Result<(), SweepError> {
        let problem = match run.mismatch(manifest) {
            Some(problem) => problem,
            None if holds(path, run) => return Ok(()),
            None => format!(
                "its `{CONFIG_FILE}` is missing, damaged or not the one it began with (`{MANIFEST_FILE}` says configuration {}); bring that back, or move the directory away, and the run begins anew",
                short(&run.config_hash)
            ),
        };
        Err(SweepError::OtherRun {
            path: self.run_dir(&run.id),
            problem,
        })
    }
}

/// Refuses a new run in the folder of a sweep's runs that the sweep does not plan: it would never count, and
/// would be taken for one that does.
pub fn check_place(directory: &Path) -> Result<(), SweepError> {
    let Some((sweep, name)) = place_in_sweep(directory) else {
        return Ok(());
    };
    let sweep = Sweep::open(&sweep)?;
    if sweep.runs().iter().any(|run| run.id == name) {
        return Ok(());
    }
    Err(SweepError::UnknownRun {
        hint: format!(
            ": `{}` holds the runs that the sweep planned; name a directory outside it",
            sweep.dir().join("runs").display()
        ),
        name,
    })
}

/// The sweep whose folder of runs a directory lies in, and its name there.
fn place_in_sweep(directory: &Path) -> Option<(PathBuf, String)> {
    let path = std::path::absolute(directory).ok()?;
    let folder = path.parent()?.canonicalize().ok()?;
    let sweep = folder.parent()?;
    let is_sweep = folder.ends_with("runs") && sweep.join(SWEEP_FILE).exists();
    let name = path.file_name()?.to_string_lossy().into_owned();
    is_sweep.then(|| (sweep.to_owned(), name))
}

/// Whether a file is the configuration of a run, however it is written. An empty file would be that of a
/// preset.
fn holds(path: &Path, run: &PlannedRun) -> bool {
    let is_empty = std::fs::metadata(path).is_ok_and(|file| file.len() == 0);
    !is_empty && load_file(path, &[]).is_ok_and(|config| config.hash() == run.config_hash)
}
