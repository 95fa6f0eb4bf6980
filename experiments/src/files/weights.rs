//! Weights from and for other programs: the public GLM-130B layout (`SwissArmyTransformer`).

use crate::error::TrainError;
use crate::files::checkpoint::{Checkpoints, read_weights, write_weights};
use crate::files::interchange::{
    NamedTensor, SatDtype, SatExport, SatShape, export_sat, import_sat,
};
use crate::parameters::{Parameter, Parameters};
use experiments_config::Config;
use logs::LogError;
use std::path::Path;

/// Reads the file that `model.init.weights` names, if it names one: a run must not begin with weights
/// of another model.
pub fn check_weights(config: &Config) -> Result<(), TrainError> {
    initial_weights(config).map(|_| ())
}

/// What `model.init.weights` names, or what is drawn.
pub(crate) fn initial_weights(config: &Config) -> Result<Parameters, TrainError> {
    let (model, vocab_size) = (&config.model, config.tokenizer.vocab_size);
    let Some(path) = &model.init.weights else {
        return Ok(Parameters::initialise(model, vocab_size, config.seed));
    };
    let mut parameters = Parameters::zeros(Parameter::table(model, vocab_size));
    let problem = match read_weights(path, &mut parameters) {
        Ok(()) => return Ok(parameters),
        Err(TrainError::Damaged { problem, .. }) => problem,
        Err(TrainError::Log(LogError::Io { source, .. })) => source.to_string(),
        Err(other) => return Err(other),
    };
    Err(TrainError::Weights {
        path: path.clone(),
        problem,
    })
}

/// Writes the weights of a run's newest checkpoint, or of that of `step`, as one file per
/// tensor-parallel rank. Returns the checkpoint's step, which names the folder.
pub fn export_weights(
    run: &Path,
    config: &Config,
    step: Option<u64>,
    tensor_parallel: usize,
    dtype: SatDtype,
    out: &Path,
) -> Result<u64, TrainError> {
    logs::output::check(&out.join("latest"))?;
    let shape = SatShape::from_config(&config.model, config.tokenizer.vocab_size)?;
    let (step, parameters) = Checkpoints::new(run, config).weights(config, step)?;
    let tensors: Vec<_> = (parameters.table().iter())
        .map(|parameter| NamedTensor {
            name: parameter.name.clone(),
            shape: parameter.shape.clone(),
            values: parameters.values()[parameter.range.clone()].to_vec(),
        })
        .collect();
    let export = SatExport {
        tensor_parallel,
        iteration: step,
        dtype,
    };
    export_sat(&tensors, &shape, &export, out)?;
    Ok(step)
}

/// Reads such files and writes `out`, a safetensors file with this program's names, FP32. Returns
/// iteration and tensor-parallel ranks found.
pub fn import_weights(
    directory: &Path,
    config: &Config,
    out: &Path,
) -> Result<(u64, usize), TrainError> {
    logs::output::check(out)?;
    let shape = SatShape::from_config(&config.model, config.tokenizer.vocab_size)?;
    let found = import_sat(directory, &shape)?;
    let table = Parameter::table(&config.model, config.tokenizer.vocab_size);
    let mut parameters = Parameters::zeros(table);
    // The importer gives every tensor once, in the order of the table.
    let values = found.tensors.iter().flat_map(|tensor| &tensor.values);
    for (place, value) in parameters.values_mut().iter_mut().zip(values) {
        *place = *value;
    }
    write_weights(out, &parameters)?;
    Ok((found.iteration, found.tensor_parallel))
}
