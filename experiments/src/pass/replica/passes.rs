//! The passes of one rank in a step, of which a stage of a pipeline has several underway.

use super::Work;
use crate::parameters::Parameters;
use crate::pass::fused::{Passed, Span, Stage};
use crate::pass::{Note, Run, Setting};
use crate::ranks::Ranks;
use kernels::Buffer;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A stage's passes between their forward and their backward halves.
pub(super) struct Passes<'a> {
    pub(super) ranks: &'a Ranks,
    pub(super) setting: &'a Setting<'a>,
    /// The own shares where `tensor` says with whom matrices are shared.
    pub(super) parameters: &'a Parameters,
    pub(super) tensor: Option<&'a Ranks>,
    pub(super) span: Span,
    pub(super) stage: usize,
    pub(super) note: Note,
    /// In the order in which they go back.
    pub(super) underway: VecDeque<(Run<'a>, Stage<'a>)>,
    /// Time in which this rank computed.
    pub(super) busy: Duration,
}

impl<'a> Passes<'a> {
    /// The forward half of a pass, from the stage before to the next.
    pub(super) fn forward(&mut self, work: &'a Work) {
        let run = self.setting.run(self.parameters, &work.batch);
        let before = (!self.span.is_first).then(|| self.receive(run, self.stage - 1));
        let (dropout, span) = (work.dropout.clone(), self.span.clone());
        let (tensor, note) = (self.tensor, self.note);
        let began = Instant::now();
        let (pass, left) = self.ranks.compute(move || {
            let mut pass = Stage::new(run, dropout, span, tensor, note);
            let left = pass.forward(before);
            (pass, left)
        });
        self.busy += began.elapsed();
        if let Some(left) = left {
            self.ranks.pass_on(self.stage + 1, &left);
        }
        self.underway.push_back((run, pass));
    }

    /// The backward half of the oldest pass underway, from the next stage to the one before.
    pub(super) fn backward(&mut self, scale: f64) -> Option<Passed> {
        let (run, pass) = self.underway.pop_front()?;
        let behind = (!self.span.is_last).then(|| self.receive(run, self.stage + 1));
        let began = Instant::now();
        let (before, found) = self.ranks.compute(move || pass.backward(behind, scale));
        self.busy += began.elapsed();
        if let Some(before) = before {
            self.ranks.pass_on(self.stage - 1, &before);
        }
        Some(found)
    }

    /// A residual stream, or its gradient.
    fn receive(&self, run: Run, stage: usize) -> Buffer {
        let model = &run.config.model;
        let rows = run.batch.samples.len() * model.seq_len;
        let own = self
            .ranks
            .row_shares(rows)
            .map_or(rows, |shares| shares.own().len());
        let mut values = Buffer::new(own * model.hidden_size);
        self.ranks.take_over(stage, &mut values);
        values
    }
}
