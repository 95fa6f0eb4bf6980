//! Following one growing file of checksummed lines.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;

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
    /// Bytes and lines that are done with.
    offset: u64,
    lines: u64,
    /// Length of the file at the last poll; if all of it was taken and it is no longer, nothing is new.
    seen: u64,
    damaged: u64,
    /// Numbers of the first damaged lines.
    named: Vec<u64>,
    shrunk: bool,
}

impl Tail {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            offset: 0,
            lines: 0,
            seen: 0,
            damaged: 0,
            named: Vec::new(),
            shrunk: false,
        }
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
        let mut file = match disk::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(LogError::io("open", &self.path, error)),
        };
        let len = file.metadata().map_err(|error| self.error(error))?.len();
        if len == self.seen && len == self.offset {
            return Ok(false);
        }
        let restarted = len < self.offset;
        if restarted {
            *self = Self::new(std::mem::take(&mut self.path));
            self.shrunk = true;
        }
        file.seek(SeekFrom::Start(self.offset))
            .map_err(|error| self.error(error))?;
        let mut reader = BufReader::with_capacity(1 << 18, file);
        let mut line = Vec::new();
        // Length of a refused line of which we do not know yet whether it is the last.
        let mut doubtful = None;
        let mut read = self.offset;
        loop {
            let (n, whole) =
                read_line(&mut reader, &mut line).map_err(|error| self.error(error))?;
            read += n;
            if !whole {
                break;
            }
            if let Some(length) = doubtful.take() {
                self.skip(length);
            }
            // Of a longer line only its length is known.
            if n <= LONGEST_LINE && take(&line).is_ok() {
                self.offset += n;
                self.lines += 1;
            } else {
                doubtful = Some(n);
            }
        }
        self.seen = read;
        Ok(restarted)
    }

    fn skip(&mut self, length: u64) {
        self.offset += length;
        self.lines += 1;
        self.damaged += 1;
        if self.named.len() < NAMED {
            self.named.push(self.lines);
        }
    }

    /// Lines that were read, damaged ones too.
    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    /// Of these, the damaged ones.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// What to tell about this file. While it is `growing`, an unfinished last line is nothing.
    pub(super) fn warnings(&self, growing: bool) -> Vec<String> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let mut warnings = Vec::new();
        if self.damaged > 0 {
            let numbers: Vec<_> = self.named.iter().map(u64::to_string).collect();
            let more = if self.damaged > NAMED as u64 {
                ", …"
            } else {
                ""
            };
            let (noun, which) = match self.damaged {
                1 => ("damaged line", "line"),
                _ => ("damaged lines", "lines"),
            };
            warnings.push(format!(
                "{name}: skipped {} {noun} ({which} {}{more})",
                self.damaged,
                numbers.join(", ")
            ));
        }
        if !growing && self.seen > self.offset {
            warnings.push(format!(
                "{name}: line {}, the last, is incomplete and was left out; all before it was read",
                self.lines + 1
            ));
        }
        if self.shrunk {
            warnings.push(format!("{name}: became shorter and was read again"));
        }
        warnings
    }

    fn error(&self, error: io::Error) -> LogError {
        LogError::io("read", &self.path, error)
    }
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
            assert_eq!((got.len(), tail.damaged), (lines, damaged), "{text:?}");
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
