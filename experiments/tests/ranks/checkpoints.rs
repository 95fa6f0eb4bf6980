//! Checkpoints that several ranks write: every rank its share of the moments.

use crate::bench::{Bench, FP16, Given, data, degrees};
use crate::meddling::with_one_meddling;
use experiments::{Degrees, Ending, train, train_on_threads};
use experiments_collective::Engine;
use experiments_config::Config;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// What happens to a file.
type Damage = fn(&Path);

/// Trains `steps` steps and stops with a checkpoint.
fn begin(bench: &Bench, config: &Config, run: &str, steps: u64, degrees: Degrees) {
    let ending = bench.ask(config, run, steps, |request| match degrees.ranks() {
        1 => train(request),
        _ => train_on_threads(request, degrees),
    });
    assert_eq!(ending.unwrap(), Ending::Stopped);
}

/// Every rank writes a file, of which `b3sum` can check each; together they are what one process writes; and whatever other
/// layout goes on from them, it is the same run. With more ranks than it has parameters a rank has an empty share.
#[test]
fn every_rank_writes_its_share_and_any_layout_goes_on_from_it() {
    let bench = Bench::new();
    let config = bench.config(&FP16);
    bench.train(&config, "alone", 1);
    begin(&bench, &config, "one", 2, data(1));
    assert_eq!(bench.moment_files("one", 2), ["optimizer.safetensors"]);
    let layouts = [[1, 2, 2], [1, 1, 4], [1, 2, 1]].map(degrees);
    for (index, layout) in layouts.into_iter().enumerate() {
        let ranks = layout.ranks();
        for then in [data(1), data(2), degrees([1, 2, 1])] {
            let run = format!("{index}-{ranks}-{}", then.ranks() + then.pipeline);
            begin(&bench, &config, &run, 2, layout);
            let expected: Vec<_> = (1..=ranks)
                .map(|rank| format!("optimizer-{rank:05}-of-{ranks:05}.safetensors"))
                .collect();
            assert_eq!(bench.moment_files(&run, 2), expected);
            let folder = bench.checkpoint_folder(&run, 2);
            let sums = fs::read_to_string(folder.join("B3SUMS")).unwrap();
            for line in sums.lines() {
                let (hash, name) = line.split_once("  ").unwrap();
                let bytes = fs::read(folder.join(name)).unwrap();
                assert_eq!(blake3::hash(&bytes).to_hex().as_str(), hash, "{name}");
            }
            assert!(
                bench.checkpoint(&run, 2) == bench.checkpoint("one", 2),
                "{run}"
            );
            bench.train_by(&config, &run, then);
            bench.assert_same_steps("alone", &run);
        }
    }
}

/// Shares of matrices sum in another order than one process, and then too the shares are those of whole parameters.
#[test]
fn ranks_that_share_matrices_write_a_share_each() {
    let bench = Bench::new();
    let config = bench.config(&["steps=4"]);
    let layout = degrees([2, 1, 2]);
    bench.train_by(&config, "whole", layout);
    begin(&bench, &config, "halves", 2, layout);
    assert_eq!(bench.moment_files("halves", 2).len(), 4);
    bench.train_by(&config, "halves", layout);
    bench.assert_same_steps("whole", "halves");
    let parts = bench.moment_files("whole", 4);
    let len = |file: &String| {
        let path = bench.checkpoint_folder("whole", 4).join(file);
        fs::metadata(path).unwrap().len()
    };
    let lens: Vec<u64> = parts.iter().map(len).collect();
    // The table of embeddings is one parameter, and more than a quarter of all.
    let most = lens.iter().max().unwrap();
    assert!(2 * most < lens.iter().sum(), "shares of {lens:?} bytes");
}

/// What a disk does to one share is found, whichever it is, and the run goes on from the checkpoint before.
#[test]
fn a_share_that_is_damaged_or_gone_is_named_and_the_checkpoint_before_serves() {
    let bench = Bench::new();
    let config = bench.config(&["checkpoint.interval=2", "checkpoint.keep=3"]);
    bench.train(&config, "alone", 1);
    let damages: [(&str, Damage, &str); 3] = [
        (
            "flipped",
            |file| {
                let mut bytes = fs::read(file).unwrap();
                *bytes.last_mut().unwrap() ^= 1;
                fs::write(file, bytes).unwrap();
            },
            "does not match its checksum",
        ),
        ("gone", |file| fs::remove_file(file).unwrap(), "is missing"),
        (
            "unlisted",
            |file| {
                let name = file.file_name().unwrap().to_str().unwrap();
                let sums = file.with_file_name("B3SUMS");
                let text = fs::read_to_string(&sums).unwrap();
                let lines = text.split_inclusive('\n');
                let kept = lines.filter(|line| !line.trim_end().ends_with(name));
                fs::write(sums, kept.collect::<String>()).unwrap();
            },
            "it lacks `optimizer-00002-of-00002.safetensors`",
        ),
    ];
    for (run, damage, expected) in damages {
        begin(&bench, &config, run, 4, data(2));
        let file = bench.moment_files(run, 4).pop().unwrap();
        damage(&bench.checkpoint_folder(run, 4).join(file));
        bench.train(&config, run, 2);
        let events = bench.events(run);
        let told = events.iter().any(|event| event.message.contains(expected));
        assert!(told, "{run}: {events:?}");
        bench.assert_same_steps("alone", run);
    }
}

/// A rank on a machine of its own, whose folder of that name is another one: rank 0 writes for all.
#[test]
fn a_rank_that_does_not_see_the_run_leaves_its_share_to_rank_0() {
    let bench = Bench::new();
    let config = bench.config(&FP16);
    bench.train(&config, "alone", 1);
    let checkpoints = bench.path("apart/checkpoints");
    let engines = with_one_meddling(2, 1, move |purpose, _| {
        // As it tells rank 0 what it has written, nothing of it is there.
        let folders = fs::read_dir(&checkpoints).into_iter().flatten();
        for folder in folders.filter(|_| purpose.operation == "gather") {
            let file = "optimizer-00002-of-00002.safetensors";
            let _ = fs::remove_file(folder.unwrap().path().join(file));
        }
        Ok(())
    });
    let given = engines
        .into_iter()
        .map(|engine: Arc<dyn Engine>| Given::new(&config, engine));
    let ended = bench.train_each("apart", data(2), given.collect());
    assert_eq!(ended.unwrap(), Ending::Finished);
    assert_eq!(bench.moment_files("apart", 6), ["optimizer.safetensors"]);
    bench.assert_same_steps("alone", "apart");
}
