use super::*;
use crate::{Recompute, Schedule, global_batch};
use experiments_config::{Override, load_preset};

fn cluster(nodes: u64, gpu: &str) -> Cluster {
    Cluster {
        nodes,
        gpus_per_node: 8,
        gpu: gpu.to_owned(),
    }
}

fn published_layout() -> Layout {
    Layout {
        tensor_parallel: 4,
        pipeline_parallel: 8,
        data_parallel: 24,
        micro_batch: 1,
        global_batch: 4224,
        recompute: Recompute::Full,
        schedule: Schedule::OneForwardOneBackward,
        chunks: 1,
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
    println!("{text}");
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
        let config = load_preset(preset, &sets).unwrap();
        let layout = Layout {
            tensor_parallel: 2,
            pipeline_parallel: 2,
            data_parallel: 2,
            global_batch: global_batch(&config) * 2,
            ..published_layout()
        };
        let options = PlanOptions::default();
        let plan = plan(&config, &cluster(1, "h100"), &layout, &options).unwrap();
        assert!(plan.memory.fits && plan.published.is_empty());
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
            .any(|warning| warning.contains("does not fit"))
    );
    let layout = Layout {
        tensor_parallel: 5,
        ..layout
    };
    assert!(plan(&config, &cluster(96, "a100-40g"), &layout, &options).is_err());
}
