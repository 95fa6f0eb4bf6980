//! Detectors compared over runs, from the command line.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fmt::Write as _;
use support::{Scratch, stderr, stdout};

/// Imported runs of 400 steps, each with one spike of the loss.
fn runs(scratch: &Scratch) {
    for (name, spike) in [("a", 200), ("b", 300), ("c", 350)] {
        let mut text = String::from("step,loss\n");
        for step in 1..=400 {
            let noise = f64::from(step * 37 % 11) / 100.0;
            let loss = if step == spike { 7.0 } else { 3.0 + noise };
            let _ = writeln!(text, "{step},{loss}");
        }
        scratch.write(&format!("{name}.csv"), &text);
        let out = format!("runs/{name}");
        let output = scratch.run(&["import", &format!("{name}.csv"), "--out", &out]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
}

#[test]
fn detectors_are_compared_over_a_folder_of_imported_runs() {
    let scratch = Scratch::new("detect");
    runs(&scratch);
    let output = scratch.run(&["detect", "bench", "runs", "runs/a", "--plot", "d.svg"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(
        text.starts_with("3 events in 3 of 3 runs, 1,200 steps"),
        "{text}"
    );
    assert!(
        text.contains("`loss-scale`: signal not recorded in any run (loss_scale)"),
        "{text}"
    );
    assert!(text.contains("No signal leads"), "{text}");
    let svg = std::fs::read_to_string(scratch.join("d.svg")).unwrap();
    assert!(svg.contains("Detectors on 3 runs with 3 events"));

    let json = stdout(&scratch.run(&["detect", "bench", "runs", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let detectors = json["detectors"].as_array().unwrap();
    let robust = detectors
        .iter()
        .find(|d| d["name"] == "robust-loss")
        .unwrap();
    assert_eq!(robust["default"]["found"], 3);
    assert_eq!(robust["default"]["lead"]["median"], 0.0);
    assert_eq!(robust["curve"].as_array().unwrap().len(), 21);

    let labels = "[[event]]\nrun = \"a\"\nstep = 200\n[[event]]\nrun = \"b\"\nstep = 100\n";
    scratch.write("labels.toml", labels);
    let text = stdout(&scratch.run(&["detect", "bench", "runs", "--labels", "labels.toml"]));
    assert!(text.starts_with("2 events in 2 of 3 runs"), "{text}");
}

#[test]
fn what_cannot_be_compared_is_refused_by_name() {
    let scratch = Scratch::new("detect-refused");
    runs(&scratch);
    scratch.write("labels.toml", "[[event]]\nrun = \"d\"\nstep = 200\n");
    std::fs::create_dir(scratch.join("empty")).unwrap();
    std::fs::write(scratch.join("latin.toml"), b"run = \"\xe9\"\n").unwrap();
    for (arguments, code, expected) in [
        (
            &["detect", "bench", "nowhere"][..],
            2,
            "`nowhere` does not exist",
        ),
        (&["detect", "bench", "a.csv"], 2, "`a.csv` is a file"),
        (&["detect", "bench", "empty"], 2, "`empty` holds no run"),
        (
            &["detect", "bench", "runs", "--false-alarms", "0"],
            2,
            "--false-alarms",
        ),
        (
            &["detect", "bench", "runs", "--false-alarms", "NaN"],
            2,
            "--false-alarms",
        ),
        (
            &["detect", "bench", "runs", "--labels", "labels.toml"],
            2,
            "no run is called `d`",
        ),
        (
            &["detect", "bench", "runs", "--labels", "none.toml"],
            2,
            "none.toml",
        ),
        (
            &["detect", "bench", "runs", "--labels", "latin.toml"],
            2,
            "line 1 is not UTF-8",
        ),
        #[cfg(target_os = "linux")]
        (
            &["detect", "bench", "runs", "--labels", "/dev/zero"],
            2,
            "a device, a pipe or a socket",
        ),
        (
            &["detect", "bench", "runs", "--plot", "runs/a/manifest.json"],
            2,
            "part of the run",
        ),
        #[cfg(target_os = "linux")]
        (
            &["detect", "bench", "runs", "--plot", "/dev/full"],
            1,
            "/dev/full",
        ),
    ] {
        let output = scratch.run(arguments);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}
