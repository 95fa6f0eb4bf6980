//! What became of each item, a line in a file as soon as it is known: an evaluation that is interrupted goes on behind it.

use crate::sample::Sample;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// One item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Its file, below the folder of the task.
    pub(crate) file: String,
    /// Its line there, from 1; of running text the number of the window.
    pub(crate) line: u64,
    /// Which item of that line, from 1, where it makes several.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) part: u64,
    /// Hash of what was asked; an earlier version wrote none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) item: String,
    /// Whether the text lost its beginning.
    #[serde(default)]
    pub(crate) cut: bool,
    /// Which choice, from 1, has other tokens when it is read with the text before it: the first such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seam: Option<usize>,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    /// Only for who reads the file; it is not kept here.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub(crate) sample: Option<Sample>,
}

impl Record {
    fn place(&self) -> Place {
        (self.file.clone(), self.line, self.part)
    }

    /// Whether it is of this item, and not of what stood there before the data was changed.
    pub(crate) fn is_of(&self, item: &str) -> bool {
        self.item.is_empty() || self.item == item
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(part: &u64) -> bool {
    *part == 0
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(crate) enum Outcome {
    /// Of several choices.
    Choices {
        /// Summed over the tokens of each choice, in nats.
        log_probabilities: Vec<f64>,
        chosen: usize,
        label: usize,
    },
    /// A generated answer.
    Answer {
        answer: String,
        /// Exact match, F1; 0 to 1.
        exact: f64,
        f1: f64,
    },
    /// A window of running text.
    Window {
        /// Of its predicted tokens, summed, in nats.
        loss: f64,
        tokens: u64,
    },
    /// It could not be asked.
    Skipped { reason: String },
}

/// File, line and part.
type Place = (String, u64, u64);

/// The file of records.
pub(crate) struct Records {
    file: File,
    known: HashMap<Place, Record>,
}

impl Records {
    /// Opens or makes the file, and reads what is there. A line that was cut off is asked again.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        // A device may have no end.
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::other(
                    "another process writes it: the same evaluation is under way",
                ));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.read_to_end(&mut bytes)?;
        let lines = bytes.split(|byte| *byte == b'\n');
        let records = lines.filter_map(|line| serde_json::from_slice::<Record>(line).ok());
        let known = records.map(|record| (record.place(), record)).collect();
        if bytes.last().is_some_and(|last| *last != b'\n') {
            file.write_all(b"\n")?;
        }
        Ok(Self { file, known })
    }

    pub(crate) fn get(&self, file: &str, line: u64, part: u64) -> Option<&Record> {
        self.known.get(&(file.to_owned(), line, part))
    }

    pub(crate) fn append(&mut self, mut record: Record) -> io::Result<()> {
        let mut line = serde_json::to_string(&record)?;
        line.push('\n');
        // One write, so that what is cut off is one line at the most.
        self.file.write_all(line.as_bytes())?;
        record.sample = None;
        self.known.insert(record.place(), record);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(line: u64) -> Record {
        Record {
            file: "a.jsonl".to_owned(),
            line,
            part: 0,
            item: String::new(),
            cut: false,
            seam: None,
            outcome: Outcome::Window {
                loss: 0.1 + line as f64,
                tokens: 3,
            },
            sample: None,
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_device_has_no_records() {
        let refused = Records::open(Path::new("/dev/zero")).err().unwrap();
        assert!(refused.to_string().contains("no regular file"), "{refused}");
    }

    #[test]
    fn records_outlive_a_process_that_was_cut_off_and_are_not_written_by_two() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("items.jsonl");
        let mut records = Records::open(&path).unwrap();
        records.append(record(1)).unwrap();
        records.append(record(2)).unwrap();
        let refused = Records::open(&path).err().unwrap().to_string();
        assert!(refused.contains("another process"), "{refused}");
        drop(records);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 7]).unwrap();
        let mut records = Records::open(&path).unwrap();
        assert_eq!(records.get("a.jsonl", 1, 0), Some(&record(1)));
        assert_eq!(records.get("a.jsonl", 2, 0), None, "cut off");
        records.append(record(2)).unwrap();
        drop(records);
        let records = Records::open(&path).unwrap();
        assert_eq!(records.get("a.jsonl", 2, 0), Some(&record(2)));
    }
}
