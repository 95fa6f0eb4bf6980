//! Which scalar signals a run records, from its configuration: so that a criterion that could never be
//! decided is refused before anything runs.

use experiments_config::{Config, Format, ObjectiveMode, ProbeKind, Progress};

/// Why no run of this configuration records `signal`; `None` where it does. `layer_grad_norm[3]` is recorded where
/// `layer_grad_norm` is, and a name that is not in [`logs::SIGNALS`] nowhere.
#[must_use]
pub fn not_recorded(config: &Config, signal: &str) -> Option<String> {
    let signal = logs::signal(signal).map_or(signal, |signal| signal.name);
    let kind = config.probe.kind;
    let Some(kinds) = kinds(signal) else {
        return Some("no run records it".to_owned());
    };
    if !kinds.contains(&kind) {
        let names: Vec<String> = kinds
            .iter()
            .map(|kind| format!("`{}`", kind.name()))
            .collect();
        return Some(format!(
            "runs of `probe.kind` = {} record it, this one is `{}`",
            names.join(" or "),
            kind.name()
        ));
    }
    lacking(config, signal)
}

/// The kinds of runs that record a signal; none for an unknown name.
fn kinds(signal: &str) -> Option<&'static [ProbeKind]> {
    use ProbeKind::{AttentionSoftmax, EgsTwin, Train, UpdateLaw};
    Some(match signal {
        "loss"
        | "loss_gmask"
        | "loss_mask"
        | "loss_task"
        | "z_loss"
        | "lr"
        | "grad_norm"
        | "grad_max"
        | "grad_norm_embedding"
        | "grad_norm_embedding_input"
        | "grad_norm_embedding_logit"
        | "embedding_share" => &[Train, UpdateLaw, EgsTwin],
        "egs_alpha"
        | "batch_size"
        | "tasks_ratio"
        | "loss_scale"
        | "skipped"
        | "samples"
        | "tokens"
        | "clip_coefficient"
        | "update_norm"
        | "update_norm_embedding"
        | "param_norm"
        | "adam_rms" => &[Train, EgsTwin],
        "held_out_loss"
        | "last_word_loss"
        | "last_word_accuracy"
        | "tokens_per_second"
        | "record_seconds"
        | "max_attention_logit"
        | "overflow_count"
        | "underflow_count"
        | "layer_grad_norm"
        | "layer_grad_norm_attention"
        | "layer_grad_norm_ffn"
        | "layer_grad_norm_norm"
        | "layer_param_norm"
        | "layer_update_norm"
        | "layer_max_attention_logit"
        | "layer_norm_input_rms"
        | "layer_activation_rms"
        | "layer_overflow_count"
        | "layer_underflow_count" => &[Train],
        "step_seconds" => &[Train, UpdateLaw, EgsTwin, AttentionSoftmax],
        "logit_update_rms" => &[UpdateLaw],
        "twin_loss" | "parameter_distance" | "embedding_update" | "smallest_gradient" => &[EgsTwin],
        "nonfinite_scores"
        | "nonfinite_probabilities"
        | "empty_rows"
        | "probability_error"
        | "ulp_error"
        | "gradient_error" => &[AttentionSoftmax],
        _ => return None,
    })
}

/// The key for want of which a run of the right kind does not record a signal.
fn lacking(config: &Config, signal: &str) -> Option<String> {
    let is_per_layer = logs::signal(signal).is_some_and(|signal| signal.per_layer);
    let records_layers = config.record.layer_stride <= config.steps;
    let is_glm = config.objective.mode == ObjectiveMode::Glm;
    let (recorded, needs) = match signal {
        "loss_gmask" => (
            is_glm && ever(config, |ratio| ratio > 0.0),
            "`objective.mode` = glm and `objective.gmask_ratio` above 0",
        ),
        "loss_mask" => (
            is_glm && ever(config, |ratio| ratio < 1.0),
            "`objective.mode` = glm and `objective.gmask_ratio` below 1",
        ),
        "loss_task" | "tasks_ratio" => (!config.tasks.sources.is_empty(), "`tasks.sources`"),
        "z_loss" => (config.objective.z_loss > 0.0, "`objective.z_loss` above 0"),
        "last_word_loss" | "last_word_accuracy" => {
            (config.eval.last_word > 0, "`eval.last_word` above 0")
        }
        "grad_norm_embedding_input" | "grad_norm_embedding_logit" => {
            (config.model.tie_embeddings, "`model.tie_embeddings` = true")
        }
        _ if !records_layers && (is_per_layer || signal == "max_attention_logit") => {
            (false, "`record.layer_stride` of at most `steps`")
        }
        "overflow_count" | "underflow_count" | "layer_overflow_count" | "layer_underflow_count" => {
            (
                config.precision.format != Format::Fp32 && config.runtime.device == "cpu",
                "`precision.format` = fp16 or bf16 and `runtime.device` = cpu",
            )
        }
        // All other signals are recorded by every run of their kinds.
        _ => return None,
    };
    (!recorded).then(|| format!("it is recorded only with {needs}"))
}

/// Whether the share of `[gMASK]` sequences, which may be scheduled, is ever one that passes.
fn ever(config: &Config, passes: impl Fn(f64) -> bool) -> bool {
    let steps = [0, config.steps / 2, config.steps.saturating_sub(1)];
    steps.into_iter().any(|step| {
        let progress = Progress {
            step,
            samples: step * config.samples_per_step(),
        };
        passes(config.at(progress).objective.gmask_ratio)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use experiments_config::load_preset;

    fn config(set: &[&str]) -> Config {
        let set: Vec<_> = set.iter().map(|set| set.parse().unwrap()).collect();
        load_preset("t0", &set).unwrap()
    }

    #[test]
    fn every_known_signal_is_recorded_by_some_kind_of_run() {
        for signal in logs::SIGNALS {
            assert!(kinds(signal.name).is_some(), "{}", signal.name);
        }
        assert!(not_recorded(&config(&[]), "los").is_some());
    }

    #[test]
    fn what_a_signal_needs_is_named() {
        for (signal, with, key) in [
            ("last_word_loss", "eval.last_word=8", "eval.last_word"),
            ("z_loss", "objective.z_loss=1e-4", "objective.z_loss"),
            (
                "overflow_count",
                "precision.format=fp16",
                "precision.format",
            ),
        ] {
            let why = not_recorded(&config(&[]), signal).unwrap();
            assert!(why.contains(key), "{why}");
            assert_eq!(not_recorded(&config(&[with]), signal), None);
        }
        let untied = config(&["model.tie_embeddings=false"]);
        assert!(not_recorded(&untied, "grad_norm_embedding_input").is_some());
        let gpt = config(&["objective.mode=gpt"]);
        assert!(not_recorded(&gpt, "loss_gmask").is_some());
        assert_eq!(not_recorded(&gpt, "loss"), None);
        let rare = config(&["record.layer_stride=1000000"]);
        assert!(not_recorded(&rare, "max_attention_logit").is_some());
        assert!(not_recorded(&rare, "layer_grad_norm[3]").is_some());
        assert_eq!(not_recorded(&config(&[]), "layer_grad_norm[3]"), None);
    }

    #[test]
    fn signals_of_probes_belong_to_their_kind() {
        let training = config(&[]);
        let why = not_recorded(&training, "twin_loss").unwrap();
        assert!(
            why.contains("`egs_twin`") && why.contains("`train`"),
            "{why}"
        );
        let mut twin = training;
        twin.probe.kind = ProbeKind::EgsTwin;
        assert_eq!(not_recorded(&twin, "twin_loss"), None);
        assert!(not_recorded(&twin, "held_out_loss").is_some());
        assert!(not_recorded(&twin, "ulp_error").is_some());
    }
}
