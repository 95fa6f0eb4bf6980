//! Training beside a twin without embedding gradient shrink: same initialisation, same batches.
//!
//! Adam divides by the size of the gradient, so a constant α on all of a tensor's gradient changes
//! nothing but rounding — with a power of two not even that — unless something compares gradients of
//! different tensors (clipping), adds a constant to them (ε), moves α, or adds a gradient that is not
//! shrunk (tied embeddings with one path only). How far the twins drift apart tells which does.

use super::Keep;
use crate::data::{Batch, Losses};
use crate::error::TrainError;
use crate::layers::tap::larger;
use crate::numerics::precision::Precision;
use crate::parameters::Parameters;
use crate::pass::Setting;
use crate::trainer::signals::{GradientNorms, Recorder};
use crate::trainer::{Trained, Training, Update, accumulate, decide, pass_over, unscale, update};
use burn::tensor::backend::AutodiffBackend;
use experiments_config::{Config, ScheduledKey};
use experiments_text::Split;
use kernels::Kernels;
use logs::{Event, Record, signal};

/// One record a step.
pub(super) fn measure<B>(training: &Training<B>, keep: &mut Keep) -> Result<(), TrainError>
where
    B: AutodiffBackend + Kernels,
    B::InnerBackend: Kernels,
{
    let mut twins = Twins::new(training.config)?;
    let fetch = |config: &Config, position| {
        let sampler = training.sampler(config, Split::Train);
        sampler.batch(position, config.batch.micro_batch)
    };
    for _ in 0..training.config.steps {
        let (record, events) = twins.step::<B>(training.precision, training.device, &fetch);
        if !keep(&record, &events)? {
            break;
        }
    }
    Ok(())
}

/// A run and its twin.
pub(super) struct Twins {
    own: Side,
    twin: Side,
    /// The word embedding at the start.
    embedding: Vec<f32>,
}

/// One of the two.
struct Side {
    config: Config,
    trained: Trained,
}

impl Twins {
    pub(super) fn new(config: &Config) -> Result<Self, TrainError> {
        let trained = Trained::fresh(config)?;
        let mut twin = config.clone();
        twin.egs.alpha = 1.0;
        twin.schedule
            .retain(|entry| entry.key != ScheduledKey::EgsAlpha);
        Ok(Self {
            embedding: embedding(&trained.parameters).to_vec(),
            own: Side {
                config: config.clone(),
                trained,
            },
            twin: Side {
                trained: Trained::fresh(&twin)?,
                config: twin,
            },
        })
    }

    /// One step of both. The record and the events are the run's own, with what compares it to its twin.
    pub(super) fn step<B>(
        &mut self,
        precision: &Precision,
        device: &B::Device,
        fetch: &dyn Fn(&Config, u64) -> Batch,
    ) -> (Record, Vec<Event>)
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
    {
        let own = self.own.step::<B>(precision, device, fetch);
        let twin = self.twin.step::<B>(precision, device, fetch);
        let parameters = &self.own.trained.parameters;
        let mut record = own.record;
        record.set(signal::TWIN_LOSS, twin.loss);
        let theirs = self.twin.trained.parameters.values();
        record.set(
            signal::PARAMETER_DISTANCE,
            distance(parameters.values(), theirs),
        );
        let moved = distance(embedding(parameters), &self.embedding);
        record.set(signal::EMBEDDING_UPDATE, moved);
        let smallest = own.smallest.into_iter().chain(twin.smallest);
        if let Some(smallest) = smallest.reduce(f64::min) {
            record.set(signal::SMALLEST_GRADIENT, smallest);
        }
        (record, own.events)
    }
}

/// What a side's step leaves.
struct Step {
    record: Record,
    events: Vec<Event>,
    loss: f64,
    /// Smallest magnitude but 0 that the optimiser was given; absent where it was given nothing.
    smallest: Option<f64>,
}

impl Side {
    fn step<B>(
        &mut self,
        precision: &Precision,
        device: &B::Device,
        fetch: &dyn Fn(&Config, u64) -> Batch,
    ) -> Step
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
    {
        let trained = &mut self.trained;
        let config = &self.config.at(trained.state.progress());
        let setting = Setting::<B> {
            config,
            precision,
            device,
            seat: None,
        };
        let mut events = pass_over(config, &mut trained.state);
        let scale = trained.state.scaler.scale;
        let lr = config.learning_rate(trained.state.optimizer_samples);
        let fetch = |position| fetch(config, position);
        let mut sum = accumulate(&setting, fetch, trained, false, None);
        let mut norms = unscale(&mut sum, &trained.parameters, scale, None);
        let mut range = precision.take_report();
        range.add_gradients(trained.parameters.table(), &sum.lost);
        norms.note_overflow(f64::from(range.largest_gradient) / scale);
        let loss = sum.losses.all.value().unwrap_or(f64::NAN);
        let updated = update(config, trained, &sum.flat, &norms, loss, lr);
        let skip = updated.as_ref().err().copied();
        events.extend(decide(config, trained, skip, loss, &range));
        let updated = updated.ok();
        let smallest = updated
            .as_ref()
            .and_then(|update| smallest(&trained.parameters, &sum.flat, update));
        Step {
            record: record(
                config,
                trained,
                &sum.losses,
                &norms,
                updated.as_ref(),
                [lr, scale],
            ),
            events,
            loss,
            smallest,
        }
    }
}

/// The signals of training, but for those of a layer and timings.
fn record(
    config: &Config,
    trained: &Trained,
    losses: &Losses,
    norms: &GradientNorms,
    update: Option<&Update>,
    [lr, scale]: [f64; 2],
) -> Record {
    let mut recorder = Recorder {
        table: trained.parameters.table(),
        layers: config.model.layers,
        with_layers: false,
        record: Record::new(trained.state.step),
    };
    recorder.losses(losses);
    recorder.schedule(config, lr, scale, update.is_none());
    recorder.consumed(trained.state.samples, config.model.seq_len);
    recorder.gradients(norms, update.map(|update| update.coefficient));
    if let Some(update) = update {
        recorder.update(&update.reports, trained.parameters.len());
    }
    recorder.record
}

fn embedding(parameters: &Parameters) -> &[f32] {
    let range = parameters.table()[Parameters::EMBEDDING].range.clone();
    &parameters.values()[range]
}

/// Largest absolute difference; NaN where there is one.
fn distance(ours: &[f32], theirs: &[f32]) -> f64 {
    let both = ours.iter().zip(theirs);
    let differences = both.map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
    differences.fold(0.0, larger)
}

/// Of the clipped gradient, in FP32 as the optimiser computes it.
fn smallest(parameters: &Parameters, gradient: &[f32], update: &Update) -> Option<f64> {
    let table = parameters.table().iter().enumerate();
    let all = table.flat_map(|(index, parameter)| {
        let clip = update.clip.of(index) as f32;
        let own = gradient[parameter.range.clone()].iter();
        own.map(move |g| (g * clip).abs()).filter(|g| *g > 0.0)
    });
    all.reduce(f32::min).map(f64::from)
}
