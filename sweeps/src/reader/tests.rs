//! Following a sweep.

use super::*;
use crate::Outcome;
use crate::testing::{begin, finish, sweep};
use logs::{Status, Summary};

fn directory(sweep: &Sweep, index: usize) -> std::path::PathBuf {
    sweep.run_dir(&sweep.runs()[index].id)
}

#[test]
fn a_new_sweep_is_all_pending() {
    let (_directory, sweep) = sweep();
    let reader = SweepReader::open(sweep.dir()).unwrap();
    assert_eq!(reader.count(State::Pending), 8);
    assert_eq!(reader.progress(), (0, 320));
    assert_eq!(reader.eta_seconds(), None);
}

#[test]
fn a_run_is_followed_from_its_first_step_to_its_outcome() {
    let (_directory, sweep) = sweep();
    let mut reader = SweepReader::new(sweep.clone());
    let writer = begin(&directory(&sweep, 0), 10);
    assert_eq!(reader.poll(), 10);
    let run = &reader.states()[0];
    assert_eq!(
        (run.state, run.step, run.loss),
        (State::Running, 10, Some(3.3))
    );
    assert_eq!(run.tokens_per_second, Some(5120.0));
    assert_eq!(run.outcome(), None, "not before the end");
    // 310 steps at 10 steps a second.
    assert!((reader.eta_seconds().unwrap() - 31.0).abs() < 1e-9);

    let summary = Summary::new(Status::Stopped, 10, writer.attempt(), 1.0);
    writer.finish(&summary).unwrap();
    reader.poll();
    assert_eq!(reader.states()[0].state, State::Stopped);

    finish(&directory(&sweep, 0), 3.26);
    reader.poll();
    let run = &reader.states()[0];
    assert_eq!((run.state, run.step), (State::Finished, 40));
    assert_eq!(run.outcome(), Some(Outcome::Ok));
    assert_eq!(run.metric, Some(3.26));
    assert_eq!(run.missing_languages, ["zh"]);
    assert_eq!(reader.poll(), 0);
    assert_eq!(reader.progress(), (40, 320));
}

#[test]
fn skipping_counts_only_for_what_has_not_finished() {
    let (_directory, sweep) = sweep();
    finish(&directory(&sweep, 0), 3.26);
    for index in [0, 1] {
        sweep
            .request(&sweep.runs()[index].id, Request::Skip)
            .unwrap();
    }
    let reader = SweepReader::new(sweep);
    assert_eq!(reader.states()[0].state, State::Finished);
    assert_eq!(reader.states()[1].state, State::Skipped);
    assert_eq!(
        reader.progress(),
        (40, 280),
        "a skipped run is not waited for"
    );
}

#[test]
fn a_damaged_run_is_shown_as_failed_and_the_others_are_followed() {
    let (_directory, sweep) = sweep();
    finish(&directory(&sweep, 0), 3.26);
    std::fs::write(
        directory(&sweep, 1).join("manifest.json"),
        "{\"version\": 99}",
    )
    .unwrap();
    std::fs::write(directory(&sweep, 2).join("summary.json"), "{").unwrap();
    let reader = SweepReader::new(sweep);
    let states = reader.states();
    assert_eq!(states[0].state, State::Finished);
    assert_eq!(
        (states[1].state, states[2].state),
        (State::Failed, State::Failed)
    );
    let message = states[1].message.as_ref().unwrap();
    assert!(
        message.contains("manifest.json") && message.contains("99"),
        "{message}"
    );
}

#[test]
fn an_unfinished_attempt_without_a_writer_is_interrupted() {
    let (_directory, sweep) = sweep();
    drop(begin(&directory(&sweep, 0), 10));
    let reader = SweepReader::new(sweep);
    assert_eq!(reader.states()[0].state, State::Interrupted);
}

#[test]
fn a_resumed_run_is_where_its_newest_attempt_is() {
    let (_directory, sweep) = sweep();
    drop(begin(&directory(&sweep, 0), 30));
    let mut reader = SweepReader::new(sweep.clone());
    assert_eq!(reader.states()[0].step, 30);
    let writer = begin(&directory(&sweep, 0), 12);
    reader.poll();
    let run = &reader.states()[0];
    assert_eq!(
        (run.state, run.step, run.loss),
        (State::Running, 12, Some(3.3))
    );
    drop(writer);
}

#[test]
fn a_finished_run_that_lost_its_records_has_no_outcome() {
    let (_directory, sweep) = sweep();
    let run = directory(&sweep, 0);
    finish(&run, 3.26);
    std::fs::remove_file(run.join("metrics-0001.jsonl")).unwrap();
    let reader = SweepReader::new(sweep);
    let state = &reader.states()[0];
    assert_eq!((state.state, state.outcome()), (State::Finished, None));
    let message = state.message.as_ref().unwrap();
    assert!(message.contains("end at step 0 of 40"), "{message}");
}

#[test]
fn layers_are_read_on_request_even_of_a_finished_run() {
    let (_directory, sweep) = sweep();
    finish(&directory(&sweep, 0), 3.26);
    let mut reader = SweepReader::new(sweep);
    let layers = |reader: &SweepReader| {
        let record = &reader.reader(0).unwrap().records()[0];
        record.layers.get("layer_grad_norm").map(Vec::len)
    };
    assert_eq!(layers(&reader), None);
    reader.read_layers(0).unwrap();
    assert_eq!(layers(&reader), Some(6));
}

#[test]
fn the_status_prints_and_serialises() {
    let (_directory, sweep) = sweep();
    finish(&directory(&sweep, 0), 3.55);
    let status = SweepReader::new(sweep).status();
    let text = status.to_string();
    assert!(
        text.contains("post             1  finished  40/40  3.300     3.550  stuck"),
        "{text}"
    );
    assert!(
        text.contains("small: 1 finished, 7 pending; 40 of 320 steps"),
        "{text}"
    );
    assert!(text.contains("executor: none at work"), "{text}");
    let json = serde_json::to_value(&status).unwrap();
    assert_eq!(json["runs"][0]["classified"]["outcome"], "stuck");
    assert_eq!(json["runs"][1]["state"], "pending");
    assert_eq!(json["open"], serde_json::json!([]));
}

/// Nobody should wait for the verdict to learn that nothing will be learned.
#[test]
fn the_status_says_that_the_control_failed_as_well() {
    let (_directory, sweep) = sweep();
    for run in sweep.runs() {
        finish(&sweep.run_dir(&run.id), 3.6);
    }
    let status = SweepReader::new(sweep).status();
    let text = status.to_string();
    assert!(
        text.ends_with("inconclusive: the control failed as well: `claim`\n"),
        "{text}"
    );
    let json = serde_json::to_value(&status).unwrap();
    assert_eq!(json["open"][0]["why"], "control_failed");
}

/// A mean over the steps before a run was lost is none of the run.
#[test]
fn a_lost_run_has_no_metric_over_the_steps_it_survived() {
    use logs::{Record, RunWriter};
    let card = crate::testing::CARD.replace(
        "[criterion]",
        "[metric]\nname = \"grad_norm\"\nreduce = \"mean\"\n[criterion]",
    );
    let parsed = crate::Card::parse(&card, "card", Path::new(".")).unwrap();
    let plan = crate::Plan::expand(&parsed, &[]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let sweep = Sweep::create_or_open(&folder.path().join("sweep"), &plan, &card, &[]).unwrap();
    // The gradient of one step is lost in both runs, the loss in the first only.
    for (index, lost) in [(0, true), (1, false)] {
        let run = directory(&sweep, index);
        let mut writer = RunWriter::open(&run).unwrap();
        crate::testing::manifest_of(&run).save(&run).unwrap();
        for step in 1..=40 {
            let bad = step == 20;
            let mut record = Record::new(step);
            record.set_named("loss", if bad && lost { f64::NAN } else { 3.3 });
            record.set_named("grad_norm", if bad { f64::INFINITY } else { 2.0 });
            writer.step(&record).unwrap();
        }
        let summary = Summary::new(Status::Finished, 40, writer.attempt(), 1.0);
        writer.finish(&summary).unwrap();
    }
    let reader = SweepReader::new(sweep);
    let [first, second] = &reader.states()[..2] else {
        panic!("two runs");
    };
    assert_eq!(first.outcome(), Some(Outcome::Nonfinite));
    assert!(first.metric.unwrap().is_nan());
    assert_eq!(
        second.metric,
        Some(2.0),
        "a skipped step is no loss of a run"
    );
}

#[test]
fn what_a_failed_or_stopped_run_lacks_is_not_done() {
    let (_directory, sweep) = sweep();
    finish(&directory(&sweep, 0), 3.26);
    for (index, status) in [(1, Status::Failed), (2, Status::Stopped)] {
        let writer = begin(&directory(&sweep, index), 10);
        let summary = Summary::new(status, 10, writer.attempt(), 1.0);
        writer.finish(&summary).unwrap();
    }
    let _running = begin(&directory(&sweep, 3), 10);
    let reader = SweepReader::new(sweep);
    assert_eq!(reader.progress(), (70, 320));
    // One at work and four to begin, at 10 steps a second.
    assert!((reader.eta_seconds().unwrap() - 19.0).abs() < 1e-9);
}

#[test]
fn a_deleted_run_has_not_begun() {
    let (_directory, sweep) = sweep();
    let run = begin(&directory(&sweep, 0), 10);
    let mut reader = SweepReader::new(sweep.clone());
    std::fs::remove_dir_all(directory(&sweep, 0)).unwrap();
    reader.poll();
    let state = &reader.states()[0];
    assert_eq!((state.state, state.step), (State::Pending, 0));
    assert_eq!(state.loss, None);
    drop(run);
}

/// A directory copied to another run's name must not be counted twice.
#[test]
fn a_run_under_another_runs_name_has_no_outcome() {
    let (_directory, sweep) = sweep();
    let (own, copied) = (directory(&sweep, 0), directory(&sweep, 2));
    for run in [&own, &copied] {
        finish(run, 3.26);
    }
    std::fs::copy(own.join("manifest.json"), copied.join("manifest.json")).unwrap();
    let reader = SweepReader::new(sweep);
    assert_eq!(reader.states()[0].outcome(), Some(Outcome::Ok));
    let state = &reader.states()[2];
    assert_eq!((state.state, state.outcome()), (State::Failed, None));
    let why = state.not_judged.as_ref().unwrap();
    assert!(why.contains("holds another run"), "{why}");
    let notes = reader.verdict().unwrap().notes;
    assert!(notes.iter().any(|note| note.contains(why)), "{notes:?}");
    assert!(reader.status().to_string().contains(why));
}

#[test]
fn a_finished_run_with_missing_or_damaged_records_has_no_outcome() {
    let (_directory, sweep) = sweep();
    for (index, damage) in [(0, None), (1, Some("x"))] {
        let run = directory(&sweep, index);
        finish(&run, 3.26);
        let path = run.join("metrics-0001.jsonl");
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().enumerate();
        let kept = lines.filter_map(|(at, line)| if at == 19 { damage } else { Some(line) });
        let kept: Vec<&str> = kept.collect();
        std::fs::write(&path, kept.join("\n") + "\n").unwrap();
    }
    let reader = SweepReader::new(sweep);
    for state in &reader.states()[..2] {
        assert_eq!((state.state, state.outcome()), (State::Finished, None));
        let why = state.not_judged.as_ref().unwrap();
        assert!(why.starts_with("1 of its 40 records"), "{why}");
        let notes = reader.verdict().unwrap().notes;
        assert!(
            notes.iter().any(|note| note.contains(&state.id)),
            "{notes:?}"
        );
        assert!(
            reader
                .status()
                .to_string()
                .contains(&format!("no outcome: {}", state.id))
        );
    }
}

/// A run is judged the same from its lines and from the index that their first reader left.
#[test]
fn a_run_is_judged_the_same_from_its_index() {
    use logs::{Record, RunWriter};
    let card = crate::testing::CARD.replace("steps = 40", "steps = 400");
    let parsed = crate::Card::parse(&card, "card", Path::new(".")).unwrap();
    let plan = crate::Plan::expand(&parsed, &[]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let sweep = Sweep::create_or_open(&folder.path().join("sweep"), &plan, &card, &[]).unwrap();
    let run = directory(&sweep, 0);
    let mut writer = RunWriter::open(&run).unwrap();
    crate::testing::manifest_of(&run).save(&run).unwrap();
    for step in 1..=400 {
        let wobble = (step as f64 * 1.7).sin() / 30.0;
        let grown = |layer| layer == 7 && (295..300).contains(&step);
        let norm = |layer| if grown(layer) { 8.0 } else { 1.0 + wobble };
        let mut record = Record::new(step);
        record.set_named("loss", if step == 300 { 8.0 } else { 3.3 + wobble });
        record.set_named("step_seconds", 0.1 + wobble);
        record.set_layers_named("layer_grad_norm", (0..40).map(norm).collect());
        if step.is_multiple_of(100) {
            record.set_named("held_out_loss", 3.2 + wobble);
        }
        writer.step(&record).unwrap();
    }
    let summary = Summary::new(Status::Finished, 400, writer.attempt(), 40.0);
    writer.finish(&summary).unwrap();
    let from_lines = SweepReader::new(sweep.clone());
    assert!(run.join(logs::run::INDEX_DIR).is_dir());
    let from_index = SweepReader::new(sweep);
    assert_eq!(from_lines.states(), from_index.states());
    let state = &from_index.states()[0];
    assert_eq!(state.outcome(), Some(Outcome::Ok), "{:?}", state.message);
    let owner = state.spikes[0].owner.as_ref().unwrap();
    assert_eq!(owner.layer, Some(7));
    let reader = RunReader::open_scalars(&run).unwrap();
    assert_eq!(reader.loss_spikes(), state.spikes);
}
