//! Following a log that another program still writes.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::imported::missing;
use super::write::refuse_taken;
use super::{
    Attempt, Columns, ImportError, Imported, ImportedRun, Join, LogFile, Origin, read_file,
};
use crate::record::{Name, Record};
use crate::run::{Event, EventKind, Manifest, RunWriter, Status, Summary};

/// Least time between two looks at the file. A look at a long file takes long, and so does the pause then.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the end is asked for within a pause.
const ASK: Duration = Duration::from_millis(50);

/// Makes a run directory of `file` at `out` and adds to it what the file gains, until `stopped`. The last step
/// waits for the next one, as more of it may come; a step backwards in a text log begins an attempt, as in
/// [`super::import`].
pub fn follow(
    file: &Path,
    columns: &Columns,
    out: &Path,
    command: &[String],
    stopped: &dyn Fn() -> bool,
) -> Result<ImportedRun, ImportError> {
    refuse_taken(out)?;
    let mut log = Watched::new(file);
    let first = log.read(columns)?;
    let mut run = Growing::begin(out, command, first.origin.clone())?;
    let mut last = false;
    let mut found = Some(first);
    loop {
        if let Some(found) = found {
            run.add(&found, last)?;
        }
        if last {
            return run.end();
        }
        log.wait(stopped);
        last = stopped();
        found = (last || log.has_changed())
            .then(|| log.read(columns))
            .transpose()?;
    }
}

/// The file, and how it was when it was read.
#[derive(Debug)]
struct Watched {
    file: PathBuf,
    seen: Option<(u64, SystemTime)>,
    pause: Duration,
}

impl Watched {
    fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            seen: None,
            pause: PAUSE,
        }
    }

    fn look(&self) -> Option<(u64, SystemTime)> {
        let found = std::fs::metadata(&self.file).ok()?;
        Some((found.len(), found.modified().ok()?))
    }

    /// Whether it is another than when it was read. One that is gone for a moment has not changed.
    fn has_changed(&self) -> bool {
        let now = self.look();
        now.is_some() && now != self.seen
    }

    fn read(&mut self, columns: &Columns) -> Result<LogFile, ImportError> {
        let begun = Instant::now();
        // Looked at first: what is written meanwhile is found at the next look.
        self.seen = self.look();
        let read = read_file(&self.file, columns);
        self.pause = PAUSE.max(begun.elapsed() * 10);
        read
    }

    fn wait(&self, stopped: &dyn Fn() -> bool) {
        let begun = Instant::now();
        while begun.elapsed() < self.pause && !stopped() {
            std::thread::sleep(ASK);
        }
    }
}

/// The run directory.
#[derive(Debug)]
struct Growing {
    out: PathBuf,
    /// None between two attempts.
    writer: Option<RunWriter>,
    manifest: Manifest,
    imported: Imported,
    names: BTreeSet<Name>,
    /// How many numbers each step has that the present attempt has written.
    written: HashMap<u64, usize>,
    /// Steps of the whole run.
    steps: BTreeSet<u64>,
}

impl Growing {
    fn begin(out: &Path, command: &[String], origin: Origin) -> Result<Self, ImportError> {
        let imported = Imported {
            sources: vec![origin],
            attempts: Vec::new(),
            missing: missing(&BTreeSet::new()),
            rival_of: None,
        };
        let mut run = Self {
            out: out.to_owned(),
            writer: Some(RunWriter::open(out)?),
            manifest: Manifest::of_import(0, command, imported.clone()),
            imported,
            names: BTreeSet::new(),
            written: HashMap::new(),
            steps: BTreeSet::new(),
        };
        run.save()?;
        Ok(run)
    }

    /// Adds what the file has gained; `last`: also the step that is waiting.
    fn add(&mut self, found: &LogFile, last: bool) -> Result<(), ImportError> {
        self.imported.sources = vec![found.origin.clone()];
        let begun = self.imported.attempts.len();
        // The attempts before the present one are whole.
        for (place, records) in found
            .attempts
            .iter()
            .enumerate()
            .skip(begun.saturating_sub(1))
        {
            let is_newest = place + 1 == found.attempts.len();
            let ready = records.len() - usize::from(is_newest && !last);
            self.append(place, &records[..ready])?;
        }
        self.save()
    }

    /// Adds the records of attempt `place`, from 0, that are not there yet.
    fn append(&mut self, place: usize, records: &[Record]) -> Result<(), ImportError> {
        let (Some(first), Some(last)) = (records.first(), records.last()) else {
            return Ok(());
        };
        if place == self.imported.attempts.len() {
            self.begin_attempt(place, first.step)?;
        }
        for record in records {
            // A step that has gained numbers is written again; of one attempt the last line of a step counts.
            let numbers = record.scalars.len();
            if self.written.insert(record.step, numbers) == Some(numbers) {
                continue;
            }
            self.steps.insert(record.step);
            self.names.extend(record.scalars.keys().cloned());
            if let Some(writer) = &mut self.writer {
                writer.step(record)?;
            }
        }
        if let Some(attempt) = self.imported.attempts.last_mut() {
            attempt.last = last.step;
            attempt.records = records.len() as u64;
        }
        Ok(())
    }

    fn begin_attempt(&mut self, place: usize, first: u64) -> Result<(), ImportError> {
        if place > 0 {
            self.end_attempt()?;
            self.writer = Some(RunWriter::open(&self.out)?);
            self.written.clear();
        }
        let (kind, join) = match place {
            0 => (EventKind::Start, Join::Start),
            _ => (EventKind::Resume, Join::SameFile),
        };
        let file = &self.imported.sources[0].file;
        let message = format!("imported from {file} while it grows: from step {first}, {join}");
        if let Some(writer) = &mut self.writer {
            writer.event(&Event::now(first.saturating_sub(1), kind, message))?;
        }
        self.imported.attempts.push(Attempt {
            attempt: place as u32 + 1,
            source: 0,
            first,
            last: first,
            records: 0,
            join,
        });
        Ok(())
    }

    /// Ends the present attempt: the log goes on with another one, or is no longer followed.
    fn end_attempt(&mut self) -> Result<(), ImportError> {
        let Some(writer) = self.writer.take() else {
            return Ok(());
        };
        let last = self
            .imported
            .attempts
            .last()
            .map_or(0, |attempt| attempt.last);
        let mut summary = Summary::new(Status::Stopped, last, writer.attempt(), 0.0);
        let file = &self.imported.sources[0].file;
        summary.message = Some(format!(
            "imported from {file}, which is no longer followed; trained elsewhere"
        ));
        summary.records = Some(self.steps.len() as u64);
        Ok(writer.finish(&summary)?)
    }

    /// Brings the manifest up to date.
    fn save(&mut self) -> Result<(), ImportError> {
        self.imported.missing = missing(&self.names);
        self.manifest.steps = self.steps.last().copied().unwrap_or(0);
        self.manifest.imported = Some(self.imported.clone());
        let (manifest, out) = (&self.manifest, &self.out);
        match &mut self.writer {
            Some(writer) => writer.publish(|| Ok(manifest.save(out)?)),
            None => Ok(()),
        }
    }

    fn end(mut self) -> Result<ImportedRun, ImportError> {
        self.end_attempt()?;
        let first = self.steps.first().copied().unwrap_or(0);
        Ok(ImportedRun {
            dir: self.out,
            steps: self.steps.len() as u64,
            range: (first, self.manifest.steps),
            imported: self.imported,
        })
    }
}
