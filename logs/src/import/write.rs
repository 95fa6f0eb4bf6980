//! Writing run directories of imported records.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::imported::{Attempt, Imported, Origin, missing};
use super::stitch::{Segment, Stitched};
use super::{Import, ImportError, ImportedRun};
use crate::disk::{TEMPORARY, folder};
use crate::error::LogError;
use crate::read::Indexer;
use crate::record::limits::MOST_NAMES;
use crate::record::{Name, Record};
use crate::run::{Event, EventKind, Manifest, RunWriter, Status, Summary};

/// A folder beside the result, in which it is made.
#[derive(Debug)]
pub(super) struct Scratch {
    dir: tempfile::TempDir,
    out: PathBuf,
}

impl Scratch {
    /// Makes the folder. Refuses a place that is taken.
    pub(super) fn beside(out: &Path) -> Result<Self, ImportError> {
        refuse_taken(out)?;
        let parent = folder(out);
        let made = || {
            fs::create_dir_all(parent)?;
            let prefix = format!("{TEMPORARY}import-");
            let dir = tempfile::Builder::new()
                .prefix(&prefix)
                .tempdir_in(parent)?;
            Ok(dir)
        };
        let dir = made().map_err(|error| LogError::io("create", parent, error))?;
        let out = out.to_owned();
        Ok(Self { dir, out })
    }

    /// Where a run is made.
    fn run(&self, name: &Path) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Gives the runs their places: within `out` where there are several, else as `out` and, for rivals,
    /// beside it.
    pub(super) fn publish(self, runs: &mut [ImportedRun]) -> Result<(), ImportError> {
        let primary = runs.iter().filter(|run| run.imported.rival_of.is_none());
        let several = primary.count() > 1;
        let mut moves = Vec::new();
        for run in runs.iter_mut() {
            let made = self.run(&run.dir);
            run.dir = self.place(run, several);
            refuse_taken(&run.dir)?;
            moves.push((made, run.dir.clone()));
        }
        if several {
            fs::create_dir_all(&self.out)
                .map_err(|error| LogError::io("create", &self.out, error))?;
        }
        for (made, place) in &moves {
            fs::rename(made, place).map_err(|error| LogError::io("create", place, error))?;
        }
        Ok(())
    }

    fn place(&self, run: &ImportedRun, several: bool) -> PathBuf {
        if several {
            return self.out.join(&run.dir);
        }
        let name = run.dir.to_string_lossy();
        let rival = run.imported.rival_of.as_deref();
        let ending = rival.and_then(|of| name.strip_prefix(of));
        // By components: a slash at the end would put the ending behind it.
        let out: PathBuf = self.out.components().collect();
        let mut place = out.into_os_string();
        place.push(ending.unwrap_or_default());
        place.into()
    }
}

/// A place is free where nothing is, or an empty folder.
pub(super) fn refuse_taken(place: &Path) -> Result<(), ImportError> {
    let path = place.to_owned();
    match fs::read_dir(place).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Ok(false) => Err(ImportError::Exists { path }),
        Err(_) if place.exists() => Err(ImportError::Exists { path }),
        Err(error) => Err(ImportError::read(place, error)),
    }
}

/// Writes one run under its name in the scratch folder.
pub(super) fn write(
    scratch: &Scratch,
    name: &str,
    run: &Stitched,
    segments: &[Segment],
    origins: &[Origin],
    rival_of: Option<String>,
    request: &Import,
) -> Result<ImportedRun, ImportError> {
    let dir = scratch.run(Path::new(name));
    let names = names(run, segments);
    let imported = imported(run, segments, origins, &names, rival_of);
    let steps = &run.steps;
    let range = (
        steps.first().copied().unwrap_or(0),
        steps.last().copied().unwrap_or(0),
    );
    fs::create_dir(&dir).map_err(|error| LogError::io("create", &dir, error))?;
    Manifest::of_import(range.1, &request.command, imported.clone()).save(&dir)?;
    for (attempt, (number, _)) in imported.attempts.iter().zip(&run.attempts) {
        let origin = &imported.sources[attempt.source];
        write_attempt(
            &dir,
            attempt,
            origin,
            &segments[*number].records,
            steps.len() as u64,
            &names,
        )?;
    }
    Ok(ImportedRun {
        // The name only, until it is published.
        dir: name.into(),
        steps: steps.len() as u64,
        range,
        imported,
    })
}

fn write_attempt(
    dir: &Path,
    attempt: &Attempt,
    origin: &Origin,
    records: &[Record],
    steps: u64,
    names: &BTreeSet<Name>,
) -> Result<(), LogError> {
    let mut writer = RunWriter::open(dir)?;
    let kind = if attempt.attempt == 1 {
        EventKind::Start
    } else {
        EventKind::Resume
    };
    let message = format!(
        "imported from {}: steps {} to {}, {}",
        origin.file, attempt.first, attempt.last, attempt.join
    );
    let before = attempt.first.saturating_sub(1);
    writer.event(&Event::now(before, kind, message))?;
    if origin.damaged > 0 {
        let message = format!(
            "{}: {} damaged records were left out",
            origin.file, origin.damaged
        );
        writer.event(&Event::now(before, EventKind::Integrity, message))?;
    }
    for record in records {
        // Readers take so many names and no more.
        if names.len() == MOST_NAMES {
            let mut record = record.clone();
            record.scalars.retain(|name, _| names.contains(name));
            writer.step(&record)?;
        } else {
            writer.step(record)?;
        }
    }
    let mut summary = Summary::new(Status::Finished, attempt.last, attempt.attempt, 0.0);
    summary.message = Some(format!("imported from {}; trained elsewhere", origin.file));
    summary.records = Some(steps);
    let dir = writer.dir().to_owned();
    writer.finish(&summary)?;
    Indexer::new(&dir).end();
    Ok(())
}

/// The names of a run, as many as a reader takes.
fn names(run: &Stitched, segments: &[Segment]) -> BTreeSet<Name> {
    let mut names = BTreeSet::new();
    for (number, _) in &run.attempts {
        for name in segments[*number]
            .records
            .iter()
            .flat_map(|record| record.scalars.keys())
        {
            if names.len() == MOST_NAMES {
                return names;
            }
            if !names.contains(name) {
                names.insert(name.clone());
            }
        }
    }
    names
}

fn imported(
    run: &Stitched,
    segments: &[Segment],
    origins: &[Origin],
    names: &BTreeSet<Name>,
    rival_of: Option<String>,
) -> Imported {
    let mut sources: Vec<usize> = Vec::new();
    let mut attempts = Vec::new();
    for (number, join) in &run.attempts {
        let segment = &segments[*number];
        let source = sources.iter().position(|known| *known == segment.source);
        let source = source.unwrap_or_else(|| {
            sources.push(segment.source);
            sources.len() - 1
        });
        attempts.push(Attempt {
            attempt: attempts.len() as u32 + 1,
            source,
            first: segment.first(),
            last: segment.last(),
            records: segment.records.len() as u64,
            join: join.clone(),
        });
    }
    Imported {
        sources: sources
            .into_iter()
            .map(|source| origins[source].clone())
            .collect(),
        attempts,
        missing: missing(names),
        rival_of,
        followed: false,
    }
}
