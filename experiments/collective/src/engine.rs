//! What carries bytes between ranks.

use crate::error::CollectiveError;
use std::time::Duration;

/// How long a rank waits for another in an operation.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A message that is sent.
#[derive(Debug, Clone)]
pub struct Outbound<'a> {
    /// Rank of the job.
    pub to: usize,
    /// What it says, one behind another.
    pub pieces: Vec<&'a [u8]>,
}

impl Outbound<'_> {
    /// Bytes of the message.
    pub(crate) fn bytes(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len()).sum()
    }
}

/// A message that is expected.
#[derive(Debug)]
pub struct Inbound<'a> {
    /// Rank of the job.
    pub from: usize,
    /// Filled with what it says; together as long as that.
    pub pieces: Vec<&'a mut [u8]>,
}

impl Inbound<'_> {
    /// Bytes of the message.
    pub(crate) fn bytes(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len()).sum()
    }

    /// Fills the pieces from a message of [`Self::bytes`].
    pub(crate) fn fill(&mut self, mut message: &[u8]) {
        for piece in &mut self.pieces {
            let (own, rest) = message.split_at(piece.len());
            piece.copy_from_slice(own);
            message = rest;
        }
    }
}

/// What the messages of one exchange have in common.
#[derive(Debug, Clone, Copy)]
pub struct Purpose {
    /// The same at both ends, and another one for every operation: what is out of step is found out.
    pub tag: u32,
    /// For errors.
    pub operation: &'static str,
    /// How long to wait for each message; absent where a rank may take as long as it likes, if it only is there.
    pub patience: Option<Duration>,
}

/// Carries bytes between the ranks of a job. Messages from one rank to another arrive in order.
pub trait Engine: Send + Sync {
    /// Name for people.
    fn name(&self) -> &'static str;

    /// Number of this rank in the job.
    fn rank(&self) -> usize;

    /// Ranks of the job.
    fn ranks(&self) -> usize;

    /// Sends and receives messages all at once, so that two ranks may send to one another; returns when all are through.
    ///
    /// # Errors
    /// If a rank has ended, does not come, or sends something else.
    fn exchange(
        &self,
        purpose: Purpose,
        outbound: &[Outbound],
        inbound: &mut [Inbound],
    ) -> Result<(), CollectiveError>;
}
