//! One optimiser step.

use super::gradient::{accumulate, unscale};
use super::text::Text;
use super::withheld::Withheld;
use crate::data::inject::plant;
use crate::data::last_word::{self, LastWord};
use crate::data::{Losses, Sampler, held_out};
use crate::error::TrainError;
use crate::files::checkpoint::{Checkpoints, Loaded, State};
use crate::files::parity::ParityFile;
use crate::files::weights::initial_weights;
use crate::numerics::loss_scaler::{ScaleChange, halvings};
use crate::numerics::precision::{Precision, RangeReport};
use crate::optimizer::adamw::{AdamW, UpdateReport};
use crate::optimizer::clipping::Clip;
use crate::parameters::Parameters;
use crate::pass::pack::Seat;
use crate::pass::{self, Engine, Setting};
use crate::trainer::signals::{GradientNorms, Recorder};
use burn::tensor::backend::{AutodiffBackend, Backend};
use experiments_config::{Config, Format};
use experiments_text::tasks::TaskMixture;
use experiments_text::{Corpus, Split};
use kernels::Kernels;
use logs::{Event, EventKind, Record, signal};
use std::time::Instant;

/// What training changes.
pub(crate) struct Trained {
    pub(crate) parameters: Parameters,
    pub(crate) adam: AdamW,
    pub(crate) state: State,
}

impl Trained {
    /// Where training begins.
    pub(crate) fn fresh(config: &Config) -> Result<Self, TrainError> {
        let parameters = initial_weights(config)?;
        Ok(Self {
            adam: AdamW::new(parameters.len()),
            state: State::new(config, parameters.table().len()),
            parameters,
        })
    }

    /// The newest usable checkpoint of at most `step` finished steps and what was found about it, or a
    /// fresh start.
    pub(super) fn load(
        config: &Config,
        checkpoints: &Checkpoints,
        step: u64,
    ) -> Result<(Self, Option<Loaded>), TrainError> {
        let mut trained = Self::fresh(config)?;
        let loaded = checkpoints.load(step, &mut trained.parameters, &mut trained.adam)?;
        if let Some(loaded) = &loaded {
            trained.state = loaded.state.clone();
        }
        Ok((trained, loaded))
    }
}

/// What stays the same over all steps of a run.
pub(crate) struct Training<'a, B: Backend> {
    /// With the values that scheduled keys have at the start.
    pub(crate) config: &'a Config,
    pub(crate) corpus: &'a Corpus,
    pub(crate) tasks: Option<&'a TaskMixture>,
    pub(crate) precision: &'a Precision,
    pub(crate) device: &'a B::Device,
    /// Where passes are done together with other runs'.
    pub(crate) seat: Option<&'a Seat>,
}

/// Why a step did not update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skip {
    /// A gradient is not finite.
    Nonfinite,
    /// Loss or gradient norm lies far above the last steps' (`optimizer.skip_step_sigma`).
    Outlier,
}

/// Runs one step: schedule, plant, fetch, forward, backward, unscale, inspect, update, decide, record.
/// Fills `parity` where one is asked for.
pub(super) fn step<B>(
    training: &Training<B>,
    trained: &mut Trained,
    mut parity: Option<&mut ParityFile>,
) -> (Record, Vec<Event>)
where
    B: AutodiffBackend + Kernels,
    B::InnerBackend: Kernels,
{
    let start = Instant::now();
    let number = trained.state.step + 1;
    let config = &training.config.at(trained.state.progress());
    let mut events = pass_over(config, &mut trained.state);
    events.extend(plant(config, &mut trained.parameters, number));
    let reading = config.reading(number, trained.state.position);
    let sampler = Sampler {
        // What is planted in data goes with them, wherever a fork reads them.
        step: reading.step,
        ..training.sampler(config, Split::Train)
    };
    let setting = training.setting::<B>(config);
    let with_layers = number.is_multiple_of(config.record.layer_stride);
    let position = reading.position;
    let scale = trained.state.scaler.scale;
    let lr = config.learning_rate(trained.state.optimizer_samples);
    if let Some(parity) = &mut parity {
        parity.state("before", &trained.parameters, &trained.adam);
        parity.scalar("updates_before", trained.adam.updates as f64);
    }

    let fetch = |position| {
        let position = config.reading(number, position).position;
        sampler.batch(position, config.batch.micro_batch)
    };
    let mut sum = accumulate(&setting, fetch, trained, with_layers, parity.as_deref_mut());
    let keep = parity.as_deref_mut();
    let mut norms = unscale(&mut sum, &trained.parameters, scale, keep);
    let mut range = setting.precision.take_report();
    range.add_gradients(trained.parameters.table(), &sum.lost);
    norms.note_overflow(f64::from(range.largest_gradient) / scale);
    let loss = sum.losses.all.value().unwrap_or(f64::NAN);
    let updated = update(config, trained, &sum.flat, &norms, loss, lr);
    let skip = updated.as_ref().err().copied();
    events.extend(decide(config, trained, skip, loss, &range));
    if let Some(parity) = parity {
        keep_outcome(parity, trained, &sum.flat, &norms, updated.as_ref().ok());
        parity.scalar("loss", loss);
        parity.scalar("lr", lr);
        parity.scalar("loss_scale", scale);
        if let Some(z_loss) = sum.losses.z_loss.value() {
            parity.scalar("z_loss", z_loss);
        }
    }

    let recording = Instant::now();
    let mut recorder = Recorder {
        table: trained.parameters.table(),
        layers: config.model.layers,
        with_layers,
        record: Record::new(number),
    };
    recorder.losses(&sum.losses);
    recorder.schedule(config, lr, scale, skip.is_some());
    recorder.position(position);
    recorder.consumed(trained.state.samples, config.model.seq_len);
    let clip = updated.as_ref().ok().map(|update| update.coefficient);
    recorder.gradients(&norms, clip);
    if let Ok(update) = updated {
        recorder.update(&update.reports, trained.parameters.len());
    }
    recorder.layers(sum.readings.as_ref());
    // A packed pass stores the tensors of many runs at once, and nobody counts whose value was lost.
    let packed = training.seat.is_some() && sum.engine == Engine::Graph;
    let counted = B::InnerBackend::COUNTS_RANGE && !packed;
    if config.precision.format != Format::Fp32 && counted {
        recorder.range(range);
    }
    let mut record = recorder.record;
    let seconds = start.elapsed().as_secs_f64();
    record.set(signal::STEP_SECONDS, seconds);
    record.set(signal::RECORD_SECONDS, recording.elapsed().as_secs_f64());
    record.set(
        signal::TOKENS_PER_SECOND,
        config.tokens_per_step() as f64 / seconds,
    );
    (record, events)
}

impl<'a, B: Backend> Training<'a, B> {
    pub(crate) fn new(
        config: &'a Config,
        text: &'a Text,
        precision: &'a Precision,
        device: &'a B::Device,
        seat: Option<&'a Seat>,
    ) -> Self {
        Self {
            config,
            corpus: &text.corpus,
            tasks: text.tasks.as_ref(),
            precision,
            device,
            seat,
        }
    }

    pub(crate) fn sampler<'s>(&'s self, config: &'s Config, split: Split) -> Sampler<'s> {
        Sampler {
            config,
            corpus: self.corpus,
            tasks: self.tasks,
            split,
            seed: config.seed,
            step: None,
        }
    }

    /// The same device also serves the backend without differentiation.
    pub(crate) fn setting<'s, C: Backend<Device = B::Device>>(
        &'s self,
        config: &'s Config,
    ) -> Setting<'s, C> {
        Setting {
            config,
            precision: self.precision,
            device: self.device,
            seat: self.seat,
        }
    }
}

/// Passes over the data that an intervention skips here: the position in the data moves, samples and
/// steps do not.
pub(crate) fn pass_over(config: &Config, state: &mut State) -> Vec<Event> {
    let steps = config.skip_steps_at(state.step);
    if steps == 0 {
        return Vec::new();
    }
    let samples = steps * config.samples_per_step();
    state.position += samples;
    let text = format!("the data of {steps} steps ({samples} sequences) is passed over");
    vec![Event::now(state.step, EventKind::Intervention, text)]
}

/// An update that was made.
pub(crate) struct Update {
    pub(crate) clip: Clip,
    /// One number for [`Update::clip`].
    pub(crate) coefficient: f64,
    /// One per parameter.
    pub(crate) reports: Vec<UpdateReport>,
}

/// Clips and updates. A gradient that is not finite updates nothing, nor does an outlier where
/// those are skipped.
pub(crate) fn update(
    config: &Config,
    trained: &mut Trained,
    gradient: &[f32],
    norms: &GradientNorms,
    loss: f64,
    lr: f64,
) -> Result<Update, Skip> {
    let global = norms.global();
    if !global.is_finite() {
        return Err(Skip::Nonfinite);
    }
    let optimizer = &config.optimizer;
    if trained.state.skip_step.observe(optimizer, loss, global) {
        return Err(Skip::Outlier);
    }
    let norms = norms.per_parameter();
    let clipper = &mut trained.state.clipper;
    let clip = clipper.coefficients(optimizer.clip_grad, global, &norms);
    let kept = Withheld::before(config, trained);
    let (table, weights) = trained.parameters.split_mut();
    let clips: Vec<f32> = (0..table.len()).map(|i| clip.of(i) as f32).collect();
    let mut reports = trained
        .adam
        .update(optimizer, table, weights, gradient, &clips, lr);
    kept.bring_back(trained, &mut reports);
    Ok(Update {
        coefficient: clip.overall(&norms),
        clip,
        reports,
    })
}

/// What the parity file says of clipping and update.
fn keep_outcome(
    parity: &mut ParityFile,
    trained: &Trained,
    gradient: &[f32],
    norms: &GradientNorms,
    update: Option<&Update>,
) {
    parity.scalar("grad_norm", norms.global());
    parity.scalar("skipped", f64::from(u8::from(update.is_none())));
    if let Some(update) = update {
        let table = trained.parameters.table();
        let mut clipped = gradient.to_vec();
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
}

/// Moves the loss scale and the counters, and says what happened.
pub(crate) fn decide(
    config: &Config,
    trained: &mut Trained,
    skip: Option<Skip>,
    loss: f64,
    range: &RangeReport,
) -> Vec<Event> {
    let state = &mut trained.state;
    state.step += 1;
    state.updates = trained.adam.updates;
    state.samples += config.samples_per_step();
    if skip.is_none() {
        // `DeepSpeed` and Megatron do not step the learning rate with a skipped update.
        state.optimizer_samples += config.samples_per_step();
    }
    let step = state.step;
    let mut events = Vec::new();
    if loss.is_finite() {
        state.nonfinite_steps = 0;
    } else {
        state.nonfinite_steps += 1;
        events.push(Event::now(
            step,
            EventKind::Nonfinite,
            "the loss is not finite",
        ));
    }
    let first_overflow = range.first_overflow.as_deref();
    // What overflowed was stored as the largest finite value, and the update was made with that.
    let saturated = config.precision.saturate_gradients && range.largest_gradient > 0.0;
    match skip {
        None if saturated => {
            let text = "a gradient is beyond the number format and was stored as its largest value";
            events.push(overflow_event(step, text, first_overflow));
        }
        None => {}
        Some(Skip::Nonfinite) => {
            let text = "a gradient is not finite, the update is skipped";
            events.push(overflow_event(step, text, first_overflow));
        }
        Some(Skip::Outlier) => {
            let sigma = config.optimizer.skip_step_sigma;
            let text = format!(
                "loss or gradient norm lies more than {sigma} standard deviations above the last steps, the update is skipped"
            );
            events.push(Event::now(step, EventKind::Intervention, text));
        }
    }
    if config.precision.format == Format::Fp16 {
        let halvings = if saturated || skip == Some(Skip::Nonfinite) {
            halvings(config.precision.loss_scale.fall, range.largest_gradient)
        } else {
            0
        };
        events.extend(move_scale(config, state, halvings));
    }
    events
}

fn overflow_event(step: u64, what: &str, first_overflow: Option<&str>) -> Event {
    let place = first_overflow.map_or_else(String::new, |t| format!("; first in {t}"));
    let text = format!("{what}{place}");
    let event = Event::now(step, EventKind::Overflow, text);
    match first_overflow {
        Some(tensor) => event.with("first_overflow", tensor),
        None => event,
    }
}

fn move_scale(config: &Config, state: &mut State, halvings: u32) -> Option<Event> {
    let before = state.scaler.scale;
    let change = state.scaler.update(&config.precision.loss_scale, halvings);
    let after = state.scaler.scale;
    let (kind, text) = match change {
        ScaleChange::None => return None,
        ScaleChange::Raised | ScaleChange::Lowered => (
            EventKind::LossScale,
            format!("loss scale {before} → {after}"),
        ),
        ScaleChange::AtMinimum => (
            EventKind::LossScaleMinimum,
            format!("overflow at the minimal loss scale {after}"),
        ),
    };
    Some(Event::now(state.step, kind, text))
}

/// What an evaluation finds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Evaluation {
    /// Mean loss over fixed held-out batches.
    pub(super) loss: Option<f64>,
    /// With `eval.last_word`.
    last_word: LastWord,
}

impl Evaluation {
    pub(super) fn record(&self, record: &mut Record) {
        let named = [
            (signal::HELD_OUT_LOSS, self.loss),
            (signal::LAST_WORD_LOSS, self.last_word.loss.value()),
            (signal::LAST_WORD_ACCURACY, self.last_word.accuracy.value()),
        ];
        for (signal, value) in named {
            if let Some(value) = value {
                record.set(signal, value);
            }
        }
    }
}

/// Fixed held-out batches and passages: the same for every arm, seed and step.
pub(super) fn evaluate<B>(training: &Training<B>, parameters: &Parameters) -> Evaluation
where
    B: AutodiffBackend,
    B::InnerBackend: Kernels,
{
    let setting = training.setting::<B::InnerBackend>(training.config);
    let sampler = training.sampler(training.config, Split::HeldOut);
    let mut losses = Losses::default();
    for batch in held_out(&sampler) {
        losses.join(&pass::evaluate(&setting, parameters, &batch));
    }
    let mut last_word = LastWord::default();
    for batch in last_word::passages(&sampler) {
        let logits = pass::logits(&setting, parameters, &batch);
        last_word::score(&mut last_word, &batch, &logits);
    }
    // Evaluation rounds too; its range losses belong to no step.
    setting.precision.take_report();
    Evaluation {
        loss: losses.all.value(),
        last_word,
    }
}
