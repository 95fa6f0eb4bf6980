//! Over presets and settings, every emitted argument is one the trainer takes.

use super::*;
use experiments_config::{Ffn, Norm, Positions};
use proptest::prelude::*;
use std::borrow::Cow;

/// One choice of each setting that changes the arguments.
fn settings() -> impl Strategy<Value = Vec<String>> {
    (shape(), training(), precision(), objective()).prop_map(
        |(shape, training, precision, objective)| {
            let mut sets = Vec::from(shape);
            sets.push(TASKS.to_owned());
            sets.extend(training);
            sets.extend(precision.into_iter().chain(objective).map(str::to_owned));
            sets
        },
    )
}

fn one(
    key: &'static str,
    values: impl Into<Cow<'static, [&'static str]>>,
) -> impl Strategy<Value = String> {
    prop::sample::select(values).prop_map(move |value| format!("{key}={value}"))
}

fn shape() -> impl Strategy<Value = [String; 7]> {
    (
        one("model.norm", Norm::ALL.map(Norm::name).to_vec()),
        one(
            "model.positions",
            Positions::ALL.map(Positions::name).to_vec(),
        ),
        one("model.ffn", Ffn::ALL.map(Ffn::name).to_vec()),
        one("model.tie_embeddings", &["true", "false"]),
        one("model.bias", &["true", "false"]),
        one("model.qk_norm", &["true", "false"]),
        one("model.embedding_norm", &["true", "false"]),
    )
        .prop_map(<[String; 7]>::from)
}

fn training() -> impl Strategy<Value = [String; 6]> {
    (
        one("egs.alpha", &["1.0", "0.1", "0.0"]),
        one("egs.path", &["input", "logit", "both"]),
        one("optimizer.warmup_samples", &["0", "100"]),
        one("optimizer.decay_samples", &["0", "1000"]),
        one("optimizer.clip_mode", &["norm", "zclip", "adagc"]),
        one("data.held_out", &["0.001", "0.05", "0.5"]),
    )
        .prop_map(<[String; 6]>::from)
}

fn precision() -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::select(vec![
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
    ])
}

fn objective() -> impl Strategy<Value = Vec<&'static str>> {
    // Tasks are blanks to be filled: none without blanks.
    prop::sample::select(vec![
        vec!["objective.mode=gpt"],
        vec!["objective.mode=glm"],
        vec!["objective.mode=glm", "tasks.ratio=0.05"],
    ])
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
