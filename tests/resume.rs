//! Determinism: same configuration, seed and backend give the same bits, also after a kill.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::process::Child;
use std::time::{Duration, Instant};
use support::{Engine, Scratch, newest_checkpoint, records, stderr};

const STEPS: u32 = 40;

/// Everything that has a state or a place in time: tasks, clipping and skipping by what was seen,
/// values that move, data passed over.
const MOVING: &str = r#"
[optimizer]
warmup_samples = 30
decay_samples = 200
clip_mode = "zclip"
skip_step_sigma = 3.0
skip_step_window = 8

[[tasks.sources]]
path = "tasks.jsonl"

[[schedule]]
key = "tasks.ratio"
start = 8
length = 10
to = 0.5

[[schedule]]
key = "batch.gradient_accumulation"
unit = "samples"
start = 20
length = 60
from = 2
to = 4
increment = 1

[[intervention]]
step = 17
skip_steps = 3
"#;

/// A folder with a configuration that runs on an engine.
fn scratch(engine: Engine, name: &str) -> Scratch {
    let scratch = Scratch::new(&format!("{name}-{}", engine.name()));
    let row = |i| format!(r#"{{"text": "the small model {i}", "targets": "words {i}"}}"#);
    let rows: Vec<String> = (0..20).map(row).collect();
    scratch.write("tasks.jsonl", &rows.join("\n"));
    let text = format!("{}{MOVING}{}", engine.tiny(STEPS), scratch.texts());
    scratch.write("tiny.toml", &text);
    scratch
}

fn train(scratch: &Scratch, out: &str) {
    let output = scratch.run(&["train", "tiny.toml", "--out", out]);
    assert!(output.status.success(), "{}", stderr(&output));
}

/// Waits until the run has recorded `step` steps.
fn wait_for(scratch: &Scratch, out: &str, step: u64, child: &mut Child) {
    let deadline = Instant::now() + Duration::from_mins(2);
    loop {
        let reader = logs::RunReader::open(&scratch.join(out)).unwrap();
        if reader.latest().is_some_and(|record| record.step >= step) {
            return;
        }
        assert!(
            child.try_wait().unwrap().is_none(),
            "the run ended before step {step}"
        );
        assert!(
            Instant::now() < deadline,
            "the run never reached step {step}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn killed_twice_and_continued_gives_the_bits_of_an_uninterrupted_run() {
    Engine::BOTH.into_iter().for_each(kill_twice);
}

fn kill_twice(engine: Engine) {
    let scratch = scratch(engine, "resume");
    train(&scratch, "whole");
    let mut child = scratch
        .workbench(&["train", "tiny.toml", "--out", "killed"])
        .spawn()
        .unwrap();
    wait_for(&scratch, "killed", 13, &mut child);
    child.kill().unwrap(); // SIGKILL: nothing is written on the way out
    child.wait().unwrap();
    let mut child = scratch.workbench(&["train", "killed"]).spawn().unwrap();
    wait_for(&scratch, "killed", 25, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    let output = scratch.run(&["train", "killed"]);
    assert!(output.status.success(), "{}", stderr(&output));

    let (whole, killed) = (scratch.join("whole"), scratch.join("killed"));
    engine.assert_ran(&whole);
    engine.assert_ran(&killed);
    assert_eq!(records(&whole).len(), STEPS as usize);
    let reader = logs::RunReader::open(&whole).unwrap();
    let last = reader.latest().unwrap();
    assert_eq!(last.scalar("batch_size"), Some(8.0), "the ramp has moved");
    let tasks = |r: &logs::Record| r.scalar("loss_task").is_some();
    assert!(reader.records().iter().any(tasks), "tasks were trained on");
    assert_eq!(records(&whole), records(&killed));
    assert_eq!(newest_checkpoint(&whole), newest_checkpoint(&killed));
    let attempts = std::fs::read_dir(&killed).unwrap().filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with("metrics-")
    });
    assert_eq!(
        attempts.count(),
        3,
        "the test must really have interrupted the run"
    );
}

#[test]
fn two_threads_give_the_bits_of_one() {
    Engine::BOTH.into_iter().for_each(compare_threads);
}

fn compare_threads(engine: Engine) {
    let scratch = scratch(engine, "threads");
    train(&scratch, "one");
    let two = [
        "train",
        "tiny.toml",
        "--out",
        "two",
        "--set",
        "runtime.threads=2",
    ];
    let mut command = scratch.workbench(&two);
    command.env_remove("RAYON_NUM_THREADS");
    assert!(command.output().unwrap().status.success());
    engine.assert_ran(&scratch.join("two"));
    assert_eq!(records(&scratch.join("one")), records(&scratch.join("two")));
    let bits = |run: &str| newest_checkpoint(&scratch.join(run));
    assert_eq!(bits("one"), bits("two"));
}

#[test]
fn sigterm_checkpoints_and_a_finished_run_is_left_alone() {
    Engine::BOTH.into_iter().for_each(terminate);
}

fn terminate(engine: Engine) {
    let scratch = scratch(engine, "sigterm");
    train(&scratch, "whole");
    let mut child = scratch
        .workbench(&["train", "tiny.toml", "--out", "stopped"])
        .spawn()
        .unwrap();
    wait_for(&scratch, "stopped", 3, &mut child);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    let output = scratch.run(&["train", "stopped"]);
    assert!(output.status.success(), "{}", stderr(&output));
    engine.assert_ran(&scratch.join("stopped"));
    assert_eq!(
        records(&scratch.join("whole")),
        records(&scratch.join("stopped"))
    );
    let before = newest_checkpoint(&scratch.join("stopped"));
    assert!(scratch.run(&["train", "stopped"]).status.success());
    assert_eq!(before, newest_checkpoint(&scratch.join("stopped")));
}
