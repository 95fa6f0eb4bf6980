//! What neither trainer can express, and what both are told in the same words.

use crate::HandoverError;
use crate::Request;
use crate::argument::Arguments;
use crate::limit::Limits;
use experiments_config::{
    ClipMode, Config, Format, PrecisionConfig, ScaleFall, ScheduleEntry, ScheduledKey,
};

/// A choice that decides the architecture and that a trainer lacks: a command line without it would train
/// another model.
pub(crate) fn unknown(
    key: &str,
    value: &str,
    known: impl Iterator<Item = &'static str>,
) -> HandoverError {
    let known: Vec<_> = known.map(|name| format!("`{name}`")).collect();
    HandoverError::Value {
        key: key.to_owned(),
        value: format!("`{value}`"),
        expected: format!("the trainer has {}", known.join(", ")),
    }
}

/// Adds the limits that both trainers share.
pub(crate) fn limits(request: &Request, limits: &mut Limits) {
    let config = request.config;
    if config.objective.z_loss > 0.0 {
        limits.training(
            "objective.z_loss",
            &format!("{}", config.objective.z_loss),
            "the loss is cross-entropy only",
            "add coefficient × (log Z)² to the vocabulary-parallel cross-entropy; log Z is at hand there",
        );
    }
    padding(request, limits);
    optimizer_limits(config, limits);
    range_limits(&config.precision, limits);
    schedule_limits(config, limits);
    if !config.inject.is_empty() {
        limits.training(
            "inject",
            &format!("{} planted causes", config.inject.len()),
            "plants none",
            "leave it to the proxies: planted causes are for finding out what spikes look like",
        );
    }
    if !config.recovery.is_off() {
        let kinds = config.recovery.policy.iter().map(|p| p.kind.name());
        limits.training(
            "recovery",
            &words::quoted(kinds),
            "answers no alarm",
            "stop at an alarm by hand, and go on from a checkpoint with the flags that skip data or lower the learning rate",
        );
    }
    if config.model.init.gain.is_some() {
        limits.training(
            "model.init.gain",
            "an own gain on v, out and feed-forward matrices",
            "the trainer's own initialisation",
            "initialise here for 0 steps and convert the weights, see checkpoint.md",
        );
    }
    if config.model.init.qk_gain.is_some() {
        limits.training(
            "model.init.qk_gain",
            "an own gain on query and key matrices",
            "the trainer's own initialisation",
            "initialise here for 0 steps and convert the weights, see checkpoint.md",
        );
    }
    if config.model.init.weights.is_some() {
        limits.operation(
            "model.init.weights",
            "starts from given weights",
            "starts from what lies in the checkpoint folder",
            "convert the weights into that folder first, see checkpoint.md",
        );
    }
}

/// Rows of the embedding that no token has.
fn padding(request: &Request, limits: &mut Limits) {
    let ids = request.config.tokenizer.vocab_size as u64;
    let rows = request.layout.vocabulary(request.config);
    if rows > ids {
        limits.training(
            "tokenizer.vocab_size",
            &format!("{ids} ids"),
            &format!(
                "{rows} rows: those beyond the ids are never targets, and take part in the softmax"
            ),
            "`--vocab-multiple 1` pads no further than the tensor ranks need",
        );
    }
}

/// What this workbench alone does about gradients beyond the range of a 16-bit format.
fn range_limits(precision: &PrecisionConfig, limits: &mut Limits) {
    if precision.format == Format::Fp32 {
        return;
    }
    if precision.fp32_head {
        limits.training(
            "precision.fp32_head",
            "the projection to the vocabulary and its gradient in FP32",
            "in the format of the model",
            "keep its matrix out of the conversion to 16 bits and cast what enters it to FP32",
        );
    }
    if precision.saturate_gradients {
        limits.training(
            "precision.saturate_gradients",
            "gradients beyond the range stored as the largest finite value",
            "they become infinite, and the update is skipped",
            "kernels whose casts saturate; clipping after the backward pass comes too late",
        );
    }
    if precision.format == Format::Fp16 && precision.loss_scale.fall == ScaleFall::ToOverflow {
        limits.training(
            "precision.loss_scale.fall",
            "a loss scale that falls at once as far as the overflow asks for",
            "it halves, one overflow after another",
            "the loss scaler needs the largest gradient before it is cast, as FP8 recipes record it",
        );
    }
}

fn optimizer_limits(config: &Config, limits: &mut Limits) {
    let optimizer = &config.optimizer;
    let clip = match optimizer.clip_mode {
        ClipMode::Norm => None,
        ClipMode::Zclip => Some("ZClip (arXiv 2504.02507)"),
        ClipMode::Adagc => Some("AdaGC (arXiv 2502.11034)"),
    };
    if let Some(clip) = clip {
        limits.training(
            "optimizer.clip_mode",
            clip,
            "clips by the global norm at `optimizer.clip_grad`",
            "replace the clipping call of the optimiser; the norm is already computed there",
        );
    }
    if optimizer.update_clipping {
        limits.training(
            "optimizer.update_clipping",
            "StableAdamW's division by max(1, RMS_t)",
            "plain AdamW",
            "use an AdamW that computes RMS_t per tensor instead of apex FusedAdam",
        );
    }
    if optimizer.skip_step_sigma > 0.0 {
        limits.training(
            "optimizer.skip_step_sigma",
            &format!("skips updates {} σ out", optimizer.skip_step_sigma),
            "updates are skipped on overflow only",
            "follow the run (monitor/) and restart before the spike with its data passed over",
        );
    }
}

/// Keys that move and that no trainer moves; what a target can move it handles itself.
fn schedule_limits(config: &Config, limits: &mut Limits) {
    for entry in &config.schedule {
        let (key, remedy) = match entry.key {
            ScheduledKey::Lr => ("optimizer.lr", RESTART),
            ScheduledKey::MinLr => ("optimizer.min_lr", RESTART),
            ScheduledKey::WeightDecay => ("optimizer.weight_decay", RESTART),
            ScheduledKey::ClipGrad => ("optimizer.clip_grad", RESTART),
            ScheduledKey::GmaskRatio => ("objective.gmask_ratio", RESTART),
            ScheduledKey::TasksRatio => ("tasks.ratio", RESTART),
            ScheduledKey::LrScale | ScheduledKey::EgsAlpha | ScheduledKey::GradientAccumulation => {
                continue;
            }
        };
        limits.training(key, &movement(entry), "keeps its first value", remedy);
    }
}

/// How a change in the middle of a run is made by hand, as the GLM-130B team did (main-log, 3 and
/// 22 June 2022: learning rate and minimum halved at a restart).
pub(crate) const RESTART: &str = "stop at that step (`exit`), change the argument and continue; the learning rate also \
     needs the trainer's override-scheduler argument, which is set; a gradual change needs a patch";

/// `from 0.1 to 1 over 500 steps from 6000`.
pub(crate) fn movement(entry: &ScheduleEntry) -> String {
    let unit = match entry.unit {
        experiments_config::Unit::Steps => "steps",
        experiments_config::Unit::Samples => "samples",
    };
    let from = entry
        .from
        .map_or(String::new(), |from| format!("from {from} "));
    let to = match (entry.to, entry.factor) {
        (Some(to), _) => format!("to {to}"),
        (None, Some(factor)) => format!("times {factor}"),
        (None, None) => "unchanged".to_owned(),
    };
    format!(
        "{from}{to} over {} {unit} from {}",
        entry.length, entry.start
    )
}

/// Optimiser and learning rate: both parsers use Megatron's names.
pub(crate) fn optimizer(config: &Config, samples: u64, arguments: &mut Arguments) {
    let optimizer = &config.optimizer;
    arguments.section("optimiser");
    arguments.one("--optimizer", "adam");
    arguments.number("--adam-beta1", optimizer.beta1);
    arguments.number("--adam-beta2", optimizer.beta2);
    arguments.number("--adam-eps", optimizer.eps);
    arguments.number("--weight-decay", optimizer.weight_decay);
    arguments.number("--clip-grad", optimizer.clip_grad);
    arguments.section("learning rate");
    arguments.number("--lr", optimizer.lr * optimizer.lr_scale);
    let constant = optimizer.decay_samples == 0;
    let least = if constant {
        // A constant rate ignores it, but the trainers assert that it is not above the rate.
        optimizer.min_lr.min(optimizer.lr)
    } else {
        optimizer.min_lr
    };
    arguments.number("--min-lr", least * optimizer.lr_scale);
    let style = if constant { "constant" } else { "cosine" };
    arguments.one("--lr-decay-style", style);
    // The trainers assert warm-up < decay, and take the length of the run for a missing decay.
    let decay = if constant {
        samples.max(optimizer.warmup_samples.saturating_add(1))
    } else {
        optimizer.decay_samples
    };
    arguments.one("--lr-decay-samples", decay);
    arguments.one("--lr-warmup-samples", optimizer.warmup_samples);
}

/// Steps between checkpoints and evaluations, held-out share: both parsers use the same names.
pub(crate) fn bookkeeping(request: &Request, arguments: &mut Arguments) {
    let config = request.config;
    let end_only = |interval| {
        if interval == 0 {
            config.steps
        } else {
            interval
        }
    };
    arguments.section("checkpoints and evaluation");
    arguments.one("--save", &request.options.checkpoints);
    arguments.one("--load", &request.options.checkpoints);
    arguments.one("--save-interval", end_only(config.checkpoint.interval));
    arguments.one("--eval-interval", end_only(config.eval.interval));
    let sequences = config.eval.batches as u64 * config.batch.micro_batch as u64;
    let batches = sequences.div_ceil(request.batches.last.max(1));
    arguments.one("--eval-iters", batches);
    arguments.section("logging");
    arguments.one("--log-interval", 1);
    arguments.one("--tensorboard-dir", &request.options.tensorboard);
    arguments.one("--tensorboard-queue-size", 5);
    arguments.flag("--log-timers-to-tensorboard");
    arguments.flag("--log-validation-ppl-to-tensorboard");
}

/// `949,50,1`: training, validation and test share in thousandths. The sliver of test data is what
/// the original had; its data code expects three parts.
pub(crate) fn split(config: &Config) -> String {
    let held = (config.data.held_out * 1000.0).round().clamp(1.0, 998.0);
    format!("{},{held},1", 999.0 - held)
}

/// Standard deviation of Xavier-normal query and key matrices, sqrt(1/h): the one number that
/// trainers without Xavier initialisation take.
pub(crate) fn init_std(config: &Config) -> f64 {
    (1.0 / config.model.hidden_size as f64).sqrt()
}
