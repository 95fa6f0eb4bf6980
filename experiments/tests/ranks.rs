//! A run that several ranks train is the run of one process: the same records, weights, decisions and checkpoints.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use experiments::{
    Degrees, Ending, RankMember, Ranks, Request, TrainError, serve, train, train_as_first,
    train_on_threads,
};
use experiments_collective::{CollectiveError, Engine, Inbound, Outbound, Purpose, threads};
use experiments_config::{Config, Norm, Override, resolve};
use experiments_plan::communication::{Communication, StagePlace};
use experiments_plan::hardware::gpu;
use experiments_plan::memory::MemoryOptions;
use experiments_plan::{Cluster, Layout, Recompute, Schedule};
use experiments_text::Cache;
use logs::{Event, EventKind, Record, RunReader};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Two narrow layers with dropout, of four micro-batches.
const TINY: &str = r#"
steps = 6
[model]
layers = 2
hidden_size = 16
num_heads = 2
ffn_hidden_size = 24
seq_len = 24
dropout = 0.1
attention_dropout = 0.1
[tokenizer]
vocab_size = 262
[batch]
micro_batch = 2
gradient_accumulation = 4
[optimizer]
lr = 2e-2
warmup_samples = 8
[precision]
format = "fp32"
[eval]
interval = 3
batches = 3
[checkpoint]
interval = 3
"#;

const TEXT: &str = "the small model learns words from text. ";

/// FP16 with a loss scale that overflows at first.
const FP16: [&str; 3] = [
    "precision.format=fp16",
    "precision.grad_accumulation=fp16",
    "precision.loss_scale.initial=4294967296",
];

fn data(ranks: usize) -> Degrees {
    Degrees {
        pipeline: 1,
        data: ranks,
    }
}

struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("text.txt"), TEXT.repeat(400)).unwrap();
        Self(dir)
    }

    fn config(&self, set: &[&str]) -> Config {
        let file = self.path("text.txt");
        let text = format!(
            "{TINY}[[data.sources]]\npath = \"{}\"\nlanguage = \"en\"\nweight = 1.0\n",
            file.display()
        );
        let set: Vec<Override> = set.iter().map(|set| set.parse().unwrap()).collect();
        resolve(toml::from_str(&text).unwrap(), &set, "test").unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn cache(&self) -> Cache {
        Cache::locate(Some(self.path("cache"))).unwrap()
    }

    /// Asks for a run, which stops after `until` steps, of whoever trains it.
    fn ask<T>(
        &self,
        config: &Config,
        run: &str,
        until: u64,
        train: impl FnOnce(Request) -> T,
    ) -> T {
        let stop = AtomicBool::new(false);
        train(Request {
            directory: &self.path(run),
            config,
            cache: &self.cache(),
            program: ("test", None, None),
            missing_languages: &[],
            stop: &stop,
            on_step: &mut |record| stop.store(record.step >= until, Ordering::Relaxed),
            on_alarm: &mut |_| {},
            on_notice: &mut |_| {},
        })
    }

    /// Trains to the end with so many ranks of data parallelism.
    fn train(&self, config: &Config, run: &str, ranks: usize) {
        self.train_by(config, run, data(ranks));
    }

    fn train_by(&self, config: &Config, run: &str, degrees: Degrees) {
        let ending = self.ask(config, run, u64::MAX, |request| match degrees.ranks() {
            1 => train(request),
            _ => train_on_threads(request, degrees),
        });
        assert_eq!(ending.unwrap(), Ending::Finished);
    }

    fn records(&self, run: &str) -> Vec<Record> {
        let reader = RunReader::open(&self.path(run)).unwrap();
        reader.records().to_vec()
    }

    fn events(&self, run: &str) -> Vec<Event> {
        logs::read::events(&self.path(run)).unwrap()
    }

    /// A number that a run gives where it finishes.
    fn finished(&self, run: &str, key: &str) -> u64 {
        let mut events = self.events(run).into_iter();
        let finish = events.find(|event| event.kind == EventKind::Finish);
        finish.unwrap().data[key].as_u64().unwrap()
    }

    /// The files of the checkpoint of a step.
    fn checkpoint(&self, run: &str, step: u64) -> [Vec<u8>; 3] {
        let name = format!("checkpoints/step-{step:08}");
        let path = self.path(run).join(name);
        ["weights.safetensors", "optimizer.safetensors", "state.json"]
            .map(|file| fs::read(path.join(file)).unwrap())
    }

    /// Whether two runs are one to the last bit: all signals of all steps, what happened, and the state at the end.
    fn assert_same(&self, a: &str, b: &str, what: &str) {
        let (ours, theirs) = (self.records(a), self.records(b));
        assert_eq!(ours.len(), theirs.len(), "{what}");
        for (ours, theirs) in ours.iter().zip(&theirs) {
            let differing = ours.differing(theirs);
            assert!(
                differing.is_empty(),
                "{what}, step {}: {differing:?}",
                ours.step
            );
        }
        let told = |run| -> Vec<_> {
            let events = self.events(run).into_iter();
            let is_of_steps = |event: &Event| {
                !matches!(
                    event.kind,
                    EventKind::Start | EventKind::Resume | EventKind::Ranks | EventKind::Stop
                )
            };
            let events = events.filter(is_of_steps);
            events
                .map(|event| (event.step, event.kind, event.message))
                .collect()
        };
        assert_eq!(told(a), told(b), "{what}");
        let last = ours.last().unwrap().step;
        assert!(
            self.checkpoint(a, last) == self.checkpoint(b, last),
            "{what}: checkpoints differ"
        );
    }
}

/// Every arrangement of norms, tied and untied.
#[test]
fn one_micro_batch_each_is_accumulation_to_the_last_bit() {
    let bench = Bench::new();
    for norm in Norm::ALL {
        for tied in [true, false] {
            let name = norm.name();
            let what = format!("{name}, tied {tied}");
            let set = [
                format!("model.norm={name}"),
                format!("model.tie_embeddings={tied}"),
            ];
            let set: Vec<&str> = set.iter().map(String::as_str).collect();
            let config = bench.config(&set);
            let run = |ranks: usize| format!("{name}-{tied}-{ranks}");
            for ranks in [1, 4] {
                bench.train(&config, &run(ranks), ranks);
            }
            bench.assert_same(&run(1), &run(4), &what);
        }
    }
}

/// Two rounds of two ranks, three ranks of which each passes parts, and FP16 with skipped steps.
#[test]
fn rounds_and_formats_change_nothing() {
    let bench = Bench::new();
    let adagc: Vec<&str> = FP16
        .into_iter()
        .chain(["optimizer.clip_mode=adagc", "optimizer.clip_grad=0.1"])
        .collect();
    let cases: [(&str, &[&str]); 4] = [
        ("fp32", &[]),
        ("fp16", &FP16),
        ("adagc", &adagc),
        (
            "bf16",
            &[
                "precision.format=bf16",
                "objective.z_loss=1e-3",
                "record.noise_interval=2",
            ],
        ),
    ];
    for (name, set) in cases {
        let config = bench.config(set);
        let run = |ranks: usize| format!("{name}-{ranks}");
        for ranks in [1, 2, 4] {
            bench.train(&config, &run(ranks), ranks);
        }
        bench.assert_same(&run(1), &run(2), name);
        bench.assert_same(&run(1), &run(4), name);
        if name == "fp16" {
            let skipped = bench
                .records(&run(4))
                .iter()
                .filter(|record| record.scalar("skipped") == Some(1.0))
                .count();
            assert!(skipped > 0, "no step overflowed");
        }
    }
}

/// A micro-batch that is cut is summed in another order, and no more than that: dropout and data are the same.
#[test]
fn parts_of_a_micro_batch_agree_within_rounding() {
    let bench = Bench::new();
    let set = [
        "batch.micro_batch=4",
        "batch.gradient_accumulation=1",
        "steps=50",
    ];
    let config = bench.config(&set);
    for ranks in [1, 2, 4] {
        bench.train(&config, &format!("parts-{ranks}"), ranks);
    }
    let alone = bench.records("parts-1");
    for ranks in [2, 4] {
        let found = bench.records(&format!("parts-{ranks}"));
        for (alone, found) in alone.iter().zip(&found) {
            for signal in ["loss", "grad_norm"] {
                let (a, b) = (alone.scalar(signal).unwrap(), found.scalar(signal).unwrap());
                assert!(
                    (a / b - 1.0).abs() < 1e-5,
                    "{ranks} ranks, step {}: {signal} {a} {b}",
                    alone.step
                );
            }
        }
    }
}

/// The layout does not show in a run: whoever goes on with it, it is the same.
#[test]
fn any_number_of_ranks_continues_what_another_began() {
    let bench = Bench::new();
    let config = bench.config(&FP16);
    bench.train(&config, "alone", 1);
    for (name, first, then) in [("grown", 1, 4), ("shrunk", 4, 1), ("changed", 2, 4)] {
        let ending = bench.ask(&config, name, 2, |request| match first {
            1 => train(request),
            _ => train_on_threads(request, data(first)),
        });
        assert_eq!(ending.unwrap(), Ending::Stopped);
        bench.train(&config, name, then);
        let (ours, theirs) = (bench.records(name), bench.records("alone"));
        assert!(
            ours.iter()
                .zip(&theirs)
                .all(|(a, b)| a.differing(b).is_empty()),
            "{name}"
        );
        assert!(
            bench.checkpoint(name, 6) == bench.checkpoint("alone", 6),
            "{name}"
        );
    }
}

/// Stages pass on what one process keeps, and change no bit of it: uneven stages (8 layers and both ends make ten units),
/// tied and untied, FP16 with overflows, together with replicas, fewer micro-batches than stages.
#[test]
fn stages_of_a_pipeline_are_one_process_to_the_last_bit() {
    let bench = Bench::new();
    let deep = ["model.layers=8", "model.norm=sandwich"];
    let untied: Vec<&str> = deep
        .iter()
        .copied()
        .chain(["model.tie_embeddings=false", "model.embedding_norm=true"])
        .collect();
    let half: Vec<&str> = deep.iter().copied().chain(FP16).collect();
    let few: Vec<&str> = deep
        .iter()
        .copied()
        .chain(["batch.gradient_accumulation=1"])
        .collect();
    let cases: [(&str, &[&str], &[[usize; 2]]); 4] = [
        ("deep", &deep, &[[2, 1], [5, 1], [2, 2]]),
        ("untied", &untied, &[[2, 1], [4, 2]]),
        ("half", &half, &[[2, 1], [2, 4], [5, 2]]),
        ("few", &few, &[[8, 1]]),
    ];
    for (name, set, layouts) in cases {
        let config = bench.config(set);
        bench.train(&config, &format!("{name}-alone"), 1);
        for [pipeline, data] in layouts {
            let (pipeline, data) = (*pipeline, *data);
            let run = format!("{name}-{pipeline}-{data}");
            bench.train_by(&config, &run, Degrees { pipeline, data });
            bench.assert_same(&format!("{name}-alone"), &run, &run);
        }
    }
}

/// Going back is decided by rank 0 and done by all.
#[test]
fn policies_act_on_all_ranks() {
    let bench = Bench::new();
    let mut config = bench.config(&["steps=14", "optimizer.lr=1e-2"]);
    let table = r#"
[alarm]
detectors = ["jump-loss"]
threshold.jump-loss = 1.5
[recovery]
detectors = ["jump-loss"]
cool_down = 2
policy = [{ kind = "rollback_skip", rollback_steps = 4, skip_steps = 1 }, { kind = "change", steps = 3, set = ["optimizer.clip_grad=0.2"] }]
[[inject]]
kind = "noise"
step = 8
steps = 2
"#;
    let table: Config = resolve(toml::from_str(table).unwrap(), &[], "test").unwrap();
    config.alarm = table.alarm;
    config.recovery = table.recovery;
    config.inject = table.inject;
    for ranks in [1, 2] {
        bench.train(&config, &format!("policy-{ranks}"), ranks);
    }
    let went_back = |event: &Event| event.kind == EventKind::Intervention;
    assert!(
        bench.events("policy-1").iter().any(went_back),
        "no policy acted"
    );
    bench.assert_same("policy-1", "policy-2", "policies");
}

fn layout(replicas: u64) -> Layout {
    Layout {
        tensor_parallel: 1,
        pipeline_parallel: 1,
        data_parallel: replicas,
        micro_batch: 2,
        global_batch: 2 * replicas,
        recompute: Recompute::None,
        schedule: Schedule::OneForwardOneBackward,
        chunks: 1,
    }
}

fn cluster() -> Cluster {
    Cluster {
        nodes: 1,
        gpus_per_node: 8,
        gpu: "a100-40g".to_owned(),
    }
}

/// What the ranks count is what the plan says for such a layout.
#[test]
fn what_is_sent_is_what_was_planned() {
    let bench = Bench::new();
    for (ranks, set) in [
        (2, ["batch.gradient_accumulation=2"]),
        (4, ["batch.gradient_accumulation=4"]),
    ] {
        let config = bench.config(&set);
        let run = format!("counted-{ranks}");
        bench.train(&config, &run, ranks);
        let layout = layout(ranks as u64);
        let links = Communication::of(&layout, &cluster(), gpu("a100-40g").unwrap());
        let parameters = config.model.parameter_count(config.tokenizer.vocab_size);
        let step = links
            .step(&config, &layout, &MemoryOptions::default(), parameters)
            .unwrap();
        let counted = |key: &str| bench.finished(&run, key);
        let planned = |bytes: f64| (bytes * ranks as f64 * 6.0) as u64;
        assert_eq!(
            counted("reduce_scatter_bytes"),
            planned(step.gradients.bytes)
        );
        assert_eq!(counted("all_gather_bytes"), planned(step.weights.bytes));
        assert_eq!(counted("send_bytes"), 0);
    }
}

/// Of two stages each sends the other a residual stream for every micro-batch.
#[test]
fn what_stages_pass_on_is_what_was_planned() {
    let bench = Bench::new();
    let config = bench.config(&["model.layers=8"]);
    bench.train_by(
        &config,
        "stages",
        Degrees {
            pipeline: 5,
            data: 1,
        },
    );
    let layout = Layout {
        pipeline_parallel: 5,
        ..layout(1)
    };
    let links = Communication::of(&layout, &cluster(), gpu("a100-40g").unwrap());
    let place = StagePlace {
        layers: 2,
        first: false,
        last: false,
    };
    let plain = MemoryOptions {
        partition_checkpoints: false,
        ..MemoryOptions::default()
    };
    let cost = links.micro_batch(&config, &layout, &plain, place).pipeline;
    // Both directions, over four borders, four micro-batches, six steps.
    let planned = cost.bytes * 4.0 * 4.0 * 6.0;
    assert_eq!(bench.finished("stages", "send_bytes"), planned as u64);
}

/// An engine whose rank ends at one of its messages.
struct Dying {
    engine: threads::Threads,
    left: AtomicU64,
}

impl Engine for Dying {
    fn name(&self) -> &'static str {
        self.engine.name()
    }

    fn rank(&self) -> usize {
        self.engine.rank()
    }

    fn ranks(&self) -> usize {
        self.engine.ranks()
    }

    fn exchange(
        &self,
        purpose: Purpose,
        outbound: &[Outbound],
        inbound: &mut [Inbound],
    ) -> Result<(), CollectiveError> {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 0 {
            return Err(CollectiveError::Start {
                problem: "killed".to_owned(),
            });
        }
        self.engine.exchange(purpose, outbound, inbound)
    }
}

/// Trains with two ranks, of which the second is given its own configuration and ends at message `kill_at`.
fn train_two(
    bench: &Bench,
    run: &str,
    configs: [&Config; 2],
    kill_at: u64,
) -> Result<Ending, TrainError> {
    let mut engines = threads::connect(2).into_iter();
    let (first, second) = (engines.next().unwrap(), engines.next().unwrap());
    let dying = Dying {
        engine: second,
        left: AtomicU64::new(kill_at),
    };
    std::thread::scope(|scope| {
        let cache = bench.cache();
        scope.spawn(move || {
            let member = RankMember {
                config: configs[1],
                cache: &cache,
                program: ("test", None, None),
                stop: &AtomicBool::new(false),
            };
            let ranks = Ranks::new(Arc::new(dying), data(2), Some(1))?;
            serve(&member, ranks)
        });
        let ranks = Ranks::new(Arc::new(first), data(2), Some(1))?;
        bench.ask(configs[0], run, u64::MAX, |request| {
            train_as_first(request, ranks)
        })
    })
}

#[test]
fn ranks_that_disagree_do_not_start() {
    let bench = Bench::new();
    let (first, second) = (bench.config(&[]), bench.config(&["optimizer.lr=1e-2"]));
    let error = train_two(&bench, "apart", [&first, &second], u64::MAX).unwrap_err();
    let told = error.to_string();
    assert!(told.starts_with("rank 1 has the configuration `"), "{told}");
    assert!(!bench.path("apart").exists(), "something was written");
    let mut gone = first.clone();
    gone.data.sources[0].path = Some(Path::new("/nowhere/text.txt").to_owned());
    let error = train_two(&bench, "gone", [&first, &gone], u64::MAX).unwrap_err();
    let told = error.to_string();
    assert!(
        told.starts_with("rank 1: ") && told.contains("/nowhere/text.txt"),
        "{told}"
    );
}

/// Wherever a rank is killed, the run ends with its number, nothing recorded is lost, and going on gives the same run.
#[test]
fn a_killed_rank_is_named_and_the_run_goes_on_from_its_checkpoint() {
    let bench = Bench::new();
    let config = bench.config(&FP16);
    bench.train(&config, "whole", 1);
    let mut kills = 0;
    for kill_at in (2..400).step_by(7) {
        let run = format!("killed-{kill_at}");
        let Err(error) = train_two(&bench, &run, [&config, &config], kill_at) else {
            break;
        };
        kills += 1;
        let told = error.to_string();
        assert!(told.starts_with("rank 1 has ended"), "{kill_at}: {told}");
        bench.train(&config, &run, 2);
        let (ours, theirs) = (bench.records(&run), bench.records("whole"));
        assert!(
            ours.iter()
                .zip(&theirs)
                .all(|(a, b)| a.differing(b).is_empty()),
            "{kill_at}"
        );
        assert!(
            bench.checkpoint(&run, 6) == bench.checkpoint("whole", 6),
            "{kill_at}"
        );
    }
    assert!(kills > 10, "{kills}");
}

#[test]
fn what_ranks_cannot_train_is_refused_before_anything_is_written() {
    let bench = Bench::new();
    let odd = bench.config(&["batch.micro_batch=3", "batch.gradient_accumulation=1"]);
    let plain = bench.config(&["runtime.kernels=plain"]);
    for (config, expected) in [(odd, "is 1"), (plain, "runtime.kernels")] {
        let ended = bench.ask(&config, "refused", u64::MAX, |request| {
            train_on_threads(request, data(2))
        });
        let told = ended.unwrap_err().to_string();
        assert!(
            told.contains("--data-parallel 2") && told.contains(expected),
            "{told}"
        );
        assert!(!bench.path("refused").exists());
    }
}
