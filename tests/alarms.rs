//! Alarms while training: the same after a kill, told once, and what follows them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use logs::{EventKind, News, RunReader, Status};
use std::path::Path;
use std::process::{Child, Output};
use std::time::{Duration, Instant};
use support::{Scratch, newest_checkpoint, records, stderr, tiny};

const STEPS: u32 = 40;

/// A loss scale far too high, so that the first steps are skipped, and a learning rate that breaks the model five steps
/// behind a checkpoint: fewer than any detector of the loss must have seen.
const TROUBLE: &str = r#"
[[schedule]]
key = "optimizer.lr_scale"
start = 24
factor = 1000.0
"#;

fn scratch(name: &str) -> Scratch {
    let scratch = Scratch::new(&format!("alarms-{name}"));
    let config = tiny(STEPS).replace("window = 7", "window = 7\ninitial = 1e8");
    let text = format!("{config}{TROUBLE}{}", scratch.texts());
    scratch.write("tiny.toml", &text);
    scratch
}

fn train(scratch: &Scratch, arguments: &[&str]) -> Output {
    let mut all = vec!["train"];
    all.extend(arguments);
    scratch.run(&all)
}

/// What a run told: step, signal and rules.
fn told(run: &Path) -> Vec<(u64, String, String)> {
    let events = logs::read::events(run).unwrap();
    let news = events.iter().filter_map(News::of);
    let row = |news: News| (news.alarm.step, news.alarm.signal, news.rules.join(" "));
    news.map(row).collect()
}

fn wait_for(run: &Path, step: u64, child: &mut Child) {
    let deadline = Instant::now() + Duration::from_mins(2);
    loop {
        let reader = RunReader::open(run).unwrap();
        if reader.latest().is_some_and(|record| record.step >= step) {
            return;
        }
        assert!(child.try_wait().unwrap().is_none(), "ended before {step}");
        assert!(Instant::now() < deadline, "never reached step {step}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn kill_at(scratch: &Scratch, arguments: &[&str], step: u64) {
    let mut child = scratch.workbench(arguments).spawn().unwrap();
    wait_for(&scratch.join("killed"), step, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The baselines cross the attempts, and a step that is trained again is not told of again.
#[test]
fn a_run_that_was_killed_tells_exactly_what_an_undisturbed_one_tells() {
    let scratch = scratch("killed");
    let output = train(&scratch, &["tiny.toml", "--out", "whole"]);
    assert!(output.status.success(), "{}", stderr(&output));
    kill_at(&scratch, &["train", "tiny.toml", "--out", "killed"], 5);
    kill_at(&scratch, &["train", "killed"], 28);
    let output = train(&scratch, &["killed"]);
    assert!(output.status.success(), "{}", stderr(&output));

    let (whole, killed) = (scratch.join("whole"), scratch.join("killed"));
    let expected = told(&whole);
    let seen = |rule: &str| expected.iter().any(|(.., rules)| rules.contains(rule));
    for rule in [
        "repeated-skips",
        "loss-scale",
        "jump-loss",
        "activation-drift",
    ] {
        assert!(seen(rule), "{rule} saw nothing: {expected:?}");
    }
    let mut found = told(&killed);
    found.sort_by_key(|(step, ..)| *step);
    assert_eq!(found, expected);
    assert_eq!(newest_checkpoint(&killed), newest_checkpoint(&whole));
    // Shown is what was told, also where no layers are read.
    let reader = RunReader::open_scalars(&killed).unwrap();
    let rows = logs::alarm::recorded(reader.events()).unwrap();
    // NaN is among the values.
    assert_eq!(format!("{:?}", reader.sightings()), format!("{rows:?}"));
    assert!(rows.len() <= expected.len());
}

/// A checkpoint of before there were detectors in it.
#[test]
fn an_older_checkpoint_goes_on_with_detectors_that_begin_anew() {
    let scratch = scratch("older");
    let first = ["tiny.toml", "--out", "old", "--set", "alarm.action=stop"];
    let output = train(&scratch, &first);
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    let folder = scratch.join("old/checkpoints");
    let folder = std::fs::read_dir(folder)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let file = folder.join("state.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let (counters, alarms) = text.split_once(",\n  \"alarms\": ").unwrap();
    assert_eq!(
        alarms.lines().count(),
        2,
        "one line, and the brace that ends the file"
    );
    std::fs::write(
        &file,
        counters.replace("\"version\": 3", "\"version\": 2") + "\n}\n",
    )
    .unwrap();
    std::fs::remove_file(folder.join("B3SUMS")).unwrap();
    let output = train(&scratch, &["old"]);
    assert!(
        stderr(&output).contains("holds no detectors"),
        "{}",
        stderr(&output)
    );
    assert!(
        matches!(output.status.code(), Some(0 | 5)),
        "{}",
        stderr(&output)
    );
}

/// Whoever continues it again and again gets the run that nobody watched.
#[test]
fn a_run_that_stops_at_alarms_says_so_and_ends_with_the_same_bits() {
    let scratch = scratch("stop");
    let output = train(&scratch, &["tiny.toml", "--out", "whole"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let first = [
        "tiny.toml",
        "--out",
        "watched",
        "--set",
        "alarm.action=stop",
    ];
    let mut output = train(&scratch, &first);
    let watched = scratch.join("watched");
    let mut stops = 0;
    while output.status.code() == Some(5) {
        stops += 1;
        let reader = RunReader::open(&watched).unwrap();
        let summary = reader.summary().unwrap();
        assert_eq!(summary.status, Status::Stopped);
        let message = summary.message.as_deref().unwrap();
        assert!(message.starts_with("stopped by an alarm: "), "{message}");
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
        let last = reader.events().last().unwrap();
        assert_eq!((last.kind, last.step), (EventKind::Stop, summary.steps));
        let rows = reader.sightings();
        assert!(rows.iter().any(|row| row.alarm.step == summary.steps));
        assert!(stops < 60, "it never ends");
        output = train(&scratch, &["watched"]);
    }
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stops >= 2, "{stops} stops");
    assert_eq!(records(&watched), records(&scratch.join("whole")));
    assert_eq!(told(&watched), told(&scratch.join("whole")));
}

#[test]
fn only_the_detectors_that_are_chosen_are_told_of() {
    let scratch = scratch("chosen");
    let set = |text: &str| {
        let output = train(&scratch, &["tiny.toml", "--out", "chosen", "--set", text]);
        assert!(output.status.success(), "{}", stderr(&output));
        let found = told(&scratch.join("chosen"));
        std::fs::remove_dir_all(scratch.join("chosen")).unwrap();
        found
    };
    assert!(set("alarm.detectors=[]").is_empty());
    let skips = set("alarm.detectors=[\"repeated-skips\"]");
    assert!(skips.iter().all(|(.., rules)| rules == "repeated-skips"));
    assert_eq!(skips[0].0, 3, "three of the first three steps");
    let later = "alarm={ detectors = [\"repeated-skips\"], threshold = { repeated-skips = 5 } }";
    assert_eq!(set(later)[0].0, 5);
}

/// Every file of a run, checkpoints too.
fn all_bytes(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes.extend(all_bytes(&path));
        } else {
            bytes.extend(std::fs::read(path).unwrap());
        }
    }
    bytes
}

/// A line of JSON for each thing that is seen, and no trace of the command where others may find it.
#[test]
fn a_command_gets_every_alarm_and_is_stored_nowhere() {
    let scratch = scratch("command");
    let command = "cat >> 'said by command'";
    let output = train(
        &scratch,
        &["tiny.toml", "--out", "run", "--on-alarm", command],
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let said = std::fs::read_to_string(scratch.join("said by command")).unwrap();
    let run = scratch.join("run");
    let rows = RunReader::open(&run).unwrap().sightings();
    assert_eq!(said.lines().count(), rows.len(), "{said}");
    for (line, row) in said.lines().zip(&rows) {
        let alarm: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(alarm["step"], row.alarm.step);
        assert_eq!(alarm["signal"], row.alarm.signal);
        assert_eq!(alarm["message"], row.alarm.message);
        assert_eq!(alarm["rules"][0], row.alarm.rule);
        assert!(Path::new(alarm["run"].as_str().unwrap()).is_absolute());
    }
    let bytes = all_bytes(&run);
    let found = bytes.windows(15).any(|bytes| bytes == b"said by command");
    assert!(!found, "the command is in the run directory");

    // From the environment, where it fails, and switched off by an empty one.
    let set = ["train", "tiny.toml", "--out"];
    let mut failing = scratch.workbench(&[&set[..], &["failing"][..]].concat());
    let output = failing
        .env("WORKBENCH_ON_ALARM", "exit 9")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("exit code 9"),
        "{}",
        stderr(&output)
    );
    assert_eq!(records(&scratch.join("failing")), records(&run));
    let mut off = scratch.workbench(&[&set[..], &["off", "--on-alarm", ""][..]].concat());
    let output = off.env("WORKBENCH_ON_ALARM", "exit 9").output().unwrap();
    assert!(
        !stderr(&output).contains("exit code 9"),
        "{}",
        stderr(&output)
    );
}

/// What somebody else's run directory or configuration says is never run.
#[test]
fn a_command_in_a_configuration_is_refused() {
    let scratch = scratch("foreign");
    let output = train(
        &scratch,
        &["tiny.toml", "--out", "run", "--set", "alarm.action=stop"],
    );
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    let file = scratch.join("run/run.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    for key in ["command", "on_alarm", "on-alarm"] {
        let line = format!(
            "[alarm]\n{key} = \"touch {}\"",
            scratch.join("trace").display()
        );
        std::fs::write(&file, text.replace("[alarm]", &line)).unwrap();
        let output = train(&scratch, &["run"]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(
            stderr(&output).contains(&format!("alarm.{key}")),
            "{}",
            stderr(&output)
        );
    }
    assert!(!scratch.join("trace").exists());
}

/// Runs of a pack are watched one by one: what one sees is nothing to the other.
#[test]
fn in_a_pack_only_the_run_with_the_alarm_stops() {
    let scratch = scratch("pack");
    for (name, scale) in [("hot", "1e10"), ("calm", "1024")] {
        let scale = format!("precision.loss_scale.initial={scale}");
        let set = [
            "--set",
            &scale,
            "--set",
            "schedule=[]",
            "--set",
            "alarm.action=stop",
            "--set",
            "alarm.detectors=[\"repeated-skips\"]",
        ];
        let config = scratch.run(&[&["config", "tiny.toml"][..], &set[..]].concat());
        std::fs::create_dir_all(scratch.join(name)).unwrap();
        std::fs::write(scratch.join(name).join("run.toml"), config.stdout).unwrap();
    }
    let output = train(&scratch, &["hot", "calm"]);
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    let status = |name| {
        RunReader::open(&scratch.join(name))
            .unwrap()
            .summary()
            .unwrap()
            .status
    };
    assert_eq!(
        (status("hot"), status("calm")),
        (Status::Stopped, Status::Finished)
    );
}

const CARD: &str = r#"
name = "watched"
title = "Two arms"
hypothesis = "Nothing: this card tests the machinery."
kind = "symptom"
base = "tiny.toml"
seeds = 2
[source]
paper = "none"
where = "-"
claim = "none"
[fixed]
"alarm.action" = "stop"
[axes]
"precision.loss_scale.initial" = [1e10, 1024.0]
[metric]
name = "held_out_loss"
[criterion]
test = "fisher"
treatment = { "precision.loss_scale.initial" = 1e10 }
control = { "precision.loss_scale.initial" = 1024.0 }
event = ["stuck", "diverged", "nonfinite"]
direction = "treatment_more"
alpha = 0.5
"#;

/// Each run stops for its own alarm, the sweep goes on with the others, and the same command continues.
#[test]
fn runs_of_a_sweep_inherit_what_watches_them() {
    let scratch = scratch("sweep");
    let base = std::fs::read_to_string(scratch.join("tiny.toml")).unwrap();
    let watch = "\n[alarm]\ndetectors = [\"repeated-skips\"]\n";
    scratch.write("tiny.toml", &(base.replace(TROUBLE, "") + watch));
    scratch.write("card.toml", CARD);
    let command = [
        "sweep",
        "run",
        "card.toml",
        "--out",
        "out",
        "--workers",
        "1",
    ];
    let call = |said: &str| {
        let mut command = scratch.workbench(&command);
        let said = format!("cat >> {said}");
        command.env("WORKBENCH_ON_ALARM", said).output().unwrap()
    };
    let output = call("first");
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let said = std::fs::read_to_string(scratch.join("first")).unwrap();
    assert!(said.contains("steps were skipped"), "{said}");
    assert!(
        stderr(&output).contains("stopped   "),
        "{}",
        stderr(&output)
    );
    assert!(
        stderr(&output).contains("finished  "),
        "{}",
        stderr(&output)
    );
    let mut calls = 1;
    while call("later").status.code() == Some(3) {
        calls += 1;
        assert!(calls < 20, "it never ends");
    }
    let found = all_bytes(&scratch.join("out"));
    assert!(!found.windows(6).any(|bytes| bytes == b"cat >>"));

    scratch.write(
        "card.toml",
        &CARD
            .replace("[fixed]\n\"alarm.action\" = \"stop\"\n", "")
            .replace(
                "[axes]\n",
                "[axes]\n\"alarm.action\" = [\"none\", \"stop\"]\n",
            ),
    );
    let output = scratch.run(&["sweep", "plan", "card.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("cannot be an axis"),
        "{}",
        stderr(&output)
    );
}
