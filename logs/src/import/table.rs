//! Tables with a header: CSV (RFC 4180) and TSV, as W&B exports them and pandas writes them.

use super::collect::Log;
use super::names::{Columns, number, step_of};
use super::{Format, Source};

/// Columns between delimiters, one row per line.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) delimiter: u8,
}

impl Format for Table {
    fn name(&self) -> &'static str {
        self.name
    }

    fn recognises(&self, source: &Source, columns: &Columns) -> bool {
        let header = Rows::new(source.text(), self.delimiter).next();
        header.is_some_and(|row| row.cells.len() > 1 && columns.step(&row.cells).is_some())
    }

    fn read(&self, source: &Source, columns: &Columns) -> Log {
        let mut log = Log::new(false);
        let mut rows = Rows::new(source.text(), self.delimiter);
        let Some(header) = rows.next() else {
            return log;
        };
        let Some(step) = columns.step(&header.cells) else {
            return log;
        };
        let time = columns.time(&header.cells);
        for place in [Some(step), time].into_iter().flatten() {
            log.key(&header.cells[place]);
        }
        for row in rows {
            // A row of other length has lost or gained a delimiter: no cell is where it says.
            let found = (row.cells.len() == header.cells.len() && row.valid)
                .then(|| number(&row.cells[step]).and_then(step_of))
                .flatten();
            let Some(at) = found else {
                log.damaged += 1;
                continue;
            };
            if row.torn {
                let text = "the last row has no line end; should it be cut, its last cell is wrong";
                log.notes.push(text.to_owned());
            }
            log.at(at);
            for (place, cell) in row.cells.iter().enumerate() {
                let Some(value) = number(cell) else { continue };
                if Some(place) == time {
                    log.time(value);
                } else if place != step && !is_envelope(&header.cells[place]) {
                    log.put(&header.cells[place], value);
                }
            }
        }
        log
    }
}

/// W&B's panel exports repeat each column as its least and largest value over a bin.
fn is_envelope(name: &str) -> bool {
    name.ends_with("__MIN") || name.ends_with("__MAX")
}

/// One line.
#[derive(Debug, Default)]
struct TableRow {
    cells: Vec<String>,
    /// Whether its bytes are UTF-8 and its quotes in pairs.
    valid: bool,
    /// Whether it ends without a line end.
    torn: bool,
}

/// The rows of a table; empty lines are passed over.
struct Rows<'a> {
    rest: &'a [u8],
    delimiter: u8,
}

impl<'a> Rows<'a> {
    fn new(bytes: &'a [u8], delimiter: u8) -> Self {
        let rest = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        Self { rest, delimiter }
    }

    /// The next line, with line ends inside quotes, and whether it ends at all.
    fn line(&mut self) -> Option<(&'a [u8], bool)> {
        if self.rest.is_empty() {
            return None;
        }
        let mut quoted = false;
        let end = self.rest.iter().position(|&byte| {
            quoted ^= byte == b'"';
            byte == b'\n' && !quoted
        });
        // A quote that never closes must not swallow the file.
        let end = match end {
            None if quoted => self.rest.iter().position(|&byte| byte == b'\n'),
            end => end,
        };
        let (line, rest) = match end {
            Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
            None => (self.rest, &self.rest[self.rest.len()..]),
        };
        self.rest = rest;
        Some((line.strip_suffix(b"\r").unwrap_or(line), end.is_none()))
    }
}

impl Iterator for Rows<'_> {
    type Item = TableRow;

    fn next(&mut self) -> Option<TableRow> {
        loop {
            let (line, torn) = self.line()?;
            let padding = line.iter().all(|byte| *byte == 0);
            if !padding {
                let mut row = split(line, self.delimiter);
                row.torn = torn;
                return Some(row);
            }
        }
    }
}

fn split(line: &[u8], delimiter: u8) -> TableRow {
    let mut cells = Vec::new();
    let mut cell = Vec::new();
    let mut quoted = false;
    let mut bytes = line.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if quoted && bytes.peek() == Some(&b'"') => {
                bytes.next();
                cell.push(b'"');
            }
            b'"' => quoted = !quoted,
            _ if byte == delimiter && !quoted => cells.push(std::mem::take(&mut cell)),
            _ => cell.push(byte),
        }
    }
    cells.push(cell);
    let mut valid = !quoted;
    let text = |cell: Vec<u8>| {
        String::from_utf8(cell).unwrap_or_else(|_| {
            valid = false;
            String::new()
        })
    };
    TableRow {
        cells: cells.into_iter().map(text).collect(),
        valid,
        torn: false,
    }
}
