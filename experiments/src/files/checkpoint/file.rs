//! Flat buffers by name in a safetensors file.

use crate::error::TrainError;
use crate::parameters::{Parameter, Parameters};
use logs::LogError;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::io::Read;
use std::path::Path;

/// Flat buffers with the prefix of their names in a file.
pub(super) type Buffers<'a> = [(&'a str, &'a [f32])];

/// The same, to be filled.
pub(super) type Slots<'a> = [(&'a str, &'a mut [f32])];

/// Numbers are written as they lie in memory, and the file format is little-endian.
#[cfg(target_endian = "big")]
compile_error!("checkpoints are little-endian");

/// The bytes of a file, `path` in errors.
pub(super) fn encode(
    path: &Path,
    table: &[Parameter],
    buffers: &Buffers,
) -> Result<Vec<u8>, TrainError> {
    let failed = |error: safetensors::SafeTensorError| {
        LogError::io("write", path, std::io::Error::other(error.to_string()))
    };
    let mut views = Vec::with_capacity(buffers.len() * table.len());
    for (prefix, values) in buffers {
        for parameter in table {
            let bytes = bytemuck::cast_slice(&values[parameter.range.clone()]);
            let view = TensorView::new(Dtype::F32, parameter.shape.clone(), bytes);
            let name = format!("{prefix}{}", parameter.name);
            views.push((name, view.map_err(failed)?));
        }
    }
    Ok(safetensors::serialize(views, None).map_err(failed)?)
}

/// Flat buffers that are filled from one file or several, by the names of their parameters.
pub(super) struct Filled<'a, 'b> {
    table: &'a [Parameter],
    buffers: &'a mut Slots<'b>,
    /// Of every parameter of every buffer, whether it has been read.
    has: Vec<bool>,
}

impl<'a, 'b> Filled<'a, 'b> {
    pub(super) fn new(table: &'a [Parameter], buffers: &'a mut Slots<'b>) -> Self {
        let has = vec![false; buffers.len() * table.len()];
        Self {
            table,
            buffers,
            has,
        }
    }

    /// Takes what the bytes of the file at `path` hold.
    pub(super) fn take(&mut self, path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
        let file = SafeTensors::deserialize(bytes)
            .map_err(|error| problem(path, format!("is damaged: {error}")))?;
        let mut has = self.has.iter_mut();
        for (prefix, values) in self.buffers.iter_mut() {
            for (parameter, has) in self.table.iter().zip(&mut has) {
                let name = format!("{prefix}{}", parameter.name);
                let Ok(tensor) = file.tensor(&name) else {
                    continue;
                };
                if tensor.dtype() != Dtype::F32 || tensor.shape() != parameter.shape {
                    let (dtype, shape) = (tensor.dtype(), tensor.shape());
                    let expected = &parameter.shape;
                    return Err(problem(
                        path,
                        format!("has `{name}` as {dtype:?} {shape:?}, expected F32 {expected:?}"),
                    ));
                }
                let target = &mut values[parameter.range.clone()];
                for (value, bytes) in target.iter_mut().zip(tensor.data().as_chunks::<4>().0) {
                    *value = f32::from_le_bytes(*bytes);
                }
                *has = true;
            }
        }
        Ok(())
    }

    /// Names what no file had, `path` being the last of them.
    pub(super) fn check(&self, path: &Path) -> Result<(), TrainError> {
        let names = self.buffers.iter().flat_map(|(prefix, _)| {
            let of = move |parameter: &Parameter| format!("{prefix}{}", parameter.name);
            self.table.iter().map(of)
        });
        match names.zip(&self.has).find(|(_, has)| !**has) {
            Some((name, _)) => Err(problem(path, format!("lacks `{name}`"))),
            None => Ok(()),
        }
    }
}

/// The whole file. One that is missing or a folder is damage; what the system refuses is not.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, TrainError> {
    use std::io::ErrorKind::{InvalidInput, IsADirectory, NotADirectory, NotFound};
    let mut bytes = Vec::new();
    let read = logs::disk::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => Err(match error.kind() {
            NotFound => problem(path, "is missing"),
            InvalidInput | IsADirectory | NotADirectory => problem(path, "is no file"),
            _ => LogError::io("read", path, error).into(),
        }),
    }
}

/// Reads master weights by name, as a checkpoint holds them.
pub(crate) fn read_weights(path: &Path, parameters: &mut Parameters) -> Result<(), TrainError> {
    let table = parameters.table().to_vec();
    let mut weights = [("", parameters.values_mut())];
    let mut filled = Filled::new(&table, &mut weights);
    filled.take(path, &read_file(path)?)?;
    filled.check(path)
}

/// Master weights by name, as in a checkpoint.
pub(crate) fn write_weights(path: &Path, parameters: &Parameters) -> Result<(), TrainError> {
    let bytes = encode(path, parameters.table(), &[("", parameters.values())])?;
    Ok(logs::write_atomic(path, &bytes)?)
}

/// What is wrong with the content of a file, or with its being there.
pub(super) fn problem(path: &Path, problem: impl Into<String>) -> TrainError {
    TrainError::Damaged {
        path: path.to_owned(),
        problem: problem.into(),
    }
}
