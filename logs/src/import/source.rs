//! A file to import, unpacked.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::ImportError;

/// Most bytes that a source may have when unpacked: a few kilobytes of `.gz` can hold any number.
const MOST_BYTES: u64 = 4 << 30;

/// A file, read and unpacked.
#[derive(Debug)]
pub(crate) struct Source {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// BLAKE3 of the file as it is.
    pub(crate) hash: String,
    /// Bytes of the file as it is.
    pub(crate) size: u64,
    /// What it holds, unpacked.
    pub(crate) bytes: Vec<u8>,
    /// Why it could not be unpacked to its end.
    pub(crate) broken: Option<String>,
}

impl Source {
    /// Reads a file, and unpacks it if it is `.gz` or `.zst`, by its first bytes and not by its name.
    pub(crate) fn read(path: &Path) -> Result<Self, ImportError> {
        let error = |error| ImportError::read(path, error);
        // Looked at first: opening a pipe would wait for somebody to write it.
        if !std::fs::metadata(path).map_err(error)?.is_file() {
            let path = path.to_owned();
            return Err(ImportError::NotAFile { path });
        }
        let file = std::fs::File::open(path).map_err(error)?;
        let (packed, _) = limited(file).map_err(error)?;
        let mut source = Self {
            path: path.to_owned(),
            hash: blake3::hash(&packed).to_hex().to_string(),
            size: packed.len() as u64,
            bytes: Vec::new(),
            broken: None,
        };
        let unpacked = match packed.as_slice() {
            [0x1f, 0x8b, ..] => limited(flate2::read::MultiGzDecoder::new(&packed[..])),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => match zstd::stream::Decoder::new(&packed[..]) {
                Ok(decoder) => limited(decoder),
                Err(error) => Ok((Vec::new(), Some(error.to_string()))),
            },
            _ => Ok((packed, None)),
        };
        (source.bytes, source.broken) = unpacked.map_err(error)?;
        Ok(source)
    }

    /// The file's name as text.
    pub(crate) fn file_name(&self) -> &str {
        let name = self.path.file_name().and_then(|name| name.to_str());
        name.unwrap_or_default()
    }

    /// The lines that are not empty, each with whether it has its line end. Zeros are no text: a file that a
    /// crash left longer than what was written ends with them.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&[u8], bool)> {
        let lines = self.bytes.split_inclusive(|byte| *byte == b'\n');
        let lines = lines.map(|line| match line.strip_suffix(b"\n") {
            Some(line) => (line.strip_suffix(b"\r").unwrap_or(line), true),
            None => (line, false),
        });
        lines.filter(|(line, _)| {
            !line
                .iter()
                .all(|byte| *byte == 0 || byte.is_ascii_whitespace())
        })
    }
}

/// Everything up to [`MOST_BYTES`], and why the end could not be reached. What was unpacked before a cut or a
/// damage counts.
fn limited(mut from: impl Read) -> io::Result<(Vec<u8>, Option<String>)> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 1 << 16];
    loop {
        match from.read(&mut chunk) {
            Ok(0) => return Ok((bytes, None)),
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // An error of the operating system is one; any other is of what was packed.
            Err(error) if error.raw_os_error().is_some() => return Err(error),
            Err(error) => return Ok((bytes, Some(error.to_string()))),
        }
        if bytes.len() as u64 > MOST_BYTES {
            let text = format!("it holds more than {} GiB", MOST_BYTES >> 30);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
    }
}
