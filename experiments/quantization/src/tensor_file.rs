//! A safetensors file that is read one tensor at a time.

use crate::error::WeightsError;
use safetensors::tensor::Metadata;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Bytes before the header, which say how long it is.
const LENGTH: u64 = 8;

/// The longest header that the format allows, bytes.
const LONGEST_HEADER: u64 = 100_000_000;

/// An open file, of which the header was read.
#[derive(Debug)]
pub struct TensorFile {
    path: PathBuf,
    file: File,
    header: Metadata,
    /// Where the values begin.
    values_at: u64,
}

impl TensorFile {
    /// Reads the header of `file`, which `path` names, and which is as long as it says.
    pub fn new(path: &Path, mut file: File) -> Result<Self, WeightsError> {
        let (header, values_at) = header(path, &mut file)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            header,
            values_at,
        })
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds.
    #[must_use]
    pub fn header(&self) -> &Metadata {
        &self.header
    }

    /// The bytes between two offsets of the header, those of the tensor `name`.
    pub fn bytes(&mut self, name: &str, [first, end]: [u64; 2]) -> Result<Vec<u8>, WeightsError> {
        let mut bytes = vec![0; (end - first) as usize];
        let read = self
            .file
            .seek(SeekFrom::Start(self.values_at + first))
            .and_then(|_| self.file.read_exact(&mut bytes));
        read.map_err(|source| WeightsError::Read {
            path: self.path.clone(),
            tensor: Some(name.to_owned()),
            source,
        })?;
        Ok(bytes)
    }
}

/// The header of a file that is as long as it says, and where the values begin.
fn header(path: &Path, file: &mut File) -> Result<(Metadata, u64), WeightsError> {
    let reading = |source| WeightsError::Read {
        path: path.to_owned(),
        tensor: None,
        source,
    };
    let format = |problem: String| WeightsError::Format {
        path: path.to_owned(),
        problem,
    };
    let length = file.metadata().map_err(reading)?.len();
    let Some(behind) = length.checked_sub(LENGTH) else {
        return Err(format(format!(
            "it has {length} bytes, and the length of the header alone takes {LENGTH}"
        )));
    };
    let mut size = [0; LENGTH as usize];
    file.read_exact(&mut size).map_err(reading)?;
    let size = u64::from_le_bytes(size);
    if size > LONGEST_HEADER.min(behind) {
        return Err(format(format!(
            "its first {LENGTH} bytes tell of a header of {size} bytes, where {behind} follow"
        )));
    }
    let mut text = vec![0; size as usize];
    file.read_exact(&mut text).map_err(reading)?;
    let metadata: Metadata = serde_json::from_slice(&text)
        .map_err(|error| format(format!("its header cannot be read: {error}")))?;
    let values_at = LENGTH + size;
    check_length(path, &metadata, values_at, length)?;
    Ok((metadata, values_at))
}

/// Refuses a file that ends before or after what its header tells of.
fn check_length(
    path: &Path,
    header: &Metadata,
    values_at: u64,
    length: u64,
) -> Result<(), WeightsError> {
    // The sizes are anybody's.
    let expected = values_at.saturating_add(header.data_len() as u64);
    if length == expected {
        return Ok(());
    }
    let cut = header.offset_keys().into_iter().find(|name| {
        let info = header.info(name);
        info.is_some_and(|info| info.data_offsets.1 as u64 > length - values_at)
    });
    Err(WeightsError::Length {
        path: path.to_owned(),
        length,
        expected,
        tensor: cut,
    })
}
