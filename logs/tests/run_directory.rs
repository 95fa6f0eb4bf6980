//! A run directory as its writer leaves it and its reader finds it: attempts, kills, torn and damaged
//! lines, versions.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail loudly too")]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use logs::{
    Event, EventKind, Liveness, LogError, Manifest, Record, RunReader, RunWriter, Status, Summary,
};

fn record(step: u64, loss: f64) -> Record {
    let mut record = Record::new(step);
    record.set_named("loss", loss);
    record.set_layers_named("layer_grad_norm", vec![loss, loss / 2.0]);
    record
}

/// One attempt that is then killed: the writer is dropped without a summary.
fn attempt(dir: &Path, steps: std::ops::RangeInclusive<u64>, loss: f64) {
    let mut writer = RunWriter::open(dir).unwrap();
    for step in steps {
        writer.step(&record(step, loss)).unwrap();
    }
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn manifest() -> Manifest {
    serde_json::from_str(
        r#"{"version":1,"program_version":"0.1.0","git_commit":null,"git_dirty":null,"backend":"flex",
        "device":"cpu","cpu":"c","threads":1,"host":"h","os":"linux","seed":1,"config_hash":"a",
        "corpus_hash":"b","tokenizer_hash":"c","languages":["en"],"unigram_entropy":3.5,
        "unigram_entropy_mixture":4.2,"parameters":10,"steps":6,"command":["workbench"],"parent":null,
        "created":"2026-01-01T00:00:00.5Z"}"#,
    )
    .unwrap()
}

#[test]
fn a_directory_that_does_not_exist_yet_is_pending_and_is_followed_once_it_does() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("runs/r1");
    let mut reader = RunReader::open(&dir).unwrap();
    assert_eq!(reader.liveness(), Liveness::Pending);
    assert_eq!(reader.poll().unwrap(), 0);

    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("run.toml"), "seed = 1\n").unwrap();
    reader.poll().unwrap();
    assert_eq!(
        reader.liveness(),
        Liveness::Pending,
        "a configuration alone is no attempt"
    );

    let mut writer = RunWriter::open(&dir).unwrap();
    manifest().save(&dir).unwrap();
    writer.step(&record(1, 5.0)).unwrap();
    assert_eq!(reader.poll().unwrap(), 1);
    assert_eq!(reader.liveness(), Liveness::Running);
    assert_eq!(reader.manifest(), Some(&manifest()));
    assert_eq!(
        reader.manifest().unwrap().created_seconds(),
        Some(1_767_225_600.5)
    );

    writer.step(&record(2, 4.0)).unwrap();
    writer
        .event(&Event::now(2, EventKind::Finish, "done"))
        .unwrap();
    let summary = Summary::new(Status::Finished, 2, writer.attempt(), 1.5);
    writer.finish(&summary).unwrap();
    assert_eq!(reader.poll().unwrap(), 1);
    assert_eq!(reader.poll().unwrap(), 0);
    assert_eq!(reader.liveness(), Liveness::Finished);
    let events = Some(1);
    assert_eq!(reader.summary(), Some(&Summary { events, ..summary }));
    assert_eq!(reader.events()[0].attempt, 1);
    assert_eq!(reader.series("loss"), [(1, 5.0), (2, 4.0)]);
    assert_eq!(reader.series("layer_grad_norm[1]"), [(1, 2.5), (2, 2.0)]);
    assert!(reader.warnings().is_empty());
    assert_eq!(reader.revision(), 0);
}

#[test]
fn a_second_writer_is_refused_and_the_first_is_not_disturbed() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = RunWriter::open(dir.path()).unwrap();
    assert!(matches!(
        RunWriter::open(dir.path()),
        Err(LogError::Held { .. })
    ));
    first.step(&record(1, 1.0)).unwrap();
    drop(first);
    assert_eq!(RunWriter::open(dir.path()).unwrap().attempt(), 2);
}

#[test]
fn attempts_are_merged_by_step_and_the_last_wins() {
    let dir = tempfile::tempdir().unwrap();
    attempt(dir.path(), 1..=6, 1.0);
    let mut reader = RunReader::open(dir.path()).unwrap();
    assert_eq!(reader.liveness(), Liveness::Interrupted);
    assert_eq!(reader.latest().unwrap().step, 6);

    attempt(dir.path(), 4..=5, 2.0);
    assert_eq!(reader.poll().unwrap(), 2);
    let losses: Vec<_> = reader
        .series("loss")
        .iter()
        .map(|(_, loss)| *loss)
        .collect();
    assert_eq!(losses, [1.0, 1.0, 1.0, 2.0, 2.0, 1.0]);
    assert_eq!(reader.latest().unwrap().step, 5, "where the run is now");
    assert!(reader.revision() > 0);

    let fresh = RunReader::open(dir.path()).unwrap();
    assert_eq!(
        fresh.records(),
        reader.records(),
        "followed or opened afterwards: the same"
    );
}

#[test]
fn a_stopped_run_that_continues_is_running_and_then_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let writer = RunWriter::open(dir.path()).unwrap();
    writer
        .finish(&Summary::new(Status::Stopped, 0, 1, 0.0))
        .unwrap();
    let mut reader = RunReader::open(dir.path()).unwrap();
    assert_eq!(reader.liveness(), Liveness::Stopped);
    let again = RunWriter::open(dir.path()).unwrap();
    reader.poll().unwrap();
    assert_eq!(reader.liveness(), Liveness::Running);
    drop(again);
    reader.poll().unwrap();
    assert_eq!(reader.liveness(), Liveness::Interrupted);
}

#[test]
fn a_torn_tail_is_waited_for_and_a_damaged_middle_skipped_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("metrics-0001.jsonl");
    let lines: Vec<_> = (1..=4).map(|step| record(step, 3.0).to_line()).collect();
    let damaged = lines[1].replace("3.0", "4.0");
    let (head, tail) = lines[3].split_at(20);
    fs::write(
        &path,
        format!("{}\n{damaged}\n{}\n{head}", lines[0], lines[2]),
    )
    .unwrap();

    let mut reader = RunReader::open(dir.path()).unwrap();
    assert_eq!(reader.records().len(), 2);
    assert_eq!(
        reader.warnings(),
        [
            "metrics-0001.jsonl: skipped 1 damaged line (line 2)",
            "metrics-0001.jsonl: line 4, the last, is incomplete and was left out; all before it was read"
        ]
    );
    append(&path, &format!("{tail}\n"));
    assert_eq!(reader.poll().unwrap(), 1);
    assert_eq!(reader.latest().unwrap().step, 4);
    assert_eq!(reader.warnings().len(), 1);
}

#[test]
fn an_event_torn_by_a_kill_does_not_swallow_the_next_attempts_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = RunWriter::open(dir.path()).unwrap();
    writer
        .event(&Event::now(0, EventKind::Start, "begin"))
        .unwrap();
    drop(writer);
    append(&dir.path().join("events.jsonl"), "{\"time\":\"20");
    let mut writer = RunWriter::open(dir.path()).unwrap();
    writer
        .event(&Event::now(0, EventKind::Resume, "again"))
        .unwrap();
    let reader = RunReader::open(dir.path()).unwrap();
    let kinds: Vec<_> = reader
        .events()
        .iter()
        .map(|e| (e.attempt, e.kind))
        .collect();
    assert_eq!(kinds, [(1, EventKind::Start), (2, EventKind::Resume)]);
    assert_eq!(
        reader.warnings(),
        ["events.jsonl: skipped 1 damaged line (line 2)"]
    );
}

#[test]
fn layers_can_be_fetched_later() {
    let dir = tempfile::tempdir().unwrap();
    attempt(dir.path(), 1..=3, 1.0);
    let mut reader = RunReader::open_scalars(dir.path()).unwrap();
    assert_eq!(reader.series("loss").len(), 3);
    assert!(reader.series("layer_grad_norm[0]").is_empty());
    reader.read_layers();
    assert_eq!(reader.poll().unwrap(), 3);
    assert_eq!(reader.series("layer_grad_norm[0]").len(), 3);
    assert_eq!(reader.revision(), 1);
}

#[test]
fn another_version_and_damage_are_one_clear_error_each() {
    let dir = tempfile::tempdir().unwrap();
    let open = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        let error = RunReader::open(dir.path()).unwrap_err().to_string();
        fs::remove_file(path).unwrap();
        error
    };
    let newer = open("manifest.json", r#"{"version":2,"shape":"unknown"}"#);
    assert!(
        newer.contains("manifest.json` has format version 2"),
        "{newer}"
    );
    assert!(newer.contains("up to 1"), "{newer}");
    let damaged = open("manifest.json", "{\"version\":1,");
    assert!(
        damaged.contains("manifest.json` is damaged") && damaged.contains("line 1"),
        "{damaged}"
    );
    let missing = open("summary.json", "{\"version\":1}");
    assert!(missing.contains("missing field `status`"), "{missing}");

    let file = dir.path().join("a-file");
    fs::write(&file, "").unwrap();
    for error in [
        RunReader::open(&file).unwrap_err(),
        RunWriter::open(&file).unwrap_err(),
    ] {
        assert!(
            error.to_string().contains("expected a run directory"),
            "{error}"
        );
    }
}

#[test]
fn a_record_that_could_not_be_read_back_is_refused_before_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = RunWriter::open(dir.path()).unwrap();
    let mut wrong = record(1, 1.0);
    wrong.set_named("crc", 1.0);
    assert!(matches!(writer.step(&wrong), Err(LogError::Name { .. })));
    writer.step(&record(1, 1.0)).unwrap();
    assert!(RunReader::open(dir.path()).unwrap().warnings().is_empty());
}

/// Lets another process take the run over, as one on another machine would.
fn take_over(dir: &Path) {
    let path = dir.join("lease.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"pid\": ", "\"pid\": 1", 1)).unwrap();
}

#[test]
fn a_writer_that_lost_its_lease_writes_neither_summary_nor_anything_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = RunWriter::open(dir.path()).unwrap();
    writer.step(&record(1, 1.0)).unwrap();
    take_over(dir.path());
    let published = writer.publish(|| -> Result<(), LogError> { panic!("it must not") });
    assert!(matches!(published, Err(LogError::Lost { .. })));
    let before = fs::read(dir.path().join("metrics-0001.jsonl")).unwrap();
    assert!(writer.step(&record(2, 1.0)).is_err());
    assert!(writer.event(&Event::now(2, EventKind::Fail, "m")).is_err());
    let summary = Summary::new(Status::Stopped, 2, 1, 1.0);
    assert!(writer.finish(&summary).is_err());
    assert_eq!(
        fs::read(dir.path().join("metrics-0001.jsonl")).unwrap(),
        before
    );
    assert!(!dir.path().join("summary.json").exists());
    assert!(dir.path().join("lease.json").exists(), "it is the other's");
}

#[test]
fn a_writer_that_another_has_overtaken_and_left_behind_does_not_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let writer = RunWriter::open(dir.path()).unwrap();
    // The other's lease came and went while this process slept.
    fs::remove_file(dir.path().join("lease.json")).unwrap();
    fs::write(dir.path().join("metrics-0002.jsonl"), "").unwrap();
    let error = writer
        .finish(&Summary::new(Status::Stopped, 0, 1, 1.0))
        .unwrap_err();
    assert!(matches!(error, LogError::Overtaken { .. }), "{error}");
    assert!(!dir.path().join("summary.json").exists());
}

#[test]
fn a_run_that_is_moved_or_deleted_while_it_is_written_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let damage: [fn(&Path); 4] = [
        |dir| fs::remove_dir_all(dir).unwrap(),
        |dir| fs::rename(dir, dir.with_extension("moved")).unwrap(),
        |dir| fs::remove_file(dir.join("metrics-0001.jsonl")).unwrap(),
        |dir| {
            let events = dir.join("events.jsonl");
            fs::copy(&events, dir.join("copy")).unwrap();
            fs::rename(dir.join("copy"), events).unwrap();
        },
    ];
    for (number, damage) in damage.into_iter().enumerate() {
        let dir = root.path().join(number.to_string());
        let mut writer = RunWriter::open(&dir).unwrap();
        writer.step(&record(1, 1.0)).unwrap();
        damage(&dir);
        let error = writer
            .finish(&Summary::new(Status::Finished, 1, 1, 1.0))
            .unwrap_err();
        assert!(matches!(error, LogError::Gone { .. }), "{number}: {error}");
        assert!(!dir.join("summary.json").exists());
    }
}

#[test]
fn a_directory_of_something_else_is_refused_and_left_as_it_is() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("sweep");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("sweep.json"), "{}").unwrap();
    fs::write(dir.join("run.toml"), "seed = 1\n").unwrap();
    let error = RunWriter::open(&dir).unwrap_err().to_string();
    assert!(
        error.contains("sweep.json") && error.contains("empty"),
        "{error}"
    );
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
    fs::remove_file(dir.join("sweep.json")).unwrap();
    fs::write(dir.join("console.log"), "").unwrap();
    RunWriter::open(&dir).unwrap();
}

#[test]
fn whole_lines_that_are_cut_off_behind_a_run_are_missed() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = RunWriter::open(dir.path()).unwrap();
    for step in 1..=4 {
        writer.step(&record(step, 1.0)).unwrap();
        writer
            .event(&Event::now(step, EventKind::Overflow, "m"))
            .unwrap();
    }
    writer
        .finish(&Summary::new(Status::Finished, 4, 1, 1.0))
        .unwrap();
    assert!(RunReader::open(dir.path()).unwrap().warnings().is_empty());
    for (name, lines) in [("metrics-0001.jsonl", 1), ("events.jsonl", 3)] {
        let path = dir.path().join(name);
        let text = fs::read_to_string(&path).unwrap();
        let whole: Vec<_> = text.split_inclusive('\n').take(lines).collect();
        fs::write(&path, whole.concat()).unwrap();
    }
    assert_eq!(
        RunReader::open(dir.path()).unwrap().warnings(),
        [
            "metrics: 3 records are missing that the run wrote",
            "events.jsonl: 1 event is missing that the run wrote"
        ]
    );
}
