//! Reports of one run.

use super::branches::{fork_of, replay};
use super::synthetic::{self, Fate};
use super::text;
use logs::{Record, RunWriter, Status, Summary};
use std::fs;
use std::path::Path;
use sweeps::replay::REPLAY_FILE;
use workbench_report::{Options, Target, write_to};

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

/// Records of a run: half a second a step, and on every second step the power since the one before.
fn powered(dir: &Path, host: &str, created: &str, signal: &str) {
    let mut writer = RunWriter::open(dir).unwrap();
    let mut manifest = synthetic::manifest(1, 20);
    manifest.threads = 2;
    host.clone_into(&mut manifest.host);
    created.clone_into(&mut manifest.created);
    manifest.save(dir).unwrap();
    for step in 1..=20 {
        let mut record = Record::new(step);
        record.set_named("loss", 3.0);
        record.set_named("step_seconds", 0.5);
        if step % 2 == 0 {
            record.set_named(signal, 720.0);
        }
        writer.step(&record).unwrap();
    }
    writer
        .finish(&Summary::new(Status::Finished, 20, 1, 10.0))
        .unwrap();
}

/// The first line of a page.
#[test]
fn a_page_begins_with_when_how_long_and_how_much_energy() {
    let dir = tempfile::tempdir().unwrap();
    let top = |name: &str, signal: &str| {
        let run = dir.path().join(name);
        powered(&run, "lab-07", "2026-01-02T03:04:05Z", signal);
        let written = workbench_report::write(&run).unwrap();
        let html = text(&written.html);
        let top = html.split("class=\"facts cost\">").nth(1).unwrap();
        let top = top.split("</p>").next().unwrap().to_owned();
        let words = top
            .replace("<span><b>", "")
            .replace("</b>", ":")
            .replace("</span>", "; ");
        let md = text(&written.md);
        for part in words.split("; ").filter(|part| !part.is_empty()) {
            assert!(md.contains(part), "{part} is not in {md}");
        }
        words
    };
    let begin = "date: 2026-01-02; cost: 10 s of runs, 0.0056 core-hours; energy: ";
    // 720 W for ten seconds.
    assert_eq!(top("own", "gpu_power_watts"), format!("{begin}2 Wh; "));
    let processors = format!("{begin}2 Wh of processors and memory; ");
    assert_eq!(top("machine", "machine_watts"), processors);
    assert_eq!(top("none", "temperature"), format!("{begin}not recorded; "));
}

#[test]
fn a_replay_is_a_section_with_its_sentence_table_and_figure() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    synthetic::train(&run, "post", 1, Fate::Finish, 40);
    replay(&run);
    let other = run.join("replays/step-00000035");
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join(REPLAY_FILE), "{\"version\": 1}").unwrap();
    let written = workbench_report::write(&run).unwrap();
    let [html, md] = [&written.html, &written.md].map(|page| text(page));
    for page in [&html, &md] {
        assert!(page.contains("Step 30 of"), "{page}");
        assert!(
            page.contains("There is no spike of the loss around step 30"),
            "{page}"
        );
        assert!(page.contains("its softmax is FP32"));
        assert!(
            page.contains("format version 1"),
            "what cannot be read is told"
        );
        assert!(page.contains("Loss of the twins."));
    }
    assert!(html.contains("&lt;b&gt;a|change") && md.contains("a\\|change"));
    assert!(run.join("figures/replay-1-0.svg").is_file());
    assert!(
        html.contains("<title>same</title>"),
        "a pointer is told which line it is on"
    );
    assert!(!html.contains("outside up to"), "no twin has this name");
}

#[test]
fn forks_that_are_named_stand_beside_their_run() {
    let dir = tempfile::tempdir().unwrap();
    let [run, fork, other] = ["run", "fork", "other"].map(|name| dir.path().join(name));
    for place in [&run, &fork, &other] {
        synthetic::train(place, "post", 1, Fate::Finish, 40);
    }
    fork_of(&fork, "../run");
    let out = Target::Folder(dir.path().join("out"));
    write_to(
        &run,
        Options {
            forks: std::slice::from_ref(&fork),
            ..Options::default()
        },
        &out,
    )
    .unwrap();
    let page = text(&dir.path().join("out/report.md"));
    assert!(
        page.contains("## Forks of `run`") && page.contains("| fork @21 |"),
        "{page}"
    );
    assert!(dir.path().join("out/figures/forks-1-0.svg").is_file());
    let refused = write_to(
        &other,
        Options {
            forks: &[fork],
            ..Options::default()
        },
        &out,
    )
    .unwrap_err()
    .to_string();
    assert!(
        refused.contains("is a fork of `../run`, which is not shown here"),
        "{refused}"
    );
}
