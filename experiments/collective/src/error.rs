//! Why ranks cannot go on together.

/// Errors between ranks, which are those of the job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CollectiveError {
    /// A rank has ended.
    #[error("rank {rank} has ended, while rank {own} waited for it in {operation}")]
    Lost {
        /// Which.
        rank: usize,
        /// Who waited.
        own: usize,
        /// For what.
        operation: &'static str,
    },
    /// A rank does not come.
    #[error(
        "rank {rank} did not come to {operation} within {seconds} s, for which rank {own} waited"
    )]
    Late {
        /// Which.
        rank: usize,
        /// Who waited.
        own: usize,
        /// For what.
        operation: &'static str,
        /// For how long.
        seconds: u64,
    },
    /// Two ranks do different things.
    #[error("rank {rank} is at another operation than rank {own}, which is at {operation}")]
    OutOfStep {
        /// The other.
        rank: usize,
        /// Who found out.
        own: usize,
        /// What it was at.
        operation: &'static str,
    },
    /// Processes that were started together are not a job that can be trained.
    #[error("{problem}")]
    Start {
        /// What is wrong and what was expected.
        problem: String,
    },
}

impl CollectiveError {
    /// The rank that is not there, where that is what went wrong.
    #[must_use]
    pub fn missing(&self) -> Option<usize> {
        match self {
            Self::Lost { rank, .. } | Self::Late { rank, .. } => Some(*rank),
            Self::OutOfStep { .. } | Self::Start { .. } => None,
        }
    }
}
