//! The folder in which texts, tokenizers and tokens are kept between runs.

use crate::TextError;
use serde::{Serialize, de::DeserializeOwned};
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// A cache folder. Every file in it can be made again, so it may be deleted at any time.
///
/// `texts/` fetched texts · `files/` fingerprints of the user's files · `tokenizers/`, `tokens/`
/// and `tasks/` by content hash · `kernels/` compiled for a card · `locks/` one writer at a time.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The given folder, else `$WORKBENCH_CACHE`, else `$XDG_CACHE_HOME/workbench`, else
    /// `~/.cache/workbench`.
    pub fn locate(explicit: Option<PathBuf>) -> Result<Self, TextError> {
        Self::locate_in(explicit, |key| std::env::var_os(key).map(PathBuf::from))
    }

    fn locate_in(
        explicit: Option<PathBuf>,
        env: impl Fn(&str) -> Option<PathBuf>,
    ) -> Result<Self, TextError> {
        // An empty variable means unset, as the XDG base directory specification says.
        let env = |key| env(key).filter(|path| !path.as_os_str().is_empty());
        explicit
            .or_else(|| env("WORKBENCH_CACHE"))
            .or_else(|| env("XDG_CACHE_HOME").map(|path| path.join("workbench")))
            .or_else(|| env("HOME").map(|path| path.join(".cache/workbench")))
            .map(|root| Self { root })
            .ok_or(TextError::NoCacheFolder)
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Path of a file of this cache.
    pub(crate) fn path(&self, folder: &str, name: &str) -> PathBuf {
        self.root.join(folder).join(name)
    }

    /// Writes a whole file: temporary name, sync, rename. A reader sees the old or the new file.
    pub(crate) fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), TextError> {
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(TextError::cache(folder))?;
        let mut file = temporary(folder).map_err(TextError::cache(folder))?;
        file.write_all(bytes)
            .and_then(|()| file.as_file().sync_all())
            .map_err(TextError::cache(path))?;
        file.persist(path)
            .map_err(|error| TextError::cache(path)(error.error))?;
        Ok(())
    }

    /// [`Cache::write`] of a value as JSON.
    pub(crate) fn write_json(&self, path: &Path, value: &impl Serialize) -> Result<(), TextError> {
        let json = serde_json::to_vec_pretty(value)
            .map_err(|error| TextError::cache(path)(error.into()))?;
        self.write(path, &json)
    }

    /// An empty folder that vanishes when dropped.
    pub(crate) fn scratch(&self) -> Result<tempfile::TempDir, TextError> {
        fs::create_dir_all(&self.root).map_err(TextError::cache(&self.root))?;
        tempfile::Builder::new()
            .prefix("scratch-")
            .tempdir_in(&self.root)
            .map_err(TextError::cache(&self.root))
    }

    /// Waits until no other process holds the lock `name`. The lock ends with the returned file,
    /// also when the process is killed.
    pub(crate) fn lock(
        &self,
        name: &str,
        progress: &mut dyn FnMut(&str),
    ) -> Result<File, TextError> {
        let path = self.path("locks", name);
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(TextError::cache(folder))?;
        let file = File::create(&path).map_err(TextError::cache(&path))?;
        let locked = match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                progress(&format!("waiting for another process that prepares {name}"));
                file.lock()
            }
            Err(TryLockError::Error(error)) => Err(error),
            Ok(()) => Ok(()),
        };
        match locked {
            // Some network file systems have no locks. Writes are atomic and of equal content,
            // so two processes at once only waste time.
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(file),
            Err(error) => Err(TextError::cache(&path)(error)),
            Ok(()) => Ok(file),
        }
    }
}

/// A JSON file of the cache; `None` where it is absent or not of this shape (an older version's
/// file is made anew).
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// A temporary file in `folder` that others may read as the umask says: a cache can be shared.
fn temporary(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".new-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// BLAKE3 hash (hex) of the bytes of a file of the user's, as `b3sum` prints it.
pub fn content_hash(path: &Path) -> Result<String, TextError> {
    let file = File::open(path).map_err(TextError::read(path))?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file).map_err(TextError::read(path))?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// A hash (hex) over parts, each preceded by its length so that parts cannot run together.
pub(crate) fn hash_parts<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        let part = part.as_ref();
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scripts rely on the documented order.
    #[test]
    fn the_place_follows_the_documented_order() {
        let find = |set: &[(&str, &str)], explicit: Option<&str>| {
            let set: Vec<(String, PathBuf)> = set
                .iter()
                .map(|(k, v)| ((*k).to_owned(), PathBuf::from(v)))
                .collect();
            Cache::locate_in(explicit.map(PathBuf::from), |key| {
                set.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone())
            })
            .map(|cache| cache.root)
        };
        let all = [
            ("WORKBENCH_CACHE", "/w"),
            ("XDG_CACHE_HOME", "/x"),
            ("HOME", "/h"),
        ];
        assert_eq!(find(&all, Some("/e")).unwrap(), Path::new("/e"));
        assert_eq!(find(&all, None).unwrap(), Path::new("/w"));
        assert_eq!(find(&all[1..], None).unwrap(), Path::new("/x/workbench"));
        assert_eq!(
            find(&all[2..], None).unwrap(),
            Path::new("/h/.cache/workbench")
        );
        assert_eq!(
            find(&[("WORKBENCH_CACHE", ""), ("HOME", "/h")], None).unwrap(),
            Path::new("/h/.cache/workbench")
        );
        assert!(matches!(find(&[], None), Err(TextError::NoCacheFolder)));
    }

    /// A key made of `ab`, `c` must differ from one made of `a`, `bc`.
    #[test]
    fn hashed_parts_do_not_run_together() {
        assert_ne!(hash_parts(["ab", "c"]), hash_parts(["a", "bc"]));
    }

    /// A failed write must leave the old file and no litter.
    #[test]
    fn writes_replace_whole_files() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::locate(Some(dir.path().to_owned())).unwrap();
        let path = cache.path("tokens", "a");
        cache.write(&path, b"one").unwrap();
        cache.write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
