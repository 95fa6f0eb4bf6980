//! Folders that a command is told to make and to work in.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use crate::error::LogError;

/// Makes a folder and those above it, like [`fs::create_dir_all`], and names what is in the way.
pub fn make(path: &Path) -> io::Result<()> {
    let Err(error) = fs::create_dir_all(path) else {
        return Ok(());
    };
    let in_the_way = |part: &&Path| part.symlink_metadata().is_ok() && !part.is_dir();
    let Some(part) = path.ancestors().find(in_the_way) else {
        return Err(error);
    };
    let what = if part.exists() {
        "is no folder"
    } else {
        "is a link to nothing"
    };
    let text = format!("`{}` {what}; name another one", part.display());
    Err(io::Error::new(error.kind(), text))
}

/// The name of something in a folder that is none of `ours`, nor hidden; none where there is no folder.
pub fn stranger(path: &Path, ours: &[&str]) -> io::Result<Option<String>> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !ours.contains(&name.as_str()) && !name.starts_with('.') {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// One command at a time in a folder that holds several runs, of which each has a lease of its own.
///
/// The kernel keeps the lock for as long as the process lives. Some network file systems have none for folders; there nobody is kept
/// out.
#[derive(Debug)]
pub struct FolderLock(File);

impl FolderLock {
    /// Makes the folder where needed, and takes it for this process until the lock is dropped.
    pub fn take(path: &Path) -> Result<Self, LogError> {
        make(path).map_err(|error| LogError::io("create", path, error))?;
        let folder = File::open(path).map_err(|error| LogError::io("open", path, error))?;
        match folder.try_lock() {
            Err(TryLockError::WouldBlock) => Err(LogError::Busy {
                path: path.to_owned(),
            }),
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Self(folder)),
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Explicit, because a process that was just forked shares the open folder until it executes its program.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_command_at_a_time_works_in_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        let lock = FolderLock::take(&folder).unwrap();
        let error = FolderLock::take(&folder).unwrap_err();
        assert!(matches!(error, LogError::Busy { .. }), "{error}");
        drop(lock);
        FolderLock::take(&folder).unwrap();
    }

    #[test]
    fn a_stranger_is_what_is_neither_ours_nor_hidden() {
        let dir = tempfile::tempdir().unwrap();
        let found = || stranger(dir.path(), &["ours"]).unwrap();
        for name in ["ours", ".hidden"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        assert_eq!(found(), None);
        fs::create_dir(dir.path().join("mine")).unwrap();
        assert_eq!(found().as_deref(), Some("mine"));
        assert_eq!(stranger(&dir.path().join("none"), &[]).unwrap(), None);
    }

    /// The system says that the file exists, whatever is in the way.
    #[cfg(unix)]
    #[test]
    fn what_is_in_the_way_of_a_folder_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("file"), "").unwrap();
        std::os::unix::fs::symlink("nowhere", at("link")).unwrap();
        for (name, expected) in [
            ("file", "file` is no folder"),
            ("file/inner", "file` is no folder"),
            ("link", "link` is a link to nothing"),
            ("link/inner", "link` is a link to nothing"),
        ] {
            let error = make(&at(name)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        std::os::unix::fs::symlink(dir.path(), at("good")).unwrap();
        make(&at("good/new")).unwrap();
        assert!(at("new").is_dir());
    }
}
