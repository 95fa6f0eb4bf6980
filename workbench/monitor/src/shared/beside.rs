//! What there is to ask about a run beside its records: what it is set against, its files, its process.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use logs::Manifest;
use logs::lease::hostname;
use logs::run::CONFIG_FILE;

use super::Shared;
use crate::files;
use crate::machine::Reading;

/// Records that count as the last ones.
const LATE: usize = 64;

impl Shared {
    /// The run that another one is set against where nobody says otherwise: its control, or else of the runs of its seed, then of
    /// all runs, the one with the fewest other axis values.
    pub(crate) fn opposite(&self, run: usize) -> Option<usize> {
        let here = self.run(run)?;
        let distance = |other: usize| {
            let there = &self.sweep().runs[other];
            let axes = here.settings.iter();
            let differing = axes.filter(|(key, value)| there.settings.get(*key) != Some(value));
            let same_arm = self.arm(other) == self.arm(run);
            (
                there.branch.is_some(),
                there.seed != here.seed,
                same_arm,
                differing.count(),
            )
        };
        let others = self.runs().filter(|other| *other != run);
        self.source
            .control(run)
            .or_else(|| others.min_by_key(|other| distance(*other)))
    }

    /// The control of a run, where it has one.
    pub(crate) fn control(&self, run: usize) -> Option<usize> {
        self.source.control(run)
    }

    /// The resolved configuration of a run, or why it cannot be shown.
    pub(crate) fn configuration(&self, run: usize) -> Result<toml::Table, String> {
        self.source.configuration(run)
    }

    /// The last lines of a run's console, or why they cannot be shown.
    pub(crate) fn console(&self, run: usize) -> Result<Vec<String>, String> {
        let folder = self.source.folder(run).ok_or("the run has no directory")?;
        files::console(&folder)
    }

    /// Directory of a run that has begun here, from which it can be trained again, and its name.
    pub(crate) fn trained(&self, run: usize) -> Result<(&Path, String), String> {
        let name = self.label(run).text;
        let folder = self.source.directory(run);
        let trained = folder.filter(|folder| folder.join(CONFIG_FILE).is_file());
        let trained = trained
            .ok_or_else(|| format!("{name} was not trained here: it has no `{CONFIG_FILE}`"));
        Ok((trained?, name))
    }

    /// Directory of a run that has begun.
    pub(crate) fn folder(&self, run: usize) -> Option<&Path> {
        self.source.directory(run)
    }

    /// Shows a fork as a branch once it is made.
    pub(crate) fn follow_fork(&mut self, fork: PathBuf) {
        self.source.follow_fork(fork);
    }

    /// Provenance of a run that has begun.
    pub(crate) fn manifest(&self, run: usize) -> Option<&Manifest> {
        self.source.manifest(run)
    }

    /// The last value of a signal, if the last records have any.
    pub(crate) fn late(&self, run: usize, signal: &str) -> Option<f64> {
        let log = self.source.log(run);
        let last = log.column(signal, log.len().saturating_sub(LATE)..log.len());
        last.iter().rev().flatten().next()
    }

    /// Reads what this machine does, and which of its processes trains which run.
    pub(crate) fn read_machine(&mut self) -> (Reading, HashMap<usize, u32>) {
        let runs = self.sweep().runs.iter().enumerate();
        let running = runs.filter(|(_, run)| run.state == sweeps::State::Running);
        let host = hostname();
        let process = |(run, _)| {
            let holder = self.source.holder(run)?;
            (holder.host == host).then_some((run, holder.pid))
        };
        let of_runs: HashMap<usize, u32> = running.filter_map(process).collect();
        let processes: Vec<u32> = of_runs.values().copied().collect();
        (self.source.read_machine(&processes), of_runs)
    }

    /// The run of this id, or else the first one with this in its id or its name.
    pub(crate) fn find(&self, name: &str) -> Result<usize, String> {
        let found = self.named(name)?.first().copied();
        found.ok_or_else(|| format!("no run has `{name}` in its name"))
    }

    /// The run of this id alone, or else all with this in their id or their name.
    pub(crate) fn named(&self, name: &str) -> Result<Vec<usize>, String> {
        let id = |run: &usize| &self.sweep().runs[*run].id;
        if let Some(run) = self.runs().find(|run| id(run) == name) {
            return Ok(vec![run]);
        }
        let has = |run: &usize| id(run).contains(name) || self.label(*run).text.contains(name);
        let found: Vec<usize> = self.runs().filter(has).collect();
        if found.is_empty() {
            return Err(format!("no run has `{name}` in its name"));
        }
        Ok(found)
    }
}
