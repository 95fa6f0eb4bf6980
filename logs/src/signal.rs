//! The names a record may hold, each with its unit and meaning. One table serves the
//! documentation, the monitor and the report; a record may hold other names as well.

use crate::record::split_layer;

/// One recorded quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    /// The name, as in the metrics file.
    pub name: &'static str,
    /// The unit; `1` for a pure number.
    pub unit: &'static str,
    /// One line for help screens.
    pub meaning: &'static str,
    /// Whether the value is an array in layer order instead of a number.
    pub per_layer: bool,
}

impl Signal {
    /// Whether it is the L2 norm of a gradient, an update or the parameters, or of a part of one.
    #[must_use]
    pub fn is_norm(&self) -> bool {
        let name = self.name.strip_prefix("layer_").unwrap_or(self.name);
        let norms = ["grad_norm", "update_norm", "param_norm"];
        norms.iter().any(|norm| name.starts_with(norm))
    }
}

const fn scalar(name: &'static str, unit: &'static str, meaning: &'static str) -> Signal {
    Signal {
        name,
        unit,
        meaning,
        per_layer: false,
    }
}

const fn layer(name: &'static str, unit: &'static str, meaning: &'static str) -> Signal {
    Signal {
        name,
        unit,
        meaning,
        per_layer: true,
    }
}

/// Every known signal: scalars first, then per-layer signals, in the order of display.
#[rustfmt::skip] // a table reads better with one row per line
pub const SIGNALS: &[Signal] = &[
    scalar("loss", "nats/token", "training loss: mean over sequences of each sequence's mean over its targets"),
    scalar("loss_gmask", "nats/token", "the same over [gMASK] sequences; absent when the batch has none"),
    scalar("loss_mask", "nats/token", "the same over [MASK] sequences; absent when the batch has none"),
    scalar("loss_task", "nats/token", "the same over task sequences; absent when the batch has none"),
    scalar("z_loss", "nats/token", "what `objective.z_loss` adds to the loss; not part of `loss`"),
    scalar("held_out_loss", "nats/token", "loss on the held-out split; only at evaluation steps"),
    scalar("last_word_loss", "nats/token", "mean over held-out passages of the loss of their last word, per token of it; with `eval.last_word`"),
    scalar("last_word_accuracy", "1", "share of those passages of which every token of the last word is the likeliest"),
    scalar("lr", "1", "learning rate of the step"),
    scalar("egs_alpha", "1", "embedding gradient shrink of the step"),
    scalar("batch_size", "sequences", "sequences of the step"),
    scalar("tasks_ratio", "1", "share of task sequences; only with `tasks.sources`"),
    scalar("loss_scale", "1", "factor on the loss before the backward pass (FP16)"),
    scalar("skipped", "0/1", "1 when the update was skipped: a gradient was not finite, or an outlier (`skip_step_sigma`)"),
    scalar("samples", "sequences", "sequences trained on since the start of the run"),
    scalar("data_position", "sequences", "number of the first sequence of the step in the data: with the seed it names the batch"),
    scalar("tokens", "tokens", "token slots trained on since the start of the run, padding included"),
    scalar("tokens_per_second", "tokens/s", "throughput of the step (a timing)"),
    scalar("step_seconds", "s", "wall time of the step (a timing)"),
    scalar("record_seconds", "s", "wall time spent on recording (a timing)"),
    scalar("grad_norm", "1", "global L2 norm of the unscaled gradient before clipping"),
    scalar("grad_max", "1", "largest magnitude in the unscaled gradient before clipping; where gradients overflowed, of those, activations' too, before they were rounded"),
    scalar("grad_norm_embedding", "1", "L2 norm of the gradient of the word embedding"),
    scalar("grad_norm_embedding_input", "1", "its part that arrives through the input path"),
    scalar("grad_norm_embedding_logit", "1", "its part that arrives through the output logits"),
    scalar("embedding_share", "1", "share of the embedding in the squared global gradient norm"),
    scalar("clip_coefficient", "1", "norm of the clipped over norm of the unclipped gradient; 1 when clipping did nothing"),
    scalar("update_norm", "1", "L2 norm of the change of all parameters"),
    scalar("update_norm_embedding", "1", "L2 norm of the change of the word embedding"),
    scalar("param_norm", "1", "L2 norm of all parameters"),
    scalar("adam_rms", "1", "RMS_t = sqrt(mean(g²/max(v̂, ε²))) of StableAdamW, v̂ bias-corrected (arXiv 2304.13013)"),
    scalar("max_attention_logit", "1", "largest attention score before the softmax, over all layers"),
    scalar("overflow_count", "values", "values rounded to infinity in the step's number format"),
    scalar("underflow_count", "values", "non-zero values rounded to zero in the step's number format"),
    scalar("logit_update_rms", "1", "probe `update_law`: RMS change of held-out logits by one sign step on the matrices of the layers"),
    scalar("twin_loss", "nats/token", "probe `egs_twin`: loss of the twin without embedding gradient shrink"),
    scalar("parameter_distance", "1", "probe `egs_twin`: largest difference between a parameter and its twin"),
    scalar("embedding_update", "1", "probe `egs_twin`: largest change of an element of the word embedding since the start"),
    scalar("smallest_gradient", "1", "probe `egs_twin`: smallest non-zero magnitude of a clipped gradient in either twin"),
    scalar("nonfinite_scores", "values", "probe `attention_softmax`: scores that were not finite when first stored"),
    scalar("nonfinite_probabilities", "values", "probe `attention_softmax`: probabilities that are not finite"),
    scalar("empty_rows", "rows", "probe `attention_softmax`: rows of finite stored scores without a finite probability"),
    scalar("probability_error", "1", "probe `attention_softmax`: largest error of a probability against FP64"),
    scalar("ulp_error", "ulp", "probe `attention_softmax`: the same in units of FP32's last place, of at least 1.2e-38"),
    scalar("gradient_error", "1", "probe `attention_softmax`: largest error of a score's gradient over the largest such gradient"),
    layer("layer_grad_norm", "1", "L2 norm of the layer's gradient before clipping"),
    layer("layer_grad_norm_attention", "1", "the same over the attention parameters"),
    layer("layer_grad_norm_ffn", "1", "the same over the feed-forward parameters"),
    layer("layer_grad_norm_norm", "1", "the same over the layer-norm parameters"),
    layer("layer_param_norm", "1", "L2 norm of the layer's parameters"),
    layer("layer_update_norm", "1", "L2 norm of the change of the layer's parameters"),
    layer("layer_max_attention_logit", "1", "largest attention score of the layer before the softmax"),
    layer("layer_norm_input_rms", "1", "root mean square of the input of the layer's first norm"),
    layer("layer_activation_rms", "1", "root mean square of the layer's output"),
    layer("layer_overflow_count", "values", "values rounded to infinity in the layer"),
    layer("layer_underflow_count", "values", "non-zero values rounded to zero in the layer"),
];

/// Signals that depend on the machine's speed: left out when two runs are compared bit for bit.
pub const TIMINGS: &[&str] = &["tokens_per_second", "step_seconds", "record_seconds"];

/// Looks a signal up by name. `layer_grad_norm[3]` finds `layer_grad_norm`.
#[must_use]
pub fn signal(name: &str) -> Option<&'static Signal> {
    let name = split_layer(name).map_or(name, |(base, _)| base);
    SIGNALS.iter().find(|signal| signal.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_timings_are_known() {
        for (i, signal) in SIGNALS.iter().enumerate() {
            assert!(
                SIGNALS[..i].iter().all(|other| other.name != signal.name),
                "{} twice",
                signal.name
            );
            assert_eq!(signal.per_layer, signal.name.starts_with("layer_"));
        }
        assert!(TIMINGS.iter().all(|name| signal(name).is_some()));
        assert_eq!(
            signal("layer_grad_norm[3]").map(|s| s.name),
            Some("layer_grad_norm")
        );
        assert_eq!(signal("los"), None);
        for odd in [
            "layer_grad_norm[03]",
            "layer_grad_norm[+3]",
            "layer_grad_norm[]",
            "layer_grad_norm[3",
        ] {
            assert_eq!(signal(odd), None, "{odd}");
        }
    }
}
