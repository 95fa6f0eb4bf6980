//! The index of a run that is being written, kept by the process that writes it.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use super::RunReader;
use super::index::{FULL, TICK, WORTH};
use crate::run::{attempts, metrics_file};

/// Records after which their lines are read: so few that no step waits for that long.
const OFTEN: u32 = 1 << 10;

/// Keeps the [index](crate::run::INDEX_DIR) of a run that this process writes, so that who opens the run need not read all of its
/// lines.
///
/// It follows the lines as any reader does, so that the index says what is on the disk and not what was meant to be. Whatever keeps
/// it from being written is nothing to the run: then readers make it, or read the lines.
#[derive(Debug)]
pub struct Indexer {
    dir: PathBuf,
    /// None before the first lines are read, and after some could not be.
    reader: Option<RunReader>,
    /// Records that were written since.
    behind: u32,
}

impl Indexer {
    /// Of a run in a directory.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            reader: None,
            behind: 0,
        }
    }

    /// To be told after every record. Of a long run the index grows with it.
    pub fn recorded(&mut self) {
        self.behind += 1;
        if self.behind >= OFTEN {
            self.behind = 0;
            self.follow();
        }
    }

    /// To be told when the run has ended and its writer has let go of it: the index then reaches to its end.
    pub fn end(mut self) {
        self.settle();
        self.follow();
        // However few lines it lacks: an index that lacks none is not looked over by who opens the run.
        if let Some(reader) = &mut self.reader
            && reader.index.len() > 0
            && reader.indexed < reader.bytes()
        {
            reader.seal();
        }
    }

    fn follow(&mut self) {
        let read = match self.reader.take() {
            None => RunReader::open_scalars(&self.dir),
            Some(mut reader) => reader.poll().map(|_| reader),
        };
        self.reader = read.ok();
        if let Some(reader) = &mut self.reader
            && reader.merged.records.len() >= FULL
        {
            reader.seal();
        }
    }

    /// Waits until the last line is so old that its file's time says that it is what was read: else who opens the run next has to
    /// read the lines to be sure, and write the index again.
    fn settle(&self) {
        let last = attempts(&self.dir)
            .ok()
            .and_then(|attempts| attempts.last().copied());
        let Some(path) = last.map(|last| self.dir.join(metrics_file(last))) else {
            return;
        };
        let Ok(metadata) = fs::metadata(path) else {
            return;
        };
        let age = metadata.modified().ok().and_then(|at| at.elapsed().ok());
        // The clock that stamps files may be a tick of its own behind.
        let enough = TICK * 2;
        if let Some(age) = age.filter(|age| metadata.len() >= WORTH && *age < enough) {
            thread::sleep(enough.saturating_sub(age));
        }
    }
}
