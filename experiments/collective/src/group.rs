//! Some ranks of a job, and the collective operations between them.

use crate::counts::{Counts, Operation};
use crate::engine::{Engine, Inbound, Outbound, PATIENCE, Purpose};
use crate::error::CollectiveError;
use bytemuck::{Pod, bytes_of, bytes_of_mut, cast_slice, cast_slice_mut};
use std::ops::{DerefMut, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Some ranks of a job, of which this one is a member. All members call the same operations in the same order.
///
/// Ranks are counted within the group. In the operations, `parts` are the ranges of a slice that belong to each rank, in
/// their order.
pub struct Group {
    engine: Arc<dyn Engine>,
    /// Ranks of the job.
    members: Vec<usize>,
    /// Place of this rank among the members.
    rank: usize,
    /// Tells the messages of groups with common members apart.
    id: u32,
    /// Operations so far.
    number: AtomicU32,
    counts: Counts,
    patience: Duration,
}

/// `len` values in `ranks` parts that differ by one at the most.
#[must_use]
pub fn even_parts(len: usize, ranks: usize) -> Vec<Range<usize>> {
    let place = |rank| len * rank / ranks;
    (0..ranks)
        .map(|rank| place(rank)..place(rank + 1))
        .collect()
}

/// Fills `values` with pieces that are together as long, one behind another.
pub fn join<T: Copy>(pieces: &[&[T]], mut values: &mut [T]) {
    for piece in pieces {
        let place = values.split_off_mut(..piece.len());
        place.unwrap_or_default().copy_from_slice(piece);
    }
}

impl Group {
    /// All ranks of a job.
    #[must_use]
    pub fn all(engine: Arc<dyn Engine>) -> Self {
        let (rank, members) = (engine.rank(), (0..engine.ranks()).collect());
        Self::new(engine, members, rank, 0, PATIENCE)
    }

    fn new(
        engine: Arc<dyn Engine>,
        members: Vec<usize>,
        rank: usize,
        id: u32,
        patience: Duration,
    ) -> Self {
        Self {
            engine,
            members,
            rank,
            id,
            number: AtomicU32::new(0),
            counts: Counts::default(),
            patience,
        }
    }

    /// The same with another [`PATIENCE`].
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Number of this rank.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Number of ranks.
    #[must_use]
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// What this rank has sent in the group, and how long it waited.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Name of the engine.
    #[must_use]
    pub fn engine(&self) -> &'static str {
        self.engine.name()
    }

    fn others(&self) -> impl Iterator<Item = usize> {
        let own = self.rank;
        (0..self.size()).filter(move |rank| *rank != own)
    }

    fn purpose(&self, operation: Operation) -> Purpose {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        Purpose {
            // 31 bits, of which a group has the upper half.
            tag: ((self.id << 16) | (number % 0xffff)) & 0x7fff_ffff,
            operation: operation.name(),
            patience: Some(self.patience),
        }
    }

    fn exchange(
        &self,
        operation: Operation,
        purpose: Purpose,
        outbound: &[(usize, &[u8])],
        inbound: Vec<(usize, &mut [u8])>,
    ) -> Result<(), CollectiveError> {
        let outbound = outbound.iter().map(|&(to, bytes)| self.to(to, vec![bytes]));
        let inbound = inbound.into_iter();
        let inbound = inbound.map(|(from, bytes)| self.from(from, vec![bytes]));
        self.exchange_pieces(
            operation,
            purpose,
            &outbound.collect::<Vec<_>>(),
            &mut inbound.collect::<Vec<_>>(),
        )
    }

    fn exchange_pieces(
        &self,
        operation: Operation,
        purpose: Purpose,
        outbound: &[Outbound],
        inbound: &mut [Inbound],
    ) -> Result<(), CollectiveError> {
        let start = Instant::now();
        self.engine.exchange(purpose, outbound, inbound)?;
        let bytes = outbound.iter().map(Outbound::bytes).sum();
        self.counts.add(operation, bytes, start.elapsed());
        Ok(())
    }

    fn to<'a>(&self, rank: usize, pieces: Vec<&'a [u8]>) -> Outbound<'a> {
        let to = self.members[rank];
        Outbound { to, pieces }
    }

    fn from<'a>(&self, rank: usize, pieces: Vec<&'a mut [u8]>) -> Inbound<'a> {
        let from = self.members[rank];
        Inbound { from, pieces }
    }

    /// Sends values to another rank, which receives them.
    pub fn send<T: Pod>(&self, to: usize, values: &[T]) -> Result<(), CollectiveError> {
        self.exchange(
            Operation::Send,
            self.uncounted(),
            &[(to, cast_slice(values))],
            Vec::new(),
        )
    }

    /// Fills `values` with what another rank sends.
    pub fn receive<T: Pod>(&self, from: usize, values: &mut [T]) -> Result<(), CollectiveError> {
        let inbound = vec![(from, cast_slice_mut(values))];
        self.exchange(Operation::Send, self.uncounted(), &[], inbound)
    }

    /// What ranks send to one is no operation of all: it is not numbered.
    fn uncounted(&self) -> Purpose {
        Purpose {
            tag: ((self.id << 16) | 0xffff) & 0x7fff_ffff,
            operation: Operation::Send.name(),
            patience: Some(self.patience),
        }
    }

    /// Returns when all ranks are there.
    pub fn barrier(&self) -> Result<(), CollectiveError> {
        let (outbound, mut bytes) = ([0_u8], vec![0_u8; self.size()]);
        let outbound: Vec<_> = self.others().map(|rank| (rank, &outbound[..])).collect();
        let inbound = bytes.chunks_mut(1).enumerate();
        let inbound = inbound.filter(|(rank, _)| *rank != self.rank).collect();
        let operation = Operation::Barrier;
        self.exchange(operation, self.purpose(operation), &outbound, inbound)
    }

    /// All ranks get the values of `root`.
    pub fn broadcast<T: Pod>(&self, root: usize, values: &mut [T]) -> Result<(), CollectiveError> {
        let operation = Operation::Broadcast;
        let purpose = self.purpose(operation);
        if self.rank == root {
            let bytes = cast_slice(values);
            let outbound: Vec<_> = self.others().map(|rank| (rank, bytes)).collect();
            self.exchange(operation, purpose, &outbound, Vec::new())
        } else {
            let inbound = vec![(root, cast_slice_mut(values))];
            self.exchange(operation, purpose, &[], inbound)
        }
    }

    /// All ranks get a message of `root` of whatever length, the others however late it comes.
    pub fn announce(&self, root: usize, message: &[u8]) -> Result<Vec<u8>, CollectiveError> {
        let operation = Operation::Broadcast;
        let purpose = Purpose {
            patience: None,
            ..self.purpose(operation)
        };
        if self.rank == root {
            let len = message.len() as u64;
            let lengths: Vec<_> = self.others().map(|rank| (rank, bytes_of(&len))).collect();
            self.exchange(operation, purpose, &lengths, Vec::new())?;
            let contents: Vec<_> = self.others().map(|rank| (rank, message)).collect();
            self.exchange(operation, purpose, &contents, Vec::new())?;
            return Ok(message.to_vec());
        }
        let mut len = 0_u64;
        self.exchange(
            operation,
            purpose,
            &[],
            vec![(root, bytes_of_mut(&mut len))],
        )?;
        let mut contents = vec![0; len as usize];
        self.exchange(operation, purpose, &[], vec![(root, &mut contents)])?;
        Ok(contents)
    }

    /// The messages of all ranks, of whatever lengths, for `root`, which waits however long it takes; none for the others,
    /// which go on at once.
    pub fn collect(&self, root: usize, message: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError> {
        let operation = Operation::Gather;
        let purpose = Purpose {
            patience: None,
            operation: operation.name(),
            ..self.uncounted()
        };
        if self.rank != root {
            let len = message.len() as u64;
            self.exchange(operation, purpose, &[(root, bytes_of(&len))], Vec::new())?;
            self.exchange(operation, purpose, &[(root, message)], Vec::new())?;
            return Ok(Vec::new());
        }
        let mut lens = vec![0_u64; self.size()];
        let inbound = lens.chunks_mut(1).map(cast_slice_mut).enumerate();
        let inbound = inbound.filter(|(rank, _)| *rank != root).collect();
        self.exchange(operation, purpose, &[], inbound)?;
        let mut all: Vec<Vec<u8>> = lens.iter().map(|len| vec![0; *len as usize]).collect();
        let inbound = all.iter_mut().map(Vec::as_mut_slice).enumerate();
        let inbound = inbound.filter(|(rank, _)| *rank != root).collect();
        self.exchange(operation, purpose, &[], inbound)?;
        all[root] = message.to_vec();
        Ok(all)
    }

    /// `root` gets the part of every rank into `values`, where it has its own already.
    pub fn gather<T: Pod>(
        &self,
        root: usize,
        values: &mut [T],
        parts: &[Range<usize>],
    ) -> Result<(), CollectiveError> {
        let operation = Operation::Gather;
        let purpose = self.purpose(operation);
        if self.rank != root {
            let own = cast_slice(&values[parts[self.rank].clone()]);
            return self.exchange(operation, purpose, &[(root, own)], Vec::new());
        }
        let inbound = cut(values, parts).into_iter().enumerate();
        let inbound = inbound.filter(|(rank, _)| *rank != root);
        let inbound = inbound.map(|(rank, part)| (rank, cast_slice_mut(part)));
        self.exchange(operation, purpose, &[], inbound.collect())
    }

    /// Every rank gets its part of the values of `root`.
    pub fn scatter<T: Pod>(
        &self,
        root: usize,
        values: &mut [T],
        parts: &[Range<usize>],
    ) -> Result<(), CollectiveError> {
        let operation = Operation::Broadcast;
        let purpose = self.purpose(operation);
        if self.rank != root {
            let own = &mut values[parts[self.rank].clone()];
            return self.exchange(operation, purpose, &[], vec![(root, cast_slice_mut(own))]);
        }
        let part = |rank: usize| (rank, cast_slice(&values[parts[rank].clone()]));
        let outbound: Vec<_> = self.others().map(part).collect();
        self.exchange(operation, purpose, &outbound, Vec::new())
    }

    /// Every rank gets the parts of all others into `values`, where it has its own already.
    pub fn all_gather<T: Pod>(
        &self,
        values: &mut [T],
        parts: &[Range<usize>],
    ) -> Result<(), CollectiveError> {
        self.gather_all(Operation::AllGather, values, parts)
    }

    fn gather_all<T: Pod>(
        &self,
        operation: Operation,
        values: &mut [T],
        parts: &[Range<usize>],
    ) -> Result<(), CollectiveError> {
        let purpose = self.purpose(operation);
        let mut parts = cut(values, parts);
        let own = std::mem::take(&mut parts[self.rank]);
        let outbound: Vec<_> = self.others().map(|to| (to, cast_slice(own))).collect();
        let inbound = parts.into_iter().enumerate();
        let inbound = inbound.filter(|(rank, _)| *rank != self.rank);
        let inbound = inbound.map(|(rank, part)| (rank, cast_slice_mut(part)));
        self.exchange(operation, purpose, &outbound, inbound.collect())
    }

    /// An all-gather of what lies in pieces: every rank's values go to `places[rank]`, those of this one, too.
    pub fn all_gather_pieces<T: Pod>(
        &self,
        mut own: &[T],
        mut places: Vec<Vec<&mut [T]>>,
    ) -> Result<(), CollectiveError> {
        let operation = Operation::AllGather;
        let bytes = cast_slice(own);
        let outbound: Vec<_> = self.others().map(|to| self.to(to, vec![bytes])).collect();
        for place in std::mem::take(&mut places[self.rank]) {
            let (piece, rest) = own.split_at(place.len());
            place.copy_from_slice(piece);
            own = rest;
        }
        let places = places.into_iter().enumerate();
        let inbound = places
            .filter(|(rank, _)| *rank != self.rank)
            .map(|(rank, place)| self.from(rank, place.into_iter().map(cast_slice_mut).collect()));
        let mut inbound: Vec<_> = inbound.collect();
        self.exchange_pieces(operation, self.purpose(operation), &outbound, &mut inbound)
    }

    /// This rank's part as every rank has it, in the order of the ranks: a reduce-scatter before its sum, for those who
    /// do more between two summands than add them. `pieces` are what is a rank's; `shares`, one for each rank, are filled.
    pub fn shares<'a>(
        &self,
        pieces: impl Fn(usize) -> Vec<&'a [f32]>,
        shares: &mut [impl DerefMut<Target = [f32]>],
    ) -> Result<(), CollectiveError> {
        self.share_out(Operation::ReduceScatter, pieces, shares)
    }

    fn share_out<'a>(
        &self,
        operation: Operation,
        pieces: impl Fn(usize) -> Vec<&'a [f32]>,
        shares: &mut [impl DerefMut<Target = [f32]>],
    ) -> Result<(), CollectiveError> {
        let bytes = |rank| pieces(rank).into_iter().map(cast_slice).collect();
        let outbound: Vec<_> = self.others().map(|to| self.to(to, bytes(to))).collect();
        let mut inbound = Vec::with_capacity(outbound.len());
        for (rank, share) in shares.iter_mut().enumerate() {
            if rank == self.rank {
                join(&pieces(rank), share);
            } else {
                inbound.push(self.from(rank, vec![cast_slice_mut(share)]));
            }
        }
        self.exchange_pieces(operation, self.purpose(operation), &outbound, &mut inbound)
    }

    /// The sum over the ranks of this rank's part, in their order.
    pub fn reduce_scatter(
        &self,
        values: &[f32],
        parts: &[Range<usize>],
    ) -> Result<Vec<f32>, CollectiveError> {
        self.sum(Operation::ReduceScatter, values, parts)
    }

    fn sum(
        &self,
        operation: Operation,
        values: &[f32],
        parts: &[Range<usize>],
    ) -> Result<Vec<f32>, CollectiveError> {
        let mut shares = vec![vec![0.0; parts[self.rank].len()]; self.size()];
        let part = |rank: usize| vec![&values[parts[rank].clone()]];
        self.share_out(operation, part, &mut shares)?;
        Ok(sum(shares))
    }

    /// Replaces values by their sums over the ranks, in their order.
    pub fn all_reduce(&self, values: &mut [f32]) -> Result<(), CollectiveError> {
        let parts = even_parts(values.len(), self.size());
        let own = self.sum(Operation::AllReduce, values, &parts)?;
        values[parts[self.rank].clone()].copy_from_slice(&own);
        self.gather_all(Operation::AllReduce, values, &parts)
    }

    /// The group of those ranks that give the same `colour`, in the order of their ranks here.
    pub fn split(&self, colour: u32) -> Result<Self, CollectiveError> {
        let mut colours = vec![0; self.size()];
        colours[self.rank] = colour;
        // Once, before anything is sent that counts.
        let parts = even_parts(self.size(), self.size());
        self.gather_all(Operation::Barrier, &mut colours, &parts)?;
        let alike = |rank: &usize| colours[*rank] == colour;
        let members: Vec<usize> = (0..self.size()).filter(alike).collect();
        let rank = members.iter().take_while(|rank| **rank < self.rank).count();
        // Groups of one split have no common members and may have one number.
        let number = self.number.load(Ordering::Relaxed);
        let id = self.id.wrapping_mul(31).wrapping_add(number) & 0x7fff;
        let members = members.iter().map(|rank| self.members[*rank]).collect();
        let engine = self.engine.clone();
        Ok(Self::new(engine, members, rank, id, self.patience))
    }
}

/// The parts of a slice, which lie one behind another.
fn cut<'a, T>(mut values: &'a mut [T], parts: &[Range<usize>]) -> Vec<&'a mut [T]> {
    let part = |part: &Range<usize>| values.split_off_mut(..part.len()).unwrap_or_default();
    parts.iter().map(part).collect()
}

/// One after another.
fn sum(shares: Vec<Vec<f32>>) -> Vec<f32> {
    let mut shares = shares.into_iter();
    let mut sum = shares.next().unwrap_or_default();
    for share in shares {
        for (sum, value) in sum.iter_mut().zip(share) {
            *sum += value;
        }
    }
    sum
}
