//! What operations send, and how long they wait.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The operations that are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// From one rank to one other.
    Send,
    /// From one rank to all.
    Broadcast,
    /// From all ranks to one.
    Gather,
    /// From all ranks to all, everybody's own values.
    AllGather,
    /// Sums, of which every rank gets a part.
    ReduceScatter,
    /// Sums, which all ranks get.
    AllReduce,
    /// Nothing, until all are there.
    Barrier,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Send,
        Self::Broadcast,
        Self::Gather,
        Self::AllGather,
        Self::ReduceScatter,
        Self::AllReduce,
        Self::Barrier,
    ];

    /// Its usual name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Broadcast => "broadcast",
            Self::Gather => "gather",
            Self::AllGather => "all-gather",
            Self::ReduceScatter => "reduce-scatter",
            Self::AllReduce => "all-reduce",
            Self::Barrier => "barrier",
        }
    }
}

/// Of one operation on one rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Bytes that this rank sent.
    pub bytes: u64,
    /// Time in which this rank waited for others.
    pub waited: Duration,
}

/// Of all operations on one rank.
#[derive(Debug, Default)]
pub struct Counts([Cell; Operation::ALL.len()]);

#[derive(Debug, Default)]
struct Cell {
    bytes: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Counts {
    pub(crate) fn add(&self, operation: Operation, bytes: usize, waited: Duration) {
        let cell = &self.0[operation as usize];
        cell.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let nanoseconds = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        cell.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// What was counted so far.
    #[must_use]
    pub fn of(&self, operation: Operation) -> Count {
        let cell = &self.0[operation as usize];
        Count {
            bytes: cell.bytes.load(Ordering::Relaxed),
            waited: Duration::from_nanos(cell.nanoseconds.load(Ordering::Relaxed)),
        }
    }

    /// Time in which this rank waited for others, in all operations.
    #[must_use]
    pub fn waited(&self) -> Duration {
        Operation::ALL
            .iter()
            .map(|each| self.of(*each).waited)
            .sum()
    }
}
