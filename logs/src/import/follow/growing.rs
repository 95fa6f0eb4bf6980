//! The run directory of logs that are followed.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use super::super::imported::missing;
use super::super::write::refuse_taken;
use super::super::{Attempt, Import, ImportError, Imported, ImportedRun, Join};
use super::followed::Followed;
use super::sources::Sources;
use crate::read::RunReader;
use crate::record::limits::MOST_NAMES;
use crate::record::{Name, Record};
use crate::run::{
    CONFIG_FILE, Event, EventKind, MANIFEST_FILE, Manifest, RunLease, RunWriter, Status, Summary,
};

/// The signal by which a file says that it logs the training itself.
const LOSS: &str = "loss";

/// The run directory.
#[derive(Debug)]
pub(super) struct Growing {
    out: PathBuf,
    writer: RunWriter,
    manifest: Manifest,
    names: BTreeSet<Name>,
    /// What the run has of each step, as [`fingerprint`] tells it.
    written: BTreeMap<u64, u64>,
    /// The step that was written last: where a reader takes the run to be.
    position: Option<u64>,
}

/// The records of one attempt that may be written.
struct Part<'a> {
    source: usize,
    records: &'a [Record],
    /// Whether it logs the training. Other files, such as those of an evaluation, add to the steps that are
    /// there and replace nothing.
    is_training: bool,
}

impl Growing {
    /// Makes the directory, or opens that of an earlier follower; with the files that it knows.
    pub(super) fn open(request: &Import) -> Result<(Self, Vec<Followed>), ImportError> {
        let out = &request.out;
        let earlier = earlier(out)?;
        let claim = RunLease::take(out)?;
        // Read while nobody else can write.
        let reader = RunReader::open(out)?;
        let none = || Manifest::of_import(0, &request.command, Imported::followed());
        let manifest = earlier.unwrap_or_else(none);
        let imported = manifest.imported.clone().unwrap_or_else(Imported::followed);
        let written = reader.records().iter();
        let written: BTreeMap<u64, u64> = written.map(|r| (r.step, fingerprint(r))).collect();
        let names = reader.records().iter().flat_map(|r| r.scalars.keys());
        let mut run = Self {
            out: out.clone(),
            writer: claim.begin()?,
            names: names.cloned().collect(),
            position: reader.latest().map(|record| record.step),
            written,
            manifest,
        };
        run.save(&imported)?;
        if !imported.attempts.is_empty() {
            let last = run.last();
            let text = "the logs are followed again".to_owned();
            run.writer
                .event(&Event::now(last, EventKind::Resume, text))?;
        }
        Ok((run, known(imported)))
    }

    fn last(&self) -> u64 {
        self.written.last_key_value().map_or(0, |(step, _)| *step)
    }

    /// The attempts of the files as the manifest has them.
    pub(super) fn attempts(&self) -> &[Attempt] {
        let imported = self.manifest.imported.as_ref();
        imported.map_or(&[], |imported| &imported.attempts)
    }

    /// Adds what the files have and the run does not; `last`: also the step that is waiting. `news` become events.
    pub(super) fn update(
        &mut self,
        sources: &Sources,
        news: &[String],
        last: bool,
    ) -> Result<(), ImportError> {
        for text in news {
            let event = Event::now(self.last(), EventKind::Integrity, text.clone());
            self.writer.event(&event)?;
        }
        let parts = parts(sources, last);
        let imported = Self::imported(sources, &parts);
        self.announce(sources, &imported)?;
        let wanted = merged(&parts);
        for (number, part) in parts.iter().enumerate() {
            for record in part.records {
                let Some((owner, value)) = wanted.get(&record.step) else {
                    continue;
                };
                if *owner == number && !sources.is_kept(record.step, part.source) {
                    self.write(value)?;
                }
            }
        }
        self.go_to_end(sources, &parts, &wanted)?;
        let imported = Imported {
            missing: missing(&self.names),
            ..imported
        };
        self.save(&imported)
    }

    /// Writes a record, unless the run has it as it is.
    fn write(&mut self, record: &Record) -> Result<(), ImportError> {
        let record = self.readable(record);
        let print = fingerprint(&record);
        if self.written.insert(record.step, print) != Some(print) {
            self.writer.step(&record)?;
            self.position = Some(record.step);
        }
        Ok(())
    }

    /// Writes the newest step again where another was written behind it, or where it came out the same as in an
    /// earlier attempt.
    fn go_to_end(
        &mut self,
        sources: &Sources,
        parts: &[Part<'_>],
        wanted: &BTreeMap<u64, (usize, Cow<'_, Record>)>,
    ) -> Result<(), ImportError> {
        let training = parts.iter().rev().find(|part| part.is_training);
        let newest = training
            .or(parts.last())
            .and_then(|part| part.records.last());
        let Some((owner, record)) = newest.and_then(|newest| wanted.get(&newest.step)) else {
            return Ok(());
        };
        let is_end = !sources.is_behind_gone(parts[*owner].source);
        if is_end && self.position != Some(record.step) {
            let record = self.readable(record);
            self.writer.step(&record)?;
            self.position = Some(record.step);
        }
        Ok(())
    }

    /// The record with the names that a reader takes: the first ones, and no more.
    fn readable<'a>(&mut self, record: &'a Record) -> Cow<'a, Record> {
        for name in record.scalars.keys() {
            if self.names.len() < MOST_NAMES && !self.names.contains(name) {
                self.names.insert(name.clone());
            }
        }
        let mut record = Cow::Borrowed(record);
        if self.names.len() == MOST_NAMES {
            let names = &self.names;
            record
                .to_mut()
                .scalars
                .retain(|name, _| names.contains(name));
        }
        record
    }

    /// Writes an event for each attempt that the manifest does not have yet.
    fn announce(&mut self, sources: &Sources, imported: &Imported) -> Result<(), ImportError> {
        let new = sources.known.iter().enumerate().flat_map(|(source, file)| {
            let of_file = imported.attempts.iter().filter(move |a| a.source == source);
            of_file.skip(file.attempts.len())
        });
        for attempt in new {
            let kind = match attempt.join {
                Join::Start => EventKind::Start,
                Join::Overlap { .. } | Join::Boundary { .. } | Join::SameFile | Join::Given => {
                    EventKind::Resume
                }
            };
            let file = &imported.sources[attempt.source].file;
            let (first, join) = (attempt.first, &attempt.join);
            let text = format!("imported from {file} while it grows: from step {first}, {join}");
            self.writer
                .event(&Event::now(first.saturating_sub(1), kind, text))?;
        }
        Ok(())
    }

    /// What the manifest says of the files as they are.
    fn imported(sources: &Sources, parts: &[Part<'_>]) -> Imported {
        let mut attempts: Vec<Attempt> = Vec::new();
        for (source, file) in sources.known.iter().enumerate() {
            let read = parts.iter().filter(|part| part.source == source);
            let read: Vec<Attempt> = read.filter_map(Part::attempt).collect();
            let of_file = if read.is_empty() {
                file.attempts.clone()
            } else {
                read
            };
            attempts.extend(
                of_file
                    .into_iter()
                    .map(|attempt| Attempt { source, ..attempt }),
            );
        }
        for at in 0..attempts.len() {
            attempts[at].attempt = at as u32 + 1;
            attempts[at].join = match at.checked_sub(1).map(|before| attempts[before].source) {
                None => Join::Start,
                Some(before) if before == attempts[at].source => Join::SameFile,
                Some(_) => Join::Given,
            };
        }
        Imported {
            sources: sources
                .known
                .iter()
                .map(|file| file.origin.clone())
                .collect(),
            attempts,
            ..Imported::followed()
        }
    }

    /// Brings the manifest up to date.
    fn save(&mut self, imported: &Imported) -> Result<(), ImportError> {
        let steps = self.last();
        let is_new = !self.out.join(MANIFEST_FILE).exists();
        if !is_new && self.manifest.imported.as_ref() == Some(imported) {
            return Ok(());
        }
        self.manifest.steps = steps;
        self.manifest.imported = Some(imported.clone());
        let (manifest, out) = (&self.manifest, &self.out);
        self.writer.publish(|| Ok(manifest.save(out)?))
    }

    /// Ends the following; the same command goes on with it.
    pub(super) fn end(self) -> Result<ImportedRun, ImportError> {
        let (first, last) = (
            self.written.first_key_value().map_or(0, |(step, _)| *step),
            self.last(),
        );
        let mut summary = Summary::new(Status::Stopped, last, self.writer.attempt(), 0.0);
        let text = "imported from logs that are no longer followed; trained elsewhere";
        summary.message = Some(text.to_owned());
        summary.records = Some(self.written.len() as u64);
        self.writer.finish(&summary)?;
        Ok(ImportedRun {
            dir: self.out,
            steps: self.written.len() as u64,
            range: (first, last),
            imported: self.manifest.imported.unwrap_or_else(Imported::followed),
        })
    }
}

impl Part<'_> {
    fn attempt(&self) -> Option<Attempt> {
        let (first, last) = (self.records.first()?.step, self.records.last()?.step);
        Some(Attempt {
            attempt: 0,
            source: self.source,
            first,
            last,
            records: self.records.len() as u64,
            join: Join::Start,
        })
    }
}

/// The manifest of a run that an earlier follower began; none where the place is free.
fn earlier(out: &Path) -> Result<Option<Manifest>, ImportError> {
    let Err(refusal) = refuse_taken(out) else {
        return Ok(None);
    };
    if !out.is_dir() {
        return Err(refusal);
    }
    let is_followed = |manifest: &Manifest| {
        let imported = manifest.imported.as_ref();
        imported.is_some_and(|imported| imported.followed)
    };
    if let Some(manifest) = Manifest::load(out)? {
        return if is_followed(&manifest) {
            Ok(Some(manifest))
        } else {
            Err(refusal)
        };
    }
    // A follower that was killed before it could write a manifest.
    let is_begun = !out.join(CONFIG_FILE).exists() && RunLease::check_directory(out).is_ok();
    if is_begun { Ok(None) } else { Err(refusal) }
}

/// The files that an earlier follower into `out` knew; why none may follow into it.
pub(super) fn earlier_files(out: &Path) -> Result<Vec<Followed>, ImportError> {
    let imported = earlier(out)?.and_then(|manifest| manifest.imported);
    Ok(imported.map_or_else(Vec::new, known))
}

/// The files of a manifest with their attempts.
fn known(imported: Imported) -> Vec<Followed> {
    let attempts = imported.attempts;
    let sources = imported.sources.into_iter().enumerate();
    let known = sources.map(|(number, origin)| {
        let of_file = attempts.iter().filter(|attempt| attempt.source == number);
        Followed::earlier(origin, of_file.cloned().collect())
    });
    known.collect()
}

/// All attempts in order, the last one without the step that waits, unless it is the `last` look.
fn parts(sources: &Sources, last: bool) -> Vec<Part<'_>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    for (source, file) in sources.known.iter().enumerate() {
        let trains = |record: &Record| record.scalar(LOSS).is_some();
        let is_training = file.records.iter().flatten().any(trains);
        let attempts = file.records.iter().map(|records| Part {
            source,
            records,
            is_training,
        });
        parts.extend(attempts);
    }
    // Of a file that is gone nothing more comes.
    let waits = |part: &&mut Part<'_>| !last && !sources.known[part.source].is_gone();
    if let Some(newest) = parts.last_mut().filter(waits) {
        let ready = newest.records.len().saturating_sub(1);
        newest.records = &newest.records[..ready];
    }
    parts
}

/// The record of every step and the part that it is of: the last one that logs the training there.
fn merged<'a>(parts: &[Part<'a>]) -> BTreeMap<u64, (usize, Cow<'a, Record>)> {
    let mut steps: BTreeMap<u64, (usize, Cow<'a, Record>)> = BTreeMap::new();
    let is_logged = parts.iter().any(|part| part.is_training);
    let (training, beside): (Vec<_>, Vec<_>) =
        (parts.iter().enumerate()).partition(|(_, part)| part.is_training || !is_logged);
    for (number, part) in training {
        for record in part.records {
            steps.insert(record.step, (number, Cow::Borrowed(record)));
        }
    }
    for (number, part) in beside {
        for record in part.records {
            let place = steps.entry(record.step);
            let added = record.scalars.iter();
            let added = added.map(|(name, value)| (name.clone(), *value));
            place
                .and_modify(|(_, known)| known.to_mut().scalars.extend(added))
                .or_insert((number, Cow::Borrowed(record)));
        }
    }
    steps
}

/// A number that tells whether two records say the same: a whole run of them takes little memory.
fn fingerprint(record: &Record) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (name, value) in &record.scalars {
        name.hash(&mut hasher);
        // Recorded, every NaN is the same.
        let value = if value.is_nan() { f64::NAN } else { *value };
        value.to_bits().hash(&mut hasher);
    }
    hasher.finish()
}
