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
