use super::*;
use crate::published::{published, published_layout};
use crate::{Recompute, Schedule, global_batch};
use experiments_config::{Override, load_preset};
use proptest::prelude::*;

fn cluster(nodes: u64, gpu: &str) -> Cluster {
    Cluster {
        nodes,
        gpus_per_node: 8,
        gpu: gpu.to_owned(),
    }
}

/// The whole plan of the published run: it fits, prints within 110 columns, and serialises.
#[test]
fn the_published_plan() {
    let config = load_preset("glm-130b", &[]).unwrap();
    let options = PlanOptions {
        tokens: Some(400_000_000_000),
        measured_seconds: Some(88.5),
        ..PlanOptions::default()
    };
    let plan = plan(
        &config,
        &cluster(96, "a100-40g"),
        &published_layout(),
        &options,
    )
    .unwrap();
    assert!(plan.memory.fits && plan.warnings.is_empty());
    assert_eq!(plan.parameters.total, 128_697_794_560);
    let text = plan.text();
    for line in text.lines() {
        assert!(line.chars().count() <= 110, "{line}");
    }
    let json = serde_json::to_string(&plan).unwrap();
    assert!(json.contains("128697794560"));
}

/// The planner takes any model: a GPT with learned positions and a plain feed-forward on one
/// machine has a plan, and nothing published beside it.
#[test]
fn any_configuration_has_a_plan() {
    let sets = [
        "model.ffn=gelu",
        "model.positions=learned",
        "model.tie_embeddings=false",
        "model.norm=pre",
        "model.embedding_norm=true",
        "model.qk_norm=true",
    ];
    let sets: Vec<Override> = sets.iter().map(|set| set.parse().unwrap()).collect();
    for preset in ["t0", "r256"] {
        let mut config = load_preset(preset, &sets).unwrap();
        config.model.ffn_hidden_size &= !1;
        let layout = Layout {
            tensor_parallel: 2,
            pipeline_parallel: 2,
            data_parallel: 2,
            global_batch: global_batch(&config) * 2,
            ..published_layout()
        };
        let options = PlanOptions::default();
        let plan = plan(&config, &cluster(1, "h100"), &layout, &options).unwrap();
        assert!(plan.memory.fits);
        let published = published(&config, &cluster(1, "h100"), &layout, &options);
        assert!(published.unwrap().is_empty());
        assert!(plan.text().contains("positions"));
    }
}

/// A layout that is legal but too large is planned and says so; an illegal one is refused.
#[test]
fn what_does_not_fit_is_said_and_what_is_illegal_refused() {
    let config = load_preset("glm-130b", &[]).unwrap();
    let layout = Layout {
        recompute: Recompute::None,
        ..published_layout()
    };
    let options = PlanOptions::default();
    let found = plan(&config, &cluster(96, "a100-40g"), &layout, &options).unwrap();
    assert!(!found.memory.fits);
    assert!(
        found
            .warnings
            .iter()
            .any(|warning| warning.contains("does not surely fit"))
    );
    let layout = Layout {
        tensor_parallel: 5,
        ..layout
    };
    assert!(plan(&config, &cluster(96, "a100-40g"), &layout, &options).is_err());
}

/// Sizes that a user may give by mistake, ordinary ones among them.
fn any_size() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => prop::sample::select(vec![1_u64, 2, 3, 4, 6, 8, 12, 24, 96]),
        1 => Just(0),
        1 => Just(u64::MAX),
        1 => any::<u64>(),
        1 => (0_u32..64).prop_map(|bits| 1 << bits),
    ]
}

proptest! {
    /// Whatever is asked, the planner answers or names what is wrong; what it finds legal, it plans.
    #[test]
    fn prop_nothing_panics(
        degrees in prop::array::uniform3(any_size()),
        batch in prop::array::uniform2(any_size()),
        chunks in any_size(),
        nodes in prop::array::uniform2(any_size()),
        model in prop::option::of(prop::array::uniform6(any_size())),
        schedule in prop::sample::select(vec![
            Schedule::Gpipe, Schedule::OneForwardOneBackward, Schedule::Interleaved,
        ]),
        recompute in prop::sample::select(Recompute::ALL.to_vec()),
    ) {
        let mut config = load_preset("glm-130b", &[]).unwrap();
        if let Some([layers, heads, hidden, inner, slots, vocab]) = model {
            config.model.layers = layers as usize;
            config.model.num_heads = heads as usize;
            config.model.hidden_size = hidden as usize;
            config.model.ffn_hidden_size = inner as usize;
            config.model.seq_len = slots as usize;
            config.tokenizer.vocab_size = vocab as usize;
        }
        let layout = Layout {
            tensor_parallel: degrees[0],
            pipeline_parallel: degrees[1],
            data_parallel: degrees[2],
            micro_batch: batch[0],
            global_batch: batch[1],
            recompute,
            schedule,
            chunks,
            ..published_layout()
        };
        let cluster = Cluster {
            nodes: nodes[0],
            gpus_per_node: nodes[1],
            gpu: "a100-40g".to_owned(),
        };
        let violations = layout.violations(&config, &cluster);
        let _ = layout.warnings(&config, &cluster);
        match plan(&config, &cluster, &layout, &PlanOptions::default()) {
            Ok(plan) => {
                prop_assert!(violations.is_empty());
                prop_assert!(plan.time.seconds > 0.0 && !plan.text().is_empty());
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}

/// Every model on every GPU in every format has a plan or one error with a way out.
#[test]
fn every_preset_is_planned_on_every_gpu() {
    for preset in experiments_config::preset_names() {
        for gpu in crate::hardware::gpu_names() {
            for format in ["fp32", "fp16", "bf16"] {
                for flash_attention in [false, true] {
                    let sets = [
                        format!("precision.format={format}"),
                        "precision.grad_accumulation=fp32".to_owned(),
                    ];
                    let sets = sets.map(|set| set.parse::<Override>().unwrap());
                    let Ok(config) = load_preset(preset, &sets) else {
                        continue;
                    };
                    let cluster = Cluster {
                        nodes: 1,
                        gpus_per_node: 1,
                        gpu: gpu.to_owned(),
                    };
                    let layout = Layout {
                        tensor_parallel: 1,
                        pipeline_parallel: 1,
                        data_parallel: 1,
                        global_batch: global_batch(&config),
                        flash_attention,
                        ..published_layout()
                    };
                    match plan(&config, &cluster, &layout, &PlanOptions::of(&config)) {
                        Ok(plan) => {
                            assert!(plan.time.seconds > 0.0 && plan.time.seconds.is_finite());
                            let text = plan.text();
                            let widest = text.lines().map(|line| line.chars().count()).max();
                            // Terabytes on one GPU are wider than their columns.
                            let is_wide = widest > Some(110) && plan.memory.fits;
                            assert!(!is_wide, "{preset} {gpu}: {text}");
                        }
                        Err(error) => {
                            let error = error.to_string();
                            assert!(error.contains("nearest legal"), "{preset} {gpu}: {error}");
                        }
                    }
                }
            }
        }
    }
}
