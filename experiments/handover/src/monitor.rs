//! The monitoring hook: which TensorBoard tag of the trainer is which signal here, and the command that follows
//! the trainer's event files.

use crate::{Request, Target};
use std::fmt::Write as _;

/// The list of names, in the folder of the hand-over.
pub(crate) const NAMES: &str = "monitor/names.toml";
/// The run directory that the follower makes there.
pub(crate) const RUN: &str = "monitor/run";

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

fn tags(target: Target) -> &'static [(&'static str, &'static str)] {
    match target {
        Target::MegatronDeepspeed => &FORK,
        Target::MegatronCore => &CORE,
    }
}

/// `monitor/names.toml`: what `workbench import --names` takes.
pub(crate) fn names(target: Target) -> String {
    let mut text = format!(
        "# TensorBoard tags of {target} and the signals that they are here: `\"TAG\" = \"SIGNAL\"`.\n\
         # Where your trainer names them otherwise, change them; other tags keep their names.\n"
    );
    for (tag, signal) in tags(target) {
        let _ = writeln!(text, "\"{tag}\" = \"{signal}\"");
    }
    text
}

/// The arguments of `workbench` that follow the run, to be given in the folder of the hand-over. The trainers
/// report no skipped steps, and every start of one makes an event file.
pub(crate) fn command(request: &Request) -> String {
    let folder = words::shell_word(&request.options.tensorboard);
    format!("import {folder} --follow --one-run --names {NAMES} --infer-skipped --out {RUN}")
}
