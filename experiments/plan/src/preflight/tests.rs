//! Go for the published layout, no-go with a reason for each thing that would fail.

use super::*;
use crate::Recompute;
use crate::published::{published_cluster, published_layout};
use experiments_config::{Override, load_preset};
use std::path::PathBuf;

struct Case {
    config: Config,
    layout: Layout,
    cluster: Cluster,
    nodes: NodeList,
    free: Option<u64>,
    results: PathBuf,
}

/// GLM-130B on 96 × 8 A100-40G, with room for three checkpoints.
fn published(sets: &[&str]) -> Case {
    let sets: Vec<Override> = sets.iter().map(|set| set.parse().unwrap()).collect();
    let names: Vec<_> = (1..=96).map(|i| format!("n{i:03} 8 40")).collect();
    Case {
        config: load_preset("glm-130b", &sets).unwrap(),
        layout: published_layout(),
        cluster: published_cluster(),
        nodes: NodeList::parse(&names.join("\n"), "nodes.txt").unwrap(),
        free: Some(6_000_000_000_000),
        results: PathBuf::from("/nowhere/experiments/results"),
    }
}

impl Case {
    fn run(&self) -> Preflight {
        self.try_run().unwrap()
    }

    fn try_run(&self) -> Result<Preflight, PlanError> {
        preflight(&PreflightInput {
            config: &self.config,
            layout: &self.layout,
            cluster: &self.cluster,
            nodes: &self.nodes,
            free_disk_bytes: self.free,
            write_bytes_per_second: Some(1e10),
            step_seconds: Some(88.5),
            results: &self.results,
        })
    }
}

fn check<'a>(preflight: &'a Preflight, name: &str) -> &'a Check {
    let found = preflight.checks.iter().find(|check| check.name == name);
    found.unwrap_or_else(|| panic!("{name} in {}", preflight.text()))
}

#[test]
fn the_published_run_is_a_go() {
    let preflight = published(&[]).run();
    let text = preflight.text();
    assert_eq!(preflight.verdict, Verdict::Go, "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 110),
        "{text}"
    );
    let ramp = check(&preflight, "batch ramp");
    // 192 sequences are 8 micro-batches for 8 stages: 7/15.
    assert!(
        ramp.reason.contains("169 sizes, 192 to 4224") && ramp.reason.contains("46.7 %"),
        "{}",
        ramp.reason
    );
    // 128,697,794,560 × 14 bytes.
    assert!(
        check(&preflight, "disk")
            .reason
            .contains("1.80 TB each; 3 at a time take 5.41 TB"),
        "{text}"
    );
    let time = &check(&preflight, "checkpoint time").reason;
    assert!(
        time.contains("180.2 s") && time.contains("2.00 %"),
        "{time}"
    );
    assert!(
        check(&preflight, "cards")
            .reason
            .contains("no card result is there")
    );
}

#[test]
fn each_thing_that_would_fail_is_a_no_go_with_a_fix() {
    let no_go = |case: &Case, name: &str, says: &str| {
        let preflight = case.run();
        assert_eq!(preflight.verdict, Verdict::NoGo);
        let check = check(&preflight, name);
        assert_eq!(check.verdict, Verdict::NoGo, "{}", preflight.text());
        let words = format!("{} {}", check.reason, check.fix.as_deref().unwrap());
        assert!(words.contains(says), "{words}");
    };
    let mut case = published(&[]);
    case.nodes.nodes.pop();
    no_go(&case, "nodes", "1 more nodes, or plan with --nodes 95");
    let mut case = published(&[]);
    case.nodes.nodes[3].name = "n001".to_owned();
    no_go(&case, "duplicates", "n001 (line 1), n001 (line 4)");
    no_go(&case, "nodes", "95 nodes");
    let mut case = published(&[]);
    case.nodes.nodes[5].gpus = Some(7);
    no_go(&case, "GPUs per node", "n006 (line 6)");
    let mut case = published(&[]);
    case.nodes.nodes[5].gpu_memory_gib = Some(16.0);
    no_go(&case, "memory of the nodes", "n006 (line 6)");
    let mut case = published(&[]);
    case.layout.recompute = Recompute::None;
    no_go(&case, "memory", "full recomputation");
    let mut case = published(&[]);
    case.layout.tensor_parallel = 5;
    no_go(&case, "layout", "nearest legal");
    let mut case = published(&[]);
    case.layout.global_batch = 4200;
    no_go(&case, "batch", "plan with a batch of 4224");
    let mut case = published(&[]);
    case.free = Some(1_000_000_000_000);
    no_go(&case, "disk", "1.00 TB are free");
    let mut case = published(&["precision.format=bf16", "precision.grad_accumulation=fp32"]);
    case.cluster.gpu = "v100".to_owned();
    no_go(&case, "number format", "no bfloat16");
}

/// Only the first stair of a ramp breaks: the last batch alone would pass.
#[test]
fn the_ramp_is_checked_on_every_stair() {
    let ramp = "schedule=[{key=\"batch.gradient_accumulation\",unit=\"samples\",length=10000,from=200,to=4224,increment=8}]";
    let preflight = published(&[ramp]).run();
    let check = check(&preflight, "batch ramp");
    assert_eq!(check.verdict, Verdict::NoGo);
    assert!(
        check
            .reason
            .contains("from step 0 the batch is 200 sequences"),
        "{}",
        check.reason
    );
    assert!(
        check.fix.as_deref().unwrap().contains("192 or 216"),
        "{check:?}"
    );
}

fn results(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("preflight-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (file, text) in files {
        std::fs::write(folder.join(file), text).unwrap();
    }
    folder
}

const NORMS: &str = r#"{"card": "e02", "claim": "Post-LN diverges", "verdict": "reproduced", "commit": "ignored",
    "fixed": {"precision.format": "fp16", "model.layers": 24},
    "arms": [{"where": {"model.norm": "post"}, "runs": 6, "failed": 6},
             {"where": {"model.norm": "deepnorm_glm"}, "runs": 6, "failed": 0}]}"#;

#[test]
fn cards_speak_for_and_against_the_arm_that_is_like_the_configuration() {
    let mut case = published(&[]);
    case.results = results("norms", &[("e02.json", NORMS)]);
    let preflight = case.run();
    let card = check(&preflight, "card e02");
    assert_eq!(card.verdict, Verdict::Go);
    // 1 - 0.025^(1/6) = 45.9 %.
    assert!(
        card.reason.contains("0 of 6") && card.reason.contains("still allows 46 %"),
        "{}",
        card.reason
    );
    assert!(
        card.reason.contains("at other model.layers"),
        "{}",
        card.reason
    );
    case.config.model.norm = experiments_config::Norm::Post;
    let preflight = case.run();
    let card = check(&preflight, "card e02");
    // A proxy of 24 layers need not share its fate with 70: a warning.
    assert_eq!(card.verdict, Verdict::Warn);
    assert!(
        card.fix
            .as_deref()
            .unwrap()
            .contains("model.norm = deepnorm_glm"),
        "{card:?}"
    );
    case.config.model.layers = 24;
    let preflight = case.run();
    assert_eq!(check(&preflight, "card e02").verdict, Verdict::NoGo);
    case.config.model.norm = experiments_config::Norm::Sandwich;
    let preflight = case.run();
    assert!(
        check(&preflight, "cards")
            .reason
            .contains("no arm is like this configuration in e02")
    );
    std::fs::remove_dir_all(&case.results).unwrap();
}

/// Warm-up is like warm-up of any length; without warm-up is something else.
#[test]
fn warm_up_and_shrink_are_compared_by_being_there() {
    let text = r#"{"card": "e13", "claim": "c", "verdict": "v",
        "arms": [{"where": {"optimizer.warmup_samples": 0}, "runs": 4, "failed": 4},
                 {"where": {"optimizer.warmup_samples": 800, "egs.alpha": 0.5}, "runs": 4, "failed": 1}]}"#;
    let mut case = published(&[]);
    case.results = results("warm-up", &[("e13.json", text)]);
    let preflight = case.run();
    let card = check(&preflight, "card e13");
    assert_eq!(card.verdict, Verdict::Warn);
    assert!(card.reason.contains("1 of 4 runs"), "{}", card.reason);
    std::fs::remove_dir_all(&case.results).unwrap();
}

#[test]
fn a_result_that_cannot_be_understood_names_file_and_line() {
    for (text, says) in [
        ("{\n\"card\": \"x\",\n}", "line 3"),
        (
            "{\"card\": \"x\", \"claim\": \"c\", \"verdict\": \"v\"}",
            "missing field `arms`",
        ),
        (
            "{\"card\": \"x\", \"claim\": \"c\", \"verdict\": \"v\", \"arms\": [\n{\"where\": {\"model.nrom\": 1}, \"runs\": 1, \"failed\": 0}]}",
            "line 2: `model.nrom` is no configuration key; expected one (did you mean `model.norm`?)",
        ),
        (
            "{\"card\": \"x\", \"claim\": \"c\", \"verdict\": \"v\", \"arms\": [{\"where\": {}, \"runs\": 1, \"failed\": 2}]}",
            "2 of 1 runs failed",
        ),
    ] {
        let mut case = published(&[]);
        case.results = results("bad", &[("bad.json", text)]);
        let error = case.try_run().unwrap_err().to_string();
        assert!(
            error.contains("bad.json") && error.contains(says),
            "{error}"
        );
        std::fs::remove_dir_all(&case.results).unwrap();
    }
}

#[test]
fn absurd_numbers_are_errors_not_panics() {
    let mut case = published(&[]);
    case.layout.data_parallel = u64::MAX;
    assert_eq!(case.run().verdict, Verdict::NoGo);
    case.layout.data_parallel = 0;
    assert_eq!(case.run().verdict, Verdict::NoGo);
    let mut case = published(&[]);
    case.config.model.hidden_size = usize::MAX / 2;
    assert!(matches!(case.try_run(), Err(PlanError::Size { .. })));
    case = published(&[]);
    case.cluster.gpu = "a100".to_owned();
    assert!(case.try_run().unwrap_err().to_string().contains("a100-40g"));
}
