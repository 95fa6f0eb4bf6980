//! Rows of tables: CSV (RFC 4180) and TSV.

/// One line.
#[derive(Debug, Default)]
pub struct TableRow {
    /// Its cells, without quotes.
    pub cells: Vec<String>,
    /// Its first line in the file, from 1.
    pub line: usize,
    /// Whether its bytes are UTF-8 and its quotes in pairs.
    pub valid: bool,
    /// Whether it ends without a line end.
    pub torn: bool,
}

/// The rows of a table; empty lines are passed over.
#[derive(Debug)]
pub struct Rows<'a> {
    rest: &'a [u8],
    line: usize,
    delimiter: u8,
}

impl<'a> Rows<'a> {
    /// The rows of a text; a mark of UTF-8 at its beginning is passed over.
    #[must_use]
    pub fn new(bytes: &'a [u8], delimiter: u8) -> Self {
        let rest = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let line = 1;
        Self {
            rest,
            line,
            delimiter,
        }
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
        self.line += line.split(|byte| *byte == b'\n').count();
        self.rest = rest;
        Some((line.strip_suffix(b"\r").unwrap_or(line), end.is_none()))
    }
}

impl Iterator for Rows<'_> {
    type Item = TableRow;

    fn next(&mut self) -> Option<TableRow> {
        loop {
            let first = self.line;
            let (line, torn) = self.line()?;
            let padding = line.iter().all(|byte| *byte == 0);
            if !padding {
                let mut row = split(line, self.delimiter);
                (row.torn, row.line) = (torn, first);
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
        ..TableRow::default()
    }
}
