//! Passes of a rank beside others: other micro-batches with the same weights, and other layers of the same micro-batches.
//!
//! A rank's gradient goes part by part to those that update the parameters. There the passes of all ranks are taken in one
//! after another, as those of a process that passes everything by itself.

mod passes;

use super::fused::{Host, Passed, Span};
use super::{Begun, Engine, Note, Run, Setting};
use crate::arithmetic::Arithmetic;
use crate::arithmetic::ranks::{RankArithmetic, count_of, numbers_of};
use crate::data::{Batch, Losses};
use crate::layers::gradients::{Gradients, Parted, Paths};
use crate::layers::tap::{Readings, Tap};
use crate::numerics::dropout::Dropout;
use crate::numerics::precision::Precision;
use crate::parameters::{Parameter, Parameters};
use crate::ranks::{Degrees, Pipeline, Ranks, Slices, Turn};
use experiments_config::Config;
use kernels::slices::rows::add;
use kernels::{Buffer, RangeCount};
use passes::Passes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The hand-written pass on the threads of one rank.
pub(crate) struct Replica {
    ranks: Arc<Ranks>,
    pipeline: Pipeline,
    arithmetic: RankArithmetic,
    /// The whole table.
    table: Vec<Parameter>,
    /// This rank's share of every matrix, where ranks share them.
    slices: Option<Slices>,
}

/// A micro-batch that a rank passes, or a part of one.
pub(crate) struct Work {
    pub(crate) batch: Batch,
    pub(crate) dropout: Dropout,
}

/// What all passes of a step found, beside their gradients.
pub(crate) struct Found {
    pub(crate) losses: Losses,
    pub(crate) lost: Vec<RangeCount>,
    pub(crate) readings: Option<Readings>,
}

impl Replica {
    /// For the model of a configuration.
    pub(crate) fn new(ranks: Arc<Ranks>, pipeline: Pipeline, config: &Config) -> Self {
        let table = Parameter::table(&config.model, config.tokenizer.vocab_size);
        let bands = config.model.ffn.row().inputs();
        let [_, sharing] = ranks.share();
        let kind = (bands, ranks.degrees().sequence);
        let slices = || Slices::new(&table, kind, |len| ranks.own_part(len));
        Self {
            arithmetic: RankArithmetic::new(ranks.clone(), &pipeline, &table),
            slices: (sharing > 1).then(slices),
            table,
            pipeline,
            ranks,
        }
    }

    pub(crate) fn ranks(&self) -> &Arc<Ranks> {
        &self.ranks
    }

    pub(crate) fn shared(&self) -> &RankArithmetic {
        &self.arithmetic
    }

    fn span(&self) -> Span {
        let [stage, _] = self.ranks.place();
        Span {
            layers: self.pipeline.layers(stage),
            is_first: stage == 0,
            is_last: stage + 1 == self.pipeline.stages(),
        }
    }

    /// Passes this rank's part of a step, of which every micro-batch has the gradient of `scale` times its loss. `take` is
    /// given the gradients of this rank's parameters, micro-batch after micro-batch of all replicas.
    pub(crate) fn train_all(
        &self,
        setting: &Setting,
        parameters: &Parameters,
        work: &[Work],
        (scale, note): (f64, Note),
        mut take: impl FnMut(Gradients),
    ) -> Found {
        let own = self.slices.as_ref().map(|slices| slices.take(parameters));
        let [stage, _] = self.ranks.place();
        let start = Instant::now();
        let mut passes = Passes {
            ranks: &self.ranks,
            setting,
            parameters: own.as_ref().unwrap_or(parameters),
            tensor: own.is_some().then_some(&*self.ranks),
            span: self.span(),
            stage,
            note,
            underway: VecDeque::new(),
            busy: Duration::ZERO,
        };
        let mut told = Vec::new();
        for turn in self.pipeline.turns(stage, work.len()) {
            let found = match turn {
                Turn::Forward(index) => {
                    passes.forward(&work[index]);
                    continue;
                }
                Turn::Backward(_) => passes.backward(scale),
            };
            let Some(mut found) = found else { continue };
            if let Some(slices) = &self.slices {
                found.gradients = self.whole(slices, found.gradients);
            }
            told.extend(numbers(setting, &found));
            for gradients in self.exchange(&found.gradients, setting.precision) {
                take(gradients);
            }
        }
        let scheduled = self.pipeline.idle_share(work.len());
        self.ranks
            .note_passes(passes.busy, start.elapsed(), scheduled);
        self.found(setting, &told, note)
    }

    /// Gradients of this rank's share in the layout of all parameters.
    fn whole(&self, slices: &Slices, gradients: Parted) -> Parted {
        let is_first = self.ranks.share()[0] == 0;
        let lost = gradients.lost.into_iter().enumerate().map(|(index, lost)| {
            let counts = slices.counts(index, is_first);
            if counts { lost } else { RangeCount::default() }
        });
        let logit = if gradients.logit.is_empty() {
            Vec::new()
        } else {
            slices.put_embedding(&gradients.logit, &self.table)
        };
        Parted {
            flat: slices.put(&gradients.flat, &self.table, is_first).into(),
            logit: logit.into(),
            lost: lost.collect(),
        }
    }

    /// What all passes of all ranks found, in the order of the micro-batches.
    fn found(&self, setting: &Setting, told: &[f64], note: Note) -> Found {
        let all = self.ranks.tell(told);
        let lost = 3 * self.table.len();
        let layers = setting.config.model.layers;
        let width = Losses::default().numbers().len()
            + lost
            + if note.probe {
                Readings::default().numbers(layers).len()
            } else {
                0
            };
        let last = self.pipeline.stages() - 1;
        let mut found = Found {
            losses: Losses::default(),
            lost: vec![RangeCount::default(); self.table.len()],
            readings: None,
        };
        for round in (0..told.len()).step_by(width) {
            for replica in 0..self.ranks.degrees().data {
                let mut readings = Readings::default();
                for (stage, sharing) in all_of(self.pipeline.stages(), self.ranks.share()[1]) {
                    let first = self.ranks.of_stage(stage).start;
                    let own = &all[first + replica * self.ranks.share()[1] + sharing];
                    let own = &own[round..round + width];
                    let Some((losses, own)) = own.split_first_chunk() else {
                        continue;
                    };
                    if stage == last && sharing == 0 {
                        found.losses.join(&Losses::told(*losses));
                    }
                    let (counts, signals) = own.split_at(lost);
                    for (sum, count) in found.lost.iter_mut().zip(counts.as_chunks().0) {
                        *sum += count_of(*count);
                    }
                    readings.take_layers(signals, self.pipeline.layers(stage), sharing > 0);
                }
                match &mut found.readings {
                    _ if !note.probe => {}
                    None => found.readings = Some(readings),
                    Some(all) => all.join(&readings),
                }
            }
        }
        found
    }

    /// The gradients of all replicas, in their order, those of this rank's parameters alone.
    fn exchange(&self, gradients: &Parted, precision: &Precision) -> Vec<Gradients> {
        let shares = &self.arithmetic.shares;
        let len = shares.parts[self.ranks.rank()].len();
        let pieces = |rank| shares.pieces(rank, &gradients.flat);
        let flats = self.sums(self.ranks.shares(len, pieces));
        let is_tied = !gradients.logit.is_empty();
        let logits = if is_tied {
            self.sums(self.exchange_logits(&gradients.logit))
        } else {
            vec![Buffer::default(); flats.len()]
        };
        let nothing = || Paths {
            input: Buffer::default().into(),
            logit: Buffer::default().into(),
        };
        let both = flats.into_iter().zip(logits);
        both.map(|(flat, logit)| {
            let lost = vec![RangeCount::default(); self.table.len()];
            // Of its rank's parameters the embedding is the first, as it is of all.
            let parted = Parted { flat, logit, lost };
            let mut joined = self.ranks.compute(|| parted.joined(precision));
            if is_tied {
                // Everybody takes part in their norms.
                joined.paths.get_or_insert_with(nothing);
            }
            joined
        })
        .collect()
    }

    /// The way into tied embeddings through the logits, of all ranks of the last stage, for the rank that updates those;
    /// empty on the others.
    fn exchange_logits(&self, logit: &[f32]) -> Vec<Buffer> {
        let owner = self.arithmetic.shares.owner(Parameters::EMBEDDING);
        let Degrees { pipeline, .. } = self.ranks.degrees();
        if pipeline == 1 {
            return self.ranks.signals_for(owner, logit);
        }
        let [stage, _] = self.ranks.place();
        if stage + 1 == pipeline {
            self.ranks.pass_on_tied(owner, logit);
        }
        if owner != self.ranks.rank() {
            return vec![Buffer::default(); self.ranks.degrees().of_stage()];
        }
        let of_last = self.ranks.of_stage(pipeline - 1).map(|rank| {
            let mut values = Buffer::new(logit.len());
            self.ranks.take_over_tied(rank, &mut values);
            values
        });
        of_last.collect()
    }

    /// From what each rank of a stage has to the sums of those that share every matrix: one for each replica.
    fn sums(&self, of_ranks: Vec<Buffer>) -> Vec<Buffer> {
        let [_, sharing] = self.ranks.share();
        let mut sums: Vec<Buffer> = Vec::with_capacity(of_ranks.len() / sharing);
        for (index, own) in of_ranks.into_iter().enumerate() {
            match sums.last_mut().filter(|_| !index.is_multiple_of(sharing)) {
                Some(sum) => add(sum, &own),
                None => sums.push(own),
            }
        }
        sums
    }

    /// Adds up over the ranks what was lost where each of them alone has rounded.
    pub(crate) fn join_lost(&self, lost: &[RangeCount]) -> Vec<RangeCount> {
        let numbers: Vec<f64> = lost.iter().flat_map(numbers_of).collect();
        let mut sum = vec![RangeCount::default(); lost.len()];
        for told in self.ranks.tell(&numbers) {
            for (sum, count) in sum.iter_mut().zip(told.as_chunks().0) {
                *sum += count_of(*count);
            }
        }
        sum
    }

    /// Whether this rank computes what another of those that share matrices computes, too, and counts.
    fn has_copies(&self) -> bool {
        self.ranks.share()[0] > 0 && !self.ranks.degrees().sequence
    }

    /// Adds up over the ranks what rounding lost in their passes.
    pub(crate) fn join_counts(&self, precision: &Precision) {
        let counts = self.join_lost(&precision.take_counts(self.has_copies()));
        precision.add_counts(&counts);
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
}

/// What another rank is told of a pass.
fn numbers(setting: &Setting, found: &Passed) -> Vec<f64> {
    let layers = setting.config.model.layers;
    let mut numbers = found.losses.numbers().to_vec();
    numbers.extend(found.gradients.lost.iter().flat_map(numbers_of));
    let readings = found.tap.readings.iter();
    numbers.extend(readings.flat_map(|readings| readings.numbers(layers)));
    numbers
}

/// All pairs, the first numbers slowest.
fn all_of(first: usize, second: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..first).flat_map(move |a| (0..second).map(move |b| (a, b)))
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

    /// Of the whole network, by this rank alone.
    fn begin(&self, run: Run, scale: f64, dropout: Dropout, note: Note) -> Begun {
        let pass = self.ranks.compute(|| Host.train(run, scale, dropout, note));
        pass.into()
    }

    fn evaluate(&self, run: Run) -> Losses {
        self.ranks.compute(|| Host.evaluate(run))
    }

    fn logits(&self, run: Run) -> Vec<f32> {
        self.ranks.compute(|| Host.logits(run))
    }

    fn watch(&self, run: Run, tap: Tap) -> Tap {
        self.ranks.compute(|| Host.watch(run, tap))
    }
}
