//! Files of lines, each a JSON value, plain or compressed.

mod gzip;
mod object;

pub(crate) use object::{listed, members, parse, string};

use crate::TextError;
use gzip::Gzip;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Longest line, bytes: a whole line is held in memory, and a few kilobytes can unpack to gigabytes
/// without a line end.
const LONGEST_LINE: u64 = 64 << 20;

/// Logarithm of the largest window of a Zstandard frame: what `zstd --long=31` writes. Only as much
/// of a window is touched as text is read.
const ZSTD_WINDOW_LOG: u32 = 31;

/// What some editors put before UTF-8 text. Files written one after another have it in the middle.
pub(crate) const BYTE_ORDER_MARK: char = '\u{feff}';

/// The lower-case file name without the ending of its compression, and that ending (`gz`, `zst`).
pub(crate) fn packing(path: &Path) -> (String, Option<&'static str>) {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    for packed in ["gz", "zst"] {
        if let Some(plain) = name.strip_suffix(&format!(".{packed}")) {
            return (plain.to_owned(), Some(packed));
        }
    }
    (name, None)
}

/// The unpacked bytes of a file.
pub(crate) fn open(path: &Path) -> Result<Box<dyn Read>, TextError> {
    let file = File::open(path).map_err(TextError::read(path))?;
    Ok(match packing(path).1 {
        Some("gz") => Box::new(Gzip::new(file)),
        Some(_) => Box::new(zstd(file).map_err(TextError::read(path))?),
        None => Box::new(file),
    })
}

fn zstd(file: File) -> std::io::Result<impl Read> {
    let mut decoder = zstd::Decoder::new(file)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG)?;
    Ok(decoder)
}

/// The lines of a file that are not blank, one at a time.
pub(crate) struct JsonLines {
    path: PathBuf,
    reader: BufReader<Box<dyn Read>>,
    line: u64,
    offset: u64,
    /// The line as it is in the file.
    text: String,
}

impl JsonLines {
    pub(crate) fn open(path: &Path) -> Result<Self, TextError> {
        Ok(Self {
            path: path.to_owned(),
            reader: BufReader::new(open(path)?),
            line: 0,
            offset: 0,
            text: String::new(),
        })
    }

    /// The next line, without byte order marks at its start, and its number, counted from 1.
    pub(crate) fn read(&mut self) -> Result<Option<(u64, &str)>, TextError> {
        while self.fill()? {
            if !self.trimmed().is_empty() {
                return Ok(Some((self.line, self.trimmed())));
            }
        }
        Ok(None)
    }

    /// Takes the next line; false at the end of the file.
    fn fill(&mut self) -> Result<bool, TextError> {
        self.offset += self.text.len() as u64;
        let mut bytes = std::mem::take(&mut self.text).into_bytes();
        bytes.clear();
        let length = (&mut self.reader)
            .take(LONGEST_LINE + 1)
            .read_until(b'\n', &mut bytes)
            .map_err(TextError::read(&self.path))?;
        self.line += 1;
        if length as u64 > LONGEST_LINE {
            return Err(TextError::LongLine {
                path: self.path.clone(),
                line: self.line,
                most: LONGEST_LINE,
            });
        }
        self.text = String::from_utf8(bytes).map_err(|error| TextError::NotUtf8 {
            path: self.path.clone(),
            offset: self.offset + error.utf8_error().valid_up_to() as u64,
            line: self.line,
        })?;
        Ok(length > 0)
    }

    /// The line without white space around it and byte order marks before it.
    fn trimmed(&self) -> &str {
        let text = self.text.trim_start_matches(BYTE_ORDER_MARK);
        text.trim_ascii()
    }
}
