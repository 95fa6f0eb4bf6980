//! Training beside a twin without embedding gradient shrink: same initialisation, same batches.
//!
//! Adam divides by the size of the gradient, so a constant α on all of a tensor's gradient changes
//! nothing but rounding — with a power of two not even that — unless something compares gradients of
//! different tensors (clipping), adds a constant to them (ε), moves α, or adds a gradient that is not
//! shrunk (tied embeddings with one path only). How far the twins drift apart tells which does.

use super::Keep;
use crate::data::Batch;
use crate::error::TrainError;
use crate::layers::tap::larger;
use crate::parameters::Parameters;
use crate::pass::Setting;
use crate::state::Trained;
use crate::trainer::counters::pass_over;
use crate::trainer::next::take;
use crate::trainer::training::Training;
use crate::trainer::update::Update;
use experiments_config::{Config, Position, ScheduledKey};
use experiments_text::Split;
use logs::{Event, Record, signal};

/// One record a step.
pub(super) fn measure(training: &Training, keep: &mut Keep) -> Result<(), TrainError> {
    let mut twins = Twins::new(training.config)?;
    let fetch = |config: &Config, position| {
        let sampler = training.sampler(config, Split::Train);
        sampler.batch(position, config.batch.micro_batch)
    };
    for _ in 0..training.config.steps {
        let (record, events) = twins.step(&training.setting(training.config), &fetch);
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
    pub(super) fn step(
        &mut self,
        setting: &Setting,
        fetch: &dyn Fn(&Config, Position) -> Batch,
    ) -> (Record, Vec<Event>) {
        let own = self.own.step(setting, fetch);
        let twin = self.twin.step(setting, fetch);
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
    /// With the side's own configuration.
    fn step(&mut self, setting: &Setting, fetch: &dyn Fn(&Config, Position) -> Batch) -> Step {
        let trained = &mut self.trained;
        let config = &self.config.at(trained.state.progress());
        let setting = Setting { config, ..*setting };
        let mut events = pass_over(config, &mut trained.state);
        let fetch = |position| fetch(config, position);
        let mut taken = take(&setting, fetch, trained, false, None);
        events.append(&mut taken.events);
        let updated = taken.update.as_ref().ok();
        let smallest =
            updated.and_then(|update| smallest(&trained.parameters, &taken.sum.flat, update));
        Step {
            events,
            loss: taken.loss,
            smallest,
            record: taken.record(config, trained, false, false),
        }
    }
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
