//! Parallel variants and parts of other models: as arguments, or by name among what a trainer lacks.

use super::*;

/// Llama 3 405B with everything that GLM-130B's trainer did not have.
fn llama(sharding: Sharding, target: Target) -> Result<Handover, HandoverError> {
    let config = config("llama-3-405b", &[]);
    let layout = Layout {
        context_parallel: 2,
        sequence_parallel: true,
        flash_attention: true,
        sharding,
        ..layout(&config, [8, 1, 8])
    };
    export(
        &config,
        &layout,
        &cluster(16, 8),
        target,
        &Options::default(),
    )
}

#[test]
fn megatron_core_gets_every_choice_as_an_argument() {
    for sharding in Sharding::ALL {
        let handover = llama(sharding, Target::MegatronCore).unwrap();
        for (name, expected) in [
            ("--swiglu", ""),
            ("--num-query-groups", "8"),
            ("--normalization", "RMSNorm"),
            ("--context-parallel-size", "2"),
            ("--sequence-parallel", ""),
            ("--attention-backend", "flash"),
        ] {
            assert_eq!(value(&handover, name).as_deref(), Some(expected), "{name}");
        }
        let distributed = value(&handover, "--use-distributed-optimizer").is_some();
        assert_eq!(distributed, sharding != Sharding::None);
        let strategy = value(&handover, "--data-parallel-sharding-strategy");
        let expected = match sharding {
            Sharding::None | Sharding::Zero1 => None,
            Sharding::Zero2 => Some("optim_grads"),
            Sharding::Zero3 | Sharding::Fsdp | Sharding::Hsdp => Some("optim_grads_params"),
        };
        assert_eq!(strategy.as_deref(), expected);
    }
}

/// Another model than the one that was planned must not be trained in silence.
#[test]
fn the_fork_refuses_the_model_and_names_each_variant() {
    let error = llama(Sharding::Zero1, Target::MegatronDeepspeed).unwrap_err();
    assert!(
        error.to_string().contains("model.plan_only.kv_heads"),
        "{error}"
    );
    let config = config("glm-130b", &["tasks.ratio=0.05", TASKS]);
    let layout = Layout {
        sequence_parallel: true,
        flash_attention: true,
        sharding: Sharding::None,
        ..layout(&config, [4, 8, 24])
    };
    let handover = export(
        &config,
        &layout,
        &cluster(96, 8),
        Target::MegatronDeepspeed,
        &Options::default(),
    )
    .unwrap();
    let named = keys(&handover, Effect::Operation);
    for key in [
        "layout.sequence_parallel",
        "layout.flash_attention",
        "layout.sharding",
    ] {
        assert!(named.contains(&key), "{key}: {named:?}");
    }
}

/// Every split that a plan makes reaches the trainer: by its own rule, by its first and last stage, or spelt out.
#[test]
fn uneven_stages_reach_megatron_core() {
    let given = |layers: &str, stages, chunks| {
        let set = format!("model.layers={layers}");
        let config = config("gpt-3-175b", &[set.as_str()]);
        let layout = Layout {
            uneven_stages: true,
            chunks,
            schedule: if chunks > 1 {
                Schedule::Interleaved
            } else {
                Schedule::OneForwardOneBackward
            },
            ..layout(&config, [8, stages, 4])
        };
        let cluster = cluster(4 * stages, 8);
        let options = Options::default();
        export(&config, &layout, &cluster, Target::MegatronCore, &options).unwrap()
    };
    let first = "--decoder-first-pipeline-num-layers";
    let last = "--decoder-last-pipeline-num-layers";
    let spelt = "--pipeline-model-parallel-layout";
    let chunks = "--num-virtual-stages-per-pipeline-rank";
    let loss = "--account-for-loss-in-pipeline-split";
    for (layers, stages, parts, expected) in [
        ("96", 8, 1, [None; 5]),
        ("94", 8, 1, [None, None, None, None, Some("")]),
        ("95", 8, 1, [Some("11"), Some("12"), None, None, None]),
        (
            "92",
            8,
            1,
            [
                None,
                None,
                Some("Et*11|t*12|t*12|t*12|t*12|t*11|t*11|t*11L"),
                None,
                None,
            ],
        ),
        (
            "29",
            4,
            2,
            [
                None,
                None,
                Some("Et*3|t*4|t*4|t*4|t*4|t*4|t*3|t*3L"),
                None,
                None,
            ],
        ),
        ("32", 4, 2, [None, None, None, Some("2"), None]),
    ] {
        let handover = given(layers, stages, parts);
        for (name, expected) in [first, last, spelt, chunks, loss].into_iter().zip(expected) {
            assert_eq!(
                value(&handover, name).as_deref(),
                expected,
                "{layers}: {name}"
            );
        }
        assert!(!keys(&handover, Effect::Operation).contains(&"layout.uneven_stages"));
    }
}

/// Padded as planned, and named where that adds rows.
#[test]
fn the_padded_vocabulary_is_handed_over() {
    let config = config("gpt-3-175b", &["tokenizer.vocab_size=50257"]);
    for (vocab_multiple, rows) in [(128, "51200"), (1, "50264")] {
        let layout = Layout {
            vocab_multiple,
            ..layout(&config, [8, 8, 4])
        };
        let options = Options::default();
        let handover = export(
            &config,
            &layout,
            &cluster(32, 8),
            Target::MegatronCore,
            &options,
        );
        let handover = handover.unwrap();
        assert_eq!(
            value(&handover, "--padded-vocab-size").as_deref(),
            Some(rows)
        );
        assert!(keys(&handover, Effect::Training).contains(&"tokenizer.vocab_size"));
    }
}
