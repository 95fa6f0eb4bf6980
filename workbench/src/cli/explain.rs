//! Arguments of `workbench explain`.

use super::fork::REACH;
use clap::{Args, ValueHint};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Run directory; only read.
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) run: PathBuf,
    /// Steps, with commas or several times: 1 is the first [default: the run's first spikes, or alarms; of an imported run
    /// everything that deserves it].
    #[arg(
        long,
        value_name = "STEP",
        allow_negative_numbers = true,
        value_delimiter = ','
    )]
    pub(crate) at: Vec<u64>,
    /// Tokens and sequences that are shown, those that the gradient is most of.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(crate) top: usize,
    /// Steps that may be trained again on the way from the nearest checkpoint, at most.
    #[arg(long, value_name = "N", default_value_t = REACH)]
    pub(crate) reach: u64,
    /// Draw the squared gradient norm by layer and role, as SVG or PNG by the name's end.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: Option<PathBuf>,
    /// Of an imported run: runs of the same model that read the same batches; runs that did not are told by their losses.
    #[arg(long, value_name = "RUN", num_args = 1.., value_hint = ValueHint::DirPath)]
    pub(crate) sibling: Vec<PathBuf>,
    /// The same for models of another size.
    #[arg(long, value_name = "RUN", num_args = 1.., value_hint = ValueHint::DirPath)]
    pub(crate) other_size: Vec<PathBuf>,
    /// Of an imported run: steps behind an attempt's start in which a restore is suspected.
    #[arg(long, value_name = "N", default_value_t = logs::explain::RESTORE_WITHIN)]
    pub(crate) restore_within: u64,
    /// For machines, with all sequences.
    #[arg(long)]
    pub(crate) json: bool,
}
