//! Why a plan cannot be made.

use crate::nearest::advice;
use std::path::PathBuf;

/// Errors of a plan; each names the constraint and the nearest legal values.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A layout breaks a constraint.
    #[error("{constraint}; {}", advice(nearest))]
    Layout {
        /// The constraint and the values that break it.
        constraint: String,
        /// What would be legal; empty where changing one key is not enough.
        nearest: String,
    },
    /// No such hardware.
    #[error("no GPU is called `{name}`; known: {known}{hint}")]
    Hardware {
        /// What was asked for.
        name: String,
        /// Comma-separated names.
        known: String,
        /// `; did you mean ...` or empty.
        hint: String,
    },
    /// A size is 0, negative or so large that the arithmetic would overflow.
    #[error("`{what}` is {value}, {expected}")]
    Size {
        /// The quantity.
        what: String,
        /// Its value.
        value: String,
        /// What was expected.
        expected: String,
    },
    /// A hardware file that cannot be used.
    #[error("hardware file `{path}`: {reason}")]
    HardwareFile {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// Something that should always work did not.
    #[error("{what} failed: {problem}")]
    Failed {
        /// What was tried.
        what: &'static str,
        /// Why it did not work.
        problem: String,
    },
    /// A file of the user's that cannot be understood.
    #[error("`{file}`, line {line}: {problem}; expected {expected}")]
    Input {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
        /// What was expected there.
        expected: String,
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
