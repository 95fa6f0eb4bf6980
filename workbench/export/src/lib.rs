//! All runs of a sweep for other programs: one long table as CSV or Parquet, a TensorBoard folder with hyperparameters, and W&B
//! offline runs. `logs::export` has the same for one run, as far as it makes sense there.
//!
//! - `source` is the sweep or run that is exported; `table` lays its records out in columns.
//! - `csv`, `parquet`, `tensorboard` and `wandb` write.

mod csv;
mod parquet;
mod source;
mod table;
mod tensorboard;
mod wandb;

pub use self::csv::csv;
pub use self::parquet::parquet;
pub use self::tensorboard::tensorboard;
pub use self::wandb::wandb;
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
    /// No run has recorded a step.
    #[error("`{path}` holds no recorded steps")]
    Nothing {
        /// The sweep or run directory.
        path: PathBuf,
    },
}
