//! The monitoring hook: which TensorBoard tag of the trainer is which signal here, and the program
//! that carries them over.

use super::{Request, Target};
use serde_json::json;

/// Reads event files, writes a run directory.
pub(super) const FOLLOW: &str = include_str!("follow.py");

/// (tag, signal): `LargeScale` `megatron/training.py`, `training_log` (glm130b-facts §10).
const FORK: [(&str, &str); 11] = [
    ("lm-loss-training/lm loss", "loss"),
    ("lm-loss-training/gpt loss", "loss_gmask"),
    ("lm-loss-training/bert loss", "loss_mask"),
    ("lm-loss-training/multitask loss", "loss_task"),
    ("grad-norm/grad-norm", "grad_norm"),
    ("loss-scale/loss-scale", "loss_scale"),
    ("learning-rate/learning-rate", "lr"),
    ("learning-rate/shrink-embedding-gradient-alpha", "egs_alpha"),
    ("batch-size/batch-size", "batch_size"),
    ("steps-vs-samples/y=samples,x=steps", "samples"),
    ("iteration-time/iteration-time", "step_seconds"),
];

/// The same for Megatron-LM's `training_log` (from knowledge of its source, not from a run).
const CORE: [(&str, &str); 7] = [
    ("lm loss", "loss"),
    ("grad-norm", "grad_norm"),
    ("loss-scale", "loss_scale"),
    ("learning-rate", "lr"),
    ("batch-size", "batch_size"),
    ("params-norm", "param_norm"),
    ("iteration-time", "step_seconds"),
];

/// Signals the detectors of this program watch, with their rules (docs/monitor.md).
const WATCHED: [(&str, &str); 3] = [
    (
        "loss",
        "spikes by olmo2-1000/7 and olmo-core-128/6; not finite",
    ),
    ("grad_norm", "the same, except at skipped steps"),
    ("loss_scale", "halved again and again"),
];

fn tags(target: Target) -> &'static [(&'static str, &'static str)] {
    match target {
        Target::MegatronDeepspeed => &FORK,
        Target::MegatronCore => &CORE,
    }
}

/// `monitor/tags.json`.
pub(super) fn tags_json(request: &Request, target: Target) -> String {
    let map = |pairs: &[(&str, &str)]| {
        let entries = pairs.iter().map(|(a, b)| ((*a).to_owned(), json!(b)));
        serde_json::Value::Object(entries.collect())
    };
    let root = json!({
        "trainer": target,
        "tensorboard": request.options.tensorboard,
        "signals": map(tags(target)),
        "watched": map(&WATCHED),
    });
    format!("{root:#}\n")
}
