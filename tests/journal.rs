//! The journal of GLM-130B, re-enacted in small.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::process::Output;
use support::{Scratch, stderr, stdout};

fn rows(output: &Output) -> Vec<serde_json::Value> {
    assert!(output.status.success(), "{}", stderr(output));
    let page: serde_json::Value = serde_json::from_str(&stdout(output)).unwrap();
    page["rows"].as_array().unwrap().clone()
}

/// A coarse re-enactment with a tiny model, killed in the main line and continued, gives what an undisturbed one does; its interruptions are
/// bit-exact; another scale in the same place is refused.
#[test]
fn the_journal_is_re_enacted_and_continues_after_a_kill() {
    let scratch = Scratch::new("journal");
    scratch.texts();
    let source = |file: &str, language: &str| {
        let path = scratch.join(file);
        format!(
            "{{path = \"{}\", language = \"{language}\", weight = 1}}",
            path.display()
        )
    };
    let sources = format!(
        "data.sources=[{}, {}]",
        source("one.txt", "en"),
        source("two.txt", "zh")
    );
    let journal = |out: &'static str, scale: &'static str| {
        let mut arguments = vec!["journal", "--out", out, "--scale", scale, "--json"];
        let sets = [
            "model.hidden_size=16",
            "model.num_heads=2",
            "model.ffn_hidden_size=24",
            "tokenizer.vocab_size=262",
            sources.as_str(),
        ];
        arguments.extend(sets.iter().flat_map(|set| ["--set", set]));
        scratch.workbench(&arguments)
    };
    let whole = rows(&journal("whole", "250").output().unwrap());
    assert!(whole.len() >= 15);
    for row in whole.iter().filter(|row| row["rule"] == "exact") {
        assert_ne!(row["behaviour"], "other", "{row}");
    }
    assert!(
        whole
            .iter()
            .any(|row| row["behaviour"] == "same" && row["rule"] == "exact")
    );
    for name in [
        "journal.md",
        "journal.svg",
        "configurations/main.toml",
        "main/run.toml",
    ] {
        assert!(scratch.join("whole").join(name).is_file(), "{name}");
    }

    let mut killed = journal("killed", "250").spawn().unwrap();
    let metrics = scratch.join("killed/main/metrics-0001.jsonl");
    while std::fs::read_to_string(&metrics).map_or(0, |text| text.lines().count()) < 12 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let continued = rows(&journal("killed", "250").output().unwrap());
    for (one, other) in whole
        .iter()
        .zip(&continued)
        .filter(|(row, _)| row["rule"] != "exact")
    {
        assert_eq!(one, other);
    }
    let refused = journal("killed", "100").output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        stderr(&refused).contains("another --scale or --set"),
        "{}",
        stderr(&refused)
    );
}

/// A slip of the pen costs neither hours nor the place, and no folder of somebody's is taken for a journal.
#[test]
fn a_journal_is_checked_before_anything_of_it_is_made() {
    let scratch = Scratch::new("journal-refused");
    scratch.write("mine/notes.txt", "mine");
    for (out, set, expected) in [
        ("new", "optimizer.lrr=1", "did you mean `optimizer.lr`?"),
        ("new", "objective.mode=gpt", "`tasks.ratio` must be 0"),
        (
            "mine",
            "seed=2",
            "holds `notes.txt`, which is no part of a journal",
        ),
    ] {
        let output = scratch.run(&["journal", "--out", out, "--set", set]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
        assert!(!scratch.join("new").exists());
    }
}
