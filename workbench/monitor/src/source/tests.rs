//! Real directories, as they are found and as they grow.

use logs::{Record, RunWriter, Status, Summary};
use sweeps::{Card, Plan, State, Sweep};

use super::*;
use crate::Tab;

fn record(step: u64) -> Record {
    let mut record = Record::new(step);
    record.set_named("loss", 3.0);
    record.set_named("step_seconds", 0.5);
    record.set_layers_named("layer_grad_norm", vec![1.0, 2.0]);
    record
}

/// A sweep of two arms and four seeds, nothing begun.
fn sweep(dir: &Path) -> Sweep {
    let text = r#"
name = "small"
title = "Post-LN fails more often"
hypothesis = "It does."
kind = "mechanism"
base = "t0"
seeds = 4
[fixed]
steps = 40
[axes]
"model.norm" = ["post", "deepnorm_glm"]
[criterion]
treatment = { "model.norm" = "post" }
control = { "model.norm" = "deepnorm_glm" }
direction = "treatment_more"
"#;
    let card = Card::parse(text, "card", dir).unwrap();
    Sweep::create_or_open(dir, &Plan::expand(&card, &[]).unwrap(), text, &[]).unwrap()
}

#[test]
fn a_sweep_grows_under_the_reader() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = sweep(&dir.path().join("s"));
    let mut source = open(sweep.dir()).unwrap();
    assert_eq!(source.sweep().runs.len(), 8);
    assert!(source.records(0).is_empty() && source.layer_records(0).is_empty());
    assert!(!source.poll().unwrap(), "nothing happened");

    let mut writer = RunWriter::open(&sweep.run_dir(&sweep.runs()[0].id)).unwrap();
    writer
        .event(&logs::Event::now(0, logs::EventKind::Start, "fresh"))
        .unwrap();
    writer.step(&record(1)).unwrap();
    assert!(source.poll().unwrap());
    assert_eq!(
        (source.sweep().runs[0].state, source.sweep().runs[0].step),
        (State::Running, 1)
    );
    let before = source.revision(0);
    assert_eq!(
        source.layer_records(0)[0].layers["layer_grad_norm"],
        [1.0, 2.0]
    );

    writer.step(&record(2)).unwrap();
    assert!(source.poll().unwrap());
    assert_ne!(source.revision(0), before);
    assert_eq!(
        source.layer_records(0).len(),
        2,
        "the layers follow as well"
    );
    assert!(
        source.layer_records(1).is_empty(),
        "a run that has not begun"
    );
    assert_eq!(source.details(0).events[0].1, "start");
}

#[test]
fn a_single_run_is_a_sweep_of_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lonely");
    let mut writer = RunWriter::open(&path).unwrap();
    writer
        .event(&logs::Event::now(0, logs::EventKind::Start, "fresh"))
        .unwrap();
    writer.step(&record(1)).unwrap();
    let mut source = open(&path).unwrap();
    assert_eq!(source.sweep().runs[0].arm, "lonely");
    assert_eq!(source.sweep().runs[0].loss, Some(3.0));
    let attempt = writer.attempt();
    writer
        .finish(&Summary::new(Status::Finished, 1, attempt, 1.0))
        .unwrap();
    assert!(source.poll().unwrap());
    assert_eq!(source.sweep().runs[0].state, State::Finished);
    assert!(
        source
            .details(0)
            .facts
            .iter()
            .any(|(name, _)| name == "state")
    );
}

#[test]
fn other_directories_are_refused_with_what_would_be_right() {
    let dir = tempfile::tempdir().unwrap();
    let error = open(dir.path()).err().unwrap().to_string();
    assert!(
        error.contains("neither a sweep (`sweep.json`) nor a run"),
        "{error}"
    );
    std::fs::write(dir.path().join("sweep.json"), "{").unwrap();
    assert!(matches!(open(dir.path()), Err(MonitorError::Sweep(_))));
}

#[test]
fn a_snapshot_is_plain_text_of_the_given_size() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = sweep(&dir.path().join("s"));
    let text = crate::snapshot(sweep.dir(), Tab::OVERVIEW, 80, 24).unwrap();
    assert_eq!(text.lines().count(), 24);
    assert!(text.contains("Post-LN fails more often") && !text.contains('\u{1b}'));
    assert_eq!(
        crate::snapshot(sweep.dir(), Tab::OVERVIEW, 0, 0)
            .unwrap()
            .lines()
            .count(),
        1
    );
}

/// A run's own configuration says whether its alarms ring, and whatever stands in its place says no.
#[test]
fn a_run_asks_for_a_bell_by_its_alarm_section() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r");
    let mut writer = RunWriter::open(&path).unwrap();
    writer.step(&record(1)).unwrap();
    let source = open(&path).unwrap();
    let asked = |text: &str| {
        std::fs::write(path.join("run.toml"), text).unwrap();
        source.bells(0)
    };
    assert_eq!(source.bells(0), [""; 0], "no configuration");
    let chosen = "seed = 1\n[alarm]\naction = \"bell\"\ndetectors = [\"non-finite\"]\n";
    assert_eq!(asked(chosen), ["non-finite"]);
    assert!(
        asked("[alarm]\naction = \"bell\"\n").len() > 10,
        "the default ones"
    );
    for quiet in [
        "seed = 1\n",
        "[alarm]\naction = \"stop\"\n",
        "[alarm]\naction = \"siren\"\n",
        "[alarm",
    ] {
        assert_eq!(asked(quiet), [""; 0], "{quiet}");
    }
    std::fs::remove_file(path.join("run.toml")).unwrap();
    std::fs::create_dir(path.join("run.toml")).unwrap();
    assert_eq!(source.bells(0), [""; 0], "a folder");
}
