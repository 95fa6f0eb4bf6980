//! Packed runs with the real program: the numbers, the exit codes, and what happens when one ends.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};
use support::{Scratch, newest_checkpoint, records, stderr, stdout, tiny};

const STEPS: u32 = 30;

/// Runs with directories of their own, ready to be trained: two arms, and one more seed of the first.
/// Every next token is a target, so no run has more of them than another and nothing depends, not even
/// by rounding, on which steps meet in a pass.
const RUNS: [(&str, &str, &str); 3] = [
    ("a", "model.norm=\"post\"", "seed=1"),
    ("b", "model.norm=\"deepnorm_glm\"", "seed=1"),
    ("c", "model.norm=\"post\"", "seed=2"),
];

/// Bad batches on both sides of a kill, and a weight between.
const PLANTED: &str = r#"
[[inject]]
kind = "noise"
step = 12
steps = 3

[[inject]]
kind = "weight"
step = 17
tensor = "layers.0.ffn.down.weight"
factor = 2.0
"#;

fn prepare(scratch: &Scratch) {
    let text = format!("{}{}{PLANTED}", tiny(STEPS), scratch.texts());
    scratch.write("tiny.toml", &text);
    for (name, norm, seed) in RUNS {
        let config = scratch.run(&[
            "config",
            "tiny.toml",
            "--set",
            norm,
            "--set",
            seed,
            "--set",
            "objective.mode=\"gpt\"",
            // The passes that packing is made for: by hand, on the CPU, each run computes alone.
            "--set",
            "runtime.kernels=\"plain\"",
        ]);
        assert!(config.status.success(), "{}", stderr(&config));
        std::fs::create_dir_all(scratch.join(name)).unwrap();
        std::fs::write(scratch.join(name).join("run.toml"), config.stdout).unwrap();
    }
}

const TRAIN: [&str; 4] = ["train", "a", "b", "c"];

fn steps(run: &Path) -> usize {
    let reader = logs::RunReader::open(run);
    reader.map_or(0, |reader| reader.records().len())
}

/// Waits until every run has recorded `step` steps.
fn wait_for(scratch: &Scratch, step: usize, child: &mut Child) {
    let deadline = Instant::now() + Duration::from_mins(2);
    while RUNS
        .iter()
        .any(|(name, ..)| steps(&scratch.join(name)) < step)
    {
        assert!(child.try_wait().unwrap().is_none(), "ended too early");
        assert!(Instant::now() < deadline, "never reached step {step}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_killed_and_a_stopped_pack_go_on_to_the_bits_of_one_left_alone() {
    let (whole, broken) = (Scratch::new("pack-whole"), Scratch::new("pack-broken"));
    // The same paths in both configurations, or the hashes in the checkpoints would differ.
    prepare(&whole);
    for (name, ..) in RUNS {
        std::fs::create_dir_all(broken.join(name)).unwrap();
        let file = |scratch: &Scratch| scratch.join(name).join("run.toml");
        std::fs::copy(file(&whole), file(&broken)).unwrap();
    }
    let output = whole.run(&TRAIN);
    assert!(output.status.success(), "{}", stderr(&output));

    let mut child = broken.workbench(&TRAIN).spawn().unwrap();
    wait_for(&broken, 12, &mut child);
    child.kill().unwrap(); // SIGKILL: nothing is written on the way out
    child.wait().unwrap();
    let mut child = broken.workbench(&TRAIN).spawn().unwrap();
    wait_for(&broken, 21, &mut child);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3), "stopped on request");
    // In another order than before.
    let output = broken.run(&["train", "c", "a", "b"]);
    assert!(output.status.success(), "{}", stderr(&output));

    for (name, ..) in RUNS {
        let (whole, broken) = (whole.join(name), broken.join(name));
        assert_eq!(records(&whole).len(), STEPS as usize, "{name}");
        assert_eq!(records(&whole), records(&broken), "{name}");
        assert_eq!(newest_checkpoint(&whole), newest_checkpoint(&broken));
    }
    let again = broken.run(&TRAIN);
    assert!(again.status.success(), "finished runs are left alone");
}

#[test]
fn a_run_that_fails_leaves_its_pack_at_work() {
    let scratch = Scratch::new("pack-failure");
    prepare(&scratch);
    // One that cannot be read, and one that fails once it has begun: its checkpoints go nowhere.
    std::fs::write(scratch.join("b/run.toml"), "stepps = 3").unwrap();
    std::os::unix::fs::symlink("/nonexistent", scratch.join("c/checkpoints")).unwrap();
    let output = scratch.run(&TRAIN);
    assert_ne!(output.status.code(), Some(0));
    assert_ne!(output.status.code(), Some(3), "{}", stderr(&output));
    assert_eq!(records(&scratch.join("a")).len(), STEPS as usize);
    let console = |name: &str| std::fs::read_to_string(scratch.join(name).join("console.log"));
    assert!(console("b").unwrap().contains("stepps"));
    assert!(console("c").unwrap().contains("checkpoints"));
    let text = std::fs::read_to_string(scratch.join("c/summary.json")).unwrap();
    assert!(text.contains("failed"), "{text}");
}

#[test]
fn what_cannot_be_a_pack_is_refused() {
    let scratch = Scratch::new("pack-refused");
    prepare(&scratch);
    for (arguments, words) in [
        (vec!["train", "a", "b", "--set", "steps=3"], "without --set"),
        (vec!["train", "a", "./a"], "given twice"),
        (vec!["train", "a", "nowhere"], "no run directory"),
    ] {
        let output = scratch.run(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
}

/// Two arms of two seeds in FP32, where a rounding in another place stays small.
fn card(scratch: &Scratch) {
    let base = format!("{}{}", tiny(STEPS), scratch.texts());
    let base = base.replace("\"fp16\"", "\"fp32\"");
    scratch.write("base.toml", &base);
    scratch.write(
        "card.toml",
        r#"
name = "packed"
title = "Two arms"
hypothesis = "Nothing: this card tests the machinery."
kind = "symptom"
base = "base.toml"
seeds = 2
[axes]
"model.norm" = ["post", "deepnorm_glm"]
[criterion]
treatment = { "model.norm" = "post" }
control = { "model.norm" = "deepnorm_glm" }
direction = "treatment_more"
alpha = 0.5
"#,
    );
}

#[test]
fn a_packed_sweep_has_the_metrics_of_an_unpacked_one() {
    let scratch = Scratch::new("pack-sweep");
    card(&scratch);
    let run = |out: &str, more: &[&str]| {
        let command = [&["sweep", "run", "card.toml", "--out", out], more].concat();
        let output = scratch.run(&command);
        assert!(output.status.success(), "{}", stderr(&output));
        output
    };
    run("alone", &[]);
    run("packed", &["--pack", "3"]);
    let (mut sizes, mut largest) = (Vec::new(), 0.0_f64);
    for entry in std::fs::read_dir(scratch.join("alone/runs")).unwrap() {
        let alone = entry.unwrap().path();
        let packed = scratch.join("packed/runs").join(alone.file_name().unwrap());
        let manifest = logs::Manifest::load(&packed).unwrap().unwrap();
        let given = manifest.command.iter().filter(|a| a.contains("/runs/"));
        sizes.push(given.count());
        let (alone, packed) = (
            logs::RunReader::open(&alone).unwrap(),
            logs::RunReader::open(&packed).unwrap(),
        );
        assert_eq!(packed.records().len(), STEPS as usize);
        for (a, b) in alone.records().iter().zip(packed.records()) {
            let keys = |r: &logs::Record| -> Vec<logs::Name> {
                r.scalars.keys().chain(r.layers.keys()).cloned().collect()
            };
            assert_eq!(keys(a), keys(b), "the same signals");
            for name in ["lr", "tokens", "loss_scale", "batch_size"] {
                assert_eq!(a.scalar(name), b.scalar(name), "{name}");
            }
            for name in ["loss", "grad_norm", "held_out_loss"] {
                if let (Some(a), Some(b)) = (a.scalar(name), b.scalar(name)) {
                    largest = largest.max((a / b - 1.0).abs());
                }
            }
        }
    }
    sizes.sort_unstable();
    assert_eq!(
        sizes,
        [1, 3, 3, 3],
        "three runs in one process, the last alone"
    );
    // The rows of the output projection's products are padded, which moves roundings.
    assert!(largest < 1e-4, "off by {largest}");
    let verdict = |out: &str| stdout(&scratch.run(&["verdict", out]));
    assert_eq!(verdict("alone"), verdict("packed"));
}
