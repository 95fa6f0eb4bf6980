//! Reads one `torch.save` file: an archive of a pickled index and one member per storage.
//!
//! Source: `torch/serialization.py` (`_save`) and `caffe2/serialize/inline_container.cc`:
//! members `NAME/data.pkl`, `NAME/byteorder`, `NAME/data/KEY`, never compressed. Files of
//! `PyTorch` before 1.6 are no archives; GLM-130B's were written with 1.11.

use super::error::InterchangeError;
use super::pickle::{TensorEntry, module_tensors};
use half::{bf16, f16};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use zip::{CompressionMethod, ZipArchive};

/// GLM-130B's index has about 200 KiB.
const MAX_INDEX: u64 = 4 << 20;

/// An open file.
pub(super) struct TorchReader<R> {
    path: PathBuf,
    archive: ZipArchive<R>,
    /// The directory inside the archive, with its slash.
    root: String,
    /// Of the file; no member can hold more.
    length: u64,
    tensors: HashMap<Rc<str>, Rc<TensorEntry>>,
}

impl TorchReader<BufReader<File>> {
    pub(super) fn open(path: &Path) -> Result<Self, InterchangeError> {
        let file = File::open(path).map_err(InterchangeError::io(path))?;
        Self::new(path, BufReader::new(file))
    }
}

impl<R: Read + Seek> TorchReader<R> {
    pub(super) fn new(path: &Path, mut reader: R) -> Result<Self, InterchangeError> {
        let length = reader
            .seek(io::SeekFrom::End(0))
            .map_err(InterchangeError::io(path))?;
        let damaged = |problem: String| InterchangeError::File {
            path: path.to_owned(),
            problem,
        };
        let archive = ZipArchive::new(reader).map_err(|error| damaged(error.to_string()))?;
        let index = archive.file_names().filter_map(Result::ok);
        let mut roots = index.filter_map(|name| name.strip_suffix("data.pkl").map(str::to_owned));
        let (Some(root), None) = (roots.next(), roots.next()) else {
            return Err(damaged(
                "the archive has not exactly one `data.pkl`".to_owned(),
            ));
        };
        drop(roots);
        let path = path.to_owned();
        let mut file = Self {
            path,
            archive,
            root,
            length,
            tensors: HashMap::new(),
        };
        if file
            .archive
            .index_for_name(&format!("{}byteorder", file.root))
            .is_some()
        {
            let order = file.member("byteorder", 0, 16)?;
            if order != b"little" {
                return Err(file.damaged("its byte order is not `little`".to_owned()));
            }
        }
        let index = file.member("data.pkl", 0, MAX_INDEX)?;
        file.tensors = module_tensors(&index).map_err(|problem| file.damaged(problem))?;
        Ok(file)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Names of all tensors, sorted.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.tensors.keys().map(|name| &**name).collect();
        names.sort_unstable();
        names
    }

    /// A tensor of a known shape, row-major.
    pub(super) fn tensor(
        &mut self,
        name: &str,
        shape: &[usize],
    ) -> Result<Vec<f32>, InterchangeError> {
        let path = self.path.clone();
        let problem = |found: String, expected: String| InterchangeError::Tensor {
            path: path.clone(),
            name: name.to_owned(),
            found,
            expected,
        };
        let Some(entry) = self.tensors.get(name).cloned() else {
            return Err(problem(
                "none".to_owned(),
                format!("one of shape {shape:?}"),
            ));
        };
        if entry.shape != shape {
            return Err(problem(
                format!("shape {:?}", entry.shape),
                format!("{shape:?}"),
            ));
        }
        let (size, decode): (usize, fn(&[u8]) -> f32) = match &*entry.kind {
            "HalfStorage" => (2, |b| f16::from_le_bytes([b[0], b[1]]).to_f32()),
            "BFloat16Storage" => (2, |b| bf16::from_le_bytes([b[0], b[1]]).to_f32()),
            "FloatStorage" => (4, |b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
            kind => {
                let expected = "FP16, FP32 or BF16; a quantised checkpoint cannot be imported, take the FP16 one it was made from";
                return Err(problem(kind.to_owned(), expected.to_owned()));
            }
        };
        let Some((start, span)) = bytes_of(&entry, size) else {
            let found = format!("strides {:?}", entry.strides);
            return Err(problem(found, "an end within memory".to_owned()));
        };
        let raw = self.member(&format!("data/{}", entry.key), start, span)?;
        if raw.len() as u64 != span {
            let found = format!("{} bytes from byte {start} of its storage on", raw.len());
            return Err(problem(found, format!("{span}")));
        }
        let (rows, columns) = match shape {
            [rows, columns] => (*rows, *columns),
            _ => (1, shape.iter().product()),
        };
        let (row, column) = match entry.strides[..] {
            [row, column] => (row, column),
            [column] => (0, column),
            _ => (0, 1),
        };
        let places = (0..rows).flat_map(|i| (0..columns).map(move |j| i * row + j * column));
        Ok(places
            .map(|at| decode(&raw[at * size..(at + 1) * size]))
            .collect())
    }

    /// At most `count` bytes of a member from `start` on. The member is read to its end, where its
    /// checksum is compared.
    fn member(&mut self, name: &str, start: u64, count: u64) -> Result<Vec<u8>, InterchangeError> {
        let name = format!("{}{name}", self.root);
        let (path, length) = (self.path.clone(), self.length);
        let damaged = |problem: String| InterchangeError::File {
            path: path.clone(),
            problem: format!("member `{name}`: {problem}"),
        };
        let failed = |error: io::Error| damaged(error.to_string());
        let member = self.archive.by_name(&name);
        let mut member = member.map_err(|error| damaged(error.to_string()))?;
        if member.compression() != CompressionMethod::Stored || member.size() > length {
            return Err(damaged("is compressed or larger than the file".to_owned()));
        }
        let mut bytes = Vec::new();
        io::copy(&mut member.by_ref().take(start), &mut io::sink()).map_err(failed)?;
        member
            .by_ref()
            .take(count)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        io::copy(&mut member, &mut io::sink()).map_err(failed)?;
        Ok(bytes)
    }

    fn damaged(&self, problem: String) -> InterchangeError {
        InterchangeError::File {
            path: self.path.clone(),
            problem,
        }
    }
}

/// First byte and number of bytes from a tensor's first element to its last, gaps between rows
/// included; none if they overflow.
fn bytes_of(entry: &TensorEntry, size: usize) -> Option<(u64, u64)> {
    let dimensions = entry.shape.iter().zip(&entry.strides);
    let reach = dimensions.map(|(count, stride)| count.checked_sub(1)?.checked_mul(*stride));
    let span = reach
        .into_iter()
        .try_fold(1_usize, |sum, reach| sum.checked_add(reach?))?;
    let bytes = |elements: usize| elements.checked_mul(size).map(|bytes| bytes as u64);
    Some((bytes(entry.offset)?, bytes(span)?))
}
