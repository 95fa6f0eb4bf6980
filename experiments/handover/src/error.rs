//! Why a configuration cannot be handed over.

use experiments_plan::PlanError;
use std::path::PathBuf;

/// Errors of a hand-over; each names what is wrong and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandoverError {
    /// The layout, or a size, is wrong whatever the trainer.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The trainer would be given an argument that its parser does not take.
    #[error("{target} does not take `{argument}`: {problem}")]
    Argument {
        /// The trainer.
        target: String,
        /// The argument as written.
        argument: String,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// A configuration value or option that no hand-over can carry.
    #[error("`{key}` is {value}: {expected}")]
    Value {
        /// The configuration key or option.
        key: String,
        /// Its value.
        value: String,
        /// What was expected.
        expected: String,
    },
    /// The built-in table of a trainer's arguments cannot be understood.
    #[error("`{file}`, line {line}: {problem}; expected an argument table")]
    Table {
        /// The table.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// The disk said no.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}
