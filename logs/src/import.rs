//! Logs of runs that other programs trained, as run directories of this one.
//!
//! Each format is one file and one line of `FORMATS`; each source may also be `.gz` or `.zst`. A source
//! gives numbers by attempt, step and name. What is damaged is left out and counted. `stitch` then decides which
//! attempts make one run, and `write` writes it with the writer that training uses, so that
//! every reader works. The manifest says what was imported from where ([`Imported`]).

mod collect;
mod error;
mod follow;
mod group;
mod imported;
mod jsonl;
mod megatron;
mod names;
mod source;
mod stitch;
mod table;
mod tfevents;
mod wandb;
mod write;

pub use error::ImportError;
pub use follow::Follower;
pub use group::Given;
pub use imported::{Attempt, Extent, Imported, Origin};
pub use names::Columns;
use names::infer_skipped;
pub use stitch::Join;

use std::collections::HashSet;
use std::fmt::Debug;
use std::path::{Path, PathBuf};

use collect::Log;
use group::{Group, groups};
use source::Source;
use stitch::{Segment, given, stitch};
use write::{Scratch, write};

use crate::error::LogError;
use crate::record::Record;

/// One format of logs.
trait Format: Debug + Sync {
    /// Its name, as the manifest has it.
    fn name(&self) -> &'static str;

    /// Whether a source is of this format.
    fn recognises(&self, source: &Source, columns: &Columns) -> bool;

    /// Reads a source of this format. Nothing in it is an error: what cannot be read is counted.
    fn read(&self, source: &Source, columns: &Columns) -> Log;
}

/// Every format, the surest to recognise first.
const FORMATS: &[&dyn Format] = &[
    &wandb::OfflineRun,
    &tfevents::EventFile,
    &jsonl::JsonLines,
    &megatron::TextLog,
    &table::Table {
        name: "tsv",
        delimiter: b'\t',
    },
    &table::Table {
        name: "csv",
        delimiter: b',',
    },
];

/// What to import.
#[derive(Debug, Clone)]
pub struct Import {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// Runs whose attempts the user lists.
    pub given: Vec<Given>,
    /// Whether all files are attempts of one run, whatever their names.
    pub one_run: bool,
    /// Which columns are what.
    pub columns: Columns,
    /// The run directory, or the folder of them.
    pub out: PathBuf,
    /// The command line, for the manifest.
    pub command: Vec<String>,
}

/// A run directory that was made.
#[derive(Debug, Clone)]
pub struct ImportedRun {
    /// Where.
    pub dir: PathBuf,
    /// Steps that are recorded.
    pub steps: u64,
    /// First and last of them.
    pub range: (u64, u64),
    /// What it comes from.
    pub imported: Imported,
}

/// What an import did.
#[derive(Debug, Clone, Default)]
pub struct Done {
    /// The runs, rivals behind the run they are rivals of.
    pub runs: Vec<ImportedRun>,
    /// Files of a folder that are no logs, and other things worth knowing.
    pub warnings: Vec<String>,
}

/// Makes run directories. A single run and its rivals become `out`, `out-rival-1` and so on; several runs
/// become folders of `out`. Nothing is there until all are.
pub fn import(request: &Import) -> Result<Done, ImportError> {
    import_all(request).map_err(|error| match error {
        // Other than a training, an import that broke off leaves nothing to continue.
        ImportError::Log(LogError::Disk { source, .. }) => ImportError::Disk {
            path: request.out.clone(),
            source,
        },
        error => error,
    })
}

fn import_all(request: &Import) -> Result<Done, ImportError> {
    let groups = groups(request)?;
    let scratch = Scratch::beside(&request.out)?;
    let mut done = Done::default();
    let mut met = HashSet::new();
    let mut names: HashSet<String> = groups.iter().map(|group| group.name.clone()).collect();
    for group in &groups {
        let (segments, origins) = read_group(group, request, &mut done.warnings, &mut met)?;
        let runs = match (segments.is_empty(), group.given) {
            (true, _) => continue,
            (false, true) => vec![given(&segments)],
            (false, false) => stitch(&segments),
        };
        for (number, run) in runs.iter().enumerate() {
            let name = match number {
                0 => group.name.clone(),
                _ => rival_name(&group.name, &mut names),
            };
            let rival_of = (number > 0).then(|| group.name.clone());
            let run = write(&scratch, &name, run, &segments, &origins, rival_of, request)?;
            done.runs.push(run);
        }
    }
    if done.runs.is_empty() {
        return Err(ImportError::Nothing {
            reasons: done.warnings,
        });
    }
    let unmet = request.columns.unmet(&met);
    done.warnings.extend(
        unmet
            .iter()
            .map(|name| format!("no source has the column `{name}` of --map or --names")),
    );
    scratch.publish(&mut done.runs)?;
    Ok(done)
}

/// The first of `BASE-rival-1`, `BASE-rival-2` and so on that no run has.
fn rival_name(base: &str, names: &mut HashSet<String>) -> String {
    let mut number = 1;
    loop {
        let name = format!("{base}-rival-{number}");
        if names.insert(name.clone()) {
            return name;
        }
        number += 1;
    }
}

/// The attempts of a group's files, and what the files are.
fn read_group(
    group: &Group,
    request: &Import,
    warnings: &mut Vec<String>,
    met: &mut HashSet<String>,
) -> Result<(Vec<Segment>, Vec<Origin>), ImportError> {
    let (mut segments, mut origins) = (Vec::new(), Vec::new());
    for entry in &group.files {
        let file = match read_file(&entry.path, &request.columns) {
            Ok(file) => file,
            Err(error @ ImportError::Unknown { .. }) if !entry.named => {
                warnings.push(error.to_string());
                continue;
            }
            Err(error) => return Err(error),
        };
        met.extend(file.names);
        warnings.extend(file.origin.warnings());
        if file.attempts.is_empty() {
            let Origin { file, format, .. } = &file.origin;
            warnings.push(format!("`{file}` holds no numbers of a step ({format})"));
        }
        let (source, clock) = (origins.len(), file.clock);
        let attempts = file.attempts.into_iter();
        segments.extend(attempts.map(|records| Segment {
            source,
            clock,
            records,
        }));
        origins.push(file.origin);
    }
    Ok((segments, origins))
}

/// What one file holds.
#[derive(Debug)]
struct LogFile {
    origin: Origin,
    clock: Option<f64>,
    /// Its columns, as it names them.
    names: Vec<String>,
    /// Its records by attempt.
    attempts: Vec<Vec<Record>>,
}

fn read_file(path: &Path, columns: &Columns) -> Result<LogFile, ImportError> {
    read_source(&Source::read(path)?, columns)
}

fn read_source(source: &Source, columns: &Columns) -> Result<LogFile, ImportError> {
    let format = FORMATS
        .iter()
        .find(|format| format.recognises(source, columns))
        .ok_or_else(|| ImportError::unknown(source))?;
    let mut log = format.read(source, columns);
    log.settle();
    let naming = columns.naming(log.names());
    log.notes.extend(columns.unused(log.keys()));
    let names = log.names().iter().chain(log.keys()).cloned().collect();
    let clock = log.clock;
    let origin = Origin::new(source, format.name(), &log);
    let mut attempts = log.into_records(&naming);
    if columns.infers_skipped() {
        for attempt in &mut attempts {
            infer_skipped(attempt);
        }
    }
    Ok(LogFile {
        origin,
        clock,
        names,
        attempts,
    })
}

/// Whether nothing but zeros is left: a file system gives them to a file that was grown before a crash.
fn is_padding(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests;
