//! Real directories, as they are found and as they grow.

use logs::{Record, RunWriter, Status, Summary};
use sweeps::{Card, Plan, State, Sweep};

use super::*;
use crate::Options;
use crate::shared::{Axis, Curve, Shared};
use crate::view::Branch;

mod alarms;
mod asked;
mod grown;
mod imported;
mod joined;
mod keys;
mod moved;

fn record(step: u64) -> Record {
    let mut record = Record::new(step);
    record.set_named("loss", 3.0);
    record.set_named("step_seconds", 0.5);
    record.set_layers_named("layer_grad_norm", vec![1.0, 2.0]);
    record
}

/// A sweep of two arms and four seeds, nothing begun.
fn sweep(dir: &Path) -> Sweep {
    sweep_of(dir, 40)
}

fn sweep_of(dir: &Path, steps: u64) -> Sweep {
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
    let text = text.replace("steps = 40", &format!("steps = {steps}"));
    let card = Card::parse(&text, "card", dir).unwrap();
    Sweep::create_or_open(dir, &Plan::expand(&card, &[]).unwrap(), &text, &[]).unwrap()
}

/// What the criterion finds is asked of a copy, which another thread may take its time with.
#[test]
fn the_claim_so_far_says_how_many_runs_are_missing() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = sweep(&dir.path().join("s"));
    let source = open(&[sweep.dir()], &[]).unwrap();
    assert_eq!(source.states().len(), 8);
    let found = std::thread::spawn(source.judging().unwrap()).join();
    let found = found.unwrap().unwrap();
    assert_eq!(found.brief, "so far inconclusive, 8 runs missing");
    assert!(
        found.lines[0].starts_with("so far: Inconclusive"),
        "{found:?}"
    );
    assert_eq!(found.lines.len(), 2, "the sentence, and the criterion");
    let alone = dir.path().join("alone");
    run_of(&alone, None, 3);
    let alone = open(&[&alone], &[]).unwrap();
    assert!(alone.judging().is_none() && alone.card().is_none());
}

#[test]
fn a_sweep_grows_under_the_reader() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = sweep(&dir.path().join("s"));
    let mut source = open(&[sweep.dir()], &[]).unwrap();
    assert_eq!(source.sweep().runs.len(), 8);
    assert!(
        source.log(0).len() == 0
            && source
                .log(0)
                .layers("layer_grad_norm", 0..u64::MAX)
                .is_empty()
    );
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
        source.log(0).layers("layer_grad_norm", 0..u64::MAX)[0].layers["layer_grad_norm"],
        [1.0, 2.0]
    );

    writer.step(&record(2)).unwrap();
    assert!(source.poll().unwrap());
    assert_ne!(source.revision(0), before);
    assert_eq!(
        source.log(0).layers("layer_grad_norm", 0..u64::MAX).len(),
        2,
        "the layers follow as well"
    );
    assert!(
        source
            .log(1)
            .layers("layer_grad_norm", 0..u64::MAX)
            .is_empty(),
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
    let mut source = open(&[&path], &[]).unwrap();
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
    let error = open(&[dir.path()], &[]).err().unwrap().to_string();
    assert!(
        error.contains("neither a sweep (`sweep.json`) nor a run"),
        "{error}"
    );
    let refused = |name: &str| {
        let refused = open(&[&dir.path().join(name)], &[]).err().unwrap();
        refused.to_string()
    };
    assert!(refused("none").contains("is not there"));
    std::fs::write(dir.path().join("file"), "").unwrap();
    assert!(refused("file").contains("is no directory"));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("loop", dir.path().join("loop")).unwrap();
        assert!(refused("loop").contains("cannot be read"));
    }
    run_of(&dir.path().join("many/b"), None, 1);
    run_of(&dir.path().join("many/a"), None, 1);
    let many = refused("many");
    assert!(many.contains("but 2 of them, such as"), "{many}");
    assert!(many.contains("many/a`: name those"), "{many}");
    std::fs::write(dir.path().join("sweep.json"), "{").unwrap();
    assert!(matches!(
        open(&[dir.path()], &[]),
        Err(MonitorError::Sweep(_))
    ));
}

#[test]
fn a_snapshot_is_plain_text_of_the_given_size() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = sweep(&dir.path().join("s"));
    let text = crate::snapshot(sweep.dir(), Default::default(), (80, 24)).unwrap();
    assert_eq!(text.lines().count(), 24);
    assert!(text.contains("Post-LN fails more often") && !text.contains('\u{1b}'));
    assert_eq!(
        crate::snapshot(sweep.dir(), Default::default(), (0, 0))
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
    let source = open(&[&path], &[]).unwrap();
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

/// A run directory with records of the steps after `forked_at` up to `last`.
fn run_of(path: &Path, forked_at: Option<u64>, last: u64) {
    let mut writer = RunWriter::open(path).unwrap();
    let parent = forked_at.map_or(String::new(), |step| {
        format!(r#""parent": "../../../..", "forked_at": {step},"#)
    });
    let text = format!(
        r#"{{"version": 1, "program_version": "0.1.0", "backend": "flex", "device": "cpu", "cpu": "test", "threads": 1,
        "host": "test", "os": "linux", "seed": 7, "config_hash": "", "corpus_hash": "", "tokenizer_hash": "",
        "languages": ["en"], "missing_languages": [], "unigram_entropy": 4.0, "unigram_entropy_mixture": 4.2,
        "parameters": 1, "steps": 6, "command": [], {parent} "created": "2026-01-02T03:04:05Z"}}"#
    );
    std::fs::write(path.join("manifest.json"), text).unwrap();
    for step in forked_at.unwrap_or(0) + 1..=last {
        writer.step(&record(step)).unwrap();
    }
}

#[test]
fn twins_and_forks_are_branches_of_their_run_and_no_part_of_its_sums() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spiked");
    let twins = path.join("replays/step-00000004/twins");
    run_of(&path, None, 6);
    run_of(&twins.join("fp32"), Some(2), 4);
    let mut source = open(&[&path], &[]).unwrap();
    assert_eq!(source.sweep().runs.len(), 2);
    run_of(&twins.join("same"), Some(2), 4);
    assert!(source.poll().unwrap(), "twins appear while they are made");
    let runs = &source.sweep().runs;
    let branch = Some(Branch {
        of: 0,
        forked_at: 2,
    });
    assert_eq!(
        (runs[2].label().as_str(), runs[2].branch),
        ("same @4 s7", branch)
    );
    assert_eq!(runs[2].progress(), 0.5, "two of its own four steps");
    assert_eq!(source.log(2).steps(0..1)[0], 3);
    assert_eq!(
        source.log(2).layers("layer_grad_norm", 0..u64::MAX)[0].layers["layer_grad_norm"],
        [1.0, 2.0]
    );
    assert_eq!(source.details(2).facts[0].1, "of spiked s7, from step 3 on");

    let mut shared = Shared::new(source);
    let times = |curve: &Curve| curve.x.values.to_vec();
    let curves = shared.curves(&[0, 2], "loss", Axis::Time);
    assert_eq!(
        times(&curves[1])[0],
        times(&curves[0])[2],
        "behind the time of its run"
    );

    let fork = dir.path().join("mine");
    run_of(&fork, Some(3), 5);
    let other = open(&[&path], std::slice::from_ref(&fork)).err().unwrap();
    assert!(
        other.to_string().contains("which is not shown here"),
        "{other}"
    );
    let text = std::fs::read_to_string(fork.join("manifest.json")).unwrap();
    let text = text.replace("../../../..", "../spiked");
    std::fs::write(fork.join("manifest.json"), text).unwrap();
    let options = Options {
        forks: &[fork],
        ..Options::default()
    };
    let text = crate::snapshot(&path, options, (120, 40)).unwrap();
    let rows: Vec<&str> = ["spiked ", "└ mine @4", "└ fp32 @4", "└ same @4"]
        .into_iter()
        .filter(|row| text.contains(row))
        .collect();
    assert_eq!(rows.len(), 4, "{text}");
    assert!(text.contains("0/1 runs"), "{text}");
}

/// The question is asked, `y` answers it, and what `sweep skip` would leave behind is there; any other key leaves nothing.
#[test]
fn a_run_is_skipped_after_a_question_and_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = sweep(folder.path());
    let run = sweep.runs()[0].id.clone();
    let mut app = crate::app::App::new(
        open(&[folder.path()], &[]).unwrap(),
        &crate::panes::PANES,
        crate::Depth::Mono,
    );
    app.text(120, 40);
    let mut answer = |line: &str, letter: char| {
        app.screen.command(&format!("run {run}")).unwrap();
        app.screen.command(line).unwrap();
        let screen = app.text(140, 40);
        assert!(
            screen.contains(&format!("{line}? (y/n)")) || screen.contains("(y/n)"),
            "{screen}"
        );
        app.screen.press(crate::keys::letter(letter));
        let mut heard = false;
        for _ in 0..100 {
            heard |= app.screen.hear();
            std::thread::sleep(std::time::Duration::from_millis(if letter == 'y' {
                20
            } else {
                1
            }));
            if heard && !app.screen.note.contains("waiting") {
                break;
            }
        }
        app.poll().unwrap();
        app.screen.note.clone()
    };
    answer("skip run", 'n');
    assert!(
        !sweep.requested(&run, sweeps::Request::Skip),
        "not without a yes"
    );
    let note = answer("skip run", 'y');
    assert!(note.starts_with("skipped"), "{note}");
    assert!(sweep.requested(&run, sweeps::Request::Skip));
    let note = answer("resume run", 'y');
    assert!(note.contains("no longer left out"), "{note}");
    assert!(!sweep.requested(&run, sweeps::Request::Skip));
}

/// Files may vanish under the monitor, of a run or of all of them, and come back.
#[test]
fn files_that_vanish_take_nothing_down() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = sweep(folder.path());
    let directory = sweep.run_dir(&sweep.runs()[0].id);
    let write = || {
        let mut writer = RunWriter::open(&directory).unwrap();
        for step in 1..=5 {
            writer.step(&record(step)).unwrap();
        }
    };
    write();
    let mut app = crate::app::App::new(
        open(&[folder.path()], &[]).unwrap(),
        &crate::panes::PANES,
        crate::Depth::Mono,
    );
    assert_eq!(app.screen.shared.run(0).unwrap().step, 5);
    std::fs::remove_file(directory.join("metrics-0001.jsonl")).unwrap();
    app.poll().unwrap();
    app.text(120, 40);
    std::fs::remove_dir_all(folder.path().join("runs")).unwrap();
    app.poll().unwrap();
    app.text(120, 40);
    assert_eq!(app.screen.shared.run(0).unwrap().step, 0);
    write();
    app.poll().unwrap();
    assert_eq!(app.screen.shared.run(0).unwrap().step, 5);
}

/// The configuration is read from the run's directory, and the other side of the criterion is what a run is set against.
#[test]
fn a_run_is_compared_with_the_control_of_its_seed_or_with_the_run_it_left() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = sweep(&dir.path().join("s"));
    let mut shared = Shared::new(open(&[sweep.dir()], &[]).unwrap());
    let seed_and_norm = |run: usize| {
        let run = &sweep.runs()[run];
        (run.seed, sweeps::card::label(&run.settings["model.norm"]))
    };
    for run in shared.runs() {
        let other = shared.opposite(run).unwrap();
        let ((seed, norm), (other_seed, other_norm)) = (seed_and_norm(run), seed_and_norm(other));
        assert_eq!(seed, other_seed, "the same seed");
        assert_ne!(norm, other_norm, "the other arm");
        assert_eq!(shared.control(run), (norm == "post").then_some(other));
    }
    let config = shared.configuration(0).unwrap();
    assert_eq!(config["steps"].as_integer(), Some(40));
    let folder = sweep.run_dir(&sweep.runs()[0].id);
    assert!(
        shared
            .console(0)
            .unwrap_err()
            .contains("once they have begun")
    );
    std::fs::write(folder.join("console.log"), "error: no space\n").unwrap();
    assert_eq!(shared.console(0).unwrap(), ["error: no space"]);
    std::fs::remove_file(folder.join("run.toml")).unwrap();
    shared.poll().unwrap();
    assert!(shared.configuration(0).unwrap_err().contains("run.toml"));
}
