//! Messages between the ranks of one job, and the collective operations made of them. It knows no model.
//!
//! A *rank* is one of the workers that train one run together, numbered from 0. An [`Engine`] carries bytes between
//! them: [`threads`] inside one process, always there; `mpi` between processes, with the feature `mpi`; `nccl` between
//! GPUs, with the feature `nccl`. A [`Group`] is some of the ranks, and has the operations. They are written once, over an engine's messages, and sums
//! go in the order of the ranks. So the same numbers come out on every engine to the last bit, which `MPI_Allreduce`
//! does not promise: its order depends on the algorithm that it chooses.
//!
//! Every operation counts the bytes that its rank sends and the time for which it waits ([`Counts`]). A ring sends as
//! much: `(n-1)/n` of the values for half an all-reduce on n ranks, and here every rank sends each other one its part.
//!
//! A rank that has ended, or that does not come within [`PATIENCE`], is an error that names it; the group is of no use
//! after it.

mod counts;
mod engine;
mod error;
mod group;
mod launch;
#[cfg(feature = "mpi")]
pub mod mpi;
#[cfg(feature = "nccl")]
pub mod nccl;
#[cfg(test)]
mod tests;
pub mod threads;

pub use counts::{Count, Counts, Operation};
pub use engine::{Engine, Inbound, Outbound, PATIENCE, Purpose};
pub use error::CollectiveError;
pub use group::{Group, even_parts, join};
pub use launch::{Launched, launched};
