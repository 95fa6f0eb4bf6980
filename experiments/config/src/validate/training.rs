//! Batch, optimiser and bookkeeping.

use super::Checks;
use crate::{ClipMode, Config};

impl Config {
    pub(super) fn check_training(&self, checks: &mut Checks) {
        checks.size(self.batch.micro_batch, 1 << 12, "batch.micro_batch");
        let accumulation = self.batch.gradient_accumulation;
        // Dropout numbers the micro-batches of a step by 20 bits.
        checks.size(accumulation, 1 << 20, "batch.gradient_accumulation");
        let optimizer = &self.optimizer;
        checks.at_least_zero(optimizer.lr, "optimizer.lr");
        checks.at_least_zero(optimizer.min_lr, "optimizer.min_lr");
        checks.require(
            optimizer.decay_samples == 0 || optimizer.decay_samples > optimizer.warmup_samples,
            "optimizer.decay_samples",
            "must be 0 (no decay) or above `optimizer.warmup_samples`",
        );
        checks.require(
            optimizer.decay_samples == 0 || optimizer.min_lr <= optimizer.lr,
            "optimizer.min_lr",
            "must not exceed `optimizer.lr` when `optimizer.decay_samples` is set",
        );
        checks.probability(optimizer.beta1, "optimizer.beta1");
        checks.probability(optimizer.beta2, "optimizer.beta2");
        checks.at_least_zero(optimizer.eps, "optimizer.eps");
        checks.at_least_zero(optimizer.weight_decay, "optimizer.weight_decay");
        checks.at_least_zero(optimizer.clip_grad, "optimizer.clip_grad");
        checks.at_least_zero(optimizer.lr_scale, "optimizer.lr_scale");
        checks.at_least_zero(optimizer.embedding_lr_scale, "optimizer.embedding_lr_scale");
        checks.at_least_zero(optimizer.skip_step_sigma, "optimizer.skip_step_sigma");
        checks.require(
            optimizer.skip_step_window >= 2,
            "optimizer.skip_step_window",
            "must be at least 2",
        );
        checks.require(
            optimizer.clip_mode == ClipMode::Norm || optimizer.clip_grad > 0.0,
            "optimizer.clip_grad",
            "must be above 0 with `zclip` and `adagc`: it is the limit of the global norm in their warm-up",
        );
        checks.share(self.egs.alpha, "egs.alpha");
        checks.positive(self.eval.batches, "eval.batches");
        checks.require(
            self.eval.last_word <= 1 << 20,
            "eval.last_word",
            format!("is {}, must be at most {}", self.eval.last_word, 1 << 20),
        );
        checks.positive(self.checkpoint.keep, "checkpoint.keep");
        checks.require(
            self.record.layer_stride > 0,
            "record.layer_stride",
            "must be at least 1",
        );
        checks.require(
            ["cpu", "cuda"].contains(&self.runtime.device.as_str()),
            "runtime.device",
            format!("is `{}`, expected `cpu` or `cuda`", self.runtime.device),
        );
    }
}
