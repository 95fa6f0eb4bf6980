//! A step that comes next, and one that was taken.

use super::counters::{decide, pass_over};
use super::gradient::{Accumulated, accumulate, unscale};
use super::noise::NoiseScale;
use super::training::Training;
use super::update::{Skip, Update, update};
use crate::data::inject::plant;
use crate::data::objective::Sample;
use crate::data::{Batch, Sampler};
use crate::files::parity::ParityFile;
use crate::numerics::precision::RangeReport;
use crate::pass::Setting;
use crate::state::Trained;
use crate::trainer::signals::{GradientNorms, Recorder};
use experiments_config::{Config, Format, Position, Reading};
use experiments_text::Split;
use logs::{Event, Record, signal};

/// A step that comes next: what is planted before it is in place, and where it reads is known.
pub(super) struct Next<'a> {
    training: &'a Training<'a>,
    /// With the values that scheduled keys have at this step.
    pub(super) config: Config,
    /// Counted from 1.
    pub(super) number: u64,
    reading: Reading,
    events: Vec<Event>,
}

impl<'a> Next<'a> {
    /// Plants, and passes over data, as the configuration asks for before the step.
    pub(super) fn prepare(training: &'a Training<'a>, trained: &mut Trained) -> Self {
        let number = trained.state.step + 1;
        let mut config = training.config.at(trained.state.progress());
        let recovered = trained.state.recovered.as_ref();
        config.optimizer.lr_scale *= recovered.map_or(1.0, |done| done.lr_factor(&config.recovery));
        let mut events = pass_over(&config, &mut trained.state);
        let recovered = trained.state.recovered.as_ref();
        events.extend(plant(&config, &mut trained.parameters, number, recovered));
        let ahead = recovered.map_or(0, |done| done.ahead);
        let reading = config.reading(number, trained.state.position);
        let reading = Reading {
            // What is planted in data goes with them, wherever a fork reads them.
            step: reading.step.map(|step| step.saturating_add(ahead)),
            ..reading
        };
        Self {
            training,
            config,
            number,
            reading,
            events,
        }
    }

    pub(super) fn setting(&self) -> Setting<'_> {
        self.training.setting(&self.config)
    }

    pub(super) fn sampler(&self) -> Sampler<'_> {
        Sampler {
            step: self.reading.step,
            ..self.training.sampler(&self.config, Split::Train)
        }
    }

    /// Number of the first sequence that is read where `position` in the data is the step's own.
    pub(super) fn read_at(&self, position: Position) -> Position {
        self.config.reading(self.number, position).position
    }

    /// The micro-batch at a position in the data.
    pub(super) fn batch(&self, position: Position) -> Batch {
        let micro_batch = self.config.batch.micro_batch;
        self.sampler().batch(self.read_at(position), micro_batch)
    }

    /// What the model reads, as text without padding.
    pub(super) fn text(&self, sample: &Sample) -> String {
        let corpus = self.sampler().corpus;
        let pad = corpus.special().pad;
        let used = sample.tokens.iter().rposition(|token| *token != pad);
        corpus.decode(&sample.tokens[..used.map_or(0, |last| last + 1)])
    }

    /// A token as text.
    pub(super) fn piece(&self, token: u32) -> String {
        self.sampler().corpus.tokenizer().token_text(token)
    }

    pub(super) fn take(&self, trained: &mut Trained, parity: Option<&mut ParityFile>) -> Taken {
        let fetch = |position| self.batch(position);
        take(&self.setting(), fetch, trained, self.with_layers(), parity)
    }

    /// Whether the step records the signals of layers.
    fn with_layers(&self) -> bool {
        self.number.is_multiple_of(self.config.record.layer_stride)
    }

    /// Whether the step records the gradient noise scale.
    pub(super) fn measures_noise(&self) -> bool {
        let interval = self.config.record.noise_interval;
        interval > 0 && self.number.is_multiple_of(interval)
    }

    /// The record of the step but for its times, and its events. `sequence_squared`: the mean squared gradient norm of
    /// a sequence, where it was measured.
    pub(super) fn record(
        &self,
        mut taken: Taken,
        trained: &Trained,
        sequence_squared: Option<f64>,
    ) -> (Record, Vec<Event>) {
        let config = &self.config;
        let mut events = self.events.clone();
        events.append(&mut taken.events);
        let noise = sequence_squared.and_then(|squared| {
            NoiseScale::of(config.samples_per_step(), squared, taken.norms.squared())
        });
        let counted =
            config.precision.format != Format::Fp32 && self.setting().engine.counts_range();
        let mut record = taken.record(config, trained, self.with_layers(), counted);
        if let Some(noise) = noise {
            noise.record(&mut record);
        }
        record.set(signal::DATA_POSITION, self.reading.position.0 as f64);
        (record, events)
    }
}

/// A step that was taken.
pub(crate) struct Taken {
    pub(crate) sum: Accumulated,
    pub(super) norms: GradientNorms,
    pub(crate) update: Result<Update, Skip>,
    /// What rounding lost.
    range: RangeReport,
    /// Mean over sequences; NaN without one.
    pub(crate) loss: f64,
    /// Learning rate and loss scale that it used.
    pub(super) lr: f64,
    pub(super) scale: f64,
    pub(crate) events: Vec<Event>,
}

/// Fetch, forward, backward, unscale, inspect, update, decide.
pub(crate) fn take(
    setting: &Setting,
    fetch: impl Fn(Position) -> Batch,
    trained: &mut Trained,
    with_layers: bool,
    mut parity: Option<&mut ParityFile>,
) -> Taken {
    let config = setting.config;
    let scale = trained.state.scaler.scale;
    let lr = config.learning_rate(trained.state.optimizer_samples);
    let sum = accumulate(setting, fetch, trained, with_layers, parity.as_deref_mut());
    let keep = parity.as_deref_mut();
    let (sum, mut norms) = unscale(sum, setting, &trained.parameters, scale, keep);
    if let Some(replica) = setting.engine.replica() {
        replica.join_counts(setting.precision);
    }
    let mut range = setting.precision.take_report();
    range.add_gradients(trained.parameters.table(), &sum.lost);
    norms.note_overflow(f64::from(range.largest_gradient) / scale);
    let loss = sum.losses.all.value().unwrap_or(f64::NAN);
    let update = update(setting, trained, &sum.flat, &norms, loss, lr);
    let skip = update.as_ref().err().copied();
    let events = decide(config, trained, skip, loss, &range);
    let taken = Taken {
        sum,
        norms,
        update,
        range,
        loss,
        lr,
        scale,
        events,
    };
    if let Some(parity) = parity {
        taken.keep(parity, trained);
    }
    taken
}

impl Taken {
    /// The signals of the step, but for its times. `counted`: those of range losses too.
    pub(crate) fn record(
        self,
        config: &Config,
        trained: &Trained,
        with_layers: bool,
        counted: bool,
    ) -> Record {
        let mut recorder = Recorder {
            table: trained.parameters.table(),
            layers: config.model.layers,
            with_layers,
            record: Record::new(trained.state.step),
        };
        recorder.losses(&self.sum.losses);
        recorder.schedule(config, self.lr, self.scale, self.update.is_err());
        recorder.consumed(trained.state.samples, config.model.seq_len);
        let clip = self.update.as_ref().ok().map(|update| update.coefficient);
        recorder.gradients(&self.norms, clip);
        if let Ok(update) = &self.update {
            recorder.update(&update.reports, trained.parameters.len());
        }
        recorder.layers(self.sum.readings.as_ref());
        if counted {
            recorder.range(self.range);
        }
        recorder.record
    }

    /// What the parity file says of clipping, update and scalars.
    fn keep(&self, parity: &mut ParityFile, trained: &Trained) {
        parity.scalar("grad_norm", self.norms.global());
        parity.scalar("skipped", f64::from(u8::from(self.update.is_err())));
        if let Ok(update) = &self.update {
            let table = trained.parameters.table();
            let mut clipped = self.sum.flat.to_vec();
            for (i, parameter) in table.iter().enumerate() {
                let clip = update.clip.of(i) as f32;
                clipped[parameter.range.clone()]
                    .iter_mut()
                    .for_each(|g| *g *= clip);
            }
            parity.group("gradients_clipped", table, &clipped);
            parity.scalar("clip_coefficient", update.coefficient);
        }
        parity.state("after", &trained.parameters, &trained.adam);
        parity.scalar("loss", self.loss);
        parity.scalar("lr", self.lr);
        parity.scalar("loss_scale", self.scale);
        if let Some(z_loss) = self.sum.losses.z_loss.value() {
            parity.scalar("z_loss", z_loss);
        }
    }
}
