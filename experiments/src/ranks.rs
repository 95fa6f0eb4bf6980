//! The ranks that train one run together: who has what, and what they tell each other.
//!
//! Every rank takes the same step at the same time with the same state, so whatever is decided is decided once, of the
//! same numbers. Rank 0 is the run: it alone has the run directory, looks for alarms and writes checkpoints, and tells the
//! others what comes next ([`Order`]). It sees weights and moments whole: an array that is spread over the ranks comes home
//! when somebody reads it, as one on a device does (`docs/decisions/0022-ranks.md`).

mod account;
mod degrees;
mod division;
mod pipeline;
mod rows;
mod shares;
mod slices;
mod spread;

pub use degrees::Degrees;

pub(crate) use account::{Account, Idle, Sent, Slow};
pub(crate) use division::{Division, check_division};
pub(crate) use pipeline::{Pipeline, Turn};
pub(crate) use rows::RowShares;
pub(crate) use shares::Shares;
pub(crate) use slices::Slices;
pub(crate) use spread::Spread;

use crate::error::TrainError;
use crate::files::checkpoint::Keep;
use experiments_collective::{CollectiveError, Engine, Group, Operation, even_parts};
use kernels::Buffer;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fmt::Debug;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What rank 0 tells the others to do with it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Take the weights of rank 0, and its own share of the moments.
    Begin,
    /// Take the step that follows this state.
    Step(String),
    /// Evaluate a share of the held-out batches.
    Evaluate,
    /// Hand over its own share of a moment: the first, or the second.
    Give(Moment),
    /// Write its own share of both moments.
    Write(Share),
    /// Nothing follows.
    End,
}

/// Where a rank writes its share of a checkpoint.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Share {
    /// An absolute path, whatever letters it has.
    pub(crate) folder: OsString,
    pub(crate) keep: Keep,
}

/// One of Adam's moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Moment {
    First,
    Second,
}

/// This process or thread among the ranks. They are numbered as `DeepSpeed` and
/// Megatron do: tensor innermost, then data, then pipeline.
pub struct Ranks {
    degrees: Degrees,
    group: Group,
    /// The ranks of its stage.
    stage: Group,
    /// Those of them that share every matrix with it.
    tensor: Group,
    /// For numbers for the record; and what stages tell each other of tied embeddings, which is counted apart.
    signals: Group,
    /// The same for the ranks of its stage alone.
    tied: Group,
    /// The same for those that share every matrix.
    shown: Group,
    /// Threads of this rank, where the process has several ranks.
    pool: Option<rayon::ThreadPool>,
    /// Whether the others have the weights of the step.
    have_begun: AtomicBool,
    account: Mutex<Account>,
}

impl Debug for Ranks {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "rank {} of {}", self.rank(), self.count())
    }
}

/// Leaves the step: whatever is missing from another rank, there is nothing to go on with. Caught by [`caught`].
fn must<T>(done: Result<T, CollectiveError>) -> T {
    done.unwrap_or_else(|error| resume_unwind(Box::new(error)))
}

/// Does work that needs the other ranks, and returns their error where they fail.
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T, TrainError>) -> Result<T, TrainError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        match payload.downcast::<CollectiveError>() {
            Ok(error) => Err(TrainError::Ranks(*error)),
            Err(other) => resume_unwind(other),
        }
    })
}

impl Ranks {
    /// All ranks of a job. `threads` are this rank's own; absent where it has those of the process.
    pub fn new(
        engine: Arc<dyn Engine>,
        degrees: Degrees,
        threads: Option<usize>,
    ) -> Result<Self, TrainError> {
        let group = Group::all(engine);
        if group.size() != degrees.ranks() {
            let (needed, found) = (degrees.ranks(), group.size());
            let problem = format!("{degrees} needs {needed} ranks, there are {found}");
            return Err(CollectiveError::Start { problem }.into());
        }
        let stage = group.split((group.rank() / degrees.of_stage()) as u32)?;
        let tensor = stage.split((stage.rank() / degrees.tensor) as u32)?;
        let signals = group.split(0)?;
        let tied = stage.split(0)?;
        let shown = tensor.split(0)?;
        let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = threads
            .map(pool)
            .transpose()
            .map_err(|error| CollectiveError::Start {
                problem: format!("the threads of a rank could not be started: {error}"),
            })?;
        Ok(Self {
            degrees,
            group,
            stage,
            tensor,
            signals,
            tied,
            shown,
            pool,
            have_begun: AtomicBool::new(false),
            account: Mutex::default(),
        })
    }

    /// The processes of an MPI job, of which this is one; and what ends MPI when all is done.
    #[cfg(feature = "mpi")]
    pub fn of_mpi(
        degrees: Degrees,
    ) -> Result<(Self, experiments_collective::mpi::Session), TrainError> {
        let (engine, session) = experiments_collective::mpi::Mpi::start()?;
        Ok((Self::new(Arc::new(engine), degrees, None)?, session))
    }

    /// Processes of which each has the GPU of its number on its host, and whose messages go from GPU to GPU. They meet in
    /// `folder`, which is empty and which all of them see.
    #[cfg(feature = "nccl")]
    pub fn of_nccl(
        degrees: Degrees,
        launched: experiments_collective::Launched,
        folder: &std::path::Path,
    ) -> Result<Self, TrainError> {
        let (rank, ranks, gpu) = (launched.rank, launched.ranks, launched.place_on_host);
        let engine = experiments_collective::nccl::Nccl::start(rank, ranks, gpu, folder)?;
        Self::new(Arc::new(engine), degrees, None)
    }

    /// Number of this one, from 0.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.group.rank()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.group.size()
    }

    /// How they divide the work.
    #[must_use]
    pub fn degrees(&self) -> Degrees {
        self.degrees
    }

    /// The stage of this one, and its replica.
    pub(crate) fn place(&self) -> [usize; 2] {
        let of_stage = self.degrees.of_stage();
        [
            self.rank() / of_stage,
            self.rank() % of_stage / self.degrees.tensor,
        ]
    }

    /// Which of those that share every matrix this one is, and how many they are.
    pub(crate) fn share(&self) -> [usize; 2] {
        [self.tensor.rank(), self.tensor.size()]
    }

    /// What is this rank's of so many equal things that those share.
    pub(crate) fn own_part(&self, len: usize) -> Range<usize> {
        even_parts(len, self.tensor.size())[self.tensor.rank()].clone()
    }

    /// The ranks of a stage.
    pub(crate) fn of_stage(&self, stage: usize) -> Range<usize> {
        let ranks = self.degrees.of_stage();
        stage * ranks..(stage + 1) * ranks
    }

    /// Replaces values by their sums over the ranks that share every matrix.
    pub(crate) fn sum(&self, values: &mut [f32]) {
        must(self.tensor.all_reduce(values));
    }

    /// The values of each of those.
    pub(crate) fn share_out(&self, own: &[f32]) -> Vec<Vec<f32>> {
        let [rank, ranks] = self.share();
        let mut all = vec![0.0; own.len() * ranks];
        let parts = even_parts(all.len(), ranks);
        all[parts[rank].clone()].copy_from_slice(own);
        must(self.tensor.all_gather(&mut all, &parts));
        parts.into_iter().map(|part| all[part].to_vec()).collect()
    }

    /// Name of what carries their messages.
    #[must_use]
    pub fn engine(&self) -> &'static str {
        self.group.engine()
    }

    /// Bytes that this rank has sent for training itself, without numbers for the record.
    fn sent(&self, operation: Operation) -> u64 {
        let groups = [&self.group, &self.stage, &self.tensor];
        groups
            .map(|group| group.counts().of(operation).bytes)
            .iter()
            .sum()
    }

    /// Bytes that this rank has sent of tied embeddings, from the last stage to the first.
    fn sent_tied(&self) -> u64 {
        self.signals.counts().of(Operation::Send).bytes
    }

    /// Seconds for which this rank has waited for others in operations of a step.
    fn waited(&self) -> f64 {
        let of_steps = [
            Operation::ReduceScatter,
            Operation::AllGather,
            Operation::AllReduce,
            Operation::Send,
        ];
        let of = |group: &Group| -> Duration {
            of_steps
                .map(|operation| group.counts().of(operation).waited)
                .iter()
                .sum()
        };
        let groups = [
            &self.group,
            &self.stage,
            &self.tensor,
            &self.signals,
            &self.shown,
        ];
        groups.map(of).iter().sum::<Duration>().as_secs_f64()
    }

    /// Takes a step into the account of all ranks, and says which of them is slow.
    pub(crate) fn account(&self, seconds: f64) -> Option<Slow> {
        let account = self.account.lock();
        account
            .unwrap_or_else(PoisonError::into_inner)
            .step(self, seconds)
    }

    /// Takes the passes of a step into the account: time in which this rank computed, of how much, and the share of that in
    /// which its schedule has nothing for it.
    pub(crate) fn note_passes(&self, busy: Duration, all: Duration, scheduled: f64) {
        let account = self.account.lock();
        let mut account = account.unwrap_or_else(PoisonError::into_inner);
        account.note_passes(busy, all, scheduled);
    }

    /// Share of the passes' time in which ranks did not compute, up to the last step.
    pub(crate) fn idle(&self) -> Idle {
        let account = self.account.lock();
        account.unwrap_or_else(PoisonError::into_inner).idle()
    }

    /// What all ranks have sent up to the last step.
    pub(crate) fn sent_by_all(&self) -> Sent {
        let account = self.account.lock();
        account.unwrap_or_else(PoisonError::into_inner).sent
    }

    /// Computes on this rank's threads.
    pub(crate) fn compute<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => rayon::scope(|_| work()),
        }
    }

    /// Tells all other ranks what comes next.
    pub(crate) fn order(&self, order: &Order) {
        let bytes = serde_json::to_vec(order).unwrap_or_default();
        must(self.group.announce(0, &bytes));
    }

    /// What comes next.
    pub(crate) fn next_order(&self) -> Result<Order, TrainError> {
        let bytes = self.group.announce(0, &[])?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let problem = format!("rank 0 said what rank {} cannot read: {error}", self.rank());
            CollectiveError::Start { problem }.into()
        })
    }

    /// Lets the others go, if they are there.
    pub(crate) fn end(&self) {
        let bytes = serde_json::to_vec(&Order::End).unwrap_or_default();
        // Where a rank is missing the others have ended with an error.
        let _ = self.group.announce(0, &bytes);
    }

    /// Whether the others have the weights.
    pub(crate) fn have_begun(&self) -> bool {
        self.have_begun.load(Ordering::Relaxed)
    }

    /// They have them now.
    pub(crate) fn begun(&self) {
        self.have_begun.store(true, Ordering::Relaxed);
    }

    /// What every rank says, on rank 0; empty on the others.
    pub(crate) fn collect(&self, message: &[u8]) -> Result<Vec<Vec<u8>>, TrainError> {
        Ok(self.group.collect(0, message)?)
    }

    /// Everybody's numbers, as many from each, in the order of the ranks.
    pub(crate) fn tell(&self, own: &[f64]) -> Vec<Vec<f64>> {
        let mut all = vec![0.0; own.len() * self.count()];
        let parts = even_parts(all.len(), self.count());
        all[parts[self.rank()].clone()].copy_from_slice(own);
        must(self.signals.all_gather(&mut all, &parts));
        parts.into_iter().map(|part| all[part].to_vec()).collect()
    }

    /// The shares of all ranks of the stage of the `len` values that are this rank's, in their order. `pieces` are what is
    /// a rank's of this one's values.
    pub(crate) fn shares<'a>(
        &self,
        len: usize,
        pieces: impl Fn(usize) -> Vec<&'a [f32]>,
    ) -> Vec<Buffer> {
        let first = self.of_stage(self.place()[0]).start;
        let pieces = |rank| pieces(first + rank);
        let mut shares: Vec<_> = (0..self.stage.size()).map(|_| Buffer::new(len)).collect();
        must(self.stage.shares(pieces, &mut shares));
        shares
    }

    /// The values of all ranks of the stage, on one of them; empty on the others. For the record alone.
    pub(crate) fn signals_for(&self, owner: usize, values: &[f32]) -> Vec<Buffer> {
        let first = self.of_stage(self.place()[0]).start;
        let pieces = |rank| Vec::from_iter((first + rank == owner).then_some(values));
        let len = if owner == self.rank() {
            values.len()
        } else {
            0
        };
        let mut shares: Vec<_> = (0..self.tied.size()).map(|_| Buffer::new(len)).collect();
        must(self.tied.shares(pieces, &mut shares));
        shares
    }

    /// Sends a residual stream, or its gradient, to another stage.
    pub(crate) fn pass_on(&self, stage: usize, values: &[f32]) {
        let to = self.of_stage(stage).start + self.stage.rank();
        must(self.group.send(to, values));
    }

    /// Receives it.
    pub(crate) fn take_over(&self, stage: usize, values: &mut [f32]) {
        let from = self.of_stage(stage).start + self.stage.rank();
        must(self.group.receive(from, values));
    }

    /// Sends what the last stage has of tied embeddings to the rank that updates them.
    pub(crate) fn pass_on_tied(&self, to: usize, values: &[f32]) {
        must(self.signals.send(to, values));
    }

    /// Receives it.
    pub(crate) fn take_over_tied(&self, from: usize, values: &mut [f32]) {
        must(self.signals.receive(from, values));
    }

    /// Puts every rank's values into the places that are its.
    pub(crate) fn all_gather(&self, own: &[f32], places: Vec<Vec<&mut [f32]>>) {
        must(self.group.all_gather_pieces(own, places));
    }

    /// Replaces the values by those of rank 0.
    pub(crate) fn broadcast(&self, values: &mut [f32]) {
        must(self.group.broadcast(0, values));
    }

    /// Fills in the own part of the values of rank 0.
    pub(crate) fn scatter(&self, values: &mut [f32], parts: &[Range<usize>]) {
        must(self.group.scatter(0, values, parts));
    }

    /// Fills in the parts of all other ranks on rank 0.
    pub(crate) fn gather(&self, values: &mut [f32], parts: &[Range<usize>]) {
        must(self.group.gather(0, values, parts));
    }
}
