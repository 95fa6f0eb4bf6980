//! Reading the small JSON documents of a run directory, each of which carries its version.

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::FORMAT_VERSION;
use crate::error::LogError;

/// Reads a versioned document; `None` if it does not exist. The version is looked at first, since a
/// newer one may have any shape.
pub(crate) fn load<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, LogError> {
    #[derive(Deserialize)]
    struct Version {
        version: u64,
    }
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LogError::io("read", path, error)),
    };
    let damaged = |error: serde_json::Error| LogError::Damaged {
        path: path.to_owned(),
        message: error.to_string(),
    };
    let Version { version } = serde_json::from_slice(&bytes).map_err(damaged)?;
    if version > u64::from(FORMAT_VERSION) {
        return Err(LogError::Newer {
            path: path.to_owned(),
            found: version,
            supported: FORMAT_VERSION,
        });
    }
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}
