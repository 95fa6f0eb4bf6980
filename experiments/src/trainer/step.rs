//! One optimiser step.

use crate::adamw::{AdamW, UpdateReport, sum_of_squares};
use crate::checkpoint::State;
use crate::data::{Losses, Sampler, held_out};
use crate::dropout::Dropout;
use crate::loss_scaler::ScaleChange;
use crate::parameters::{Parameters, Role};
use crate::pass::{self, Setting};
use crate::precision::half_format;
use crate::probe::Probe;
use crate::schedule::learning_rate;
use crate::signals::{GradientNorms, Recorder};
use burn::tensor::backend::AutodiffBackend;
use experiments_config::{Config, Format};
use kernels::{HalfFormat, Kernels, RangeCount, round_slice};
use logs::{Event, EventKind, Record};
use std::time::Instant;

/// What training changes.
pub(super) struct Trained {
    pub(super) parameters: Parameters,
    pub(super) adam: AdamW,
    pub(super) state: State,
}

/// Gradients summed over the micro-batches of a step.
struct Accumulated {
    losses: Losses,
    flat: Vec<f32>,
    logit_path: Vec<f32>,
    /// Range losses of the weight gradients, per parameter.
    lost: Vec<RangeCount>,
    probe: Option<Probe>,
}

impl Accumulated {
    /// Stores the sums in the format in which gradients are accumulated; norms stay FP32.
    fn round(&mut self, parameters: &Parameters, format: HalfFormat) {
        for (parameter, lost) in parameters.table().iter().zip(&mut self.lost) {
            if parameter.role != Role::Norm {
                *lost += round_slice(&mut self.flat[parameter.range.clone()], format);
            }
        }
        self.lost[0] += round_slice(&mut self.logit_path, format);
    }
}

/// Runs one step: fetch, forward, backward, unscale, inspect, update, decide, record.
pub(super) fn step<B>(
    setting: &Setting<B>,
    sampler: &Sampler,
    trained: &mut Trained,
) -> (Record, Vec<Event>)
where
    B: AutodiffBackend + Kernels,
    B::InnerBackend: Kernels,
{
    let start = Instant::now();
    let config = setting.config;
    let number = trained.state.step + 1;
    let with_layers = number.is_multiple_of(config.record.layer_stride);
    let scale = trained.state.scaler.scale;
    let lr = learning_rate(&config.optimizer, trained.state.samples);

    let mut sum = accumulate(setting, sampler, trained, scale, with_layers);
    let format = half_format(config.precision.format);
    let norms = unscale(&mut sum, &trained.parameters, format, scale);
    let updated = update(config, trained, &sum.flat, norms.global(), lr);
    let mut range = setting.precision.take_report();
    range.add_gradients(trained.parameters.table(), &sum.lost);
    let first_overflow = range.first_overflow.as_deref();
    let finite = updated.is_some();
    let events = decide(config, trained, number, finite, &sum.losses, first_overflow);

    let recording = Instant::now();
    let mut recorder = Recorder {
        table: trained.parameters.table(),
        layers: config.model.layers,
        with_layers,
        record: Record::new(number),
    };
    recorder.losses(&sum.losses);
    recorder.schedule(lr, scale, !finite);
    recorder.consumed(trained.state.samples, config.model.seq_len);
    recorder.gradients(&norms, updated.as_ref().map(|(clip, _)| *clip));
    if let Some((_, reports)) = updated {
        recorder.update(&reports, trained.parameters.len());
    }
    recorder.probe(sum.probe);
    if config.precision.format != Format::Fp32 && B::InnerBackend::COUNTS_RANGE {
        recorder.range(range);
    }
    let mut record = recorder.record;
    let seconds = start.elapsed().as_secs_f64();
    record.set("step_seconds", seconds);
    record.set("record_seconds", recording.elapsed().as_secs_f64());
    record.set(
        "tokens_per_second",
        config.tokens_per_step() as f64 / seconds,
    );
    (record, events)
}

/// Clips by the global norm and updates; a gradient that is not finite updates nothing. Returns the
/// clip coefficient and one report per parameter.
fn update(
    config: &Config,
    trained: &mut Trained,
    gradient: &[f32],
    norm: f64,
    lr: f64,
) -> Option<(f64, Vec<UpdateReport>)> {
    if !norm.is_finite() {
        return None;
    }
    let limit = config.optimizer.clip_grad;
    let clip = if limit > 0.0 && norm > limit {
        limit / norm
    } else {
        1.0
    };
    let (table, weights) = trained.parameters.split_mut();
    let reports = trained
        .adam
        .update(&config.optimizer, table, weights, gradient, clip as f32, lr);
    Some((clip, reports))
}

/// Forward and backward over all micro-batches, gradients summed in the configured format.
fn accumulate<B: AutodiffBackend + Kernels>(
    setting: &Setting<B>,
    sampler: &Sampler,
    trained: &mut Trained,
    scale: f64,
    with_layers: bool,
) -> Accumulated {
    let config = setting.config;
    let micro_batches = config.batch.gradient_accumulation as u64;
    let size = config.batch.micro_batch;
    let format = half_format(config.precision.grad_accumulation);
    let mut sum: Option<Accumulated> = None;
    for micro in 0..micro_batches {
        let batch = sampler.batch(trained.state.samples, size);
        let dropout = Dropout::new(config.seed, trained.state.step * micro_batches + micro);
        let scale = scale / micro_batches as f64;
        let pass = pass::train(
            setting,
            &trained.parameters,
            &batch,
            scale,
            dropout,
            with_layers,
        );
        trained.state.samples += size as u64;
        let gradients = pass.gradients;
        match &mut sum {
            None => {
                sum = Some(Accumulated {
                    losses: pass.losses,
                    flat: gradients.flat,
                    logit_path: gradients.logit_path,
                    lost: gradients.lost,
                    probe: pass.probe,
                });
            }
            Some(sum) => {
                sum.losses.join(&pass.losses);
                add(&mut sum.flat, &gradients.flat);
                add(&mut sum.logit_path, &gradients.logit_path);
                sum.lost
                    .iter_mut()
                    .zip(gradients.lost)
                    .for_each(|(a, b)| *a += b);
                if let Some(format) = format {
                    sum.round(&trained.parameters, format);
                }
                if let (Some(ours), Some(theirs)) = (&mut sum.probe, &pass.probe) {
                    ours.join(theirs);
                }
            }
        }
    }
    // `batch.gradient_accumulation` is checked to be at least 1.
    sum.expect("at least one micro-batch")
}

fn add(sum: &mut [f32], term: &[f32]) {
    sum.iter_mut().zip(term).for_each(|(a, b)| *a += b);
}

/// Joins the two paths into tied embeddings in the format of the pass, as one leaf used twice would
/// have them summed, then divides by the loss scale in FP32 and takes norms.
fn unscale(
    sum: &mut Accumulated,
    parameters: &Parameters,
    format: Option<HalfFormat>,
    scale: f64,
) -> GradientNorms {
    let inverse = 1.0 / scale;
    let paths = (!sum.logit_path.is_empty()).then(|| {
        // The embedding comes first in the table, its two gradients have the same layout.
        let input = &mut sum.flat[..sum.logit_path.len()];
        let squares = |values: &[f32]| sum_of_squares(values) * inverse * inverse;
        let paths = [squares(input), squares(&sum.logit_path)];
        add(input, &sum.logit_path);
        if let Some(format) = format {
            sum.lost[0] += round_slice(input, format);
        }
        paths
    });
    sum.flat.iter_mut().for_each(|g| *g *= inverse as f32);
    GradientNorms::new(parameters.table(), &sum.flat, paths)
}

/// Moves the loss scale and the counters, and says what happened.
fn decide(
    config: &Config,
    trained: &mut Trained,
    step: u64,
    finite: bool,
    losses: &Losses,
    first_overflow: Option<&str>,
) -> Vec<Event> {
    let state = &mut trained.state;
    state.step = step;
    state.updates = trained.adam.updates;
    let mut events = Vec::new();
    let loss_finite = losses.all.value().is_some_and(f64::is_finite);
    state.nonfinite_steps = if loss_finite {
        0
    } else {
        state.nonfinite_steps + 1
    };
    if !loss_finite {
        events.push(Event::now(
            step,
            EventKind::Nonfinite,
            "the loss is not finite",
        ));
    }
    if !finite {
        let place = first_overflow.map_or_else(String::new, |t| format!("; first in {t}"));
        let text = format!("a gradient is not finite, the update is skipped{place}");
        let event = Event::now(step, EventKind::Overflow, text);
        events.push(match first_overflow {
            Some(tensor) => event.with("first_overflow", tensor),
            None => event,
        });
    }
    if config.precision.format == Format::Fp16 {
        let before = state.scaler.scale;
        let change = state.scaler.update(&config.precision.loss_scale, !finite);
        let after = state.scaler.scale;
        match change {
            ScaleChange::None => {}
            ScaleChange::Raised | ScaleChange::Lowered => {
                let text = format!("loss scale {before} → {after}");
                events.push(Event::now(step, EventKind::LossScale, text));
            }
            ScaleChange::AtMinimum => {
                let text = format!("overflow at the minimal loss scale {after}");
                events.push(Event::now(step, EventKind::LossScaleMinimum, text));
            }
        }
    }
    events
}

/// Mean loss over fixed held-out batches: the same for every arm and every seed.
pub(super) fn evaluate<B: Kernels>(
    setting: &Setting<B>,
    sampler: &Sampler,
    parameters: &Parameters,
) -> Option<f64> {
    let mut losses = Losses::default();
    for batch in held_out(sampler) {
        losses.join(&pass::evaluate(setting, parameters, &batch));
    }
    // Evaluation rounds too; its range losses belong to no step.
    setting.precision.take_report();
    losses.all.value()
}
