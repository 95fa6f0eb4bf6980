//! Bounds of the batch, held-out evaluation and bookkeeping.

use crate::Config;
use crate::validate::Checks;

impl Config {
    pub(crate) fn check_batch(&self, checks: &mut Checks) {
        checks.size(self.batch.micro_batch, 1 << 12, "batch.micro_batch");
        let accumulation = self.batch.gradient_accumulation;
        // Dropout numbers the micro-batches of a step by 20 bits.
        checks.size(accumulation, 1 << 20, "batch.gradient_accumulation");
    }

    pub(crate) fn check_training(&self, checks: &mut Checks) {
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
    }
}
