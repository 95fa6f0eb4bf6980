//! From paths to labelled runs.

use super::{EvaluationError, Labels};
use experiments_config::{Inject, InjectKind};
use logs::evaluation::{Measured, Planted, Span, Truth, measure};
use logs::output::SWEEP_FILE;
use logs::run::{CONFIG_FILE, MANIFEST_FILE, metrics_file};
use logs::{Liveness, Record, RunReader};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A run with what every detector made of it.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledRun {
    /// Name of its directory.
    pub name: String,
    /// Absent where nothing of it can be judged.
    pub measured: Option<Measured>,
    /// Why it cannot, or what to know about it.
    pub note: Option<String>,
}

/// The run directories that paths lead to: runs, those of sweeps that have begun, and those in folders of either, each
/// once.
pub fn run_directories(paths: &[PathBuf]) -> Result<Vec<PathBuf>, EvaluationError> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for path in paths {
        let mut inside = directly(path)?;
        if inside.is_empty() {
            for child in children(path)? {
                inside.extend(directly(&child)?);
            }
        }
        if inside.is_empty() {
            return Err(EvaluationError::NoRuns {
                path: path.clone(),
                problem: "holds no run that has begun",
            });
        }
        // The same run may be given by several paths.
        let identity = |dir: &PathBuf| std::fs::canonicalize(dir).unwrap_or_else(|_| dir.clone());
        found.extend(inside.into_iter().filter(|dir| seen.insert(identity(dir))));
    }
    Ok(found)
}

/// The path itself where it is a run, its runs where it is a sweep. The card of a sweep does not matter here, so neither
/// does whether this program can read it.
fn directly(path: &Path) -> Result<Vec<PathBuf>, EvaluationError> {
    let runs = path.join("runs");
    if path.join(SWEEP_FILE).is_file() && runs.is_dir() {
        let begun = children(&runs)?.into_iter();
        return Ok(begun.filter(|dir| has_records(dir)).collect());
    }
    let of_a_run = [CONFIG_FILE, MANIFEST_FILE];
    let is_run = has_records(path) || of_a_run.iter().any(|name| path.join(name).is_file());
    Ok(is_run.then(|| path.to_owned()).into_iter().collect())
}

fn has_records(dir: &Path) -> bool {
    dir.join(metrics_file(1)).is_file()
}

fn children(path: &Path) -> Result<Vec<PathBuf>, EvaluationError> {
    let problem = |problem| EvaluationError::NoRuns {
        path: path.to_owned(),
        problem,
    };
    if !path.exists() {
        return Err(problem("does not exist"));
    }
    if !path.is_dir() {
        return Err(problem("is a file"));
    }
    let unreadable = |source| EvaluationError::Read {
        path: path.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        found.push(entry.map_err(unreadable)?.path());
    }
    found.sort();
    Ok(found)
}

/// What labels call a run: the name of its directory.
pub(super) fn name(dir: &Path) -> String {
    let whole = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    let name = whole.file_name().unwrap_or(whole.as_os_str());
    name.to_string_lossy().into_owned()
}

/// Reads a run and runs every detector over it. What cannot be read or judged is told by the note.
#[must_use]
pub fn examine(dir: &Path, labels: &Labels) -> LabelledRun {
    let name = name(dir);
    let left_out = |why: &str| LabelledRun {
        name: name.clone(),
        measured: None,
        note: Some(format!("`{name}` is left out: {why}")),
    };
    let reader = match RunReader::open(dir) {
        Ok(reader) => reader,
        Err(error) => return left_out(&crate::reader::describe(&error)),
    };
    let records = reader.records();
    if records.is_empty() {
        return left_out("it has no records");
    }
    let mut truth = match labels.truth(&name) {
        Some(truth) => truth,
        None if records.iter().all(|record| record.scalar("loss").is_none()) => {
            return left_out("it recorded no `loss`, which the rule for events needs");
        }
        None => match planted(dir, records) {
            Ok(planted) => Truth::of(records, planted),
            Err(why) => return left_out(&why),
        },
    };
    let unrecorded = without_unrecorded(&mut truth, records);
    let note = unrecorded
        .map(|said| format!("`{name}`: {said}"))
        .or_else(|| note(&reader, &name));
    LabelledRun {
        measured: Some(measure(records, &truth)),
        name,
        note,
    }
}

/// Leaves out the events that no detector could find, because nothing was recorded there; says so where there are any.
pub(super) fn without_unrecorded(truth: &mut Truth, records: &[Record]) -> Option<String> {
    let (first, last) = (records.first()?.step, records.last()?.step);
    let all = truth.events.len();
    truth.events.retain(|event| {
        let next = records.partition_point(|record| record.step < event.from);
        let recorded = records
            .get(next)
            .is_some_and(|record| record.step <= event.to);
        (first..=last).contains(&event.first) && recorded
    });
    let count = all - truth.events.len();
    (count > 0).then(|| {
        format!(
            "{count} of {all} labelled events lie where it recorded nothing, outside steps {first} to {last} or between two \
             records, and are left out"
        )
    })
}

/// What to know about a run that is judged all the same.
fn note(reader: &RunReader, name: &str) -> Option<String> {
    if reader.liveness() == Liveness::Running {
        return Some(format!(
            "`{name}` is still running: judged to step {}",
            reader.latest().map_or(0, |record| record.step)
        ));
    }
    let damage = reader.warnings().first()?;
    Some(format!("`{name}`: {damage}"))
}

/// The causes that the run's configuration plants (`[[inject]]`) at steps that were recorded. An imported run has no
/// configuration and none of these.
fn planted(dir: &Path, records: &[Record]) -> Result<Vec<Planted>, String> {
    let path = dir.join(CONFIG_FILE);
    let text = match logs::disk::read_text(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("cannot read `{}`: {error}", path.display())),
    };
    let Planting { inject } = toml::from_str(&text).map_err(|error: toml::de::Error| {
        format!("`{}` is damaged: {}", path.display(), error.message())
    })?;
    let last = records.last().map_or(0, |record| record.step);
    let planted = inject.iter().filter(|cause| cause.kind != InjectKind::None);
    let causes = planted.map(|cause| Planted {
        kind: cause.kind.name().to_owned(),
        span: Span {
            from: cause.step,
            to: *cause.touched().end(),
        },
    });
    Ok(causes.filter(|cause| cause.span.from <= last).collect())
}

/// What of a configuration is asked for here: the rest may be of another version.
#[derive(Deserialize)]
struct Planting {
    #[serde(default)]
    inject: Vec<Inject>,
}
