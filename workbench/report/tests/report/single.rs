//! Reports of one run.

use super::synthetic::{self, Fate};
use super::text;
use std::fs;

#[test]
fn a_single_run_has_a_report_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("my-run");
    synthetic::train(&run, "post", 1, Fate::Finish, 150);
    let written = workbench_report::write(&run).unwrap();
    assert!(written.verdict.is_none());
    let md = text(&written.md);
    assert!(md.starts_with("# my-run\n\n**Outcome: stuck.**"), "{md}");
    assert!(md.contains("workbench train runs/stall"));
}

/// Nothing recorded is not the same as nothing wrong.
#[test]
fn a_finished_run_that_lost_its_records_has_no_outcome() {
    let dir = tempfile::tempdir().unwrap();
    synthetic::train(dir.path(), "post", 1, Fate::Finish, 150);
    for lines in [100, 0] {
        let path = dir.path().join("metrics-0001.jsonl");
        let kept: Vec<String> = text(&path).lines().take(lines).map(str::to_owned).collect();
        fs::write(&path, kept.join("\n") + "\n").unwrap();
        let written = workbench_report::write(dir.path()).unwrap();
        let md = text(&written.md);
        assert!(
            md.contains("No outcome") && !md.contains("Outcome:"),
            "{md}"
        );
        assert!(md.contains("so its outcome cannot be told"), "{md}");
    }
}

#[test]
fn a_single_run_that_failed_says_why() {
    let dir = tempfile::tempdir().unwrap();
    synthetic::train(dir.path(), "post", 1, Fate::Fail(20), 150);
    let written = workbench_report::write(dir.path()).unwrap();
    assert!(text(&written.md).contains("The run failed after 20 of 150 steps"));
    assert!(text(&written.md).contains("no space left"));
}
