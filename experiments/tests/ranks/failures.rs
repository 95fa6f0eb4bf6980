//! Ranks that disagree, end, or cannot train what they are given.

use crate::bench::{Bench, FP16, data, with_rows};
use experiments::{Ending, TrainError, train_on_threads};
use experiments_collective::{CollectiveError, Engine, Inbound, Outbound, Purpose, threads};
use experiments_config::Config;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
    bench.train_pair(run, configs, [Arc::new(first), Arc::new(dying)])
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
