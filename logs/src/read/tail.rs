//! Following one growing file of checksummed lines.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::disk;
use crate::error::LogError;
use crate::line::LineError;

/// How many line numbers a warning names.
const NAMED: usize = 5;

/// Longest line that is taken, bytes. Ten thousand layers, all of whose values are NaN, take half of
/// it.
const LONGEST_LINE: u64 = 32 << 20;

#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    done: Done,
    /// Length of the file at the last poll; if all of it was taken and it is no longer, nothing is new.
    seen: u64,
}

/// The part of a file that is done with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Done {
    /// Its bytes and lines, from the beginning.
    pub(crate) offset: u64,
    lines: u64,
    /// CRC-32 of the bytes; none where a line was too long to be looked at.
    pub(crate) crc: Option<u32>,
    damaged: u64,
    /// Numbers of the first damaged lines.
    named: Vec<u64>,
    shrunk: bool,
}

/// What a look at a file brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Polled {
    /// It had become shorter and was read from its beginning again.
    pub(super) restarted: bool,
    /// It goes on: there were more lines than were asked for.
    pub(super) goes_on: bool,
}

impl Tail {
    pub(super) fn new(path: PathBuf) -> Self {
        let done = Done {
            crc: Some(0),
            ..Done::default()
        };
        Self::behind(path, done)
    }

    /// Goes on behind what is done with.
    pub(super) fn behind(path: PathBuf, done: Done) -> Self {
        let seen = done.offset;
        Self { path, done, seen }
    }

    /// Hands each new whole line, without its newline, to `take`, which refuses damaged ones.
    ///
    /// The last line is special: without a newline, or refused, it may still be on its way, so it
    /// is left for the next poll. Returns true if the file had become shorter and was read
    /// from its beginning again.
    pub(super) fn poll(
        &mut self,
        mut take: impl FnMut(&[u8]) -> Result<(), LineError>,
    ) -> Result<bool, LogError> {
        let polled = self.poll_some(usize::MAX, |line, _| take(line))?;
        Ok(polled.restarted)
    }

    /// As [`Tail::poll`], until `most` lines were taken. `take` is also told where the line begins.
    pub(super) fn poll_some(
        &mut self,
        most: usize,
        mut take: impl FnMut(&[u8], u64) -> Result<(), LineError>,
    ) -> Result<Polled, LogError> {
        let mut polled = Polled::default();
        let mut file = match disk::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(polled),
            Err(error) => return Err(LogError::io("open", &self.path, error)),
        };
        let len = file.metadata().map_err(|error| self.error(error))?.len();
        if len == self.seen && len == self.done.offset {
            return Ok(polled);
        }
        polled.restarted = len < self.done.offset;
        if polled.restarted {
            *self = Self::new(std::mem::take(&mut self.path));
            self.done.shrunk = true;
        }
        file.seek(SeekFrom::Start(self.done.offset))
            .map_err(|error| self.error(error))?;
        let mut reader = BufReader::with_capacity(1 << 18, file);
        let mut line = Vec::new();
        // What is done with if a refused line is not the last one.
        let mut doubtful: Option<Done> = None;
        let mut read = self.done.offset;
        let mut taken = 0;
        loop {
            let (n, whole) =
                read_line(&mut reader, &mut line).map_err(|error| self.error(error))?;
            if !whole {
                read += n;
                break;
            }
            if let Some(done) = doubtful.take() {
                self.done = done;
            }
            let bytes = (n <= LONGEST_LINE).then_some(line.as_slice());
            if bytes.is_some_and(|line| take(line, read).is_ok()) {
                self.done.take(n, bytes);
                taken += 1;
            } else {
                doubtful = Some(self.done.clone().without(n, bytes));
            }
            read += n;
            if taken == most && doubtful.is_none() {
                polled.goes_on = true;
                break;
            }
        }
        self.seen = read;
        Ok(polled)
    }

    /// The part that was read.
    pub(super) fn done(&self) -> &Done {
        &self.done
    }

    /// Lines that were read, damaged ones too.
    pub(super) fn lines(&self) -> u64 {
        self.done.lines
    }

    /// Of these, the damaged ones.
    pub(super) fn damaged(&self) -> u64 {
        self.done.damaged
    }

    /// What to tell about this file. While it is `growing`, an unfinished last line is nothing.
    pub(super) fn warnings(&self, growing: bool) -> Vec<String> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let mut warnings = Vec::new();
        let damaged = self.done.damaged;
        if damaged > 0 {
            let numbers: Vec<_> = self.done.named.iter().map(u64::to_string).collect();
            let more = if damaged > NAMED as u64 { ", …" } else { "" };
            let (noun, which) = match damaged {
                1 => ("damaged line", "line"),
                _ => ("damaged lines", "lines"),
            };
            warnings.push(format!(
                "{name}: skipped {damaged} {noun} ({which} {}{more})",
                numbers.join(", ")
            ));
        }
        if !growing && self.seen > self.done.offset {
            warnings.push(format!(
                "{name}: line {}, the last, is incomplete and was left out; all before it was read",
                self.done.lines + 1
            ));
        }
        if self.done.shrunk {
            warnings.push(format!("{name}: became shorter and was read again"));
        }
        warnings
    }

    fn error(&self, error: io::Error) -> LogError {
        LogError::io("read", &self.path, error)
    }
}

impl Done {
    /// Takes a line of `length` bytes with its newline; `line` is the line without it.
    fn take(&mut self, length: u64, line: Option<&[u8]>) {
        self.offset += length;
        self.lines += 1;
        self.crc = self.crc.zip(line).map(|(crc, line)| {
            let mut hasher = crc32fast::Hasher::new_with_initial(crc);
            hasher.update(line);
            hasher.update(b"\n");
            hasher.finalize()
        });
    }

    /// The same with a damaged line.
    fn without(mut self, length: u64, line: Option<&[u8]>) -> Self {
        self.take(length, line);
        self.damaged += 1;
        if self.named.len() < NAMED {
            self.named.push(self.lines);
        }
        self
    }
}

/// CRC-32 of the first `length` bytes of a file, which has as many.
pub(super) fn crc_of(path: &Path, length: u64) -> io::Result<u32> {
    let mut rest = disk::open(path)?.take(length);
    let (mut hasher, mut buffer) = (crc32fast::Hasher::new(), vec![0; 1 << 18]);
    loop {
        match rest.read(&mut buffer)? {
            0 => return Ok(hasher.finalize()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// Hands the lines that begin at these bytes of a file, without their newlines, to `take`.
pub(super) fn lines_at(
    path: &Path,
    offsets: impl Iterator<Item = u64>,
    mut take: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 16, disk::open(path)?);
    let (mut at, mut line) = (0, Vec::new());
    for offset in offsets {
        // Within what is read ahead, nothing is read again.
        reader.seek_relative(offset as i64 - at as i64)?;
        at = offset + read_line(&mut reader, &mut line)?.0;
        take(&line);
    }
    Ok(())
}

/// Reads a line into `line`, without its newline and cut at [`LONGEST_LINE`]; its length with the newline,
/// and whether it had one.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<(u64, bool)> {
    line.clear();
    let mut length = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', line)? as u64;
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok((length, true));
    }
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok((length, false));
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(bytes.len(), |at| at + 1);
        reader.consume(used);
        length += used as u64;
        if end.is_some() {
            return Ok((length, true));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn accept(got: &mut Vec<String>) -> impl FnMut(&[u8]) -> Result<(), LineError> {
        |line| {
            if line.starts_with(b"bad") {
                return Err(LineError::NoChecksum);
            }
            got.push(String::from_utf8(line.to_vec()).unwrap());
            Ok(())
        }
    }

    #[test]
    fn a_line_counts_once_it_is_whole_and_a_bad_one_once_another_follows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.jsonl");
        let mut tail = Tail::new(path.clone());
        let mut got = Vec::new();
        let mut text = String::new();
        // (what is appended, lines delivered by then, damaged lines by then)
        for (added, lines, damaged) in [
            ("a\nb", 1, 0),
            ("\n", 2, 0),
            ("bad\n", 2, 0),
            ("c", 2, 0),
            ("c\nbad\nbad\n", 3, 2),
            ("d\n", 4, 3),
        ] {
            text += added;
            fs::write(&path, &text).unwrap();
            tail.poll(accept(&mut got)).unwrap();
            assert_eq!((got.len(), tail.damaged()), (lines, damaged), "{text:?}");
        }
        assert_eq!(got, ["a", "b", "cc", "d"]);
        assert_eq!(
            tail.warnings(false),
            ["x.jsonl: skipped 3 damaged lines (lines 3, 5, 6)"]
        );
    }

    /// A reader must not take the memory that a damaged file asks for, and goes on behind it.
    #[test]
    fn a_line_of_any_length_is_passed_over_in_bounded_memory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.jsonl");
        let long = vec![b'x'; LONGEST_LINE as usize + 5];
        fs::write(&path, [b"a\n", &long[..], b"\nb\n", &long[..]].concat()).unwrap();
        let mut tail = Tail::new(path);
        let mut got = Vec::new();
        tail.poll(accept(&mut got)).unwrap();
        assert_eq!(got, ["a", "b"]);
        assert_eq!(
            tail.warnings(false),
            [
                "x.jsonl: skipped 1 damaged line (line 2)",
                "x.jsonl: line 4, the last, is incomplete and was left out; all before it was read"
            ]
        );
    }

    #[test]
    fn an_unfinished_last_line_is_reported_only_when_nobody_writes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.jsonl");
        fs::write(&path, "a\nhalf").unwrap();
        let mut tail = Tail::new(path);
        tail.poll(|_| Ok(())).unwrap();
        assert!(tail.warnings(true).is_empty());
        assert_eq!(
            tail.warnings(false),
            ["x.jsonl: line 2, the last, is incomplete and was left out; all before it was read"]
        );
    }

    #[test]
    fn a_file_that_became_shorter_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.jsonl");
        let mut got = Vec::new();
        let mut tail = Tail::new(path.clone());
        fs::write(&path, "a\nb\n").unwrap();
        assert!(!tail.poll(accept(&mut got)).unwrap());
        fs::write(&path, "c\n").unwrap();
        assert!(tail.poll(accept(&mut got)).unwrap());
        assert_eq!(got, ["a", "b", "c"]);
    }
}
