//! The one registry of signals: what a record of this program may hold, each a row with its name, unit, meaning and
//! the runs that record it. Documentation, monitor, report and cards read the rows.
//!
//! A record is written by the constants of the rows, so a name that has no row does not compile. It is read by any
//! name: imported runs bring their own.

/// A kind of runs, as `probe.kind` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    /// Trains.
    Train,
    /// Measures how one update moves the logits.
    UpdateLaw,
    /// Trains twins with and without embedding gradient shrink.
    EgsTwin,
    /// Computes attention of planted scores.
    AttentionSoftmax,
}

/// What the configuration of a run must have for the run to record a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// `[gMASK]` sequences.
    Gmask,
    /// `[MASK]` sequences.
    Mask,
    /// Task sequences.
    Tasks,
    /// A z-loss.
    ZLoss,
    /// Held-out passages of which the last word is asked for.
    LastWord,
    /// Evaluations with weights in fewer bits.
    Quantized,
    /// Embeddings that are the output projection too.
    TiedEmbeddings,
    /// Steps that record layers.
    Layers,
    /// Steps that measure the gradient noise scale.
    Noise,
    /// A 16-bit format whose roundings are counted.
    Rounding,
    /// The two before.
    LayersAndRounding,
    /// Nothing; but not every machine tells it, so that no run is sure to record it.
    Meter,
}

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
    /// The kinds of runs that record it.
    pub runs: &'static [RunKind],
    /// What else a run of these kinds must have.
    pub needs: Needs,
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

/// A signal that is a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scalar(pub Signal);

/// A signal that is an array in layer order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerLayer(pub Signal);

impl Scalar {
    const PER_LAYER: bool = false;
}

impl PerLayer {
    const PER_LAYER: bool = true;
}

/// A constant for each row, and all rows.
macro_rules! registry {
    ($($constant:ident: $of:ident($name:literal, $unit:literal, $meaning:literal, $runs:ident, $needs:ident);)+) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub const $constant: $of = $of(Signal {
                name: $name,
                unit: $unit,
                meaning: $meaning,
                per_layer: $of::PER_LAYER,
                runs: $runs,
                needs: Needs::$needs,
            });
        )+

        /// Every known signal: scalars first, then per-layer signals, in the order of display.
        pub const SIGNALS: &[Signal] = &[$($constant.0),+];
    };
}

use RunKind::{AttentionSoftmax, EgsTwin, Train, UpdateLaw};

const ALL: &[RunKind] = &[Train, UpdateLaw, EgsTwin, AttentionSoftmax];
/// What computes a loss and its gradient.
const LOSSES: &[RunKind] = &[Train, UpdateLaw, EgsTwin];
/// What updates weights.
const TRAINING: &[RunKind] = &[Train, EgsTwin];
const TRAIN: &[RunKind] = &[Train];
const UPDATE_LAW: &[RunKind] = &[UpdateLaw];
const EGS_TWIN: &[RunKind] = &[EgsTwin];
const ATTENTION_SOFTMAX: &[RunKind] = &[AttentionSoftmax];

registry! {
    LOSS: Scalar("loss", "nats/token", "training loss: mean over sequences of each sequence's mean over its targets", LOSSES, Nothing);
    LOSS_GMASK: Scalar("loss_gmask", "nats/token", "the same over [gMASK] sequences; absent when the batch has none", LOSSES, Gmask);
    LOSS_MASK: Scalar("loss_mask", "nats/token", "the same over [MASK] sequences; absent when the batch has none", LOSSES, Mask);
    LOSS_TASK: Scalar("loss_task", "nats/token", "the same over task sequences; absent when the batch has none", LOSSES, Tasks);
    Z_LOSS: Scalar("z_loss", "nats/token", "what `objective.z_loss` adds to the loss; not part of `loss`", LOSSES, ZLoss);
    HELD_OUT_LOSS: Scalar("held_out_loss", "nats/token", "loss on the held-out split; only at evaluation steps", TRAIN, Nothing);
    LAST_WORD_LOSS: Scalar("last_word_loss", "nats/token", "mean over held-out passages of the loss of their last word, per token of it; with `eval.last_word`", TRAIN, LastWord);
    LAST_WORD_ACCURACY: Scalar("last_word_accuracy", "1", "share of those passages of which every token of the last word is the likeliest", TRAIN, LastWord);
    INT8_LOSS_CHANGE: Scalar("int8_loss_change", "nats/token", "held-out loss with the linear maps of the layers in 8 bits (`absmax-row`) minus that with weights in FP16; with `eval.quantized`", TRAIN, Quantized);
    INT4_LOSS_CHANGE: Scalar("int4_loss_change", "nats/token", "the same in 4 bits (`absmax-row`)", TRAIN, Quantized);
    INT4_ZERO_POINT_LOSS_CHANGE: Scalar("int4_zero_point_loss_change", "nats/token", "the same in 4 bits (`zero-point-row`)", TRAIN, Quantized);
    INT4_GPTQ_LOSS_CHANGE: Scalar("int4_gptq_loss_change", "nats/token", "the same in 4 bits (`gptq-row`, calibrated on training text)", TRAIN, Quantized);
    WEIGHT_KURTOSIS: Scalar("weight_kurtosis", "1", "excess kurtosis of the weights of a linear map, mean over all maps; 0 of a normal distribution", TRAIN, Quantized);
    WEIGHT_PEAK: Scalar("weight_peak", "1", "largest magnitude of a row of such a map over the row's root mean square, mean over rows and maps", TRAIN, Quantized);
    LR: Scalar("lr", "1", "learning rate of the step", LOSSES, Nothing);
    EGS_ALPHA: Scalar("egs_alpha", "1", "embedding gradient shrink of the step", TRAINING, Nothing);
    BATCH_SIZE: Scalar("batch_size", "sequences", "sequences of the step", TRAINING, Nothing);
    TASKS_RATIO: Scalar("tasks_ratio", "1", "share of task sequences; only with `tasks.sources`", TRAINING, Tasks);
    LOSS_SCALE: Scalar("loss_scale", "1", "factor on the loss before the backward pass (FP16)", TRAINING, Nothing);
    SKIPPED: Scalar("skipped", "0/1", "1 when the update was skipped: a gradient was not finite, or an outlier (`skip_step_sigma`)", TRAINING, Nothing);
    SAMPLES: Scalar("samples", "sequences", "sequences trained on since the start of the run", TRAINING, Nothing);
    DATA_POSITION: Scalar("data_position", "sequences", "number of the first sequence of the step in the data: with the seed it names the batch", TRAIN, Nothing);
    TOKENS: Scalar("tokens", "tokens", "token slots trained on since the start of the run, padding included", TRAINING, Nothing);
    TOKENS_PER_SECOND: Scalar("tokens_per_second", "tokens/s", "throughput of the step (a timing)", TRAIN, Nothing);
    STEP_SECONDS: Scalar("step_seconds", "s", "wall time of the step (a timing)", ALL, Nothing);
    RECORD_SECONDS: Scalar("record_seconds", "s", "wall time spent on recording (a timing)", TRAIN, Nothing);
    MACHINE_WATTS: Scalar("machine_watts", "W", "power of all processors of the machine and their memory since the record before that has it, about once a second, where the machine tells (a timing)", TRAIN, Meter);
    GRAD_NORM: Scalar("grad_norm", "1", "global L2 norm of the unscaled gradient before clipping", LOSSES, Nothing);
    GRAD_MAX: Scalar("grad_max", "1", "largest magnitude in the unscaled gradient before clipping; where gradients overflowed, of those, activations' too, before they were rounded", LOSSES, Nothing);
    GRAD_NORM_EMBEDDING: Scalar("grad_norm_embedding", "1", "L2 norm of the gradient of the word embedding", LOSSES, Nothing);
    GRAD_NORM_EMBEDDING_INPUT: Scalar("grad_norm_embedding_input", "1", "its part that arrives through the input path", LOSSES, TiedEmbeddings);
    GRAD_NORM_EMBEDDING_LOGIT: Scalar("grad_norm_embedding_logit", "1", "its part that arrives through the output logits", LOSSES, TiedEmbeddings);
    EMBEDDING_SHARE: Scalar("embedding_share", "1", "share of the embedding in the squared global gradient norm", LOSSES, Nothing);
    CLIP_COEFFICIENT: Scalar("clip_coefficient", "1", "norm of the clipped over norm of the unclipped gradient; 1 when clipping did nothing", TRAINING, Nothing);
    UPDATE_NORM: Scalar("update_norm", "1", "L2 norm of the change of all parameters", TRAINING, Nothing);
    UPDATE_NORM_EMBEDDING: Scalar("update_norm_embedding", "1", "L2 norm of the change of the word embedding", TRAINING, Nothing);
    PARAM_NORM: Scalar("param_norm", "1", "L2 norm of all parameters", TRAINING, Nothing);
    ADAM_RMS: Scalar("adam_rms", "1", "RMS_t = sqrt(mean(g²/max(v̂, ε²))) of StableAdamW, v̂ bias-corrected (arXiv 2304.13013)", TRAINING, Nothing);
    GRAD_NORM_SEQUENCE: Scalar("grad_norm_sequence", "1", "root mean square of the gradient norms of single sequences; with `record.noise_interval`", TRAIN, Noise);
    GRAD_NOISE_SCALE: Scalar("grad_noise_scale", "sequences", "gradient noise scale tr Σ/‖G‖² of the step (arXiv 1812.06162, appendix A.1); absent where the estimate of ‖G‖² is not above 0", TRAIN, Noise);
    MAX_ATTENTION_LOGIT: Scalar("max_attention_logit", "1", "largest attention score before the softmax, over all layers", TRAIN, Layers);
    OVERFLOW_COUNT: Scalar("overflow_count", "values", "values rounded to infinity in the step's number format", TRAIN, Rounding);
    UNDERFLOW_COUNT: Scalar("underflow_count", "values", "non-zero values rounded to zero in the step's number format", TRAIN, Rounding);
    LOGIT_UPDATE_RMS: Scalar("logit_update_rms", "1", "probe `update_law`: RMS change of held-out logits by one sign step on the matrices of the layers", UPDATE_LAW, Nothing);
    TWIN_LOSS: Scalar("twin_loss", "nats/token", "probe `egs_twin`: loss of the twin without embedding gradient shrink", EGS_TWIN, Nothing);
    PARAMETER_DISTANCE: Scalar("parameter_distance", "1", "probe `egs_twin`: largest difference between a parameter and its twin", EGS_TWIN, Nothing);
    EMBEDDING_UPDATE: Scalar("embedding_update", "1", "probe `egs_twin`: largest change of an element of the word embedding since the start", EGS_TWIN, Nothing);
    SMALLEST_GRADIENT: Scalar("smallest_gradient", "1", "probe `egs_twin`: smallest non-zero magnitude of a clipped gradient in either twin", EGS_TWIN, Nothing);
    NONFINITE_SCORES: Scalar("nonfinite_scores", "values", "probe `attention_softmax`: scores that were not finite when first stored", ATTENTION_SOFTMAX, Nothing);
    NONFINITE_PROBABILITIES: Scalar("nonfinite_probabilities", "values", "probe `attention_softmax`: probabilities that are not finite", ATTENTION_SOFTMAX, Nothing);
    EMPTY_ROWS: Scalar("empty_rows", "rows", "probe `attention_softmax`: rows of finite stored scores without a finite probability", ATTENTION_SOFTMAX, Nothing);
    PROBABILITY_ERROR: Scalar("probability_error", "1", "probe `attention_softmax`: largest error of a probability against FP64", ATTENTION_SOFTMAX, Nothing);
    ULP_ERROR: Scalar("ulp_error", "ulp", "probe `attention_softmax`: the same in units of FP32's last place, of at least 1.2e-38", ATTENTION_SOFTMAX, Nothing);
    GRADIENT_ERROR: Scalar("gradient_error", "1", "probe `attention_softmax`: largest error of a score's gradient over the largest such gradient", ATTENTION_SOFTMAX, Nothing);
    LAYER_GRAD_NORM: PerLayer("layer_grad_norm", "1", "L2 norm of the layer's gradient before clipping", TRAIN, Layers);
    LAYER_GRAD_NORM_ATTENTION: PerLayer("layer_grad_norm_attention", "1", "the same over the attention parameters", TRAIN, Layers);
    LAYER_GRAD_NORM_FFN: PerLayer("layer_grad_norm_ffn", "1", "the same over the feed-forward parameters", TRAIN, Layers);
    LAYER_GRAD_NORM_NORM: PerLayer("layer_grad_norm_norm", "1", "the same over the layer-norm parameters", TRAIN, Layers);
    LAYER_PARAM_NORM: PerLayer("layer_param_norm", "1", "L2 norm of the layer's parameters", TRAIN, Layers);
    LAYER_UPDATE_NORM: PerLayer("layer_update_norm", "1", "L2 norm of the change of the layer's parameters", TRAIN, Layers);
    LAYER_MAX_ATTENTION_LOGIT: PerLayer("layer_max_attention_logit", "1", "largest attention score of the layer before the softmax", TRAIN, Layers);
    LAYER_NORM_INPUT_RMS: PerLayer("layer_norm_input_rms", "1", "root mean square of the input of the layer's first norm", TRAIN, Layers);
    LAYER_ACTIVATION_RMS: PerLayer("layer_activation_rms", "1", "root mean square of the layer's output", TRAIN, Layers);
    LAYER_OVERFLOW_COUNT: PerLayer("layer_overflow_count", "values", "values rounded to infinity in the layer", TRAIN, LayersAndRounding);
    LAYER_UNDERFLOW_COUNT: PerLayer("layer_underflow_count", "values", "non-zero values rounded to zero in the layer", TRAIN, LayersAndRounding);
}

/// Signals that depend on the machine and on what else it does: left out when two runs are compared bit for bit.
pub const TIMINGS: &[&str] = &[
    TOKENS_PER_SECOND.0.name,
    STEP_SECONDS.0.name,
    RECORD_SECONDS.0.name,
    MACHINE_WATTS.0.name,
];

/// A per-layer signal and the layer, from 0, of a name like `layer_grad_norm[3]`. A layer is written in one way
/// only: `[03]` and `[+3]` name none.
#[must_use]
pub fn split_layer(name: &str) -> Option<(&str, usize)> {
    let (base, layer) = name.strip_suffix(']')?.rsplit_once('[')?;
    let index: usize = layer.parse().ok()?;
    (index.to_string() == layer).then_some((base, index))
}

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
