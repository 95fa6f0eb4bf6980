//! Passes of a rank beside others, which pass other micro-batches with the same weights.
//!
//! A rank's gradient goes part by part to those that update the parameters. There the passes of all ranks are taken in one
//! after another, as those of a process that passes everything by itself.

use super::fused::Host;
use super::{Engine, Note, Run, TrainPass};
use crate::arithmetic::Arithmetic;
use crate::arithmetic::ranks::{RankArithmetic, count_of, numbers_of};
use crate::data::Losses;
use crate::layers::gradients::{Gradients, Paths};
use crate::layers::tap::{Readings, Tap};
use crate::numerics::dropout::Dropout;
use crate::numerics::precision::Precision;
use crate::parameters::{Parameter, Parameters};
use crate::ranks::Ranks;
use kernels::Buffer;
use std::ops::Range;
use std::sync::Arc;

/// The hand-written pass on the threads of one rank.
pub(crate) struct Replica {
    ranks: Arc<Ranks>,
    arithmetic: RankArithmetic,
}

impl Replica {
    /// For the parameters of a table.
    pub(crate) fn new(ranks: Arc<Ranks>, table: &[Parameter]) -> Self {
        Self {
            arithmetic: RankArithmetic::new(ranks.clone(), table),
            ranks,
        }
    }

    /// The passes of all ranks, in their order, with the gradients of this rank's parameters alone.
    pub(crate) fn exchange(&self, pass: TrainPass) -> Vec<TrainPass> {
        let TrainPass {
            losses,
            gradients,
            tap,
        } = pass;
        let shares = &self.arithmetic.shares;
        let packed = shares.pack(&gradients.flat);
        let flats = self.ranks.shares(&packed, &shares.parts);
        let paths = gradients.paths.map(|paths| self.exchange_paths(&paths));
        let mut paths = paths.map(Vec::into_iter);
        let mut numbers = losses.numbers().to_vec();
        numbers.extend(gradients.lost.iter().flat_map(numbers_of));
        numbers.extend(tap.readings.iter().flat_map(Readings::numbers));
        let told = self.ranks.tell(&numbers);
        let lost = gradients.lost.len();
        let passes = flats.into_iter().zip(told).map(|(flat, told)| {
            let (losses, told) = told.split_first_chunk::<10>().unwrap_or((&[0.0; 10], &[]));
            let (counts, readings) = told.split_at(3 * lost);
            let mut others = Tap::default();
            others.readings =
                (tap.readings.is_some()).then(|| Readings::told(readings.iter().copied()));
            TrainPass {
                losses: Losses::told(*losses),
                gradients: Gradients {
                    flat: Buffer::from(flat).into(),
                    paths: paths.as_mut().and_then(Iterator::next),
                    lost: counts.as_chunks().0.iter().copied().map(count_of).collect(),
                },
                tap: others,
            }
        });
        passes.collect()
    }

    /// Both paths into tied embeddings, for the rank that has those; empty on the others.
    fn exchange_paths(&self, paths: &Paths) -> Vec<Paths> {
        let owner = self.arithmetic.shares.owner(Parameters::EMBEDDING);
        let len = paths.input.len();
        let part = |rank: usize| -> Range<usize> {
            if rank < owner {
                0..0
            } else if rank == owner {
                0..len
            } else {
                len..len
            }
        };
        let parts: Vec<_> = (0..self.ranks.count()).map(part).collect();
        let both = [&paths.input, &paths.logit].map(|path| {
            let shares = self.ranks.shares_of_signals(path, &parts);
            shares.into_iter().map(|share| Buffer::from(share).into())
        });
        let [input, logit] = both;
        let paths = input.zip(logit);
        paths.map(|(input, logit)| Paths { input, logit }).collect()
    }

    /// Adds up over the ranks what rounding lost in their passes.
    pub(crate) fn join_counts(&self, precision: &Precision) {
        let counts = precision.take_counts();
        let numbers: Vec<f64> = counts.iter().flat_map(numbers_of).collect();
        for told in self.ranks.tell(&numbers) {
            let counts = told.as_chunks().0.iter().copied().map(count_of);
            precision.add_counts(&counts.collect::<Vec<_>>());
        }
    }

    /// What the ranks make of several things, each of which one of them does, in the order of the things.
    pub(crate) fn each(&self, count: usize, work: impl Fn(usize) -> Losses) -> Vec<Losses> {
        let size = self.ranks.count();
        let mut all = Vec::with_capacity(count);
        for first in (0..count).step_by(size) {
            let own = first + self.ranks.rank();
            let found = if own < count {
                work(own)
            } else {
                Losses::default()
            };
            let told = self.ranks.tell(&found.numbers());
            let whole = told.iter().filter_map(|told| told.first_chunk());
            all.extend(whole.map(|told| Losses::told(*told)));
        }
        all.truncate(count);
        all
    }

    pub(crate) fn ranks(&self) -> &Arc<Ranks> {
        &self.ranks
    }

    pub(crate) fn shared(&self) -> &RankArithmetic {
        &self.arithmetic
    }
}

impl Engine for Replica {
    fn name(&self) -> &'static str {
        Host.name()
    }

    fn kernels(&self) -> &str {
        Host.kernels()
    }

    fn counts_range(&self) -> bool {
        Host.counts_range()
    }

    fn arithmetic(&self) -> &dyn Arithmetic {
        &self.arithmetic
    }

    fn replica(&self) -> Option<&Replica> {
        Some(self)
    }

    fn train(&self, run: Run, scale: f64, dropout: Dropout, note: Note) -> TrainPass {
        self.ranks.compute(|| Host.train(run, scale, dropout, note))
    }

    fn evaluate(&self, run: Run) -> Losses {
        self.ranks.compute(|| Host.evaluate(run))
    }

    fn logits(&self, run: Run) -> Vec<f32> {
        self.ranks.compute(|| Host.logits(run))
    }
}
