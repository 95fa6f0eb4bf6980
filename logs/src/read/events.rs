//! The events of a run, and how many of them were lost.

use std::path::Path;

use super::tail::Tail;
use crate::error::LogError;
use crate::run::{EVENTS_FILE, Event, Summary};

/// The events file as far as it was read.
#[derive(Debug)]
pub(super) struct Events {
    tail: Tail,
    all: Vec<Event>,
    numbers: Numbers,
}

/// The events of a run directory, in the order of the file; none of a directory without. Damaged lines are
/// left out.
pub fn events(dir: &Path) -> Result<Vec<Event>, LogError> {
    let mut events = Events::new(dir);
    events.poll()?;
    Ok(events.all)
}

impl Events {
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            tail: Tail::new(dir.join(EVENTS_FILE)),
            all: Vec::new(),
            numbers: Numbers::default(),
        }
    }

    /// Takes in what was added.
    pub(super) fn poll(&mut self) -> Result<(), LogError> {
        let mut fresh = Vec::new();
        let restarted = self.tail.poll(|line| {
            fresh.push(Event::parse_bytes(line)?);
            Ok(())
        })?;
        if restarted {
            self.all.clear();
            self.numbers = Numbers::default();
        }
        for (event, number) in fresh {
            self.numbers.take(number);
            self.all.push(event);
        }
        Ok(())
    }

    /// In the order of the file.
    pub(super) fn all(&self) -> &[Event] {
        &self.all
    }

    /// What to tell about the file; see [`Tail::warnings`].
    pub(super) fn warnings(&self, growing: bool) -> Vec<String> {
        self.tail.warnings(growing)
    }

    /// Events that were written and are in the file no more, by the numbers of those that follow them and
    /// by the `summary` of a run that has ended. Damaged lines are warned of as such.
    pub(super) fn missing(&self, summary: Option<&Summary>) -> u64 {
        let promised = summary.and_then(|summary| summary.events).unwrap_or(0);
        let at_end = promised.saturating_sub(self.tail.lines());
        let before = self.numbers.left_out.saturating_sub(self.tail.damaged());
        at_end.max(before)
    }
}

/// The numbers of the lines one after the other.
#[derive(Debug, Default)]
struct Numbers {
    last: u64,
    /// Those between two lines that follow each other.
    left_out: u64,
}

impl Numbers {
    /// Takes the next line. One without a number has the next; an attempt that found lines missing counts
    /// on from those that it found.
    fn take(&mut self, number: Option<u64>) {
        let next = self.last.saturating_add(1);
        let number = number.unwrap_or(next);
        self.left_out = self.left_out.saturating_add(number.saturating_sub(next));
        self.last = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EventKind, RunWriter, Status};
    use std::fs;

    /// A run whose only attempt was killed behind its ninth event.
    fn killed(dir: &Path) -> Vec<String> {
        let mut writer = RunWriter::open(dir).unwrap();
        for step in 0..9 {
            let event = Event::now(step, EventKind::Overflow, "a gradient was not finite");
            writer.event(&event).unwrap();
        }
        drop(writer);
        let text = fs::read_to_string(dir.join(EVENTS_FILE)).unwrap();
        text.lines().map(|line| format!("{line}\n")).collect()
    }

    fn warnings(dir: &Path, lines: &[String]) -> Vec<String> {
        fs::write(dir.join(EVENTS_FILE), lines.concat()).unwrap();
        crate::RunReader::open(dir).unwrap().warnings().to_vec()
    }

    #[test]
    fn events_lost_before_an_interruption_are_missed() {
        let dir = tempfile::tempdir().unwrap();
        let lines = killed(dir.path());
        assert_eq!(warnings(dir.path(), &lines), [""; 0]);
        let without = [&lines[..2], &lines[5..]].concat();
        let found = warnings(dir.path(), &without);
        assert_eq!(
            found,
            ["events.jsonl: 3 events are missing that the run wrote"]
        );
        // The next attempts do not make it forgotten.
        for status in [Status::Stopped, Status::Finished] {
            let mut writer = RunWriter::open(dir.path()).unwrap();
            writer
                .event(&Event::now(4, EventKind::Resume, "goes on"))
                .unwrap();
            let attempt = writer.attempt();
            let summary = Summary::new(status, 0, attempt, 1.0);
            writer.finish(&summary).unwrap();
            let reader = crate::RunReader::open(dir.path()).unwrap();
            assert_eq!(reader.warnings(), found);
        }
    }

    #[test]
    fn a_damaged_line_is_counted_once_and_an_earlier_version_has_no_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let mut lines = killed(dir.path());
        lines[4].replace_range(..1, "[");
        let found = warnings(dir.path(), &lines);
        assert_eq!(found, ["events.jsonl: skipped 1 damaged line (line 5)"]);
        let mut numbers = Numbers::default();
        for number in [None, None, Some(3), Some(4)] {
            numbers.take(number);
        }
        assert_eq!(numbers.left_out, 0);
    }
}
