//! The simulation.

use super::order::{Operation, of_stage};
use super::{Event, Pass, PipelineInput, Timeline, closed_form};
use crate::PlanError;
use std::collections::VecDeque;

/// Plays one step. Each stage works through its order of passes; a pass begins as soon as its stage
/// is free and what it needs has arrived, and its end is the event that may wake another stage.
///
/// Takes time and memory in proportion to the 2·m·p·v passes.
pub fn simulate(input: &PipelineInput) -> Result<Timeline, PlanError> {
    input.check()?;
    let mut step = Step::new(input);
    let mut awake: VecDeque<usize> = (0..step.stages).collect();
    let mut is_awake = vec![true; step.stages];
    while let Some(stage) = awake.pop_front() {
        is_awake[stage] = false;
        while let Some(operation) = step.begin_next(stage) {
            if let Some(receiver) = step.receiver(stage, operation)
                && receiver != stage
                && !is_awake[receiver]
            {
                is_awake[receiver] = true;
                awake.push_back(receiver);
            }
        }
    }
    step.finish()
}

/// A step that is under way.
struct Step<'a> {
    input: &'a PipelineInput,
    stages: usize,
    micro_batches: usize,
    chunks: usize,
    orders: Vec<Vec<Operation>>,
    /// By stage, what it has done.
    done: Vec<Vec<Event>>,
    /// End of each pass; not a number until it has ended.
    ends: Vec<f64>,
}

impl<'a> Step<'a> {
    fn new(input: &'a PipelineInput) -> Self {
        let (stages, micro_batches, chunks) = (
            input.stages as usize,
            input.micro_batches as usize,
            input.chunks as usize,
        );
        let passes = 2 * micro_batches * chunks;
        Self {
            input,
            stages,
            micro_batches,
            chunks,
            orders: (0..stages).map(|stage| of_stage(input, stage)).collect(),
            done: vec![Vec::with_capacity(passes); stages],
            ends: vec![f64::NAN; passes * stages],
        }
    }

    /// Does the next pass of `stage`, if what it needs is there or on its way.
    fn begin_next(&mut self, stage: usize) -> Option<Operation> {
        let operation = *self.orders[stage].get(self.done[stage].len())?;
        let arrival = self.arrival(stage, operation)?;
        let free = self.done[stage].last().map_or(0.0, |event| event.end);
        let whole_stage = match operation.pass {
            Pass::Forward => self.input.forward_seconds,
            Pass::Backward => self.input.backward_seconds,
        };
        let start = free.max(arrival);
        let end = start + whole_stage / self.chunks as f64;
        let slot = self.slot(self.position(stage, operation.chunk), operation);
        self.ends[slot] = end;
        self.done[stage].push(Event {
            stage: stage as u32,
            chunk: operation.chunk as u32,
            micro_batch: operation.micro_batch as u32,
            pass: operation.pass,
            start,
            end,
        });
        Some(operation)
    }

    /// Place of a chunk along the model: chunk c of stage s is number c·p + s.
    fn position(&self, stage: usize, chunk: usize) -> usize {
        chunk * self.stages + stage
    }

    fn slot(&self, position: usize, operation: Operation) -> usize {
        2 * (position * self.micro_batches + operation.micro_batch)
            + usize::from(operation.pass == Pass::Backward)
    }

    /// When the input of a pass is at its stage; nothing if the pass that makes it has not run.
    fn arrival(&self, stage: usize, operation: Operation) -> Option<f64> {
        let position = self.position(stage, operation.chunk);
        let last = self.stages * self.chunks - 1;
        let (from, sent) = match operation.pass {
            Pass::Forward if position == 0 => return Some(0.0),
            Pass::Forward => (self.slot(position - 1, operation), true),
            Pass::Backward if position == last => {
                let forward = Operation {
                    pass: Pass::Forward,
                    ..operation
                };
                (self.slot(position, forward), false)
            }
            Pass::Backward => (self.slot(position + 1, operation), true),
        };
        let end = self.ends[from];
        // Chunks of a single stage are in the same memory.
        let sent = sent && self.stages > 1;
        let delay = if sent { self.input.send_seconds } else { 0.0 };
        (!end.is_nan()).then_some(end + delay)
    }

    /// The stage that waits for the result of a pass.
    fn receiver(&self, stage: usize, operation: Operation) -> Option<usize> {
        let position = self.position(stage, operation.chunk);
        let next = match operation.pass {
            Pass::Forward => (position + 1 < self.stages * self.chunks).then_some(position + 1),
            Pass::Backward => position.checked_sub(1),
        };
        next.map(|position| position % self.stages)
    }

    fn finish(self) -> Result<Timeline, PlanError> {
        let stuck = (0..self.stages).find(|&s| self.done[s].len() < self.orders[s].len());
        if let Some(stage) = stuck {
            return Err(PlanError::Failed {
                what: "the pipeline simulation",
                problem: format!("stage {stage} waits for a pass that never comes"),
            });
        }
        let peak_in_flight = self.orders.iter().map(|order| peak(order)).collect();
        let events: Vec<Event> = self.done.into_iter().flatten().collect();
        let seconds = events.iter().map(|event| event.end).fold(0.0, f64::max);
        let work =
            self.micro_batches as f64 * (self.input.forward_seconds + self.input.backward_seconds);
        Ok(Timeline {
            seconds,
            bubble: (1.0 - work / seconds).max(0.0),
            closed_form: closed_form(self.input),
            peak_in_flight,
            events,
            input: self.input.clone(),
        })
    }
}

/// Most passes whose backward pass has not ended.
fn peak(order: &[Operation]) -> u64 {
    let (mut held, mut most) = (0_u64, 0);
    for operation in order {
        match operation.pass {
            Pass::Forward => held += 1,
            Pass::Backward => held = held.saturating_sub(1),
        }
        most = most.max(held);
    }
    most
}
