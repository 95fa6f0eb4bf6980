//! A SAT checkpoint as our tensors.

use super::NamedTensor;
use super::error::InterchangeError;
use super::layout::{Entry, POSITION_BUFFER, Split, entries};
use super::shape::SatShape;
use super::torch_reader::TorchReader;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// A checkpoint that was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SatCheckpoint {
    /// From `latest`.
    pub(crate) iteration: u64,
    /// Number of files it was read from.
    pub(crate) tensor_parallel: usize,
    /// All tensors with our names, whole, in the order of `Parameters::table`.
    pub(crate) tensors: Vec<NamedTensor>,
}

/// Reads the checkpoint that `directory/latest` names and joins its shards.
///
/// Everything must be there in the sizes of `shape` and nothing else, except position buffers,
/// which are skipped; FP16, BF16 and FP32 tensors become FP32 without loss. Replicated tensors must
/// agree between the files (`convert_tp.py` takes the first file's and does not look). Heads cannot
/// be seen in a file, so a wrong `num_heads` goes unnoticed. Memory: the result (4 bytes a
/// parameter: 515 GB for GLM-130B itself) and two copies of one tensor's shard.
pub(crate) fn import_sat(
    directory: &Path,
    shape: &SatShape,
) -> Result<SatCheckpoint, InterchangeError> {
    let iteration = iteration(directory)?;
    let paths = rank_files(&directory.join(iteration.to_string()))?;
    shape.check(paths.len())?;
    let opened = paths.iter().map(|path| TorchReader::open(path));
    let mut files = opened.collect::<Result<Vec<_>, _>>()?;
    let entries = entries(shape);
    let known: HashSet<&str> = entries.iter().map(|entry| entry.sat.as_str()).collect();
    for file in &files {
        let names = file.names();
        let is_unknown = |name: &&str| !known.contains(name) && !name.ends_with(POSITION_BUFFER);
        if let Some(name) = names.into_iter().find(is_unknown) {
            let expected = if name.ends_with(".weight_scale") {
                "an FP16 checkpoint; this one is quantised, take the one it was made from"
            } else {
                "only the tensors of SAT's class GLM130B with these sizes"
            };
            return Err(problem(
                file,
                name,
                "a tensor of this name",
                expected.to_owned(),
            ));
        }
    }
    let tensors = entries.iter().map(|entry| {
        let values = join(entry, &mut files)?;
        Ok(NamedTensor {
            name: entry.ours.clone(),
            shape: entry.shape.clone(),
            values,
        })
    });
    let tensors = tensors.collect::<Result<_, InterchangeError>>()?;
    Ok(SatCheckpoint {
        iteration,
        tensor_parallel: files.len(),
        tensors,
    })
}

fn join(
    entry: &Entry,
    files: &mut [TorchReader<BufReader<File>>],
) -> Result<Vec<f32>, InterchangeError> {
    let ranks = files.len();
    let mut values = Vec::new();
    for (rank, file) in files.iter_mut().enumerate() {
        let shard = file.tensor(&entry.sat, &entry.shard_shape(ranks))?;
        if rank == 0 {
            // Not earlier: what was read vouches for the size.
            values = vec![0.0; entry.len()];
        } else if entry.split == Split::Replicated {
            let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
            if !values.iter().zip(&shard).all(same) {
                let expected = "those of mp_rank_00, since every rank has the same".to_owned();
                return Err(problem(file, &entry.sat, "other values", expected));
            }
            continue;
        }
        let mut rest = &shard[..];
        for stretch in entry.stretches(rank, ranks) {
            let (part, after) = rest.split_at(stretch.len());
            values[stretch].copy_from_slice(part);
            rest = after;
        }
    }
    Ok(values)
}

fn problem(
    file: &TorchReader<BufReader<File>>,
    name: &str,
    found: &str,
    expected: String,
) -> InterchangeError {
    InterchangeError::Tensor {
        path: file.path().to_owned(),
        name: name.to_owned(),
        found: found.to_owned(),
        expected,
    }
}

/// What `latest` says. Only a number: the text becomes part of a path.
fn iteration(directory: &Path) -> Result<u64, InterchangeError> {
    let path = directory.join("latest");
    let text = fs::read_to_string(&path).map_err(InterchangeError::io(&path))?;
    text.trim()
        .parse()
        .map_err(|_| InterchangeError::Directory {
            path,
            problem: format!(
                "holds `{}`",
                text.chars().take(40).collect::<String>().escape_debug()
            ),
            expected: "the iteration as a number, such as 49300",
        })
}

/// `mp_rank_00_model_states.pt` and so on, without a gap.
fn rank_files(directory: &Path) -> Result<Vec<PathBuf>, InterchangeError> {
    let listed = fs::read_dir(directory).map_err(InterchangeError::io(directory))?;
    let is_rank = |name: &str| name.starts_with("mp_rank_") && name.ends_with("_model_states.pt");
    let names = listed.filter_map(Result::ok).map(|entry| entry.file_name());
    let count = names
        .filter(|name| name.to_str().is_some_and(is_rank))
        .count();
    let paths: Vec<PathBuf> = (0..count)
        .map(|rank| directory.join(format!("mp_rank_{rank:02}_model_states.pt")))
        .collect();
    let missing = paths.iter().find(|path| !path.is_file());
    if count > 0 && missing.is_none() {
        return Ok(paths);
    }
    let path = missing.cloned().unwrap_or_else(|| directory.to_owned());
    Err(InterchangeError::Directory {
        path,
        problem: format!("not there, although {count} rank files are"),
        expected: "mp_rank_00_model_states.pt and so on, without a gap",
    })
}
