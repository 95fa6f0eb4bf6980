//! The small JSON documents of a run directory. Each carries its version first and a checksum last.
//!
//! The checksum is that of a line of metrics: `crc`, the CRC-32 of all bytes before it. A document
//! without one, as earlier versions wrote them, is read as it is.

use std::io::{self, Read};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::FORMAT_VERSION;
use crate::disk::{self, write_atomic};
use crate::error::LogError;

/// What stands between the content and the eight digits.
const SEAL: &str = ",\n  \"crc\": \"";
/// What follows the digits.
const END: &str = "\"\n}\n";

/// Writes a JSON document with its checksum, atomically. `value` is a struct with at least one field.
pub fn save(path: &Path, value: &impl Serialize) -> Result<(), LogError> {
    let text = serde_json::to_string_pretty(value).map_err(|source| LogError::Encode {
        path: path.to_owned(),
        source,
    })?;
    let body = text.strip_suffix("\n}").unwrap_or(&text);
    let crc = crc32fast::hash(body.as_bytes());
    write_atomic(path, format!("{body}{SEAL}{crc:08x}{END}").as_bytes())
}

/// Reads a versioned document; `None` if it does not exist. The version is looked at first, since a
/// newer one may have any shape.
pub(crate) fn load<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, LogError> {
    #[derive(Deserialize)]
    struct Header {
        version: u64,
        crc: Option<serde_json::Value>,
    }
    let mut bytes = Vec::new();
    match disk::open(path).and_then(|mut file| file.read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LogError::io("read", path, error)),
    }
    let damaged = |message: String| LogError::Damaged {
        path: path.to_owned(),
        message,
    };
    let parsed = serde_json::from_slice(&bytes);
    let Header { version, crc } = parsed.map_err(|error| damaged(error.to_string()))?;
    if version > u64::from(FORMAT_VERSION) {
        return Err(LogError::Newer {
            path: path.to_owned(),
            found: version,
            supported: FORMAT_VERSION,
        });
    }
    if crc.is_some() && !is_whole(&bytes) {
        let text = "its content does not match its checksum `crc`; restore it from a copy";
        return Err(damaged(text.to_owned()));
    }
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| damaged(error.to_string()))
}

/// Whether a document that has a checksum is as [`save`] wrote it. One without is not.
#[must_use]
pub fn is_whole(bytes: &[u8]) -> bool {
    let split = || {
        let text = std::str::from_utf8(bytes).ok()?;
        text.strip_suffix(END)?.rsplit_once(SEAL)
    };
    split().is_some_and(|(body, crc)| crc == format!("{:08x}", crc32fast::hash(body.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Status, Summary};
    use std::fs;

    #[test]
    fn no_flipped_bit_of_a_document_changes_what_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("summary.json");
        let mut summary = Summary::new(Status::Finished, 40, 1, 1.5);
        summary.held_out_loss = Some(3.25);
        save(&path, &summary).unwrap();
        assert_eq!(load(&path).unwrap(), Some(summary.clone()));
        let bytes = fs::read(&path).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, flipped).unwrap();
            if let Ok(found) = load(&path) {
                assert_eq!(found, Some(summary.clone()), "bit {bit}");
            }
        }
    }

    #[test]
    fn a_document_without_a_checksum_is_read_as_earlier_versions_wrote_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("summary.json");
        let summary = Summary::new(Status::Stopped, 4, 1, 1.5);
        crate::write_json_atomic(&path, &summary).unwrap();
        assert_eq!(load(&path).unwrap(), Some(summary));
    }
}
