//! Why a checkpoint could not be exchanged.

use std::path::{Path, PathBuf};

/// Errors of exporting and importing weights.
#[derive(Debug, thiserror::Error)]
pub enum InterchangeError {
    /// A file or directory could not be read or written.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// File or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The model is not of the one architecture that a class of another program has.
    #[error(
        "cannot be written as {layout}: {}; that class has exactly one architecture",
        reasons.join("; ")
    )]
    NotExpressible {
        /// The other program's class.
        layout: &'static str,
        /// What has no counterpart, and what is expected.
        reasons: Vec<String>,
    },
    /// The sizes do not fit each other or the number of ranks.
    #[error("{what} is {found}, expected {expected}")]
    Size {
        /// Setting.
        what: &'static str,
        /// Its value.
        found: usize,
        /// What would do.
        expected: String,
    },
    /// A tensor to be exported does not fit the model.
    #[error("tensor `{name}`: found {found}, expected {expected}")]
    Source {
        /// Our name.
        name: String,
        /// What it is.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// A checkpoint directory is not laid out as expected.
    #[error("`{}`: {problem}, expected {expected}", path.display())]
    Directory {
        /// File or directory.
        path: PathBuf,
        /// What is there.
        problem: String,
        /// What should be.
        expected: &'static str,
    },
    /// A file is not what `torch.save` writes.
    #[error("`{}` is damaged or was not written by torch.save (PyTorch 1.6 or newer): {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        problem: String,
    },
    /// A tensor in a file is missing, unknown or of another form.
    #[error("`{}`, tensor `{name}`: found {found}, expected {expected}", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// SAT's name.
        name: String,
        /// What is there.
        found: String,
        /// What should be.
        expected: String,
    },
}

impl InterchangeError {
    /// An error that names every key whose check fails; each check has a key and the value that fits.
    pub(super) fn unless_all(
        layout: &'static str,
        checks: &[(bool, &str, &str)],
    ) -> Result<(), Self> {
        let failed = checks.iter().filter(|(fits, ..)| !fits);
        let reasons: Vec<String> = failed
            .map(|(_, key, expected)| format!("`{key}` must be {expected}"))
            .collect();
        if reasons.is_empty() {
            return Ok(());
        }
        Err(Self::NotExpressible { layout, reasons })
    }

    /// Something is where an export should go.
    pub(super) fn taken(path: &Path) -> Self {
        Self::Directory {
            path: path.to_owned(),
            problem: "exists already".to_owned(),
            expected: "a directory of its own for each export",
        }
    }

    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}
