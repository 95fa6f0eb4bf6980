//! A small JSON document that is read again only after it was replaced.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use serde::de::DeserializeOwned;

use crate::error::LogError;
use crate::run::load;

#[derive(Debug)]
pub(super) struct Document<T> {
    path: PathBuf,
    value: Option<T>,
    /// Modification time and identity of the file the value was read from: documents are replaced
    /// by rename, so either changes.
    stamp: Option<(SystemTime, u64)>,
}

impl<T: DeserializeOwned> Document<T> {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            value: None,
            stamp: None,
        }
    }

    pub(super) fn get(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// Reads the file if it was replaced. The stamp is taken first, so that a replacement during
    /// the reading is noticed by the next refresh.
    pub(super) fn refresh(&mut self) -> Result<(), LogError> {
        let stamp = self.stamp();
        if stamp != self.stamp || stamp.is_none() {
            self.value = load(&self.path)?;
            self.stamp = stamp;
        }
        Ok(())
    }

    fn stamp(&self) -> Option<(SystemTime, u64)> {
        let metadata = fs::metadata(&self.path).ok()?;
        #[cfg(unix)]
        let identity = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let identity = metadata.len();
        Some((metadata.modified().ok()?, identity))
    }
}
