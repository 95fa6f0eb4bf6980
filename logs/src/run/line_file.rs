//! A file of lines that only grows.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::disk::Place;
use crate::error::LogError;

/// Appends whole lines with one `write` each.
#[derive(Debug)]
pub(super) struct LineFile {
    file: File,
    path: PathBuf,
    place: Place,
    /// The file ends inside a line: a writer was killed, or the disk was full. The next line then
    /// starts with a newline, so that it is not lost together with the torn one.
    torn: bool,
    lines: u64,
}

impl LineFile {
    /// Creates a file that must not exist yet.
    pub(super) fn create(path: &Path) -> Result<Self, LogError> {
        let file = File::options().append(true).create_new(true).open(path);
        Ok(Self {
            file: file.map_err(|error| LogError::io("create", path, error))?,
            place: Place::of(path)?,
            path: path.to_owned(),
            torn: false,
            lines: 0,
        })
    }

    /// Opens a file to continue it, or creates it.
    pub(super) fn append(path: &Path) -> Result<Self, LogError> {
        let open = || -> io::Result<(File, bool, u64)> {
            let mut options = File::options();
            let mut file = options.read(true).append(true).create(true).open(path)?;
            let mut text = Vec::new();
            // A device has no length, and no end either.
            if file.metadata()?.is_file() {
                file.read_to_end(&mut text)?;
            }
            let torn = text.last().is_some_and(|last| *last != b'\n');
            let lines = text.iter().filter(|byte| **byte == b'\n').count() as u64;
            Ok((file, torn, lines + u64::from(torn)))
        };
        let (file, torn, lines) = open().map_err(|error| LogError::io("open", path, error))?;
        Ok(Self {
            file,
            place: Place::of(path)?,
            path: path.to_owned(),
            torn,
            lines,
        })
    }

    /// Appends `line`, which holds no newline.
    pub(super) fn push(&mut self, line: &str) -> Result<(), LogError> {
        let start = if self.torn { "\n" } else { "" };
        let text = format!("{start}{line}\n");
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(written) => {
                    rest = &rest[written..];
                    // A short write announces a full disk; the next one brings the error.
                    self.torn |= written > 0;
                    if written == 0 {
                        return Err(self.error(io::ErrorKind::WriteZero.into()));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error(error)),
            }
        }
        self.torn = false;
        self.lines += 1;
        Ok(())
    }

    /// Lines of the file, a torn one too.
    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    pub(super) fn sync(&mut self) -> Result<(), LogError> {
        self.file.sync_data().map_err(|error| self.error(error))
    }

    /// Fails where the path no longer names this file.
    pub(super) fn check(&self) -> Result<(), LogError> {
        self.place.check()
    }

    fn error(&self, error: io::Error) -> LogError {
        LogError::io("write", &self.path, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_said_in_plain_words() {
        let mut file = LineFile::append(Path::new("/dev/full")).unwrap();
        let error = file.push("{}").unwrap_err();
        assert!(matches!(error, LogError::Disk { .. }), "{error:?}");
        assert!(
            error
                .to_string()
                .contains("no space left on the disk that holds `/dev/full`")
        );
    }

    #[test]
    fn a_line_after_a_torn_one_starts_afresh() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        std::fs::write(&path, "whole\ntor").unwrap();
        let mut file = LineFile::append(&path).unwrap();
        file.push("new").unwrap();
        file.push("newer").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "whole\ntor\nnew\nnewer\n");
    }
}
