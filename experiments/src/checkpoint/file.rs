//! Flat buffers by name in a safetensors file.

use crate::error::TrainError;
use crate::parameters::{Parameter, Parameters};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::fs;
use std::path::Path;

/// Flat buffers with the prefix of their names in a file.
pub(super) type Buffers<'a> = [(&'a str, &'a [f32])];

/// Numbers are written as they lie in memory, and the file format is little-endian.
#[cfg(target_endian = "big")]
compile_error!("checkpoints are little-endian");

pub(super) fn write(path: &Path, table: &[Parameter], buffers: &Buffers) -> Result<(), TrainError> {
    let mut views = Vec::with_capacity(buffers.len() * table.len());
    for (prefix, values) in buffers {
        for parameter in table {
            let bytes = bytemuck::cast_slice(&values[parameter.range.clone()]);
            let view = TensorView::new(Dtype::F32, parameter.shape.clone(), bytes)
                .map_err(|error| problem(path, error.to_string()))?;
            views.push((format!("{prefix}{}", parameter.name), view));
        }
    }
    let bytes =
        safetensors::serialize(views, None).map_err(|error| problem(path, error.to_string()))?;
    logs::write_atomic(path, &bytes)?;
    Ok(())
}

pub(super) fn read(
    path: &Path,
    table: &[Parameter],
    buffers: &mut [(&str, &mut [f32])],
) -> Result<(), TrainError> {
    let bytes = fs::read(path).map_err(|error| io_problem(path, &error))?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| problem(path, format!("is damaged: {error}")))?;
    for (prefix, values) in buffers {
        for parameter in table {
            let name = format!("{prefix}{}", parameter.name);
            let tensor = file
                .tensor(&name)
                .map_err(|_| problem(path, format!("lacks `{name}`")))?;
            if tensor.dtype() != Dtype::F32 || tensor.shape() != parameter.shape {
                let (dtype, shape) = (tensor.dtype(), tensor.shape());
                let expected = &parameter.shape;
                return Err(problem(
                    path,
                    format!("`{name}` is {dtype:?} {shape:?}, expected F32 {expected:?}"),
                ));
            }
            let target = &mut values[parameter.range.clone()];
            for (value, bytes) in target.iter_mut().zip(tensor.data().as_chunks::<4>().0) {
                *value = f32::from_le_bytes(*bytes);
            }
        }
    }
    Ok(())
}

/// Reads master weights by name, as a checkpoint holds them.
pub(crate) fn read_weights(path: &Path, parameters: &mut Parameters) -> Result<(), TrainError> {
    let table = parameters.table().to_vec();
    read(path, &table, &mut [("", parameters.values_mut())])
}

/// Master weights by name, as in a checkpoint.
pub(crate) fn write_weights(path: &Path, parameters: &Parameters) -> Result<(), TrainError> {
    write(path, parameters.table(), &[("", parameters.values())])
}

pub(super) fn problem(path: &Path, problem: String) -> TrainError {
    TrainError::Checkpoint {
        path: path.to_owned(),
        problem,
        source: None,
    }
}

pub(super) fn io_problem(path: &Path, error: &std::io::Error) -> TrainError {
    TrainError::Checkpoint {
        path: path.to_owned(),
        problem: error.to_string(),
        source: error.raw_os_error().map(std::io::Error::from_raw_os_error),
    }
}
