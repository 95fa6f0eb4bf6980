//! Determinism: same configuration, seed and backend give the same bits, also after a kill.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "each test uses a part of what all share"
)]
mod support;

use std::process::Child;
use std::time::{Duration, Instant};
use support::{Scratch, newest_checkpoint, records, stderr, tiny};

const STEPS: u32 = 40;

fn config(scratch: &Scratch) {
    scratch.write("tiny.toml", &format!("{}{}", tiny(STEPS), scratch.texts()));
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
    let scratch = Scratch::new("resume");
    config(&scratch);
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
    assert_eq!(records(&whole).len(), STEPS as usize);
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
    let scratch = Scratch::new("threads");
    config(&scratch);
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
    assert_eq!(records(&scratch.join("one")), records(&scratch.join("two")));
    let bits = |run: &str| newest_checkpoint(&scratch.join(run));
    assert_eq!(bits("one"), bits("two"));
}

#[test]
fn sigterm_checkpoints_and_a_finished_run_is_left_alone() {
    let scratch = Scratch::new("sigterm");
    config(&scratch);
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
    assert_eq!(
        records(&scratch.join("whole")),
        records(&scratch.join("stopped"))
    );
    let before = newest_checkpoint(&scratch.join("stopped"));
    assert!(scratch.run(&["train", "stopped"]).status.success());
    assert_eq!(before, newest_checkpoint(&scratch.join("stopped")));
}
