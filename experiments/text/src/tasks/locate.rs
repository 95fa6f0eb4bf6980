//! Where the files of a catalogue entry are.

use super::{CatalogueEntry, TaskError, find};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Environment variable that names the folder of the user's task data.
pub const DATA_VARIABLE: &str = "WORKBENCH_EVAL_DATA";

/// Whether a set of the catalogue can be used by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "path")]
pub enum Availability {
    /// Its file is there.
    Found(PathBuf),
    /// Its file is not where it was looked for.
    Missing(PathBuf),
    /// [`DATA_VARIABLE`] is not set, so it was not looked for.
    NoFolder,
    /// The program has no prompts for it: [`CatalogueEntry::how_to_supply`].
    OwnFile,
}

/// The folder of task data, if it is set.
pub(super) fn data_folder() -> Option<PathBuf> {
    std::env::var_os(DATA_VARIABLE)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// Whether the files of `entry` are there.
#[must_use]
pub fn availability(entry: &CatalogueEntry) -> Availability {
    availability_in(entry, data_folder().as_deref())
}

pub(super) fn availability_in(entry: &CatalogueEntry, root: Option<&Path>) -> Availability {
    let Some(built_in) = &entry.built_in else {
        return Availability::OwnFile;
    };
    match root.map(|root| root.join(&built_in.file)) {
        Some(path) if path.is_file() => Availability::Found(path),
        Some(path) => Availability::Missing(path),
        None => Availability::NoFolder,
    }
}

/// The training file of the catalogue entry `name`, or an error that says how to supply it.
pub fn locate(name: &str) -> Result<PathBuf, TaskError> {
    locate_in(find(name)?, data_folder().as_deref())
}

pub(super) fn locate_in(entry: &CatalogueEntry, root: Option<&Path>) -> Result<PathBuf, TaskError> {
    let name = entry.name.clone();
    match availability_in(entry, root) {
        Availability::Found(path) => Ok(path),
        Availability::Missing(path) => Err(TaskError::NoFile { name, path }),
        Availability::NoFolder => Err(TaskError::NoFolder {
            name,
            file: entry
                .built_in
                .as_ref()
                .map_or_else(String::new, |b| b.file.clone()),
        }),
        Availability::OwnFile => Err(TaskError::NotSupplied {
            name,
            how: entry.how_to_supply(),
        }),
    }
}

/// Refuses a file below the folder of task data that is not called `train*`: the evaluation
/// splits there must stay unseen.
pub(super) fn refuse_evaluation_split(path: &Path, root: Option<&Path>) -> Result<(), TaskError> {
    let real = |path: &Path| path.canonicalize().ok();
    let (Some(file), Some(root)) = (real(path), root.and_then(real)) else {
        return Ok(());
    };
    let name = file.file_name().unwrap_or_default();
    if file.starts_with(&root) && !name.as_encoded_bytes().starts_with(b"train") {
        return Err(TaskError::EvaluationSplit {
            path: path.to_owned(),
        });
    }
    Ok(())
}
