//! Ranks that disagree, end, or cannot train what they are given.

use crate::bench::{Bench, FP16, Given, data, degrees, with_rows};
use crate::meddling::with_one_meddling;
use experiments::{Ending, TrainError, train_on_threads};
use experiments_collective::{CollectiveError, Engine, threads};
use experiments_config::Config;
use logs::EventKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Trains with two ranks, of which the second ends at message `kill_at`.
fn train_two(
    bench: &Bench,
    run: &str,
    config: &Config,
    kill_at: u64,
) -> Result<Ending, TrainError> {
    let left = AtomicU64::new(kill_at);
    let engines = with_one_meddling(2, 1, move |_, _| {
        if left.fetch_sub(1, Ordering::Relaxed) > 0 {
            return Ok(());
        }
        Err(CollectiveError::Start {
            problem: "killed".to_owned(),
        })
    });
    let given = engines.into_iter().map(|engine| Given::new(config, engine));
    bench.train_each(run, data(2), given.collect())
}

/// In what the ranks differ is said of the one that differs, and nothing is written.
#[test]
fn ranks_that_disagree_do_not_start() {
    let bench = Bench::new();
    let first = bench.config(&[]);
    let other = bench.config(&["optimizer.lr=1e-2"]);
    let with_text = |name: &str, content: Option<&str>| {
        let mut config = first.clone();
        let source = &mut config.data.sources[0];
        source.path = Some(bench.path(name));
        if let Some(content) = content {
            std::fs::write(bench.path(name), content).unwrap();
            // As the command line begins a run.
            source.blake3 = Some(blake3::hash(content.as_bytes()).to_hex().to_string());
        }
        config
    };
    let foreign = with_text(
        "foreign.txt",
        Some(&"another text altogether. ".repeat(400)),
    );
    let gone = with_text("gone.txt", None);
    let cases = [
        (&other, "test", "rank 1 has the configuration `", "`"),
        (
            &first,
            "older",
            "rank 1 has the program version `older without commit`",
            "rank 0 has `test without commit`",
        ),
        (&foreign, "test", "rank 1 has the text `", "`"),
        (&gone, "test", "rank 1: ", "gone.txt"),
    ];
    for (config, program, begins, contains) in cases {
        let engines = threads::connect(2).into_iter().zip([&first, config]);
        let given = engines.map(|(engine, config)| Given {
            program: if engine.rank() == 0 { "test" } else { program },
            ..Given::new(config, Arc::new(engine))
        });
        let error = bench.train_each("apart", data(2), given.collect());
        let told = error.unwrap_err().to_string();
        assert!(
            told.starts_with(begins) && told.contains(contains),
            "{told}"
        );
        assert!(!bench.path("apart").exists(), "something was written");
    }
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
        let Err(error) = train_two(&bench, &run, &config, kill_at) else {
            break;
        };
        kills += 1;
        let told = error.to_string();
        assert!(told.starts_with("rank 1 has ended"), "{kill_at}: {told}");
        bench.train(&config, &run, 2);
        bench.assert_same_steps("whole", &run);
    }
    assert!(kills > 10, "{kills}");
}

/// Of what does not divide, key and value are named, and the nearest degree that does divide it.
#[test]
fn what_ranks_cannot_train_is_refused_before_anything_is_written() {
    let bench = Bench::new();
    let four_heads = "model.num_heads=4";
    let cases: [(&[&str], _, [&str; 2]); 6] = [
        (
            &["batch.micro_batch=3", "batch.gradient_accumulation=1"],
            data(2),
            ["--data-parallel 2", "is 1"],
        ),
        (
            &["runtime.kernels=plain"],
            data(2),
            ["--data-parallel 2", "runtime.kernels"],
        ),
        (
            &[four_heads],
            degrees([3, 1, 1]),
            [
                "--tensor-parallel 3",
                "`model.num_heads` = 4; the nearest below that divide heads and feed-forward are 2",
            ],
        ),
        // The heads divide, and would with four ranks.
        (
            &[four_heads, "model.ffn_hidden_size=18"],
            degrees([4, 1, 1]),
            [
                "--tensor-parallel 4",
                "`model.ffn_hidden_size` = 18; the nearest below that divide heads and feed-forward are 2",
            ],
        ),
        (
            &["model.layers=8"],
            degrees([1, 7, 1]),
            [
                "--pipeline-parallel 7",
                "neither 8 layers nor those with embedding and output into equal parts; the nearest below that do is 5",
            ],
        ),
        (
            &["model.layers=8"],
            degrees([2, 3, 2]),
            ["--pipeline-parallel 3", "the nearest below that do is 2"],
        ),
    ];
    for (set, degrees, expected) in cases {
        let config = bench.config(set);
        let ended = bench.ask(&config, "refused", u64::MAX, |request| {
            train_on_threads(request, degrees)
        });
        let told = ended.unwrap_err().to_string();
        assert!(expected.iter().all(|words| told.contains(words)), "{told}");
        assert!(!bench.path("refused").exists());
    }
}

/// A rank that begins each of its steps late is the one that the others wait for. Which one is an arbitrary number here:
/// neither the first, which says so, nor the last.
#[test]
fn a_slow_rank_is_named_in_the_run() {
    let bench = Bench::new();
    // As many steps as are added up before a rank is judged.
    let config = bench.config(&["steps=50", "eval.interval=0", "checkpoint.interval=50"]);
    let engines = with_one_meddling(4, 2, |purpose, _| {
        // Where it hears of the step: time in operations of the step itself is its own waiting.
        if purpose.operation == "broadcast" {
            std::thread::sleep(Duration::from_millis(25));
        }
        Ok(())
    });
    let given = engines
        .into_iter()
        .map(|engine| Given::new(&config, engine));
    let ended = bench.train_each("slow", data(4), given.collect());
    assert_eq!(ended.unwrap(), Ending::Finished);
    let events = bench.events("slow").into_iter();
    let told: Vec<_> = events
        .filter(|event| event.kind == EventKind::Ranks && event.data.contains_key("rank"))
        .map(|event| (event.step, event.data["rank"].as_u64(), event.message))
        .collect();
    let [(50, Some(2), message)] = told.as_slice() else {
        panic!("not rank 2 at step 50: {told:?}");
    };
    assert!(
        message.starts_with("rank 2 is slow: the others wait"),
        "{message}"
    );
}

#[test]
fn rows_that_ranks_cannot_share_are_refused_by_name() {
    let bench = Bench::new();
    let relaxed = bench.config(&["precision.pb_relax.norm=true"]);
    let cases = [
        (bench.config(&[]), 1, "--tensor-parallel 2"),
        (relaxed, 2, "precision.pb_relax.norm"),
    ];
    for (config, tensor, expected) in cases {
        let ended = bench.ask(&config, "refused", u64::MAX, |request| {
            train_on_threads(request, with_rows([tensor, 1, 2]))
        });
        let told = ended.unwrap_err().to_string();
        assert!(
            told.contains("--sequence-parallel") && told.contains(expected),
            "{told}"
        );
        assert!(!bench.path("refused").exists());
    }
}
