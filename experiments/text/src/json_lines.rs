//! Files of lines, each a JSON value, plain or compressed.

use crate::TextError;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

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
        Some("gz") => Box::new(MultiGzDecoder::new(BufReader::new(file))),
        Some(_) => Box::new(zstd::Decoder::new(file).map_err(TextError::read(path))?),
        None => Box::new(file),
    })
}

/// The lines of a file that are not blank, one at a time.
pub(crate) struct JsonLines {
    path: PathBuf,
    reader: BufReader<Box<dyn Read>>,
    line: u64,
    offset: u64,
    bytes: Vec<u8>,
}

impl JsonLines {
    pub(crate) fn open(path: &Path) -> Result<Self, TextError> {
        Ok(Self {
            path: path.to_owned(),
            reader: BufReader::new(open(path)?),
            line: 0,
            offset: 0,
            bytes: Vec::new(),
        })
    }

    /// The next line, without a byte order mark, and its number, counted from 1.
    pub(crate) fn read(&mut self) -> Result<Option<(u64, &str)>, TextError> {
        loop {
            self.bytes.clear();
            let length = self
                .reader
                .read_until(b'\n', &mut self.bytes)
                .map_err(TextError::read(&self.path))?;
            if length == 0 {
                return Ok(None);
            }
            self.line += 1;
            let from = self.offset;
            self.offset += length as u64;
            if !self.bytes.trim_ascii().is_empty() {
                return self.text(from).map(Some);
            }
        }
    }

    fn text(&self, from: u64) -> Result<(u64, &str), TextError> {
        let text = std::str::from_utf8(&self.bytes).map_err(|error| TextError::NotUtf8 {
            path: self.path.clone(),
            offset: from + error.valid_up_to() as u64,
            line: self.line,
        })?;
        let text = text
            .strip_prefix('\u{feff}')
            .filter(|_| self.line == 1)
            .unwrap_or(text);
        Ok((self.line, text))
    }
}
