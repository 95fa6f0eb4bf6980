//! Range checks. Every complaint is collected, so that one run of the program shows them all.

use crate::{Complaint, Config, Format, Source};

/// Collects complaints; each check names its key and what was expected.
#[derive(Default)]
struct Checks(Vec<Complaint>);

impl Checks {
    fn require(&mut self, holds: bool, key: &str, expected: impl Into<String>) {
        self.require_or(holds, key, expected, None);
    }

    fn require_or(
        &mut self,
        holds: bool,
        key: &str,
        expected: impl Into<String>,
        hint: Option<String>,
    ) {
        if !holds {
            self.0.push(Complaint {
                key: key.to_owned(),
                message: expected.into(),
                hint,
            });
        }
    }

    fn positive(&mut self, value: usize, key: &str) {
        self.require(value > 0, key, "must be at least 1");
    }

    fn probability(&mut self, value: f64, key: &str) {
        let message = format!("is {value}, must lie in [0, 1)");
        self.require((0.0..1.0).contains(&value), key, message);
    }

    fn share(&mut self, value: f64, key: &str) {
        let message = format!("is {value}, must lie in [0, 1]");
        self.require((0.0..=1.0).contains(&value), key, message);
    }

    fn at_least_zero(&mut self, value: f64, key: &str) {
        let message = format!("is {value}, must be a finite number that is not negative");
        self.require(value.is_finite() && value >= 0.0, key, message);
    }

    fn above_zero(&mut self, value: f64, key: &str) {
        let message = format!("is {value}, must be a finite number above 0");
        self.require(value.is_finite() && value > 0.0, key, message);
    }
}

/// Smallest vocabulary: 256 bytes and six special tokens.
const MIN_VOCAB: usize = 262;

impl Config {
    /// Everything that is out of range.
    pub(crate) fn complaints(&self) -> Vec<Complaint> {
        let mut checks = Checks::default();
        checks.require(self.steps > 0, "steps", "must be at least 1");
        self.check_model(&mut checks);
        self.check_data(&mut checks);
        self.check_training(&mut checks);
        self.check_precision(&mut checks);
        checks.0
    }

    fn check_model(&self, checks: &mut Checks) {
        let model = &self.model;
        checks.positive(model.layers, "model.layers");
        checks.positive(model.hidden_size, "model.hidden_size");
        checks.positive(model.ffn_hidden_size, "model.ffn_hidden_size");
        checks.positive(model.num_heads, "model.num_heads");
        if model.num_heads > 0 && model.hidden_size > 0 {
            let (width, heads) = (model.hidden_size, model.num_heads);
            let fits = |n: usize| width.is_multiple_of(n) && (width / n).is_multiple_of(2);
            let near = (1..=width)
                .filter(|n| fits(*n))
                .min_by_key(|n| n.abs_diff(heads));
            let problem = if width.is_multiple_of(heads) {
                format!(
                    "gives heads of {} dimensions, RoPE needs an even number",
                    width / heads
                )
            } else {
                format!("is {heads}, which does not divide `model.hidden_size` = {width}")
            };
            checks.require_or(
                fits(heads),
                "model.num_heads",
                problem,
                near.map(|n| format!("nearest that fits: {n}")),
            );
        }
        checks.require(
            model.seq_len >= 8,
            "model.seq_len",
            format!("is {}, must be at least 8", model.seq_len),
        );
        checks.probability(model.dropout, "model.dropout");
        checks.probability(model.attention_dropout, "model.attention_dropout");
        checks.above_zero(model.layer_norm_eps, "model.layer_norm_eps");
        checks.above_zero(model.rope_base, "model.rope_base");
        for (value, key) in [
            (model.init.embedding_std, "model.init.embedding_std"),
            (model.init.gain, "model.init.gain"),
        ] {
            if let Some(value) = value {
                checks.at_least_zero(value, key);
            }
        }
    }

    fn check_data(&self, checks: &mut Checks) {
        checks.require(
            self.tokenizer.vocab_size >= MIN_VOCAB,
            "tokenizer.vocab_size",
            format!(
                "is {}, must be at least {MIN_VOCAB} (256 bytes and six special tokens)",
                self.tokenizer.vocab_size
            ),
        );
        checks.positive(self.tokenizer.sample_bytes, "tokenizer.sample_bytes");
        checks.require(
            !self.data.sources.is_empty(),
            "data.sources",
            "needs at least one source",
        );
        for (index, source) in self.data.sources.iter().enumerate() {
            check_source(source, &format!("data.sources[{index}]"), checks);
        }
        checks.require(
            self.data.held_out > 0.0 && self.data.held_out <= 0.5,
            "data.held_out",
            format!("is {}, must lie in (0, 0.5]", self.data.held_out),
        );
        let objective = &self.objective;
        checks.share(objective.gmask_ratio, "objective.gmask_ratio");
        checks.share(objective.min_gmask_ratio, "objective.min_gmask_ratio");
        checks.require(
            objective.mask_ratio > 0.0 && objective.mask_ratio <= 0.5,
            "objective.mask_ratio",
            format!("is {}, must lie in (0, 0.5]", objective.mask_ratio),
        );
        checks.above_zero(objective.span_lambda, "objective.span_lambda");
        checks.positive(objective.max_span, "objective.max_span");
        checks.require(
            objective.span_lambda <= objective.max_span as f64,
            "objective.span_lambda",
            "must not exceed `objective.max_span`",
        );
        checks.require(
            objective.max_span <= 100_000,
            "objective.max_span",
            "must be at most 100000",
        );
        checks.share(objective.single_span_prob, "objective.single_span_prob");
        checks.share(objective.short_seq_prob, "objective.short_seq_prob");
    }

    fn check_training(&self, checks: &mut Checks) {
        checks.positive(self.batch.micro_batch, "batch.micro_batch");
        checks.positive(
            self.batch.gradient_accumulation,
            "batch.gradient_accumulation",
        );
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
        checks.share(self.egs.alpha, "egs.alpha");
        checks.positive(self.eval.batches, "eval.batches");
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

    fn check_precision(&self, checks: &mut Checks) {
        let precision = &self.precision;
        for (value, key) in [
            (precision.softmax, "precision.softmax"),
            (precision.grad_accumulation, "precision.grad_accumulation"),
        ] {
            checks.require(
                value == Format::Fp32 || value == precision.format,
                key,
                "must be `fp32` or the same as `precision.format`",
            );
        }
        let scale = &precision.loss_scale;
        checks.above_zero(scale.initial, "precision.loss_scale.initial");
        checks.above_zero(scale.min, "precision.loss_scale.min");
        checks.require(
            scale.initial <= 2_f64.powi(60),
            "precision.loss_scale.initial",
            "must be at most 2^60",
        );
        checks.require(
            scale.initial >= scale.min,
            "precision.loss_scale.initial",
            "must not be below `precision.loss_scale.min`",
        );
        checks.require(
            scale.window > 0,
            "precision.loss_scale.window",
            "must be at least 1",
        );
        checks.require(
            scale.hysteresis > 0,
            "precision.loss_scale.hysteresis",
            "must be at least 1",
        );
    }
}

fn check_source(source: &Source, key: &str, checks: &mut Checks) {
    checks.require(
        source.name.is_some() != source.path.is_some(),
        key,
        "needs exactly one of `name` (catalogue) and `path` (a file of yours)",
    );
    checks.require(
        !source.language.is_empty(),
        &format!("{key}.language"),
        "is missing; write for example `language = \"en\"`",
    );
    checks.above_zero(source.weight, &format!("{key}.weight"));
}

#[cfg(test)]
mod tests {
    use crate::load_preset;

    /// Every complaint must name its key; users read nothing else.
    fn complaint(set: &str) -> String {
        load_preset("t0", &[set.parse().unwrap()])
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn out_of_range_values_name_key_and_expectation() {
        for (set, expected) in [
            ("model.num_heads=3", "does not divide"),
            ("model.num_heads=64", "even number"),
            ("steps=0", "at least 1"),
            ("tokenizer.vocab_size=100", "at least 262"),
            ("egs.alpha=1.5", "[0, 1]"),
            ("precision.softmax=fp16", "same as"),
            ("optimizer.lr=-1.0", "not negative"),
            ("runtime.device=gpu", "`cpu` or `cuda`"),
        ] {
            let text = complaint(set);
            let key = set.split('=').next().unwrap();
            assert!(
                text.contains(key) && text.contains(expected),
                "{set}: {text}"
            );
        }
    }

    #[test]
    fn heads_suggest_the_nearest_that_fits() {
        assert!(complaint("model.num_heads=3").contains("nearest that fits: 2"));
    }
}
