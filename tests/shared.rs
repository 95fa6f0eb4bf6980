//! Executors of several machines on one sweep, without a scheduler. The machines are namespaces with clocks of their own.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::process::{Child, Command};
use support::hosts::{self, assert_whole, on_host, signal, trainers, wait_for, wait_until};
use support::{Scratch, stderr, stdout};

const RUN: [&str; 9] = [
    "sweep",
    "run",
    "card.toml",
    "--out",
    "out",
    "--executor",
    "shared",
    "--workers",
    "1",
];

/// A sweep, where machines can be made here.
fn sweep(name: &str, seeds: usize, steps: usize) -> Option<Scratch> {
    if !hosts::have(&["unshare", "faketime"], "util-linux, faketime") {
        return None;
    }
    let scratch = Scratch::new(name);
    hosts::card(&scratch, seeds, steps);
    let mut host = on_host("any", "+0", Command::new("true").current_dir("/"));
    hosts::may(&mut host).then_some(scratch)
}

fn executor(scratch: &Scratch, host: &str, shift: &str) -> Child {
    let log = std::fs::File::create(scratch.join(&format!("{host}.log"))).unwrap();
    let mut command = on_host(host, shift, &scratch.workbench(&RUN));
    command
        .stderr(log)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

/// What the executors said.
fn said(scratch: &Scratch) -> String {
    let hosts = ["alpha", "beta", "gamma", "delta"];
    let logs = hosts.map(|host| std::fs::read_to_string(scratch.join(&format!("{host}.log"))));
    logs.map(Result::unwrap_or_default).join("\n")
}

/// One machine dies, another one stops for longer than anybody waits and then goes on writing.
#[test]
fn machines_with_other_clocks_share_a_sweep_and_take_over_what_a_dead_one_leaves() {
    const STEPS: usize = 600;
    let Some(scratch) = sweep("shared", 6, STEPS) else {
        return;
    };
    let mut alpha = executor(&scratch, "alpha", "+0");
    wait_until("the sweep is there", || {
        scratch.join("out/sweep.json").exists()
    });
    let mut beta = executor(&scratch, "beta", "+2d");
    let mut gamma = executor(&scratch, "gamma", "-6m");
    let at_work = |host: &str| trainers(&scratch, &format!("WORKBENCH_TEST_HOST={host}"));
    wait_until("all machines train", || {
        ["alpha", "beta", "gamma"]
            .iter()
            .all(|host| !at_work(host).is_empty())
            && hosts::finished(&scratch) > 0
    });
    // The whole machine goes down.
    signal(&beta, "KILL");
    beta.wait().unwrap();
    let mut held_up = Vec::new();
    wait_until("gamma trains a run", || {
        held_up = at_work("gamma");
        let trained = |run: &std::path::PathBuf| run.join("lease.json").exists();
        !held_up.is_empty() && hosts::runs(&scratch).iter().any(trained)
    });
    for trainer in &held_up {
        hosts::signal_number(*trainer, "STOP");
    }
    let mut delta = executor(&scratch, "delta", "+20m");
    for child in [&mut alpha, &mut delta] {
        assert_eq!(wait_for(child).code(), Some(0), "{}", said(&scratch));
    }
    assert_whole(&scratch, 12, STEPS);
    // Its run is another's by now, and done.
    for trainer in &held_up {
        hosts::signal_number(*trainer, "CONT");
    }
    assert_eq!(wait_for(&mut gamma).code(), Some(0), "{}", said(&scratch));
    assert_whole(&scratch, 12, STEPS);
    let rerun = ["sweep", "rerun", "out", "--share", "0.2", "--out", "again"];
    let output = scratch.run(&rerun);
    let same = stdout(&output).contains("3 of 3 runs give the same bits");
    assert!(same, "{}{}", stdout(&output), stderr(&output));
}

#[test]
fn executors_that_share_a_sweep_are_shown_and_stopped_together() {
    const STEPS: usize = 3000;
    let Some(scratch) = sweep("shared-stop", 2, STEPS) else {
        return;
    };
    let mut alpha = executor(&scratch, "alpha", "+0");
    wait_until("the sweep is there", || {
        scratch.join("out/sweep.json").exists()
    });
    let mut beta = executor(&scratch, "beta", "+2d");
    wait_until("both train", || trainers(&scratch, "").len() == 2);
    let status = stdout(&scratch.run(&["sweep", "status", "out"]));
    assert!(status.contains(" on alpha"), "{status}");
    let local = ["sweep", "run", "card.toml", "--out", "out"];
    let refused = scratch.run(&local);
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    assert!(
        stderr(&refused).contains("another executor (process "),
        "{}",
        stderr(&refused)
    );

    let one = scratch.run(&["sweep", "stop", "out", "post-s1"]);
    assert!(one.status.success(), "{}", stderr(&one));
    let all = scratch.run(&["sweep", "stop", "out"]);
    assert!(all.status.success(), "{}", stderr(&all));
    for child in [&mut alpha, &mut beta] {
        assert_eq!(wait_for(child).code(), Some(3), "{}", said(&scratch));
    }
    assert!(trainers(&scratch, "").is_empty());
    assert!(!scratch.join("out/control/sweep.stop").exists());
    let done = said(&scratch).matches("stopped   small-post").count();
    assert!(done >= 1, "{}", said(&scratch));
}
