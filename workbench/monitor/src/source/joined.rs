//! Several sweeps and runs side by side, as if they were one sweep: each path is a value of the axis [`PATH`], by which their runs
//! are named, coloured, filtered and grouped as by any other.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use logs::spike::LossSpike;
use logs::{Event, Manifest};
use sweeps::overview::without_shared;
use sweeps::{PlannedRun, Settings};
use toml::{Table, Value};

use crate::error::MonitorError;
use crate::log::Log;
use crate::view::{Details, Revision, Run, Source, Sweep};

/// The axis of the paths. No key of a configuration is called so, since those have a table in front.
const PATH: &str = "path";

pub(super) struct Joined {
    parts: Vec<Part>,
    view: Sweep,
}

struct Part {
    source: Box<dyn Source>,
    path: PathBuf,
    /// What sets the path apart from the others.
    name: String,
    /// Why it could not be read at the last look.
    problem: Option<String>,
    /// Number of its first run among all, and the settings of its runs with the path. Both are for good: a plan does not grow.
    first: usize,
    settings: Vec<Arc<Settings>>,
}

impl Joined {
    /// Opens each with `open`. None may be there twice, by another name or as a part of another one.
    pub(super) fn open(
        paths: &[&Path],
        open: impl Fn(&Path) -> Result<Box<dyn Source>, MonitorError>,
    ) -> Result<Self, MonitorError> {
        apart(paths)?;
        let mut parts: Vec<Part> = Vec::new();
        for (path, name) in paths.iter().zip(names(paths)) {
            let source = open(path)?;
            let first = parts.last().map_or(0, |part| part.first + part.len());
            let settings = source.sweep().runs.iter().map(|run| {
                let mut settings = Settings::clone(&run.settings);
                settings.insert(PATH.to_owned(), Value::String(name.clone()));
                Arc::new(settings)
            });
            let settings = settings.collect();
            parts.push(Part {
                source,
                path: path.to_path_buf(),
                problem: None,
                name,
                first,
                settings,
            });
        }
        let view = view(&parts);
        Ok(Self { parts, view })
    }

    /// The part that a run belongs to, and its number there.
    fn of(&self, run: usize) -> Option<(&Part, usize)> {
        let part = self.parts.iter().rfind(|part| part.first <= run)?;
        Some((part, run - part.first)).filter(|(part, own)| *own < part.len())
    }
}

impl Part {
    fn len(&self) -> usize {
        self.settings.len()
    }

    fn run(&self, number: usize, run: &Run) -> Run {
        let of_sweep = self.source.planned(number).is_some();
        let named = |own: &str, between: char| {
            if of_sweep {
                format!("{}{between}{own}", self.name)
            } else {
                self.name.clone()
            }
        };
        Run {
            id: named(&run.id, '/'),
            arm: named(&run.arm, ' '),
            settings: Arc::clone(&self.settings[number]),
            ..run.clone()
        }
    }
}

/// Refuses directories that are the same, or of which one lies in another.
fn apart(paths: &[&Path]) -> Result<(), MonitorError> {
    let full = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let full: Vec<PathBuf> = paths.iter().map(|path| full(path)).collect();
    for (at, path) in full.iter().enumerate() {
        for (other, outer) in full.iter().enumerate() {
            if at != other && path.starts_with(outer) {
                return Err(MonitorError::Within {
                    path: paths[at].to_path_buf(),
                    other: paths[other].to_path_buf(),
                    is_same: path == outer,
                });
            }
        }
    }
    Ok(())
}

/// What is left of paths without the folders that all share.
fn names(paths: &[&Path]) -> Vec<String> {
    let text = |path: &&Path| {
        let given = path.to_string_lossy();
        let given = given.trim_end_matches('/');
        // `.` and `..` are no names.
        let full = Path::new(given).file_name().is_none();
        let full = full.then(|| path.canonicalize().ok()).flatten();
        let text = full.map_or_else(
            || given.to_owned(),
            |full| full.to_string_lossy().into_owned(),
        );
        words::printable_line(&text).into_owned()
    };
    let texts: Vec<String> = paths.iter().map(text).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    without_shared(&texts, &['/'])
}

fn view(parts: &[Part]) -> Sweep {
    let names: Vec<&str> = parts.iter().map(|part| &*part.name).collect();
    let mut all = Sweep {
        name: names.join(" + "),
        ..Sweep::default()
    };
    for part in parts {
        let own = part.source.sweep();
        let runs = own.runs.iter().enumerate();
        all.runs
            .extend(runs.map(|(number, run)| part.run(number, run)));
        // They go on beside each other: the last one to end is waited for.
        all.eta = [all.eta, own.eta].into_iter().flatten().reduce(f64::max);
        let warnings = part.problem.iter().chain(&own.warnings);
        all.warnings
            .extend(warnings.map(|warning| format!("{}: {warning}", part.name)));
    }
    all
}

impl Source for Joined {
    fn poll(&mut self) -> Result<bool, MonitorError> {
        let mut changed = false;
        // What becomes of one of them is no reason to show none.
        for part in &mut self.parts {
            let (news, problem) = match part.source.poll() {
                Ok(news) => (news, None),
                Err(error) => (false, Some(error.to_string())),
            };
            changed |= news || problem != part.problem;
            part.problem = problem;
        }
        if changed {
            self.view = view(&self.parts);
        }
        Ok(changed)
    }

    fn sweep(&self) -> &Sweep {
        &self.view
    }

    fn log(&self, run: usize) -> Log<'_> {
        let of = self.of(run);
        of.map_or(Log::Memory(&[]), |(part, own)| part.source.log(own))
    }

    fn events(&self, run: usize) -> &[Event] {
        self.of(run)
            .map_or(&[], |(part, own)| part.source.events(own))
    }

    fn revision(&self, run: usize) -> Revision {
        let (part, own) = self.of(run)?;
        part.source.revision(own)
    }

    fn details(&self, run: usize) -> Details {
        let Some((part, own)) = self.of(run) else {
            return Details::default();
        };
        let mut details = part.source.details(own);
        let path = words::printable_line(&part.path.to_string_lossy()).into_owned();
        details.facts.insert(0, (PATH.to_owned(), path));
        details
    }

    fn directory(&self, run: usize) -> Option<&Path> {
        let (part, own) = self.of(run)?;
        part.source.directory(own)
    }

    fn folder(&self, run: usize) -> Option<PathBuf> {
        let (part, own) = self.of(run)?;
        part.source.folder(own)
    }

    fn spikes(&self, run: usize) -> &[LossSpike] {
        self.of(run)
            .map_or(&[], |(part, own)| part.source.spikes(own))
    }

    fn configuration(&self, run: usize) -> Result<Table, String> {
        let (part, own) = self.of(run).ok_or("there is no such run")?;
        part.source.configuration(own)
    }

    fn control(&self, run: usize) -> Option<usize> {
        let (part, own) = self.of(run)?;
        Some(part.first + part.source.control(own)?)
    }

    fn manifest(&self, run: usize) -> Option<&Manifest> {
        let (part, own) = self.of(run)?;
        part.source.manifest(own)
    }

    fn planned(&self, run: usize) -> Option<(&sweeps::Sweep, &PlannedRun)> {
        let (part, own) = self.of(run)?;
        part.source.planned(own)
    }

    fn bells(&self, run: usize) -> Vec<String> {
        let of = self.of(run);
        of.map_or_else(Vec::new, |(part, own)| part.source.bells(own))
    }
}
