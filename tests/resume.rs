//! Determinism: same configuration, seed and backend give the same bits, also after a kill.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};
use support::{Engine, Scratch, newest_checkpoint, records, stderr};

const STEPS: u32 = 40;

/// Everything that has a state or a place in time: tasks, clipping and skipping by what was seen,
/// values that move, data passed over, planted causes.
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

[[inject]]
kind = "noise"
step = 14

[[inject]]
kind = "shuffled_labels"
step = 19
steps = 9

[[inject]]
kind = "weight"
step = 26
tensor = "layers.1.ffn.up.weight"
factor = 1.5
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
    Engine::all().for_each(kill_twice);
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
    Engine::HOST.into_iter().for_each(compare_threads);
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
    Engine::HOST.into_iter().for_each(terminate);
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

/// The same run from the checkpoint right before a planted cause, where the cause is still to come, and from
/// the one right after, where it must not come again.
#[test]
fn a_planted_cause_comes_once_wherever_the_run_was_killed() {
    Engine::HOST.into_iter().for_each(kill_around_causes);
}

const CAUSES: &str = r#"
[[inject]]
kind = "weight"
step = 6
tensor = "layers.0.attention.out.weight"
factor = 3.0

[[inject]]
kind = "repeated_ngram"
step = 9
n = 2

[[inject]]
kind = "noise"
step = 10
steps = 2
"#;

fn kill_around_causes(engine: Engine) {
    let scratch = Scratch::new(&format!("inject-{}", engine.name()));
    let every = engine
        .tiny(12)
        .replace("interval = 10\nkeep = 2", "interval = 1\nkeep = 20");
    let plain = format!("{every}{}", scratch.texts());
    scratch.write("plain.toml", &plain);
    scratch.write("tiny.toml", &format!("{plain}{CAUSES}"));
    train(&scratch, "whole");
    let whole = scratch.join("whole");
    let output = scratch.run(&["train", "plain.toml", "--out", "plain"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let (with, without) = (records(&whole), records(&scratch.join("plain")));
    assert_eq!(with[..5], without[..5], "nothing before the first cause");
    assert_ne!(with[5], without[5], "the record of step 6 shows the cause");
    for (step, name) in [(5, "before"), (6, "after"), (8, "text"), (10, "within")] {
        let killed = scratch.join(name);
        copy_up_to(&whole, &killed, step);
        let output = scratch.run(&["train", name]);
        assert!(output.status.success(), "{}", stderr(&output));
        engine.assert_ran(&killed);
        assert_eq!(with, records(&killed), "from step {step}");
        assert_eq!(newest_checkpoint(&whole), newest_checkpoint(&killed));
    }
    let reader = logs::RunReader::open(&whole).unwrap();
    let planted = reader
        .events()
        .iter()
        .filter(|event| event.data.contains_key("inject"));
    let found: Vec<_> = planted.map(|event| (event.step, event.kind)).collect();
    let at = |step| (step, logs::EventKind::Intervention);
    assert_eq!(found, [at(6), at(9), at(10)]);
}

/// A run directory as a kill leaves it whose last checkpoint was that of `step`.
fn copy_up_to(from: &Path, to: &Path, step: u64) {
    for name in [
        "run.toml",
        "manifest.json",
        "events.jsonl",
        "metrics-0001.jsonl",
    ] {
        std::fs::create_dir_all(to).unwrap();
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
    for entry in std::fs::read_dir(from.join("checkpoints")).unwrap() {
        let checkpoint = entry.unwrap();
        let name = checkpoint.file_name().into_string().unwrap();
        let of: u64 = name.trim_start_matches("step-").parse().unwrap();
        if of > step {
            continue;
        }
        let copy = to.join("checkpoints").join(&name);
        std::fs::create_dir_all(&copy).unwrap();
        for file in std::fs::read_dir(checkpoint.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
        }
    }
}
