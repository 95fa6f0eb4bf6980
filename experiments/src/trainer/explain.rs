//! Attribution of a step: which layers, roles, tokens and sequences its gradient is of, and where it left the range of
//! its number format.
//!
//! The state before the step is restored exactly and the step's own backward pass is taken, so what is split up here is
//! the gradient that the run had. The sequences are passed once more one by one ([`super::sequences`]), and so are the
//! micro-batches of 16-bit passes, with an eye on all that is rounded.

mod range;
mod shares;
#[cfg(test)]
mod tests;
mod told;

pub use super::noise::NoiseScale;
pub use crate::data::Origin;
pub use told::{
    Deviation, Explanation, Nonfinite, Part, Passed, RangeRow, Row, SequenceShare, Share, Stage,
};

use super::approach::{Approach, Reached};
use super::course::Turn;
use super::next::{Next, Taken};
use super::sequences::{Sequence, each};
use super::training::Training;
use super::update::Skip;
use crate::data::objective::Kind;
use crate::error::TrainError;
use crate::optimizer::adamw::PIECE;
use crate::parameters::Parameters;
use crate::state::{State, Trained};
use experiments_config::Config;
use experiments_text::Cache;
use logs::Record;
use rayon::prelude::*;
use shares::{Counts, Split};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// Which steps of which run.
pub struct ExplainRequest<'a> {
    /// Run directory; only read.
    pub directory: &'a Path,
    /// Its configuration.
    pub config: &'a Config,
    /// Text and token cache.
    pub cache: &'a Cache,
    /// The steps, from 1.
    pub steps: &'a [u64],
    /// Steps that may be taken forward from a checkpoint, at most.
    pub reach: u64,
    /// Rows of the embeddings that are told, the largest first.
    pub rows: usize,
    /// Set from outside to stop after the current step.
    pub stop: &'a AtomicBool,
    /// Called with every record on the way.
    pub on_step: &'a mut dyn FnMut(&Record),
}

/// Explains the steps in their order; fewer where somebody asked to stop.
pub fn explain(request: ExplainRequest) -> Result<Vec<Explanation>, TrainError> {
    let ExplainRequest {
        directory,
        config,
        cache,
        steps,
        reach,
        rows,
        stop,
        on_step,
    } = request;
    let mut steps = steps.to_vec();
    steps.sort_unstable();
    steps.dedup();
    let approach = Approach::open(directory, config, cache, &steps, reach)?;
    let course = approach.course()?;
    let mut explanations = Vec::new();
    let mut last: Option<(u64, Reached)> = None;
    for step in steps {
        let finished = step - 1;
        let at_hand = approach.nearest_step(finished);
        // The state behind the last explained step, where no checkpoint is nearer.
        last = last.filter(|(_, reached)| reached.trained.state.step >= at_hand);
        let (from, mut reached) = if let Some(last) = last.take() {
            last
        } else {
            let reached = approach.nearest(finished)?;
            (reached.trained.state.step, reached)
        };
        let way = approach.forward(&mut reached, finished, stop, on_step)?;
        if !way.done {
            break;
        }
        let Reached { trained, alarms } = &mut reached;
        let (mut told, record) = explained(course.training(&trained.state), trained, rows);
        told.checkpoint = from;
        let differing = approach.differing_alone(&record);
        let own = (!differing.is_empty()).then_some((step, differing));
        told.deviation = way
            .deviation
            .or(own)
            .map(|(step, signals)| Deviation { step, signals });
        explanations.push(told);
        let turn = course.followed(trained, alarms, &record);
        // A run that went back here is another one behind it.
        last = (!matches!(turn, Turn::Back(_))).then_some((from, reached));
    }
    Ok(explanations)
}

/// What a step begins with.
struct Before {
    parameters: Parameters,
    state: State,
}

/// Takes the step that comes next, and explains it.
fn explained(training: &Training, trained: &mut Trained, rows: usize) -> (Explanation, Record) {
    let next = Next::prepare(training, trained);
    let before = Before {
        parameters: trained.parameters.clone(),
        state: trained.state.clone(),
    };
    let taken = next.take(trained, None);
    let mut counts = Counts::default();
    let mut squares = 0.0;
    let sequences = sequences(&next, &before, &taken, |sequence| {
        counts.add(sequence.sample);
        squares += sequence.squared;
    });
    let sequence_squared = squares / next.config.samples_per_step() as f64;
    let split = Split::new(&next.config, &before, &taken);
    let finite = taken.loss.is_finite() && taken.norms.global().is_finite();
    let ranges = range::ranges(&next, &before, finite, &taken.sum.lost);
    let told = Explanation {
        step: next.number,
        checkpoint: 0,
        deviation: None,
        loss: taken.loss,
        grad_norm: taken.norms.global(),
        lr: taken.lr,
        loss_scale: taken.scale,
        skipped: taken.update.as_ref().err().map(|skip| match skip {
            Skip::Nonfinite => "a gradient is not finite",
            Skip::Outlier => "loss or gradient norm is an outlier",
        }),
        clip_coefficient: taken.update.as_ref().ok().map(|update| update.coefficient),
        clip_limit: next.config.optimizer.clip_grad,
        parts: split.parts(),
        layers: split.layers(),
        roles: split.roles(),
        rows: split.rows(&taken.sum, &counts, rows, &|token| next.piece(token)),
        sequences,
        noise: NoiseScale::of(
            next.config.samples_per_step(),
            sequence_squared,
            taken.norms.squared(),
        ),
        range: ranges.rows,
        nonfinite: ranges.first,
    };
    let measured = next.measures_noise().then_some(sequence_squared);
    let (record, _) = next.record(taken, trained, measured);
    (told, record)
}

/// Every sequence of the step; `look` sees them too.
fn sequences(
    next: &Next,
    before: &Before,
    taken: &Taken,
    mut look: impl FnMut(&Sequence),
) -> Vec<SequenceShare> {
    let total = taken.norms.squared() * next.config.samples_per_step() as f64;
    let gradient = &taken.sum.flat[..];
    let sampler = next.sampler();
    let mut told = Vec::new();
    each(next, &before.parameters, &before.state, |sequence| {
        look(&sequence);
        let Sequence {
            position, sample, ..
        } = sequence;
        let share = product(sequence.gradient, gradient) / total;
        let share = Some(share).filter(|share| share.is_finite() && total.is_finite());
        told.push(SequenceShare {
            number: position,
            kind: kind(sample.kind),
            targets: sample.target_count(),
            loss: sequence.loss,
            grad_norm: sequence.squared.sqrt(),
            share,
            origins: sampler.origins(position),
            text: next.text(sample),
        });
    });
    told
}

/// Inner product; as many threads as there are change no bit.
fn product(a: &[f32], b: &[f32]) -> f64 {
    let parts = a.par_chunks(PIECE).zip(b.par_chunks(PIECE));
    let product = |(a, b): (&[f32], &[f32])| -> f64 {
        let both = a.iter().zip(b);
        both.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let parts: Vec<f64> = parts.map(product).collect();
    parts.iter().sum()
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Gmask => "gmask",
        Kind::Mask => "mask",
        Kind::Task => "task",
        Kind::Gpt => "gpt",
    }
}
