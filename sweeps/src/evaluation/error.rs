//! Why detectors could not be compared.

use std::path::PathBuf;

/// Why detectors could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// There is nothing at the path, or nothing with a run in it.
    #[error(
        "`{}` {problem}; expected a run directory, a sweep directory, or a folder that holds some",
        path.display()
    )]
    NoRuns {
        /// What was given.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A file or folder could not be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The user's labels cannot be used; every complaint at once.
    #[error("`{}` cannot be used as labels:\n{}", path.display(), complaints.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n"))]
    Labels {
        /// The file.
        path: PathBuf,
        /// All complaints.
        complaints: Vec<String>,
    },
}
