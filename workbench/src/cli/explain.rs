//! Arguments of `workbench explain`.

use clap::{Args, ValueHint};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Run directory of an imported run; only read.
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) run: PathBuf,
    /// A step in or near what is to be explained [default: everything that deserves it].
    #[arg(long, value_name = "STEP")]
    pub(crate) at: Option<u64>,
    /// Runs of the same model that read the same batches; runs that did not are told by their losses.
    #[arg(long, value_name = "RUN", num_args = 1.., value_hint = ValueHint::DirPath)]
    pub(crate) sibling: Vec<PathBuf>,
    /// The same for models of another size.
    #[arg(long, value_name = "RUN", num_args = 1.., value_hint = ValueHint::DirPath)]
    pub(crate) other_size: Vec<PathBuf>,
    /// Steps behind an attempt's start in which a restore is suspected.
    #[arg(long, value_name = "N", default_value_t = logs::explain::RESTORE_WITHIN)]
    pub(crate) restore_within: u64,
    /// For machines.
    #[arg(long)]
    pub(crate) json: bool,
}
