//! Several ranks that train one run.

use clap::{Args, ValueEnum, ValueHint};
use std::num::NonZeroUsize;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Layout {
    /// Train one run with so many replicas, each with a share of every step's batch: processes under `mpirun`, else threads.
    #[arg(long, value_name = "N")]
    pub(crate) data_parallel: Option<NonZeroUsize>,
    /// The same with so many stages, each with some of the layers.
    #[arg(long, value_name = "N")]
    pub(crate) pipeline_parallel: Option<NonZeroUsize>,
    /// The same with so many ranks for every matrix; all three together multiply to the number of ranks.
    #[arg(long, value_name = "N")]
    pub(crate) tensor_parallel: Option<NonZeroUsize>,
    /// With `--tensor-parallel`: these ranks have also each some of the rows in norms, dropout and residuals.
    #[arg(long)]
    pub(crate) sequence_parallel: bool,
    /// What carries messages between the ranks [default: mpi under a launcher, else threads].
    #[arg(long, value_enum)]
    pub(crate) engine: Option<EngineName>,
    /// With `--engine nccl`: an empty folder that all ranks see, in which they meet.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) rendezvous: Option<PathBuf>,
}

impl Layout {
    /// Whether nothing is said of ranks.
    pub(crate) fn is_empty(&self) -> bool {
        let Self {
            data_parallel,
            pipeline_parallel,
            tensor_parallel,
            sequence_parallel,
            engine,
            rendezvous,
        } = self;
        let degrees = [data_parallel, pipeline_parallel, tensor_parallel];
        let any = degrees.into_iter().any(Option::is_some) || *sequence_parallel;
        !any && engine.is_none() && rendezvous.is_none()
    }
}

/// What carries messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineName {
    /// The memory of one process, of which the ranks are threads.
    Threads,
    /// MPI, between processes that a launcher started; a build with `--features mpi`.
    Mpi,
    /// NCCL, between the GPUs of such processes; a build with `--features nccl`.
    Nccl,
}
