//! Every emitted argument against the tables, over presets and variants; the published command
//! line of GLM-130B.

use super::*;
use experiments_config::{Override, load_preset};
use experiments_plan::{Recompute, Schedule, Sharding, VOCAB_MULTIPLE};

mod arguments;
mod parallel;

const TASKS: &str = "tasks.sources=[{path=\"tasks.jsonl\"}]";

fn cluster(nodes: u64, gpus_per_node: u64) -> Cluster {
    Cluster {
        nodes,
        gpus_per_node,
        gpu: "a100-40g".to_owned(),
    }
}

fn layout(config: &Config, [tensor, pipeline, data]: [u64; 3]) -> Layout {
    Layout {
        tensor_parallel: tensor,
        pipeline_parallel: pipeline,
        data_parallel: data,
        micro_batch: 1,
        global_batch: Batches::of(config).unwrap().last,
        recompute: Recompute::Full,
        schedule: Schedule::OneForwardOneBackward,
        chunks: 1,
        uneven_stages: false,
        context_parallel: 1,
        sequence_parallel: false,
        sharding: Sharding::Zero1,
        flash_attention: false,
        vocab_multiple: VOCAB_MULTIPLE,
    }
}

fn config(preset: &str, sets: &[&str]) -> Config {
    let sets: Vec<Override> = sets.iter().map(|set| set.parse().unwrap()).collect();
    load_preset(preset, &sets).unwrap()
}

fn glm(target: Target) -> Handover {
    let config = config("glm-130b", &["tasks.ratio=0.05", TASKS]);
    let layout = layout(&config, [4, 8, 24]);
    export(
        &config,
        &layout,
        &cluster(96, 8),
        target,
        &Options::default(),
    )
    .unwrap()
}

fn small(config: &Config, target: Target) -> Result<Handover, HandoverError> {
    let layout = layout(config, [1, 1, 2]);
    export(config, &layout, &cluster(1, 2), target, &Options::default())
}

fn value(handover: &Handover, name: &str) -> Option<String> {
    let mut all = handover
        .arguments
        .iter()
        .flat_map(|section| &section.arguments);
    all.find(|argument| argument.name == name)
        .map(|argument| argument.values.join(" "))
}

fn keys(handover: &Handover, effect: Effect) -> Vec<&str> {
    let limits = handover
        .limits
        .iter()
        .filter(|limit| limit.effect == effect);
    limits.map(|limit| limit.key.as_str()).collect()
}

/// `configs/glm-130b/glm-130b.sh` at 6d996ec, with the paper's learning rate (table 11; the script
/// has the halved one of the end of the run) and without paths.
const GLM_130B: &[(&str, &str)] = &[
    ("--optimizer", "adam"),
    ("--adam-beta1", "0.9"),
    ("--adam-beta2", "0.95"),
    ("--adam-eps", "1e-8"),
    ("--lr", "8e-5"),
    ("--min-lr", "8e-6"),
    ("--override-lr-scheduler", ""),
    ("--lr-decay-style", "cosine"),
    ("--lr-decay-samples", "197753905"),
    ("--lr-warmup-samples", "1098632"),
    ("--clip-grad", "1"),
    ("--weight-decay", "0.1"),
    ("--log-interval", "1"),
    ("--save-interval", "100"),
    ("--tensorboard-queue-size", "5"),
    ("--log-timers-to-tensorboard", ""),
    ("--log-batch-size-to-tensorboard", ""),
    ("--log-validation-ppl-to-tensorboard", ""),
    ("--tensor-model-parallel-size", "4"),
    ("--pipeline-model-parallel-size", "8"),
    ("--num-layers", "70"),
    ("--hidden-size", "12288"),
    ("--num-attention-heads", "96"),
    ("--glm", ""),
    ("--gpt-prob", "0.7"),
    ("--single-span-prob", "0.02"),
    ("--short-seq-prob", "0.02"),
    ("--mask-prob", "0.15"),
    ("--average-block-length", "3"),
    ("--min-gmask-ratio", "0.2"),
    ("--aggregated-samples-per-sequence", "4"),
    ("--deepnorm", ""),
    ("--position-embedding-type", "rotary"),
    ("--ffn-hidden-size", "32768"),
    ("--glu-activation", "geglu"),
    ("--no-bias-gelu-fusion", ""),
    ("--deepspeed", ""),
    ("--zero-stage", "1"),
    ("--partition-activations", ""),
    ("--deepspeed-activation-checkpointing", ""),
    ("--pp-partition-method", "type:transformer|embedding"),
    ("--micro-batch-size", "1"),
    ("--global-batch-size", "4224"),
    ("--rampup-batch-size", "192 24 5493164"),
    ("--length-per-sample", "2000"),
    ("--seq-length", "2048"),
    ("--multitask-ratio", "0.05"),
    ("--num-workers", "1"),
    ("--abort-on-unmet-fused-kernel-constraints", ""),
    ("--split", "949,50,1"),
    ("--distributed-backend", "nccl"),
    ("--checkpoint-activations", ""),
    ("--shrink-logit-embedding-gradient", ""),
    ("--shrink-embedding-gradient-alpha", "0.1"),
    ("--fp16", ""),
];

#[test]
fn the_published_command_line_of_glm_130b_is_reproduced() {
    let handover = glm(Target::MegatronDeepspeed);
    for &(name, expected) in GLM_130B {
        assert_eq!(value(&handover, name).as_deref(), Some(expected), "{name}");
    }
    // Rotary positions refuse it; DeepNorm draws its own matrices; layer scaling is the default.
    for absent in [
        "--max-position-embeddings",
        "--init-method-std",
        "--no-query-key-layer-scaling",
    ] {
        assert_eq!(value(&handover, absent), None);
    }
    // 150,528 is pinned where the script relies on 768 × 4 ranks.
    assert_eq!(
        value(&handover, "--pad-vocab-size-to").as_deref(),
        Some("150528")
    );
}

#[test]
fn the_published_deepspeed_file_is_reproduced() {
    let handover = glm(Target::MegatronDeepspeed);
    let file = handover
        .files
        .iter()
        .find(|file| file.path == "deepspeed.json")
        .unwrap();
    let json: serde_json::Value = serde_json::from_str(&file.text).unwrap();
    assert_eq!(json["train_micro_batch_size_per_gpu"], 1);
    assert_eq!(json["train_batch_size"], 4224);
    assert_eq!(json["gradient_clipping"], 1.0);
    assert_eq!(json["zero_optimization"]["stage"], 1);
    assert_eq!(json["zero_optimization"]["reduce_bucket_size"], 500_000_000);
    assert_eq!(
        json["fp16"],
        serde_json::json!({"enabled": true, "loss_scale": 0, "initial_scale_power": 16,
            "loss_scale_window": 200, "hysteresis": 2, "min_loss_scale": 1.0})
    );
}

/// What makes GLM-130B itself is carried by its own trainer and not by Megatron Core.
#[test]
fn the_fork_carries_the_recipe_and_megatron_core_says_what_it_lacks() {
    let fork = glm(Target::MegatronDeepspeed);
    // Only the known flaw in the value matrices' initialisation (glm130b-facts §4).
    assert_eq!(keys(&fork, Effect::Training), ["model.norm"]);
    let core = glm(Target::MegatronCore);
    let lacks = keys(&core, Effect::Training);
    for key in [
        "egs.alpha",
        "model.norm",
        "objective.mode",
        "tasks.ratio",
        "model.ffn",
        "precision.loss_scale.mode",
    ] {
        assert!(lacks.contains(&key), "{key} is missing in {lacks:?}");
    }
    for (name, expected) in [
        ("--rampup-batch-size", "192 24 5493164"),
        ("--apply-query-key-layer-scaling", ""),
        ("--account-for-embedding-in-pipeline-split", ""),
        ("--use-distributed-optimizer", ""),
        ("--hysteresis", "2"),
    ] {
        assert_eq!(value(&core, name).as_deref(), Some(expected), "{name}");
    }
    for handover in [fork, core] {
        let unsupported = handover
            .files
            .iter()
            .find(|f| f.path == "unsupported.md")
            .unwrap();
        for limit in &handover.limits {
            assert!(
                unsupported.text.contains(&format!("`{}`", limit.key)),
                "{limit:?}"
            );
            assert!(
                !limit.remedy.is_empty() && !limit.instead.is_empty(),
                "{limit:?}"
            );
        }
    }
}

/// No trainer does these: both must say so, and neither where the format is FP32 and nothing is cast.
#[test]
fn what_shortens_a_spike_is_named_as_missing() {
    let set = [
        "precision.fp32_head=true",
        "precision.saturate_gradients=true",
        "precision.loss_scale.fall=to_overflow",
    ];
    let named = [
        "precision.fp32_head",
        "precision.saturate_gradients",
        "precision.loss_scale.fall",
    ];
    for (format, expected) in [("fp16", 3), ("bf16", 2), ("fp32", 0)] {
        let format = format!("precision.format={format}");
        let set: Vec<_> = set
            .into_iter()
            .chain([format.as_str(), "model.norm=pre"])
            .collect();
        let handover = small(&config("t0", &set), Target::MegatronCore).unwrap();
        let lacks = keys(&handover, Effect::Training);
        let found = named.iter().filter(|key| lacks.contains(key)).count();
        assert_eq!(found, expected, "{format}: {lacks:?}");
    }
}

/// A configuration that Megatron Core can express must not be said to be something else.
#[test]
fn a_plain_gpt_has_only_its_initialisation_listed_in_megatron_core() {
    let config = config(
        "t0",
        &[
            "objective.mode=gpt",
            "model.norm=pre",
            "model.ffn=gelu",
            "model.positions=learned",
            "model.tie_embeddings=false",
            "precision.format=bf16",
            "data.sources=[{name=\"gutenberg\",language=\"en\",weight=1.0}]",
        ],
    );
    let handover = small(&config, Target::MegatronCore).unwrap();
    assert_eq!(keys(&handover, Effect::Training), ["model.norm"]);
    assert_eq!(
        value(&handover, "--untie-embeddings-and-output-weights").as_deref(),
        Some("")
    );
    assert_eq!(
        value(&handover, "--position-embedding-type").as_deref(),
        Some("learned_absolute")
    );
}

/// A launch script without a switch for the arrangement would train another model in silence.
#[test]
fn an_arrangement_that_the_fork_lacks_is_refused_and_listed_by_megatron_core() {
    let config = config("t0", &["model.norm=reordered"]);
    let error = small(&config, Target::MegatronDeepspeed).unwrap_err();
    let expected = "`model.norm` is `reordered`: the trainer has `post`, `pre`, `sandwich`, `deepnorm`, \
                    `deepnorm_glm`";
    assert_eq!(error.to_string(), expected);
    let core = small(&config, Target::MegatronCore).unwrap();
    let mut limits = core.limits.iter();
    assert!(limits.any(|limit| limit.wanted == "Reordered norm, x ← x + LN(f(x))"));
}

/// The restarts of GLM-130B (main log, 10 and 29 May, 20 June 2022) map to the fork's flags.
#[test]
fn schedules_and_interventions_become_the_flags_of_the_log() {
    let sets = [
        "inject=[{kind=\"noise\",step=7}]",
        "recovery.policy=[{kind=\"skip\"}]",
        "schedule=[{key=\"egs.alpha\",start=6000,length=500,to=1.0},\
          {key=\"optimizer.lr_scale\",start=22800,length=2000,from=0.0,to=1.0}]",
        "intervention=[{step=40700,skip_steps=200},{step=42400,skip_steps=200}]",
    ];
    let config = config("glm-130b", &sets);
    let layout = layout(&config, [4, 8, 24]);
    let export = |target| {
        export(
            &config,
            &layout,
            &cluster(96, 8),
            target,
            &Options::default(),
        )
    };
    let fork = export(Target::MegatronDeepspeed).unwrap();
    for (name, expected) in [
        ("--shrink-embedding-gradient-steps", "6000 500"),
        ("--lr-auto-warmup-steps", "22800 2000"),
        ("--skip-train-iteration-range", "40701-40900 42401-42600"),
    ] {
        assert_eq!(value(&fork, name).as_deref(), Some(expected), "{name}");
    }
    let core = export(Target::MegatronCore).unwrap();
    let skipped = value(&core, "--iterations-to-skip").unwrap();
    assert_eq!(skipped.split(' ').count(), 400);
    assert!(skipped.starts_with("40700 40701"), "{skipped}");
    assert!(keys(&core, Effect::Training).contains(&"optimizer.lr_scale"));
    for target in [&fork, &core] {
        for key in ["inject", "recovery"] {
            assert!(keys(target, Effect::Training).contains(&key), "{key}");
        }
    }
}

#[test]
fn other_batch_schedules_are_stairs_in_megatron_core_and_a_limit_in_the_fork() {
    let set = "schedule=[{key=\"batch.gradient_accumulation\",start=10,to=4}]";
    let config = config("t0", &[set]);
    let core = small(&config, Target::MegatronCore).unwrap();
    // 10 steps of 8 sequences of 64 slots.
    assert_eq!(
        value(&core, "--step-batch-size-schedule").as_deref(),
        Some("0:8 5120:32")
    );
    assert_eq!(value(&core, "--global-batch-size"), None);
    let fork = small(&config, Target::MegatronDeepspeed).unwrap();
    assert!(keys(&fork, Effect::Training).contains(&"batch.gradient_accumulation"));
}

#[test]
fn what_cannot_be_handed_over_names_the_key_and_the_nearest() {
    for (set, says) in [
        (
            "objective.span_lambda=2.5",
            "whole mean span length; nearest: 3",
        ),
        ("precision.loss_scale.initial=60000", "nearest: 65536"),
    ] {
        let config = config("t0", &["precision.format=fp16", set]);
        let error = small(&config, Target::MegatronDeepspeed)
            .unwrap_err()
            .to_string();
        let key = set.split('=').next().unwrap();
        assert!(error.contains(key) && error.contains(says), "{error}");
    }
    let config = config("t0", &[]);
    let mut wrong = layout(&config, [1, 1, 2]);
    wrong.global_batch = 16;
    let error = export(
        &config,
        &wrong,
        &cluster(1, 2),
        Target::MegatronCore,
        &Options::default(),
    );
    assert!(error.unwrap_err().to_string().contains("global_batch = 8"));
    let options = Options {
        checkpoints: "two\nlines".to_owned(),
        ..Options::default()
    };
    let right = layout(&config, [1, 1, 2]);
    let error = export(
        &config,
        &right,
        &cluster(1, 2),
        Target::MegatronCore,
        &options,
    );
    assert!(error.unwrap_err().to_string().contains("checkpoints"));
}

#[test]
fn a_folder_of_something_else_is_left_alone_and_a_hand_over_is_replaced() {
    let handover = glm(Target::MegatronDeepspeed);
    let folder = std::env::temp_dir().join(format!("handover-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("thesis.tex"), "").unwrap();
    assert!(
        handover
            .write(&folder)
            .unwrap_err()
            .to_string()
            .contains("other files")
    );
    std::fs::remove_file(folder.join("thesis.tex")).unwrap();
    handover.write(&folder).unwrap();
    handover.write(&folder).unwrap();
    for file in &handover.files {
        assert_eq!(
            std::fs::read_to_string(folder.join(&file.path)).unwrap(),
            file.text
        );
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
