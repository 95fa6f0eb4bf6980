//! The gradient of every sequence of a step by itself.
//!
//! A sequence is passed alone, with the weights and the dropout masks that it has in its micro-batch, and with its
//! share of the loss scale. No value of a pass depends on another sequence, so the mean of these gradients is the
//! gradient of the step: in FP32 but for the order of sums, in 16 bits but for the rounding of stored weight gradients.

use super::next::Next;
use crate::array::Gradient;
use crate::data::Batch;
use crate::data::objective::Sample;
use crate::numerics::dropout::Dropout;
use crate::numerics::precision::Precision;
use crate::parameters::Parameters;
use crate::pass::fused::Host;
use crate::pass::{Note, Setting};
use crate::state::{State, Trained};
use experiments_config::Position;
use kernels::Ranges;

/// One sequence of a step.
pub(super) struct Sequence<'a> {
    /// Where it lies in the data.
    pub(super) position: u64,
    pub(super) sample: &'a Sample,
    /// Mean over its targets, nats per token.
    pub(super) loss: f64,
    /// Of its own loss, unscaled, in the layout of the parameters.
    pub(super) gradient: &'a Gradient,
    /// Squared norm of that.
    pub(super) squared: f64,
}

/// Shows every sequence of the step that follows `state` to `look`, in the order of the batch.
pub(super) fn each(
    next: &Next,
    parameters: &Parameters,
    state: &State,
    mut look: impl FnMut(Sequence),
) {
    let config = &next.config;
    // What these passes lose is not the step's.
    let precision = Precision::new(&config.precision, config.model.layers);
    let own = next.setting();
    let setting = Setting {
        precision: &precision,
        // Every rank by itself: the gradient is that of one sequence, whole.
        engine: own.engine.replica().map_or(own.engine, |_| &Host),
        ..own
    };
    let note = Note {
        probe: false,
        capture: false,
    };
    let (size, count) = (config.batch.micro_batch, config.samples_per_step());
    let scale = state.scaler.scale / count as f64;
    for micro in micro_batches(next, state) {
        for (index, sample) in micro.batch.samples.iter().enumerate() {
            let alone = Batch {
                samples: vec![sample.clone()],
                languages: vec![micro.batch.languages[index]],
            };
            let dropout = micro.dropout.clone().of_sequence(index, size);
            let run = setting.run(parameters, &alone);
            let mut pass = setting.engine.train(run, scale, dropout, note);
            let flat = &mut pass.gradients.flat;
            let whole = Ranges::new([flat.len()]);
            let factor = (1.0 / scale) as f32;
            let sizes = setting
                .engine
                .arithmetic()
                .scale(flat, &whole, factor)
                .get();
            look(Sequence {
                position: micro.read_at + index as u64,
                sample,
                loss: pass.losses.all.value().unwrap_or(f64::NAN),
                gradient: flat,
                squared: sizes.iter().map(|size| size.squared).sum(),
            });
        }
    }
}

/// A micro-batch of a step.
pub(super) struct MicroBatch {
    /// From 0.
    pub(super) index: u64,
    /// Number of its first sequence in the data.
    pub(super) read_at: u64,
    pub(super) batch: Batch,
    pub(super) dropout: Dropout,
}

/// The micro-batches of the step that follows `state`, as the step itself passes them.
pub(super) fn micro_batches(next: &Next, state: &State) -> impl Iterator<Item = MicroBatch> {
    let config = &next.config;
    let count = config.batch.gradient_accumulation as u64;
    (0..count).map(|index| {
        let first = index * config.batch.micro_batch as u64;
        let position = Position(state.position.0 + first);
        MicroBatch {
            index,
            read_at: next.read_at(position).0,
            batch: next.batch(position),
            dropout: Dropout::of_micro_batch(config.seed, state.step, index),
        }
    })
}

/// Mean over the sequences of the step of their squared gradient norms.
pub(super) fn mean_square(next: &Next, trained: &Trained) -> f64 {
    let mut sum = 0.0;
    each(next, &trained.parameters, &trained.state, |sequence| {
        sum += sequence.squared;
    });
    sum / next.config.samples_per_step() as f64
}
