//! Replacing a small file so that a reader, or a crash, sees the old one or the new one, never a half.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::error::LogError;

/// Writes `value` as indented JSON, atomically: temporary name, fsync, rename, fsync of the directory.
pub fn write_json_atomic(path: &Path, value: &impl Serialize) -> Result<(), LogError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|source| LogError::Encode {
        path: path.to_owned(),
        source,
    })?;
    bytes.push(b'\n');
    write_atomic(path, &bytes)
}

/// Writes `bytes` atomically: temporary name, fsync, rename, fsync of the directory.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), LogError> {
    replace(path, |file| file.write_all(bytes)).map_err(|error| LogError::io("write", path, error))
}

/// Lets `fill` write a temporary file beside `path` and renames it when all went well.
pub(crate) fn replace(
    path: &Path,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let dir = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tmp-");
    #[cfg(unix)]
    let builder = {
        use std::os::unix::fs::PermissionsExt;
        // As any other file, less the umask: colleagues read each other's runs.
        builder.permissions(std::fs::Permissions::from_mode(0o666))
    };
    let mut temporary = builder.tempfile_in(dir)?;
    fill(temporary.as_file_mut())?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    match File::open(dir).and_then(|dir| dir.sync_all()) {
        // Some network file systems cannot sync a directory; the rename itself holds.
        Err(error) if error.kind() != io::ErrorKind::InvalidInput => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("summary.json");
        write_json_atomic(&path, &[1, 2]).unwrap();
        write_json_atomic(&path, &[3]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "[\n  3\n]\n");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_keeps_the_old_file_and_leaves_no_temporary() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("summary.json");
        write_atomic(&path, b"old").unwrap();
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let failed = replace(&path, |file| {
            file.write_all(b"half")?;
            Err(full())
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        let text = LogError::io("write", &path, full()).to_string();
        assert!(
            text.contains("no space left") && text.contains("summary.json"),
            "{text}"
        );
    }

    #[test]
    fn a_missing_directory_is_named() {
        let error = write_atomic(Path::new("/nonexistent/x.json"), b"").unwrap_err();
        assert_eq!(error.to_string(), "cannot write `/nonexistent/x.json`");
    }
}
