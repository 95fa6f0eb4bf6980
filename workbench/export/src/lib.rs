//! All runs of a sweep for other programs: one long table as CSV or Parquet, a TensorBoard folder with hyperparameters, and W&B
//! offline runs. `logs::export` has the same for one run, as far as it makes sense there.
//!
//! - `source` is the sweep or run that is exported, `signals` what of it; `table` lays its records out in columns.
//! - `csv`, `parquet`, `tensorboard` and `wandb` write; `follow` goes on with the third while runs train.

mod csv;
mod follow;
mod parquet;
mod signals;
mod source;
mod table;
mod tensorboard;
mod wandb;

pub use self::csv::{csv, csv_of_run};
pub use self::parquet::parquet;
pub use self::tensorboard::tensorboard;
pub use self::wandb::wandb;
pub use follow::{Followed, Follower};
pub use signals::Signals;
pub use source::Source;

use std::path::PathBuf;
use sweeps::SweepError;
use thiserror::Error;

/// Why an export was not written.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The sweep cannot be read.
    #[error(transparent)]
    Sweep(#[from] SweepError),
    /// A run cannot be read, or a file cannot be written.
    #[error(transparent)]
    Log(#[from] logs::LogError),
    /// A signal was asked for that no run has.
    #[error("no run has recorded `{name}`; {hint}")]
    Signal {
        /// As it was asked for.
        name: String,
        /// What was meant, or what there is.
        hint: String,
    },
    /// A per-layer signal was asked for where there is no place for it.
    #[error(
        "`{name}` has a value for each layer, which the long table has no column for; `--format tensorboard` and `wandb` take it"
    )]
    Layers {
        /// As it was asked for.
        name: String,
    },
    /// No run has recorded a step.
    #[error("`{path}` holds no recorded steps")]
    Nothing {
        /// The sweep or run directory.
        path: PathBuf,
    },
}
