//! Quantized weights in a safetensors file, from which the model is read without any other copy.
//!
//! | tensor | type | shape |
//! | --- | --- | --- |
//! | `NAME.codes` | I8, or U8 with two 4-bit codes a byte, the even column in the upper half | `[out, in]`, `[out, in / 2]` |
//! | `NAME.scales` | F16 | one for each block: `[out, 1]` where rows share one |
//! | `NAME.zeros` | I32, where the rule has zero points | as the scales |
//! | `NAME` | F16, all that is not quantized | its own |
//!
//! Metadata: `format`, `scheme`, `bits`, `tensor_parallel`, `steps` (of the checkpoints whose mean it is) and `config_hash`.

use crate::error::TrainError;
use crate::files::tensors::Tensors;
use crate::parameters::{Parameter, Parameters};
use crate::quantization::{PackedMap, PackedMaps};
use experiments_quantization::{Bits, Parts, QuantizeError, Quantized, TensorFile};
use half::f16;
use logs::LogError;
use safetensors::Dtype;
use std::collections::HashMap;
use std::path::Path;

/// The format's name and version, in the metadata.
const FORMAT: &str = "workbench-quantized-1";

/// Writes `parameters`, of which those in `matrices` are quantized and all others become FP16.
pub(crate) fn write_quantized(
    path: &Path,
    parameters: &Parameters,
    matrices: &HashMap<String, Quantized>,
    mut about: HashMap<String, String>,
) -> Result<u64, TrainError> {
    let mut tensors = Tensors::default();
    for parameter in parameters.table() {
        if let Some(matrix) = matrices.get(&parameter.name) {
            push(&mut tensors, &parameter.name, matrix);
            continue;
        }
        let values = &parameters.values()[parameter.range.clone()];
        let halves = values.iter().map(|v| f16::from_f32(*v));
        if let Some(at) = halves.clone().position(|half| !half.is_finite()) {
            let (name, value) = (&parameter.name, values[at]);
            let problem =
                format!("cannot hold `{name}`: value {at} is {value}, FP16 ends at ±65504");
            return Err(damaged(path, problem));
        }
        let bytes = halves.flat_map(f16::to_le_bytes).collect();
        let name = parameter.name.clone();
        tensors.push(name, Dtype::F16, &parameter.shape, bytes);
    }
    about.insert("format".to_owned(), FORMAT.to_owned());
    let bytes = tensors
        .encode(about)
        .map_err(|error| LogError::io("write", path, std::io::Error::other(error.to_string())))?;
    logs::write_atomic(path, &bytes)?;
    Ok(bytes.len() as u64)
}

/// Codes, scales and zero points of a matrix.
fn push(tensors: &mut Tensors, name: &str, matrix: &Quantized) {
    let [rows, columns] = matrix.shape();
    let (dtype, width) = match matrix.bits() {
        Bits::Eight => (Dtype::I8, columns),
        Bits::Four => (Dtype::U8, columns / 2),
    };
    let grid = matrix.grid();
    let codes = matrix.packed();
    tensors.push(format!("{name}.codes"), dtype, &[rows, width], codes);
    let scales = matrix.scales().flat_map(f16::to_le_bytes).collect();
    tensors.push(format!("{name}.scales"), Dtype::F16, &grid, scales);
    if let Some(zeros) = matrix.zeros() {
        let zeros = zeros.into_iter().flat_map(i32::to_le_bytes).collect();
        tensors.push(format!("{name}.zeros"), Dtype::I32, &grid, zeros);
    }
}

/// A file's weights, those in codes as they lie there.
pub(crate) struct PackedWeights {
    /// All but the maps in codes, whose ranges are empty.
    pub(crate) parameters: Parameters,
    /// The maps in codes, but for those that products do not know.
    pub(crate) maps: PackedMaps,
}

/// Reads such a file: what its codes stand for, and its FP16 tensors as they are. Returns its metadata.
pub(crate) fn read_quantized(
    path: &Path,
    parameters: &mut Parameters,
) -> Result<HashMap<String, String>, TrainError> {
    let mut file = File::open(path)?;
    let (table, values) = parameters.split_mut();
    for parameter in table {
        let held = file.parameter(parameter)?;
        let held = held.values(path, parameter)?;
        values[parameter.range.clone()].copy_from_slice(&held);
    }
    Ok(file.about())
}

/// Reads such a file with these parameters, each tensor for itself, and leaves codes as they are. Returns its metadata, too.
pub(crate) fn read_packed(
    path: &Path,
    mut table: Vec<Parameter>,
) -> Result<(PackedWeights, HashMap<String, String>), TrainError> {
    let mut file = File::open(path)?;
    let (mut values, mut maps) = (Vec::new(), PackedMaps::new());
    for parameter in &mut table {
        let held = file.parameter(parameter)?;
        let first = values.len();
        match held.packed(path, parameter)? {
            Ok(map) => {
                maps.insert(parameter.name.clone(), map);
            }
            Err(held) => values.append(&mut held.values(path, parameter)?),
        }
        parameter.range = first..values.len();
    }
    let parameters = Parameters::new(table, values);
    Ok((PackedWeights { parameters, maps }, file.about()))
}

/// What a file has of a parameter.
enum Held {
    Halves(Vec<f16>),
    Codes(HeldCodes),
}

/// A matrix in codes, which fit together.
struct HeldCodes {
    shape: [usize; 2],
    grid: [usize; 2],
    bits: Bits,
    packed: Vec<u8>,
    scales: Vec<f16>,
    zeros: Option<Vec<i32>>,
}

impl HeldCodes {
    fn parts(&self) -> Parts<'_> {
        Parts {
            shape: self.shape,
            grid: self.grid,
            bits: self.bits,
            packed: &self.packed,
            scales: &self.scales,
            zeros: self.zeros.as_deref(),
        }
    }
}

impl Held {
    /// What it stands for, all of it finite.
    fn values(self, path: &Path, parameter: &Parameter) -> Result<Vec<f32>, TrainError> {
        let values = match self {
            Self::Halves(halves) => halves.into_iter().map(f16::to_f32).collect(),
            Self::Codes(codes) => {
                let matrix = Quantized::from_parts(&parameter.name, &codes.parts());
                matrix.map_err(|error| unusable(path, &error))?.values()
            }
        };
        all_finite(path, &parameter.name, &values)?;
        Ok(values)
    }

    /// As codes with finite scales, where it is a matrix in such as products know; else itself.
    fn packed(
        self,
        path: &Path,
        parameter: &Parameter,
    ) -> Result<Result<PackedMap, Self>, TrainError> {
        let Self::Codes(mut codes) = self else {
            return Ok(Err(self));
        };
        let scales: Vec<f32> = codes.scales.iter().map(|scale| scale.to_f32()).collect();
        all_finite(path, &format!("{}.scales", parameter.name), &scales)?;
        let packed = std::mem::take(&mut codes.packed);
        Ok(match PackedMap::new(&codes.parts(), packed) {
            Ok(map) => Ok(map),
            Err(packed) => {
                codes.packed = packed;
                Err(Self::Codes(codes))
            }
        })
    }
}

fn all_finite(path: &Path, name: &str, values: &[f32]) -> Result<(), TrainError> {
    let Some(at) = values.iter().position(|value| !value.is_finite()) else {
        return Ok(());
    };
    let value = values[at];
    let problem = format!("has `{name}` with {value} as value {at}, expected finite numbers");
    Err(damaged(path, problem))
}

fn unusable(path: &Path, error: &QuantizeError) -> TrainError {
    damaged(path, format!("cannot be used: {error}"))
}

struct File(TensorFile);

/// A tensor of a file.
struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl File {
    fn open(path: &Path) -> Result<Self, TrainError> {
        let file = logs::disk::open(path).map_err(|error| LogError::io("read", path, error))?;
        Ok(Self(TensorFile::new(path, file)?))
    }

    fn about(&self) -> HashMap<String, String> {
        self.0.header().metadata().clone().unwrap_or_default()
    }

    fn has(&self, name: &str) -> bool {
        self.0.header().info(name).is_some()
    }

    fn parameter(&mut self, parameter: &Parameter) -> Result<Held, TrainError> {
        let (name, shape) = (&parameter.name, parameter.shape.as_slice());
        if self.has(name) {
            let tensor = self.tensor(name, &[Dtype::F16], Some(shape))?;
            return Ok(Held::Halves(halves(&tensor.bytes).collect()));
        }
        let &[rows, columns] = shape else {
            return Err(damaged(self.0.path(), format!("lacks `{name}`")));
        };
        let codes = self.tensor(&format!("{name}.codes"), &[Dtype::I8, Dtype::U8], None)?;
        let scales = self.tensor(&format!("{name}.scales"), &[Dtype::F16], None)?;
        let &[down, across] = scales.shape.as_slice() else {
            let problem = format!("has scales of `{name}` that are no matrix");
            return Err(damaged(self.0.path(), problem));
        };
        let zeros = format!("{name}.zeros");
        let zeros = if self.has(&zeros) {
            let tensor = self.tensor(&zeros, &[Dtype::I32], Some(&[down, across]))?;
            let numbers = tensor.bytes.as_chunks::<4>().0.iter();
            Some(numbers.map(|bytes| i32::from_le_bytes(*bytes)).collect())
        } else {
            None
        };
        let held = HeldCodes {
            shape: [rows, columns],
            grid: [down, across],
            bits: if codes.dtype == Dtype::I8 {
                Bits::Eight
            } else {
                Bits::Four
            },
            packed: codes.bytes,
            scales: halves(&scales.bytes).collect(),
            zeros,
        };
        let fits = held.parts().check(name);
        fits.map_err(|error| unusable(self.0.path(), &error))?;
        Ok(Held::Codes(held))
    }

    fn tensor(
        &mut self,
        name: &str,
        dtypes: &[Dtype],
        shape: Option<&[usize]>,
    ) -> Result<Tensor, TrainError> {
        let Some(info) = self.0.header().info(name) else {
            return Err(damaged(self.0.path(), format!("lacks `{name}`")));
        };
        let (dtype, own) = (info.dtype, info.shape.clone());
        let range = [info.data_offsets.0 as u64, info.data_offsets.1 as u64];
        let has_shape = shape.is_none_or(|shape| shape == own);
        if dtypes.contains(&dtype) && has_shape {
            let bytes = self.0.bytes(name, range)?;
            return Ok(Tensor {
                dtype,
                shape: own,
                bytes,
            });
        }
        let shape = shape.map_or_else(String::new, |shape| format!(" {shape:?}"));
        Err(damaged(
            self.0.path(),
            format!("has `{name}` as {dtype:?} {own:?}, expected {dtypes:?}{shape}"),
        ))
    }
}

fn halves(bytes: &[u8]) -> impl Iterator<Item = f16> {
    let halves = bytes.as_chunks::<2>().0.iter();
    halves.map(|bytes| f16::from_le_bytes(*bytes))
}

pub(crate) fn damaged(path: &Path, problem: String) -> TrainError {
    TrainError::Quantized {
        path: path.to_owned(),
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use experiments_config::ModelConfig;
    use experiments_quantization::{Source, quantize};

    fn parameters() -> Parameters {
        let model = ModelConfig {
            layers: 1,
            hidden_size: 16,
            num_heads: 2,
            ffn_hidden_size: 32,
            ..ModelConfig::default()
        };
        Parameters::initialise(&model, 32, 7)
    }

    /// All matrices of the layer.
    fn matrices(parameters: &Parameters, scheme: &str, bits: Bits) -> HashMap<String, Quantized> {
        let layer = parameters.table().iter();
        let layer = layer.filter(|p| p.shape.len() == 2 && p.name.starts_with("layers."));
        let made = layer.map(|parameter| {
            let source = Source {
                name: &parameter.name,
                shape: [parameter.shape[0], parameter.shape[1]],
                values: &parameters.values()[parameter.range.clone()],
                ranks: 1,
                calibration: None,
            };
            let made = quantize(&source, scheme.parse().unwrap(), bits).unwrap();
            (parameter.name.clone(), made)
        });
        made.collect()
    }

    #[test]
    fn a_file_gives_what_its_codes_stand_for_and_no_other_copy_is_needed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weights.safetensors");
        let whole = parameters();
        for (scheme, bits) in [
            ("absmax-row", Bits::Four),
            ("zero-point-group-8", Bits::Eight),
        ] {
            let matrices = matrices(&whole, scheme, bits);
            assert_eq!(matrices.len(), 4);
            let about = HashMap::from([("scheme".to_owned(), scheme.to_owned())]);
            write_quantized(&path, &whole, &matrices, about).unwrap();
            let mut read = Parameters::zeros(whole.table().to_vec());
            read_quantized(&path, &mut read).unwrap();
            for parameter in whole.table() {
                let found = &read.values()[parameter.range.clone()];
                let own = &whole.values()[parameter.range.clone()];
                let expected = matrices.get(&parameter.name).map_or_else(
                    || own.iter().map(|v| f16::from_f32(*v).to_f32()).collect(),
                    Quantized::values,
                );
                assert_eq!(found, expected, "{scheme} {}", parameter.name);
            }
        }
    }

    #[test]
    fn weights_that_are_no_numbers_are_neither_written_nor_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weights.safetensors");
        for value in [1e6, f32::NAN] {
            let mut whole = parameters();
            let matrices = matrices(&whole, "absmax-row", Bits::Four);
            let (_, values) = whole.split_mut();
            // The embedding, which is not quantized.
            values[3] = value;
            let refused = write_quantized(&path, &whole, &matrices, HashMap::new());
            let said = refused.unwrap_err().to_string();
            let wanted = format!("cannot hold `embedding.weight`: value 3 is {value}");
            assert!(said.contains(&wanted), "{said}");
            assert!(!path.exists());
        }
        let whole = parameters();
        let matrices = matrices(&whole, "absmax-row", Bits::Four);
        write_quantized(&path, &whole, &matrices, HashMap::new()).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let end = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
        bytes[end..end + 2].copy_from_slice(&f16::NAN.to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
        let mut read = Parameters::zeros(whole.table().to_vec());
        let said = read_quantized(&path, &mut read).unwrap_err().to_string();
        assert!(said.contains("with NaN as value 0"), "{said}");
    }

    #[test]
    fn a_file_that_is_damaged_or_of_another_model_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weights.safetensors");
        let whole = parameters();
        let mut read = Parameters::zeros(whole.table().to_vec());
        let mut refusal = || read_quantized(&path, &mut read).unwrap_err().to_string();
        assert!(refusal().contains("cannot read"), "a missing file");
        std::fs::write(&path, b"not a file of tensors").unwrap();
        assert!(refusal().contains("is no safetensors file"));
        let mut some = matrices(&whole, "absmax-row", Bits::Four);
        let other = ModelConfig {
            layers: 1,
            hidden_size: 16,
            num_heads: 2,
            ffn_hidden_size: 64,
            ..ModelConfig::default()
        };
        some.clear();
        let other = Parameters::initialise(&other, 32, 7);
        write_quantized(&path, &other, &some, HashMap::new()).unwrap();
        let said = refusal();
        assert!(
            said.contains("has `layers.0.ffn.up.weight` as F16 [128, 16], expected [F16] [64, 16]"),
            "{said}"
        );
        let other = matrices(&other, "absmax-row", Bits::Four);
        write_quantized(&path, &whole, &other, HashMap::new()).unwrap();
        let said = refusal();
        assert!(
            said.contains("`layers.0.ffn.up.weight` is 64 × 16"),
            "{said}"
        );
    }
}
