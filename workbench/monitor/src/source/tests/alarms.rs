//! What the screen of alarms tells of one: detectors, owner, replays, from directories on disk.

use super::*;
use crate::app::App;
use crate::panes::{PANES, Tab};

/// The step at which the loss leaves its level.
const SPIKE: u64 = 160;

/// A run of 240 steps whose loss spikes once, behind the feed-forward gradient of layer 3.
fn spiked(path: &Path) -> RunWriter {
    run_of(path, None, 0);
    std::fs::write(path.join("run.toml"), "seed = 7\n").unwrap();
    let mut writer = RunWriter::open(path).unwrap();
    for step in 1..=240 {
        let wobble = (step as f64 * 1.7).sin() / 30.0;
        let grown = |layer| layer == 3 && (SPIKE - 5..SPIKE).contains(&step);
        let norm = |layer| if grown(layer) { 27.0 } else { 1.0 + wobble };
        let mut record = Record::new(step);
        record.set_named("loss", if step == SPIKE { 8.0 } else { 3.3 + wobble });
        record.set_named("step_seconds", 0.1);
        record.set_layers_named("layer_grad_norm", (0..8).map(norm).collect());
        record.set_layers_named("layer_grad_norm_ffn", (0..8).map(norm).collect());
        record.set_layers_named("layer_grad_norm_attention", vec![1.0 + wobble; 8]);
        writer.step(&record).unwrap();
    }
    writer
}

/// The monitor on a directory, with its alarms in front and the cursor on that of the spike.
fn alarms(dir: &Path) -> App {
    let mut app = App::new(open(&[dir], &[]).unwrap(), &PANES, crate::Depth::Mono);
    app.screen.open(Tab::named("alarms").unwrap());
    app.text(120, 50);
    app.screen.command("alarm 160 loss").unwrap();
    app
}

fn assert_shown(app: &mut App, parts: &[&str]) {
    let screen = app.text(120, 50);
    for part in parts {
        assert!(screen.contains(part), "`{part}` in\n{screen}");
    }
}

#[test]
fn every_detector_that_saw_it_is_listed_with_its_numbers_and_the_owner_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    drop(spiked(&path));
    let mut app = alarms(&path);
    assert_shown(
        &mut app,
        &[
            "detectors   robust-loss",
            "             jump-loss",
            "loss 8.000, ×2.4 · before 3.",
            " · before 3.",
            "owner       layer 3 feed-forward: gradient norm ×27",
            "replay      none yet: workbench replay",
        ],
    );
}

/// The owner of the loss spike of a run that has finished is the one that the report names.
#[test]
fn a_finished_run_of_a_sweep_names_the_owner_among_its_facts_too() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = sweep_of(&dir.path().join("s"), 240);
    let planned = &sweep.runs()[0];
    let path = sweep.run_dir(&planned.id);
    let config = std::fs::read_to_string(path.join("run.toml")).unwrap();
    let writer = spiked(&path);
    std::fs::write(path.join("run.toml"), config).unwrap();
    let manifest = std::fs::read_to_string(path.join("manifest.json")).unwrap();
    let manifest = manifest
        .replace("\"seed\": 7", &format!("\"seed\": {}", planned.seed))
        .replace(
            "\"config_hash\": \"\"",
            &format!("\"config_hash\": \"{}\"", planned.config_hash),
        );
    std::fs::write(path.join("manifest.json"), manifest).unwrap();
    let attempt = writer.attempt();
    let summary = Summary::new(Status::Finished, 240, attempt, 24.0);
    writer.finish(&summary).unwrap();
    let mut app = alarms(sweep.dir());
    assert_shown(
        &mut app,
        &["owner       layer 3 feed-forward", " · loss spike of 4."],
    );
    app.screen.open(Tab::named("runs").unwrap());
    assert_shown(&mut app, &["before it layer 3 feed-forward"]);
}

/// `replay.json` is one that `workbench replay` wrote of a run with a planted batch of noise.
#[test]
fn what_a_finished_replay_says_is_shown_with_its_twins_and_its_command() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    drop(spiked(&path));
    let mut app = alarms(&path);
    assert_shown(&mut app, &["none yet"]);
    assert!(!app.poll().unwrap().changed, "nothing is new");

    let replay = path.join("replays/step-00000160");
    std::fs::create_dir_all(&replay).unwrap();
    std::fs::write(replay.join("replay.json"), include_str!("replay.json")).unwrap();
    assert!(app.poll().unwrap().changed, "a replay came to its end");
    assert_shown(
        &mut app,
        &[
            "replay      The spike at step 160 is put down to data",
            "decided by  skip, other-batch",
            "loss after",
        ],
    );
    for _ in 0..20 {
        app.screen.press(crate::keys::letter('J'));
    }
    let command = format!("workbench replay {} --at 160", path.display());
    let screen = app.text(200, 50);
    for part in [
        "half the learning rate",
        "not run: `fp32`",
        "made by",
        &command,
    ] {
        assert!(screen.contains(part), "`{part}` in\n{screen}");
    }
    let copied = app.screen.as_command();
    assert!(copied.contains("alarm 160 loss run"), "{copied}");

    // One that cannot be read is none.
    std::fs::write(replay.join("replay.json"), "{").unwrap();
    app.poll().unwrap();
    app.screen.command("alarm-details").unwrap();
    assert_shown(&mut app, &["none yet"]);
}

/// The list grows at its top while a run is trained; who reads about an alarm goes on reading about it.
#[test]
fn the_cursor_stays_on_its_alarm_as_others_appear() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    let mut writer = spiked(&path);
    let mut app = alarms(&path);
    assert_shown(&mut app, &["owner       layer 3"]);
    let mut lost = record(241);
    lost.set_named("loss", f64::NAN);
    writer.step(&lost).unwrap();
    app.poll().unwrap();
    assert_shown(&mut app, &["✕ 1 non-finite", "owner       layer 3"]);
    app.screen.command("alarm").unwrap();
    assert_shown(&mut app, &["detectors   non-finite"]);
    let wrong = app.screen.command("alarm 3").unwrap_err();
    assert!(wrong.contains("no such alarm at step 3"), "{wrong}");
}

/// Events of a run that watched itself say what each detector saw.
#[test]
fn the_detectors_of_a_run_that_told_of_its_alarms_have_their_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    let mut writer = spiked(&path);
    let start = logs::Event::now(0, logs::EventKind::Start, "fresh");
    let names = ["robust-loss", "jump-loss"];
    writer
        .event(&logs::alarm::watched_by(start, &names))
        .unwrap();
    let alarm = |rule: &str, score| logs::Alarm {
        step: SPIKE,
        kind: logs::AlarmKind::Spike,
        signal: "loss".to_owned(),
        rule: rule.to_owned(),
        value: 8.0,
        before: Some(3.25),
        score,
        message: "loss is 8".to_owned(),
    };
    let raised = [alarm("robust-loss", 21.5), alarm("jump-loss", 2.5)];
    for news in logs::alarm::Rows::default().take(&raised) {
        writer.event(&news.event()).unwrap();
    }
    let mut app = alarms(&path);
    assert_shown(&mut app, &["+21.5σ · before 3.250", "+2.5σ · before 3.250"]);
}
