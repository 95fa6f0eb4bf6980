//! Why a task cannot be asked.

use std::io;
use std::path::PathBuf;

/// What is wrong with a task or its data, and what was expected.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// A file could not be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no YAML.
    #[error("`{}` is no task file: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        message: String,
    },
    /// A key of a task file has a value that it cannot have.
    #[error("`{}`: `{key}` is {found}, expected {expected}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// Its value.
        found: String,
        /// What it may be.
        expected: String,
    },
    /// A key is missing.
    #[error("`{}` lacks `{key}`, expected {expected}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// What it may be.
        expected: String,
    },
    /// A key that no task has, or not of this type.
    #[error("`{}`: `{key}` {problem}", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// What is wrong, and what was probably meant.
        problem: String,
    },
    /// No task is called so.
    #[error("no task is called `{name}`{hint}; there are {known}, and any task file")]
    Name {
        /// The name.
        name: String,
        /// What was probably meant.
        hint: String,
        /// All of them.
        known: String,
    },
    /// A pattern of files cannot be used, or finds none.
    #[error("`{}`: {problem}", path.display())]
    Files {
        /// The task file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A row cannot be used.
    #[error("`{}`, line {line}: {problem}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// A template of a task is wrong.
    #[error("`{}`: the template `{template}` {problem}", path.display())]
    Template {
        /// The task file.
        path: PathBuf,
        /// Which template.
        template: String,
        /// What is wrong.
        problem: String,
    },
}
