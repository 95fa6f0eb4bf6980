//! Writes one file that `torch.load` reads, with `weights_only=True` too.
//!
//! Members and their order as `torch/serialization.py` (`_save`) has them; the index is a pickle of
//! protocol 2, `{'module': {name: tensor, …}}`, each tensor with a storage of its own.

use super::error::InterchangeError;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// `torch.save` starts every member at a multiple of this (`inline_container.h`).
const ALIGNMENT: u16 = 64;
/// Members from this size on get 64-bit sizes; less leaves room for headers.
const LARGE: usize = 0xF000_0000;
/// `kProducedFileFormatVersion` of `caffe2/serialize/versions.h`.
const FORMAT: &[u8] = b"3\n";

/// A tensor to be written.
pub(super) struct Described<'a> {
    pub(super) name: &'a str,
    pub(super) shape: Vec<usize>,
}

/// Writes and syncs `path`. `bytes` gives a tensor's elements by its index, little-endian.
pub(super) fn write(
    path: &Path,
    storage: &str,
    tensors: &[Described],
    mut bytes: impl FnMut(usize) -> Result<Vec<u8>, InterchangeError>,
) -> Result<(), InterchangeError> {
    let failed = |error: ZipError| InterchangeError::io(path)(error.into());
    let file = File::create(path).map_err(InterchangeError::io(path))?;
    let mut archive = ZipWriter::new(BufWriter::new(file));
    let mut member = |name: String, bytes: &[u8]| {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .with_alignment(ALIGNMENT)
            .large_file(bytes.len() >= LARGE);
        archive
            .start_file(format!("archive/{name}"), options)
            .map_err(failed)?;
        archive.write_all(bytes).map_err(InterchangeError::io(path))
    };
    member("data.pkl".to_owned(), &index(storage, tensors))?;
    member("byteorder".to_owned(), b"little")?;
    for key in 0..tensors.len() {
        member(format!("data/{key}"), &bytes(key)?)?;
    }
    member("version".to_owned(), FORMAT)?;
    let buffer = archive.finish().map_err(failed)?;
    let file = buffer
        .into_inner()
        .map_err(|error| InterchangeError::io(path)(error.into_error()))?;
    file.sync_all().map_err(InterchangeError::io(path))
}

/// Opcodes as in `pickletools`: `}` dict, `(…u` its items, `c` global, `(…t` tuple, `Q` storage,
/// `R` call.
fn index(storage: &str, tensors: &[Described]) -> Vec<u8> {
    let mut out = b"\x80\x02}".to_vec();
    text(&mut out, "module");
    out.extend(b"}(");
    for (key, tensor) in tensors.iter().enumerate() {
        text(&mut out, tensor.name);
        out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut out, "storage");
        out.extend(format!("ctorch\n{storage}\n").as_bytes());
        text(&mut out, &key.to_string());
        text(&mut out, "cpu");
        integer(&mut out, tensor.shape.iter().product());
        out.extend(b"tQ");
        integer(&mut out, 0);
        sizes(&mut out, tensor.shape.iter().copied());
        let strides = (0..tensor.shape.len()).map(|d| tensor.shape[d + 1..].iter().product());
        sizes(&mut out, strides);
        out.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    }
    out.extend(b"us.");
    out
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

fn integer(out: &mut Vec<u8>, value: usize) {
    if let Ok(value) = i32::try_from(value) {
        out.push(b'J');
        out.extend(value.to_le_bytes());
    } else {
        out.extend(b"\x8a\x07");
        out.extend(&(value as u64).to_le_bytes()[..7]);
    }
}

fn sizes(out: &mut Vec<u8>, sizes: impl Iterator<Item = usize>) {
    out.push(b'(');
    sizes.for_each(|size| integer(out, size));
    out.push(b't');
}
