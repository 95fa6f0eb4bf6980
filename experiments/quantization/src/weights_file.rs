//! The matrices of a safetensors file of anybody's, which is read one matrix at a time.

use crate::error::WeightsError;
use crate::kind::Kind;
use crate::tensor_file::TensorFile;
use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use serde::Serialize;
use std::fs::File;
use std::path::Path;

/// An open file, of which the header was read.
#[derive(Debug)]
pub struct WeightsFile {
    file: TensorFile,
    matrices: Vec<ListedMatrix>,
    left_out: Vec<LeftOut>,
}

/// A matrix of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedMatrix {
    /// Its name.
    pub name: String,
    /// What it does.
    pub kind: Kind,
    /// How the file holds a value.
    pub dtype: Dtype,
    /// Outputs and inputs.
    pub shape: [usize; 2],
    /// Whether the file has inputs before outputs, as GPT-2's layers have them.
    pub is_transposed: bool,
    /// First byte and end, behind the header.
    range: [u64; 2],
}

/// A tensor that is no matrix of real numbers in full precision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its name.
    pub name: String,
    /// How the file holds a value.
    pub dtype: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
}

impl WeightsFile {
    /// Reads the header of `file`, which `path` names.
    pub fn new(path: &Path, file: File) -> Result<Self, WeightsError> {
        let file = TensorFile::new(path, file)?;
        let header = file.header();
        let mut matrices = Vec::new();
        let mut left_out = Vec::new();
        for name in header.offset_keys() {
            let Some(info) = header.info(&name) else {
                continue;
            };
            match matrix(&name, info) {
                Some(matrix) => matrices.push(matrix),
                None => left_out.push(LeftOut {
                    name,
                    dtype: info.dtype.to_string(),
                    shape: info.shape.clone(),
                }),
            }
        }
        if matrices.is_empty() {
            return Err(WeightsError::NoMatrix {
                path: path.to_owned(),
                there: there(&left_out),
            });
        }
        orient(&mut matrices);
        Ok(Self {
            file,
            matrices,
            left_out,
        })
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Its matrices, in their order in the file.
    #[must_use]
    pub fn matrices(&self) -> &[ListedMatrix] {
        &self.matrices
    }

    /// What else it holds.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// The values of a matrix of this file, row by row, a row for each output.
    pub fn values(&mut self, matrix: &ListedMatrix) -> Result<Vec<f32>, WeightsError> {
        let bytes = self.file.bytes(&matrix.name, matrix.range)?;
        // Others are not listed.
        let values = decoder(matrix.dtype).map_or_else(Vec::new, |decoded| decoded(&bytes));
        if !matrix.is_transposed {
            return Ok(values);
        }
        let [outputs, inputs] = matrix.shape;
        let turned = (0..outputs).flat_map(|output| {
            let values = &values;
            (0..inputs).map(move |input| values[input * outputs + output])
        });
        Ok(turned.collect())
    }
}

/// The tensor as a matrix, where it is one that can be measured.
fn matrix(name: &str, info: &TensorInfo) -> Option<ListedMatrix> {
    let &[rows, columns] = info.shape.as_slice() else {
        return None;
    };
    let (first, end) = info.data_offsets;
    (decoder(info.dtype).is_some() && rows > 0 && columns > 0).then(|| ListedMatrix {
        name: name.to_owned(),
        kind: Kind::of(name),
        dtype: info.dtype,
        shape: [rows, columns],
        is_transposed: false,
        range: [first as u64, end as u64],
    })
}

/// Turns the maps that a file with GPT-2's names holds with inputs before outputs. nanoGPT uses the same names for maps
/// with outputs first; the maps that are not square tell which it is.
fn orient(matrices: &mut [ListedMatrix]) {
    let named = |matrix: &ListedMatrix, last: &str| {
        let name = matrix.name.strip_suffix(".weight").unwrap_or(&matrix.name);
        name.rsplit('.').next() == Some(last)
    };
    let has_outputs_first = matrices.iter().any(|matrix| {
        let [rows, columns] = matrix.shape;
        (named(matrix, "c_attn") || named(matrix, "c_fc")) && rows > columns
    });
    if has_outputs_first {
        return;
    }
    for matrix in matrices {
        if ["c_attn", "c_proj", "c_fc"]
            .iter()
            .any(|last| named(matrix, last))
        {
            matrix.shape.reverse();
            matrix.is_transposed = true;
        }
    }
}

/// The values that bytes of a type stand for; of the types that can be measured.
type Decoder = fn(&[u8]) -> Vec<f32>;

/// What reads this type; none of whatever else there is, since safetensors gains types.
fn decoder(dtype: Dtype) -> Option<Decoder> {
    fn pairs(bytes: &[u8], of: fn([u8; 2]) -> f32) -> Vec<f32> {
        bytes.as_chunks().0.iter().map(|pair| of(*pair)).collect()
    }
    let half: Decoder = |bytes| pairs(bytes, |pair| f16::from_le_bytes(pair).to_f32());
    let brain: Decoder = |bytes| pairs(bytes, |pair| bf16::from_le_bytes(pair).to_f32());
    let full: Decoder = |bytes| {
        let four = bytes.as_chunks().0.iter();
        four.map(|four| f32::from_le_bytes(*four)).collect()
    };
    match dtype {
        Dtype::F16 => Some(half),
        Dtype::BF16 => Some(brain),
        Dtype::F32 => Some(full),
        _ => None,
    }
}

/// What a file without matrices holds, in words.
fn there(left_out: &[LeftOut]) -> String {
    let [first, rest @ ..] = left_out else {
        return "it holds nothing".to_owned();
    };
    let LeftOut { name, dtype, shape } = first;
    let more = match rest.len() {
        0 => String::new(),
        count => format!(" and {} more", words::counted(count as u64, "tensor")),
    };
    format!("it holds `{name}`, {dtype} {shape:?}{more}")
}
