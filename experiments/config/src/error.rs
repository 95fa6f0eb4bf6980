//! Errors that name the file, the key, what was expected and the nearest valid choice.

use std::fmt;
use std::path::PathBuf;

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Dotted key, for example `model.num_heads`.
    pub key: String,
    /// What is wrong and what was expected.
    pub message: String,
    /// What to write instead, where a good guess exists.
    pub hint: Option<String>,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.key, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// Why a configuration could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read the configuration `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("`{origin}` is not valid TOML: {message}")]
    Syntax {
        /// File or preset name.
        origin: String,
        /// Parser message with line and column.
        message: String,
    },
    /// A preset does not exist.
    #[error("no preset or file is called `{name}`; presets: {known}{hint}")]
    UnknownPreset {
        /// What was asked for.
        name: String,
        /// Comma-separated preset names.
        known: String,
        /// `; did you mean ...` or empty.
        hint: String,
    },
    /// `extends` leads back to itself.
    #[error("`{origin}` extends itself through {chain}")]
    Cycle {
        /// First file or preset of the cycle.
        origin: String,
        /// The chain of names.
        chain: String,
    },
    /// A `--set` argument has no `=`.
    #[error(
        "`--set {argument}` is not of the form key=value, for example `--set optimizer.lr=1e-3`"
    )]
    Override {
        /// The argument as given.
        argument: String,
    },
    /// Keys are unknown or values out of range; every complaint at once.
    #[error("{origin} cannot be used:\n{}", complaints.iter().map(|c| format!("  {c}")).collect::<Vec<_>>().join("\n"))]
    Invalid {
        /// File or preset name.
        origin: String,
        /// All complaints.
        complaints: Vec<Complaint>,
    },
}
