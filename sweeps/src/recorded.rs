//! Which scalar signals a run records, from its configuration: so that a criterion that could never be
//! decided is refused before anything runs.

use experiments_config::{Config, DeviceKey, Format, ObjectiveMode, ProbeKind, Progress};
use logs::{Needs, RunKind};

/// Why no run of this configuration records `signal`; `None` where it does. `layer_grad_norm[3]` is recorded where
/// `layer_grad_norm` is, and a name that is not in [`logs::SIGNALS`] nowhere.
#[must_use]
pub fn not_recorded(config: &Config, signal: &str) -> Option<String> {
    let Some(signal) = logs::signal(signal) else {
        return Some("no run records it".to_owned());
    };
    let kind = config.probe.kind;
    let kinds = signal.runs.iter().map(|run| probe_kind(*run));
    if !kinds.clone().any(|of| of == kind) {
        let names: Vec<String> = kinds.map(|kind| format!("`{}`", kind.name())).collect();
        return Some(format!(
            "runs of `probe.kind` = {} record it, this one is `{}`",
            names.join(" or "),
            kind.name()
        ));
    }
    lacking(config, signal.needs)
}

fn probe_kind(run: RunKind) -> ProbeKind {
    match run {
        RunKind::Train => ProbeKind::Train,
        RunKind::UpdateLaw => ProbeKind::UpdateLaw,
        RunKind::EgsTwin => ProbeKind::EgsTwin,
        RunKind::AttentionSoftmax => ProbeKind::AttentionSoftmax,
    }
}

/// The key for want of which a run of the right kind does not record a signal.
fn lacking(config: &Config, needs: Needs) -> Option<String> {
    let is_glm = config.objective.mode == ObjectiveMode::Glm;
    let (has, keys) = match needs {
        Needs::Nothing => return None,
        Needs::Gmask => (
            is_glm && ever(config, |ratio| ratio > 0.0),
            "`objective.mode` = glm and `objective.gmask_ratio` above 0",
        ),
        Needs::Mask => (
            is_glm && ever(config, |ratio| ratio < 1.0),
            "`objective.mode` = glm and `objective.gmask_ratio` below 1",
        ),
        Needs::Tasks => (!config.tasks.sources.is_empty(), "`tasks.sources`"),
        Needs::ZLoss => (config.objective.z_loss > 0.0, "`objective.z_loss` above 0"),
        Needs::LastWord => (config.eval.last_word > 0, "`eval.last_word` above 0"),
        Needs::Quantized => (config.eval.quantized, "`eval.quantized` = true"),
        Needs::TiedEmbeddings => (config.model.tie_embeddings, "`model.tie_embeddings` = true"),
        Needs::Layers => (
            config.record.layer_stride <= config.steps,
            "`record.layer_stride` of at most `steps`",
        ),
        Needs::Noise => (
            (1..=config.steps).contains(&config.record.noise_interval)
                && config.samples_per_step() > 1,
            "`record.noise_interval` of 1 to `steps` and more than one sequence a step",
        ),
        Needs::Rounding => (
            config.precision.format != Format::Fp32 && config.runtime.device == DeviceKey::Cpu,
            "`precision.format` = fp16 or bf16 and `runtime.device` = cpu",
        ),
        Needs::LayersAndRounding => {
            return lacking(config, Needs::Layers).or_else(|| lacking(config, Needs::Rounding));
        }
        Needs::Meter => {
            return Some("not every machine tells it, whatever the configuration".to_owned());
        }
    };
    (!has).then(|| format!("it is recorded only with {keys}"))
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
    fn an_unknown_signal_is_recorded_by_none() {
        assert!(not_recorded(&config(&[]), "los").is_some());
    }

    #[test]
    fn what_a_signal_needs_is_named() {
        for (signal, with, key) in [
            ("last_word_loss", "eval.last_word=8", "eval.last_word"),
            ("z_loss", "objective.z_loss=1e-4", "objective.z_loss"),
            (
                "grad_noise_scale",
                "record.noise_interval=64",
                "record.noise_interval",
            ),
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
        let power = not_recorded(&config(&[]), "machine_watts").unwrap();
        assert!(power.contains("not every machine"), "{power}");
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
