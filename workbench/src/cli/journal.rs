//! Arguments of `workbench journal`.

use clap::{Args, ValueHint};
use experiments_config::Override;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Journal {
    /// Directory of the runs, the table and the figure; made if missing.
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
    /// Steps of the original that one step of the proxy stands for [default: 25].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) scale: Option<u64>,
    /// Change a configuration key in every run, for example `optimizer.lr=1e-3`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<Override>,
    /// Runs at a time [default: cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) workers: Option<u16>,
    /// For machines.
    #[arg(long)]
    pub(crate) json: bool,
}
