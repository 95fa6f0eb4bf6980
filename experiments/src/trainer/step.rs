//! One optimiser step.

use super::counters::{decide, pass_over};
use super::gradient::{Accumulated, accumulate, unscale};
use super::training::Training;
use super::update::{Skip, Update, update};
use crate::data::inject::plant;
use crate::data::{Batch, Sampler};
use crate::files::parity::ParityFile;
use crate::numerics::precision::RangeReport;
use crate::pass::Setting;
use crate::state::Trained;
use crate::trainer::signals::{GradientNorms, Recorder};
use experiments_config::{Config, Format, Position};
use experiments_text::Split;
use logs::{Event, Record, signal};
use std::time::Instant;

/// Runs one step: schedule, plant, take it, record. Fills `parity` where one is asked for.
pub(super) fn step(
    training: &Training,
    trained: &mut Trained,
    mut parity: Option<&mut ParityFile>,
) -> (Record, Vec<Event>) {
    let start = Instant::now();
    let number = trained.state.step + 1;
    let mut config = training.config.at(trained.state.progress());
    let recovered = trained.state.recovered.as_ref();
    config.optimizer.lr_scale *= recovered.map_or(1.0, |done| done.lr_factor(&config.recovery));
    let config = &config;
    let mut events = pass_over(config, &mut trained.state);
    let recovered = trained.state.recovered.as_ref();
    events.extend(plant(config, &mut trained.parameters, number, recovered));
    let ahead = recovered.map_or(0, |done| done.ahead);
    let reading = config.reading(number, trained.state.position);
    let sampler = Sampler {
        // What is planted in data goes with them, wherever a fork reads them.
        step: reading.step.map(|step| step.saturating_add(ahead)),
        ..training.sampler(config, Split::Train)
    };
    let setting = training.setting(config);
    let with_layers = number.is_multiple_of(config.record.layer_stride);
    if let Some(parity) = &mut parity {
        parity.state("before", &trained.parameters, &trained.adam);
        parity.scalar("updates_before", trained.adam.updates as f64);
    }
    let fetch = |position| {
        let position = config.reading(number, position).position;
        sampler.batch(position, config.batch.micro_batch)
    };
    let mut taken = take(&setting, fetch, trained, with_layers, parity);
    events.append(&mut taken.events);

    let recording = Instant::now();
    let counted = config.precision.format != Format::Fp32 && setting.engine.counts_range();
    let mut record = taken.record(config, trained, with_layers, counted);
    record.set(signal::DATA_POSITION, reading.position.0 as f64);
    let seconds = start.elapsed().as_secs_f64();
    record.set(signal::STEP_SECONDS, seconds);
    record.set(signal::RECORD_SECONDS, recording.elapsed().as_secs_f64());
    record.set(
        signal::TOKENS_PER_SECOND,
        config.tokens_per_step() as f64 / seconds,
    );
    (record, events)
}

/// A step that was taken.
pub(crate) struct Taken {
    pub(crate) sum: Accumulated,
    norms: GradientNorms,
    pub(crate) update: Result<Update, Skip>,
    /// What rounding lost.
    range: RangeReport,
    /// Mean over sequences; NaN without one.
    pub(crate) loss: f64,
    /// Learning rate and loss scale that it used.
    lr: f64,
    scale: f64,
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
    let mut sum = accumulate(setting, fetch, trained, with_layers, parity.as_deref_mut());
    let keep = parity.as_deref_mut();
    let mut norms = unscale(&mut sum, &trained.parameters, scale, keep);
    let mut range = setting.precision.take_report();
    range.add_gradients(trained.parameters.table(), &sum.lost);
    norms.note_overflow(f64::from(range.largest_gradient) / scale);
    let loss = sum.losses.all.value().unwrap_or(f64::NAN);
    let update = update(config, trained, &sum.flat, &norms, loss, lr);
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
