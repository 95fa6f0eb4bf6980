//! What another source shows, and the runs that begin with a state of one of its runs: twins of replays, which are found as
//! they are made, and forks that were named.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use logs::spike::LossSpike;
use logs::{Event, Manifest, RunReader};
use sweeps::{Card, PlannedRun, RunState, replay};

use super::{details, run};
use crate::error::MonitorError;
use crate::files;
use crate::log::Log;
use crate::machine::{Meter, Reading};
use crate::view::{Branch, Details, Judging, Revision, Run, Source, Sweep};

pub(super) struct Branched {
    trunk: Box<dyn Source>,
    /// Their numbers follow those of the other source's runs. None is dropped: numbers are for good.
    branches: Vec<Open>,
    /// Forks that are being made.
    coming: Vec<PathBuf>,
    meter: Meter,
    view: Sweep,
}

struct Open {
    reader: RunReader,
    last: run::Last,
    name: String,
    place: Branch,
}

impl Branched {
    pub(super) fn new(trunk: Box<dyn Source>, forks: &[PathBuf]) -> Result<Self, MonitorError> {
        let mut branched = Self {
            trunk,
            branches: Vec::new(),
            coming: Vec::new(),
            meter: Meter::default(),
            view: Sweep::default(),
        };
        for fork in forks {
            branched.add_fork(fork)?;
        }
        branched.look();
        branched.view = branched.all();
        Ok(branched)
    }

    /// One of a run that has begun.
    fn add_fork(&mut self, fork: &Path) -> Result<(), MonitorError> {
        let runs: Vec<Option<&Path>> = self.directories().collect();
        let shown: Vec<&Path> = runs.iter().copied().flatten().collect();
        let (of, branch) = replay::Branch::named(fork, &shown)?;
        // Of the runs that have begun, back to all of them.
        let number = runs.iter().position(|run| *run == Some(shown[of]));
        number.map_or(Ok(()), |of| Ok(self.add(of, branch)?))
    }

    fn directories(&self) -> impl Iterator<Item = Option<&Path>> {
        let runs = 0..self.trunk.sweep().runs.len();
        runs.map(|run| self.trunk.directory(run))
    }

    fn add(&mut self, of: usize, branch: replay::Branch) -> Result<(), logs::LogError> {
        let reader = RunReader::open_scalars(&branch.directory)?;
        self.branches.push(Open {
            last: run::Last::of(&reader),
            reader,
            name: branch.name,
            place: Branch {
                of,
                forked_at: branch.forked_at,
            },
        });
        Ok(())
    }

    /// Takes in the twins that are new.
    fn look(&mut self) {
        let coming = std::mem::take(&mut self.coming);
        let waits = |fork: &PathBuf| self.add_fork(fork).is_err();
        self.coming = coming.into_iter().filter(waits).collect();
        let branches = &self.branches;
        let known = |twin: &Path| branches.iter().any(|open| open.reader.dir() == twin);
        let runs = self.directories().enumerate();
        let new = runs.flat_map(|(of, run)| {
            let twins = run.map_or_else(Vec::new, |run| replay::Branch::twins(run, &known));
            twins.into_iter().map(move |twin| (of, twin))
        });
        let new: Vec<_> = new.collect();
        for (of, twin) in new {
            // One that cannot be read is looked at again.
            let _ = self.add(of, twin);
        }
    }

    fn all(&self) -> Sweep {
        let mut sweep = self.trunk.sweep().clone();
        let rows = self.branches.iter().map(|open| {
            let row = open.row();
            // The twins of two runs have the same names.
            let of = sweep.runs.get(open.place.of).map_or("", |run| &run.id);
            Run {
                id: format!("{of}/{}", row.id),
                ..row
            }
        });
        let rows: Vec<Run> = rows.collect();
        sweep.runs.extend(rows);
        sweep
    }

    fn branch(&self, run: usize) -> Option<&Open> {
        let place = run.checked_sub(self.trunk.sweep().runs.len())?;
        self.branches.get(place)
    }
}

impl Open {
    fn row(&self) -> Run {
        Run {
            branch: Some(self.place),
            ..run::row(&self.reader, &self.name, &self.last)
        }
    }
}

impl Source for Branched {
    fn poll(&mut self) -> Result<bool, MonitorError> {
        let mut changed = self.trunk.poll()?;
        for open in &mut self.branches {
            // A replay that is given up takes its twins away; what was seen of them stays.
            changed |= open.reader.poll().is_ok_and(|new| new > 0);
            open.last.follow(&open.reader);
        }
        self.look();
        let view = self.all();
        changed |= view != self.view;
        self.view = view;
        Ok(changed)
    }

    fn sweep(&self) -> &Sweep {
        &self.view
    }

    fn log(&self, run: usize) -> Log<'_> {
        match self.branch(run) {
            Some(open) => Log::Files(&open.reader),
            None => self.trunk.log(run),
        }
    }

    fn events(&self, run: usize) -> &[Event] {
        match self.branch(run) {
            Some(open) => open.reader.events(),
            None => self.trunk.events(run),
        }
    }

    fn revision(&self, run: usize) -> Revision {
        match self.branch(run) {
            Some(open) => Some((open.reader.revision(), open.reader.len())),
            None => self.trunk.revision(run),
        }
    }

    fn details(&self, run: usize) -> Details {
        let Some(open) = self.branch(run) else {
            return self.trunk.details(run);
        };
        let of = self.trunk.sweep().runs.get(open.place.of);
        let of = of.map_or_else(String::new, Run::label);
        let first = open.place.forked_at.saturating_add(1);
        let begins = format!("of {of}, from step {first} on");
        let facts = vec![("branch".to_owned(), begins), run::state_fact(&open.reader)];
        details::of(&open.reader, facts)
    }

    fn directory(&self, run: usize) -> Option<&Path> {
        match self.branch(run) {
            Some(open) => Some(open.reader.dir()),
            None => self.trunk.directory(run),
        }
    }

    fn manifest(&self, run: usize) -> Option<&Manifest> {
        match self.branch(run) {
            Some(open) => open.reader.manifest(),
            None => self.trunk.manifest(run),
        }
    }

    fn spikes(&self, run: usize) -> &[LossSpike] {
        match self.branch(run) {
            Some(_) => &[],
            None => self.trunk.spikes(run),
        }
    }

    fn read_machine(&mut self, processes: &[u32]) -> Reading {
        self.meter.read(processes)
    }

    fn folder(&self, run: usize) -> Option<PathBuf> {
        match self.branch(run) {
            Some(open) => Some(open.reader.dir().to_path_buf()),
            None => self.trunk.folder(run),
        }
    }

    fn configuration(&self, run: usize) -> Result<toml::Table, String> {
        match self.branch(run) {
            Some(open) => files::configuration(open.reader.dir()),
            None => self.trunk.configuration(run),
        }
    }

    fn control(&self, run: usize) -> Option<usize> {
        match self.branch(run) {
            Some(open) => Some(open.place.of),
            None => self.trunk.control(run),
        }
    }

    fn follow_fork(&mut self, fork: PathBuf) {
        self.coming.push(fork);
    }

    fn planned(&self, run: usize) -> Option<(&sweeps::Sweep, &PlannedRun)> {
        match self.branch(run) {
            Some(_) => None,
            None => self.trunk.planned(run),
        }
    }

    fn card(&self) -> Option<Arc<Card>> {
        self.trunk.card()
    }

    fn states(&self) -> Vec<RunState> {
        self.trunk.states()
    }

    fn untrained(&self) -> Option<f64> {
        self.trunk.untrained()
    }

    fn judging(&self) -> Option<Judging> {
        self.trunk.judging()
    }

    fn bells(&self, run: usize) -> Vec<String> {
        // A twin is no news.
        match self.branch(run) {
            Some(_) => Vec::new(),
            None => self.trunk.bells(run),
        }
    }
}
