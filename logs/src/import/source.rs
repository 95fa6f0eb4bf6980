//! A file to import, unpacked.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{ImportError, is_padding};

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
    /// How much of that may be believed without a checksum of its own: all but a part whose packing is damaged.
    pub(crate) sound: usize,
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
        let mut packed = Vec::new();
        if let Some(cause) = limited(file, &mut packed).map_err(error)? {
            return Err(error(cause));
        }
        let mut source = Self {
            path: path.to_owned(),
            hash: blake3::hash(&packed).to_hex().to_string(),
            size: packed.len() as u64,
            bytes: Vec::new(),
            sound: 0,
            broken: None,
        };
        if let Some(packing) = Packing::of(&packed) {
            source.unpack(&packed, packing).map_err(error)?;
        } else {
            (source.sound, source.bytes) = (packed.len(), packed);
        }
        Ok(source)
    }

    /// Unpacks one part after the other, as a log has that is packed bit by bit. The checksum of a part stands at
    /// its end, so only then is it known to be right. A part that is cut counts, as nothing speaks against what it
    /// has.
    fn unpack(&mut self, packed: &[u8], packing: Packing) -> io::Result<()> {
        let mut rest = packed;
        while !is_padding(rest) && self.broken.is_none() {
            let error = match packing {
                Packing::Gzip => {
                    limited(flate2::bufread::GzDecoder::new(&mut rest), &mut self.bytes)?
                }
                Packing::Zstd => match zstd::stream::Decoder::with_buffer(&mut rest) {
                    Ok(decoder) => limited(decoder.single_frame(), &mut self.bytes)?,
                    Err(error) => Some(error),
                },
            };
            let is_cut = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
            if error.as_ref().is_none_or(is_cut) {
                self.sound = self.bytes.len();
            }
            self.broken = error.map(|error| error.to_string());
        }
        Ok(())
    }

    /// The file's name as text.
    pub(crate) fn file_name(&self) -> &str {
        let name = self.path.file_name().and_then(|name| name.to_str());
        name.unwrap_or_default()
    }

    /// What a format without checksums may believe.
    pub(crate) fn text(&self) -> &[u8] {
        &self.bytes[..self.sound]
    }

    /// The lines that are not empty, each with whether it has its line end. Zeros are no text: a file that a
    /// crash left longer than what was written ends with them.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&[u8], bool)> {
        let lines = self.text().split_inclusive(|byte| *byte == b'\n');
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

/// How a file is packed.
#[derive(Debug, Clone, Copy)]
enum Packing {
    Gzip,
    Zstd,
}

impl Packing {
    /// By the first bytes.
    fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Adds everything to `bytes`, which may get to [`MOST_BYTES`]; why the end could not be reached.
fn limited(mut from: impl Read, bytes: &mut Vec<u8>) -> io::Result<Option<io::Error>> {
    let mut chunk = vec![0; 1 << 16];
    loop {
        match from.read(&mut chunk) {
            Ok(0) => return Ok(None),
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // An error of the operating system is one; any other is of what was packed.
            Err(error) if error.raw_os_error().is_some() => return Err(error),
            Err(error) => return Ok(Some(error)),
        }
        if bytes.len() as u64 > MOST_BYTES {
            let text = format!("it holds more than {} GiB", MOST_BYTES >> 30);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
    }
}
