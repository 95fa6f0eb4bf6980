//! Replacing a small file so that a reader, or a crash, sees the old one or the new one, never a half.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::LogError;

/// How the names of damaged files begin that were set aside.
pub const ASIDE: &str = "damaged-";

/// How temporary names begin.
pub const TEMPORARY: &str = ".tmp-";

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
    builder.prefix(TEMPORARY);
    #[cfg(unix)]
    let builder = {
        use std::os::unix::fs::PermissionsExt;
        // As any other file, less the umask: colleagues read each other's runs.
        builder.permissions(fs::Permissions::from_mode(0o666))
    };
    let mut temporary = builder.tempfile_in(dir)?;
    fill(temporary.as_file_mut())?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    sync_directory(dir)
}

/// Makes renames and removals in `dir` last.
pub fn sync_directory(dir: &Path) -> io::Result<()> {
    match File::open(dir).and_then(|dir| dir.sync_all()) {
        // Some network file systems cannot sync a directory; the rename itself holds.
        Err(error) if error.kind() != io::ErrorKind::InvalidInput => Err(error),
        _ => Ok(()),
    }
}

/// Renames a damaged file or directory to `damaged-NAME` beside it, where it is kept but not found by
/// its name. Returns the new path.
pub fn set_aside(path: &Path) -> Result<PathBuf, LogError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut kept = dir.join(format!("{ASIDE}{name}"));
    let mut number = 2;
    while kept.symlink_metadata().is_ok() {
        kept = dir.join(format!("{ASIDE}{name}-{number}"));
        number += 1;
    }
    let renamed = fs::rename(path, &kept).and_then(|()| sync_directory(dir));
    renamed.map_err(|error| LogError::io("rename", path, error))?;
    Ok(kept)
}

/// Removes what a killed process left in `dir` under a temporary name, files and directories. Only
/// for who holds the right to write there. What cannot be removed stays: it does no harm.
pub fn sweep_temporaries(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        if !is_temporary(&entry.file_name()) {
            continue;
        }
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let path = entry.path();
        let _ = if is_dir {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        };
    }
}

pub(crate) fn is_temporary(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes())
}

/// A file or directory as it was found, to notice that its path has come to name another.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl Place {
    /// What `path` names now.
    pub(crate) fn of(path: &Path) -> Result<Self, LogError> {
        let found = fs::metadata(path).map_err(|error| LogError::io("open", path, error))?;
        Ok(Self {
            path: path.to_owned(),
            identity: identity(&found),
        })
    }

    /// Fails with [`LogError::Gone`] where the path names nothing, or something else, by now.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        match fs::metadata(&self.path) {
            Ok(found) if identity(&found) == self.identity => Ok(()),
            Err(error) if !is_absent(&error) => Err(LogError::io("look at", &self.path, error)),
            Ok(_) | Err(_) => Err(LogError::Gone {
                path: self.path.clone(),
            }),
        }
    }
}

fn is_absent(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == io::ErrorKind::NotFound || kind == io::ErrorKind::NotADirectory
}

/// Device and number on it, where the system has such.
fn identity(found: &fs::Metadata) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Some((found.dev(), found.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = found;
        None
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
        assert_eq!(fs::read_to_string(&path).unwrap(), "[\n  3\n]\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
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
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
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
