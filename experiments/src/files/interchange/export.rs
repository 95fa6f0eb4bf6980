//! Our tensors as a SAT checkpoint.

use super::NamedTensor;
use super::error::InterchangeError;
use super::layout::{Entry, entries};
use super::shape::{SAT_CLASS, SatShape};
use super::torch_writer::{Described, write};
use half::f16;
use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

/// Number format of a checkpoint's tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SatDtype {
    /// FP16, as SAT's class has it (`GLM130B(args).half()`), rounded to nearest, ties to even.
    #[default]
    Half,
    /// FP32, which keeps every bit; SAT's `load_state_dict` rounds it.
    Float,
}

/// What a checkpoint is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SatExport {
    /// Number of ranks, and of files.
    pub(crate) tensor_parallel: usize,
    /// Names the directory of the files; SAT wants it positive.
    pub(crate) iteration: u64,
    /// Number format.
    pub(crate) dtype: SatDtype,
}

/// Writes `tensors`, which have our names, to `directory/latest` and
/// `directory/ITERATION/mp_rank_XX_model_states.pt`.
///
/// The files get their final names when all are whole, and `latest` comes last. A tensor that SAT's
/// class has no place for, such as `head.weight` or `position_embedding.weight`, is an error; what
/// cannot be seen from names, such as another norm arrangement, [`SatShape::from_config`] refuses.
/// Memory: `tensors` and the shard of one tensor.
pub(crate) fn export_sat(
    tensors: &[NamedTensor],
    shape: &SatShape,
    export: &SatExport,
    directory: &Path,
) -> Result<(), InterchangeError> {
    shape.check(export.tensor_parallel)?;
    if export.iteration == 0 {
        return Err(InterchangeError::Size {
            what: "iteration",
            found: 0,
            expected: "at least 1 (SAT's get_checkpoint_iteration asserts it)".to_owned(),
        });
    }
    let entries = entries(shape);
    let sources = sources(tensors, &entries)?;
    let finished = directory.join(export.iteration.to_string());
    if finished.exists() {
        return Err(InterchangeError::taken(&finished));
    }
    let partial = directory.join(format!(".{}.partial", export.iteration));
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(InterchangeError::io(&partial))?;
    }
    fs::create_dir_all(&partial).map_err(InterchangeError::io(&partial))?;
    if let Err(error) = write_ranks(&partial, &entries, &sources, export) {
        // The disk may be full; what cannot be used must not fill it further.
        let _ = fs::remove_dir_all(&partial);
        return Err(error);
    }
    fs::rename(&partial, &finished).map_err(InterchangeError::io(&finished))?;
    let latest = directory.join("latest");
    let iteration = export.iteration.to_string();
    logs::disk::replace(&latest, |file| file.write_all(iteration.as_bytes()))
        .map_err(InterchangeError::io(&latest))
}

/// The tensor of each entry; exactly these, in their shapes.
fn sources<'a>(
    tensors: &'a [NamedTensor],
    entries: &[Entry],
) -> Result<Vec<&'a NamedTensor>, InterchangeError> {
    let mut by_name: HashMap<&str, &NamedTensor> = tensors
        .iter()
        .map(|tensor| (tensor.name.as_str(), tensor))
        .collect();
    if by_name.len() < tensors.len() {
        let reasons = vec!["two tensors have the same name".to_owned()];
        let layout = SAT_CLASS;
        return Err(InterchangeError::NotExpressible { layout, reasons });
    }
    let mut sources = Vec::new();
    for entry in entries {
        let problem = |found: String| InterchangeError::Source {
            name: entry.ours.clone(),
            found,
            expected: format!("{} values of shape {:?}", entry.len(), entry.shape),
        };
        let tensor = by_name.remove(entry.ours.as_str());
        let tensor = tensor.ok_or_else(|| problem("none".to_owned()))?;
        if tensor.shape != entry.shape || tensor.values.len() != entry.len() {
            let (count, shape) = (tensor.values.len(), &tensor.shape);
            return Err(problem(format!("{count} values of shape {shape:?}")));
        }
        sources.push(tensor);
    }
    if by_name.is_empty() {
        return Ok(sources);
    }
    let mut names: Vec<&str> = by_name.into_keys().collect();
    names.sort_unstable();
    let reasons = names
        .iter()
        .map(|name| format!("it has no place for `{name}`"))
        .collect();
    let layout = SAT_CLASS;
    Err(InterchangeError::NotExpressible { layout, reasons })
}

fn write_ranks(
    directory: &Path,
    entries: &[Entry],
    sources: &[&NamedTensor],
    export: &SatExport,
) -> Result<(), InterchangeError> {
    let ranks = export.tensor_parallel;
    let storage = match export.dtype {
        SatDtype::Half => "HalfStorage",
        SatDtype::Float => "FloatStorage",
    };
    let described: Vec<Described> = entries
        .iter()
        .map(|entry| Described {
            name: &entry.sat,
            shape: entry.shard_shape(ranks),
        })
        .collect();
    for rank in 0..ranks {
        let path = directory.join(format!("mp_rank_{rank:02}_model_states.pt"));
        write(&path, storage, &described, |index| {
            let stretches = entries[index].stretches(rank, ranks);
            let values = stretches
                .into_iter()
                .flat_map(|range| &sources[index].values[range]);
            match export.dtype {
                SatDtype::Float => Ok(values.flat_map(|value| value.to_le_bytes()).collect()),
                SatDtype::Half => halves(&entries[index].ours, values),
            }
        })?;
    }
    Ok(())
}

fn halves<'a>(
    name: &str,
    values: impl Iterator<Item = &'a f32>,
) -> Result<Vec<u8>, InterchangeError> {
    let mut bytes = Vec::new();
    for value in values {
        let rounded = f16::from_f32(*value);
        if rounded.is_infinite() && value.is_finite() {
            return Err(InterchangeError::Source {
                name: name.to_owned(),
                found: format!("the value {value:e}"),
                expected: "less than 65520 for FP16, or an export in FP32".to_owned(),
            });
        }
        bytes.extend(rounded.to_le_bytes());
    }
    Ok(bytes)
}
