//! The index of a run: its scalars as columns, in files beside the lines that they were read from.
//!
//! Lines are the truth. The index is what a reader that has followed them had in memory, kept: it says how far it came in which
//! file, and goes on from there. It counts only while the files begin with the very bytes that were read, by length, time and,
//! where these say nothing, CRC-32. Whatever is wrong with it, the lines are read instead. It may be deleted at any time.
//!
//! A file holds at most [`PART`] records, so that neither who writes it nor who reads a run of any length needs much memory. Readers
//! take no lock: a file is written under another name and renamed, and says by CRC which file it follows.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::place::Place;
use super::span::Bits;
use crate::record::{Name, Names};
use crate::run::INDEX_DIR;

mod columns;
mod segment;
mod state;

pub use columns::Column;
pub(super) use columns::Columns;
use segment::Segment;
pub(super) use state::TICK;
use state::stamp;
pub(super) use state::{FileState, State};

/// Most records of a file, or a little less.
pub(super) const PART: usize = 1 << 16;
/// Records of a file that is left as it is: who trains a run holds no more of them in memory for its index.
pub(super) const FULL: usize = 1 << 13;
/// Bytes of lines that are worth an index: fewer are read in a millisecond.
pub(super) const WORTH: u64 = 256 << 10;

/// The records of a run that are in its index, all before those that its reader holds.
#[derive(Debug, Default)]
pub(super) struct Index {
    folder: PathBuf,
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    File(Segment),
    /// Where no file can be written.
    Memory(Columns),
}

/// What an index says that was found.
pub(super) struct Found {
    pub(super) state: State,
    /// Whether it would be found faster if it were written again.
    pub(super) outdated: bool,
}

impl Index {
    /// The index of the run in a directory, without records.
    pub(super) fn empty(run: &Path) -> Self {
        Self {
            folder: run.join(INDEX_DIR),
            parts: Vec::new(),
        }
    }

    /// The index that is there, if it is what reading the lines would give.
    pub(super) fn open(run: &Path) -> (Self, Option<Found>) {
        let mut index = Self::empty(run);
        let found = index.find(run);
        if found.is_none() {
            index.parts.clear();
        }
        (index, found)
    }

    fn find(&mut self, run: &Path) -> Option<Found> {
        let (mut before, mut behind) = (0, None);
        while let Ok(segment) = Segment::open(&self.file(self.parts.len()), before) {
            if behind.is_some_and(|last| segment.head.first_step <= last) {
                break;
            }
            (before, behind) = (segment.crc, Some(segment.head.last_step));
            self.parts.push(Part::File(segment));
        }
        let Some(Part::File(last)) = self.parts.last() else {
            return None;
        };
        let written = stamp(&fs::metadata(last.path()).ok()?)?.1;
        let state = last.head.state.clone();
        let mut outdated = false;
        for file in &state.files {
            outdated |= !file.holds(run, written)?;
        }
        Some(Found { state, outdated })
    }

    fn file(&self, number: usize) -> PathBuf {
        self.folder.join(format!("{:06}", number + 1))
    }

    /// Number of records.
    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(Part::len).sum()
    }

    pub(super) fn last_step(&self) -> Option<u64> {
        self.parts.last().and_then(Part::last_step)
    }

    /// Whether the last file has room for more.
    pub(super) fn has_room(&self) -> bool {
        self.parts.last().is_some_and(|part| part.len() < FULL)
    }

    /// Puts records behind the others. Where no file can be written, they stay in memory as columns.
    pub(super) fn push(&mut self, columns: Columns, state: Option<State>) {
        let written = state.and_then(|state| self.write(&columns, state));
        let part = written.map_or(Part::Memory(columns), Part::File);
        self.parts.push(part);
    }

    fn write(&self, columns: &Columns, state: State) -> Option<Segment> {
        let before = match self.parts.last() {
            None => 0,
            Some(Part::File(segment)) => segment.crc,
            Some(Part::Memory(_)) => return None,
        };
        if !self.folder.is_dir() {
            fs::create_dir(&self.folder).ok()?;
        }
        Segment::write(&self.file(self.parts.len()), before, columns, state).ok()
    }

    /// Takes the last records out.
    pub(super) fn pop(&mut self, names: &Names) -> io::Result<Option<Columns>> {
        let columns = match self.parts.pop() {
            None => None,
            Some(Part::Memory(columns)) => Some(columns),
            Some(Part::File(segment)) => Some(segment.columns(None, names)?),
        };
        Ok(columns)
    }

    /// Calls `visit` with the parts that some of the records are in, and which of theirs these are; with all scalars, or with
    /// `only` some.
    pub(super) fn visit(
        &self,
        records: &Range<usize>,
        only: Option<&[&str]>,
        names: &Names,
        mut visit: impl FnMut(&Columns, Range<usize>),
    ) -> io::Result<()> {
        for (part, own) in self.parts_of(records) {
            match part {
                Part::Memory(columns) => visit(columns, own),
                Part::File(segment) => visit(&segment.columns(only, names)?, own),
            }
        }
        Ok(())
    }

    /// A scalar of some of the records.
    pub(super) fn column(&self, name: &str, records: &Range<usize>) -> io::Result<Column> {
        let mut column = Column::default();
        for (part, own) in self.parts_of(records) {
            column.extend(&part.column(name)?.part(own));
        }
        Ok(column)
    }

    /// What a per-layer signal does in some of the records.
    pub(super) fn spans(&self, name: &str, records: &Range<usize>) -> io::Result<Vec<Bits>> {
        let mut spans = Vec::new();
        for (part, own) in self.parts_of(records) {
            spans.extend_from_slice(&part.span(name)?[own]);
        }
        Ok(spans)
    }

    /// Steps of some of the records.
    pub(super) fn steps(&self, records: &Range<usize>) -> io::Result<Vec<u64>> {
        let mut steps = Vec::new();
        for (part, own) in self.parts_of(records) {
            steps.extend_from_slice(&part.steps()?[own]);
        }
        Ok(steps)
    }

    /// Places of the records of these steps.
    pub(super) fn places(&self, steps: &Range<u64>) -> io::Result<Vec<Place>> {
        let mut found = Vec::new();
        for part in &self.parts {
            if part.last_step().is_some_and(|last| last >= steps.start)
                && part.first_step().is_some_and(|first| first < steps.end)
            {
                let (own, places) = (part.steps()?, part.places()?);
                let at = |step| own.partition_point(|own| *own < step);
                found.extend_from_slice(&places[at(steps.start)..at(steps.end)]);
            }
        }
        Ok(found)
    }

    /// Names of all scalars.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().flat_map(Part::names)
    }

    /// The parts that have some of these records, and which of their own these are.
    fn parts_of(&self, records: &Range<usize>) -> impl Iterator<Item = (&Part, Range<usize>)> {
        let (start, end) = (records.start, records.end);
        let mut behind = 0;
        self.parts.iter().filter_map(move |part| {
            let first = behind;
            behind += part.len();
            let own = start.max(first)..end.min(behind);
            (own.start < own.end).then(|| (part, own.start - first..own.end - first))
        })
    }
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Self::File(segment) => segment.head.records,
            Self::Memory(columns) => columns.steps.len(),
        }
    }

    fn first_step(&self) -> Option<u64> {
        match self {
            Self::File(segment) => Some(segment.head.first_step),
            Self::Memory(columns) => columns.steps.first().copied(),
        }
    }

    fn last_step(&self) -> Option<u64> {
        match self {
            Self::File(segment) => Some(segment.head.last_step),
            Self::Memory(columns) => columns.steps.last().copied(),
        }
    }

    fn steps(&self) -> io::Result<Vec<u64>> {
        match self {
            Self::File(segment) => segment.steps(),
            Self::Memory(columns) => Ok(columns.steps.clone()),
        }
    }

    fn places(&self) -> io::Result<Vec<Place>> {
        match self {
            Self::File(segment) => segment.places(),
            Self::Memory(columns) => Ok(columns.places.clone()),
        }
    }

    fn column(&self, name: &str) -> io::Result<Column> {
        match self {
            Self::File(segment) => segment.scalar(name),
            Self::Memory(columns) => Ok(columns.scalar(name)),
        }
    }

    fn span(&self, name: &str) -> io::Result<Vec<Bits>> {
        match self {
            Self::File(segment) => segment.span(name),
            Self::Memory(columns) => Ok(columns.span(name)),
        }
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::File(segment) => Box::new(segment.names().iter().map(String::as_str)),
            Self::Memory(columns) => Box::new(columns.scalars.keys().map(Name::as_str)),
        }
    }
}

#[cfg(test)]
mod tests;
