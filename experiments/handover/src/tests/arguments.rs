//! Over presets and settings, every emitted argument is one the trainer takes.

use super::*;
use experiments_config::{Ffn, Norm, Positions};
use proptest::prelude::*;

/// One choice of each setting that changes the arguments.
fn settings() -> impl Strategy<Value = Vec<String>> {
    let one = |key: &'static str, values: &'static [&'static str]| {
        prop::sample::select(values).prop_map(move |value| format!("{key}={value}"))
    };
    let of = |key: &'static str, values: Vec<&'static str>| {
        prop::sample::select(values).prop_map(move |value| format!("{key}={value}"))
    };
    let precision = prop::sample::select(vec![
        vec!["precision.format=fp32"],
        vec!["precision.format=bf16"],
        vec![
            "precision.format=bf16",
            "precision.grad_accumulation=bf16",
            "precision.softmax=bf16",
        ],
        vec![
            "precision.format=fp16",
            "precision.query_key_layer_scaling=true",
        ],
        vec![
            "precision.format=fp16",
            "precision.softmax=fp16",
            "precision.grad_accumulation=fp16",
        ],
        vec!["precision.format=fp16", "precision.pb_relax.attention=row"],
        vec!["precision.format=fp16", "precision.loss_scale.mode=static"],
        vec![
            "precision.format=fp16",
            "precision.loss_scale.mode=megatron",
        ],
        vec![
            "precision.format=fp16",
            "precision.loss_scale.fall=to_overflow",
            "precision.fp32_head=true",
            "precision.saturate_gradients=true",
        ],
    ]);
    // Tasks are blanks to be filled: none without blanks.
    let objective = prop::sample::select(vec![
        vec!["objective.mode=gpt"],
        vec!["objective.mode=glm"],
        vec!["objective.mode=glm", "tasks.ratio=0.05"],
    ]);
    let shape = (
        of("model.norm", Norm::ALL.map(Norm::name).to_vec()),
        of(
            "model.positions",
            Positions::ALL.map(Positions::name).to_vec(),
        ),
        of("model.ffn", Ffn::ALL.map(Ffn::name).to_vec()),
        one("model.tie_embeddings", &["true", "false"]),
        one("model.bias", &["true", "false"]),
        one("model.qk_norm", &["true", "false"]),
        one("model.embedding_norm", &["true", "false"]),
    );
    let training = (
        one("egs.alpha", &["1.0", "0.1", "0.0"]),
        one("egs.path", &["input", "logit", "both"]),
        one("optimizer.warmup_samples", &["0", "100"]),
        one("optimizer.decay_samples", &["0", "1000"]),
        one("optimizer.clip_mode", &["norm", "zclip", "adagc"]),
        one("data.held_out", &["0.001", "0.05", "0.5"]),
    );
    (shape, training, precision, objective).prop_map(|(s, t, precision, objective)| {
        let mut sets = vec![s.0, s.1, s.2, s.3, s.4, s.5, s.6];
        sets.push(TASKS.to_owned());
        sets.extend([t.0, t.1, t.2, t.3, t.4, t.5]);
        sets.extend(precision.into_iter().chain(objective).map(str::to_owned));
        sets
    })
}

proptest! {
    /// No configuration leads to an argument that the trainer's parser would refuse: `export`
    /// checks them all and would fail.
    #[test]
    fn prop_every_emitted_argument_is_in_the_targets_table(
        preset in prop::sample::select(vec!["t0", "t1", "t-deep", "r256"]),
        sets in settings(),
        recompute in prop::sample::select(Recompute::ALL.to_vec()),
    ) {
        let sets: Vec<_> = sets.iter().map(String::as_str).collect();
        let config = config(preset, &sets);
        for target in Target::ALL {
            let layout = Layout { recompute, ..layout(&config, [1, 1, 2]) };
            let handover = export(&config, &layout, &cluster(1, 2), target, &Options::default());
            let handover = match handover {
                // An architecture that the trainer lacks.
                Err(HandoverError::Value { key, expected, .. }) if target == Target::MegatronDeepspeed => {
                    prop_assert!(["model.norm", "model.positions", "model.ffn"].contains(&key.as_str()));
                    prop_assert!(expected.contains("the trainer has"), "{}", expected);
                    continue;
                }
                handover => handover.unwrap_or_else(|error| panic!("{target} {sets:?}: {error}")),
            };
            let mut pages = handover.files.iter().filter(|file| file.path.contains(".md"));
            prop_assert!(pages.all(|page| !page.text.contains("\n\n\n")));
        }
    }
}
