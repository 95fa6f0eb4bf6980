//! One file that is followed, and how it is known again.

use std::path::{Path, PathBuf};

use super::super::source::Source;
use super::super::{Attempt, Extent, LogFile, Origin};
use crate::disk::Stamp;
use crate::record::Record;

/// A file that is followed, or was.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) origin: Origin,
    /// Its attempts as the manifest has them.
    pub(super) attempts: Vec<Attempt>,
    /// Its records by attempt; none of a file that is gone, or not read yet.
    pub(super) records: Vec<Vec<Record>>,
    pub(super) path: PathBuf,
    /// How it was when it was read.
    pub(super) stamp: Option<Stamp>,
    /// How much of it was read.
    extent: Extent,
}

impl Followed {
    /// A file of an earlier follower.
    pub(super) fn earlier(origin: Origin, attempts: Vec<Attempt>) -> Self {
        Self {
            path: PathBuf::from(&origin.file),
            extent: origin.followed.clone().unwrap_or_default(),
            origin,
            attempts,
            records: Vec::new(),
            stamp: None,
        }
    }

    pub(super) fn new(path: &Path, stamp: Stamp, source: &Source, log: LogFile) -> Self {
        // Zeros at the end may be a part that is not written yet.
        let end = source.bytes.iter().rposition(|byte| *byte != 0);
        let read = &source.bytes[..end.map_or(0, |end| end + 1)];
        let extent = Extent {
            bytes: read.len() as u64,
            hash: hash(read),
            clock: log.clock,
            gone: false,
        };
        Self {
            origin: Origin {
                followed: Some(extent.clone()),
                ..log.origin
            },
            attempts: Vec::new(),
            records: log.attempts,
            path: path.to_owned(),
            stamp: Some(stamp),
            extent,
        }
    }

    /// The same with the attempts that the manifest has of it.
    pub(super) fn with_attempts(self, attempts: Vec<Attempt>) -> Self {
        Self { attempts, ..self }
    }

    /// When it was begun, seconds since 1970, where it says so.
    pub(super) fn clock(&self) -> Option<f64> {
        self.extent.clock
    }

    /// Whether anything was read of it.
    pub(super) fn is_read(&self) -> bool {
        self.extent.bytes > 0
    }

    /// Notes that it is gone; `what` became of it.
    pub(super) fn lose(&mut self, what: &str) {
        self.extent.gone = true;
        self.origin.followed = Some(self.extent.clone());
        self.origin.notes.push(format!("it {what}"));
        self.stamp = None;
    }

    /// Whether it is no longer there, or another file stands in its place.
    pub(super) fn is_gone(&self) -> bool {
        self.extent.gone
    }

    /// Whether `bytes` begin with what was read of this file.
    pub(super) fn begins(&self, bytes: &[u8]) -> bool {
        let read = usize::try_from(self.extent.bytes).ok();
        let beginning = read.and_then(|read| bytes.get(..read));
        beginning.is_some_and(|beginning| hash(beginning) == self.extent.hash)
    }

    /// First step, and how many there are.
    pub(super) fn length(&self) -> (u64, usize) {
        let first = self.records.first().and_then(|attempt| attempt.first());
        let records = self.records.iter().map(Vec::len).sum();
        (first.map_or(0, |record| record.step), records)
    }
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}
