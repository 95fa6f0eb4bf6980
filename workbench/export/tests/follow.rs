//! Event files that grow while runs train, read as TensorBoard reads them.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../report/tests/report/synthetic.rs"]
#[expect(dead_code, reason = "shared with the tests of the report")]
mod synthetic;

use logs::{Event, EventKind, Record, RollBack, RunReader, RunWriter, Status, Summary};
use prost::Message;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use workbench_export::{ExportError, Follower, Signals};

#[derive(Clone, PartialEq, Message)]
struct Told {
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(message, optional, tag = "5")]
    summary: Option<Values>,
    #[prost(message, optional, tag = "7")]
    session: Option<Session>,
}

#[derive(Clone, PartialEq, Message)]
struct Session {
    #[prost(int32, tag = "1")]
    status: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Values {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    number: Option<f32>,
}

type Series = BTreeMap<String, Vec<(i64, f32)>>;

/// Takes in what TensorBoard finds at another look: what is behind the bytes that it has read of a file, and then files whose names
/// come later; it does not go on behind a file that is gone. A session that starts, but for the first, takes back what was told of its
/// step and those behind it.
#[derive(Default)]
struct Board {
    has_begun: bool,
    place: Option<(PathBuf, usize)>,
    series: Series,
}

impl Board {
    fn look(&mut self, folder: &Path) {
        let entries = fs::read_dir(folder).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.retain(|file| file.is_file());
        files.sort();
        if let Some((known, _)) = &self.place {
            assert!(files.contains(known), "{} is gone", known.display());
        }
        for file in files {
            let from = match &self.place {
                Some((known, _)) if *known > file => continue,
                Some((known, from)) if *known == file => *from,
                _ => 0,
            };
            let bytes = fs::read(&file).unwrap();
            self.take(bytes.get(from..).unwrap_or_default());
            self.place = Some((file, bytes.len()));
        }
    }

    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            let told = Told::decode(&bytes[12..12 + length]).unwrap();
            bytes = &bytes[16 + length..];
            let starts = told.session.is_some_and(|session| session.status == 1);
            if starts && std::mem::replace(&mut self.has_begun, true) {
                for points in self.series.values_mut() {
                    points.retain(|(step, _)| *step < told.step);
                }
            }
            for value in told.summary.into_iter().flat_map(|told| told.value) {
                if let Some(number) = value.number {
                    let points = self.series.entry(value.tag).or_default();
                    let behind = points.last().is_none_or(|(last, _)| *last < told.step);
                    assert!(behind, "step {} twice", told.step);
                    points.push((told.step, number));
                }
            }
        }
    }
}

fn record(step: u64, loss: f64) -> Record {
    let mut record = Record::new(step);
    record.set_named("loss", loss);
    record.set_named("step_seconds", 0.5);
    record.set_layers_named("layer_grad_norm", vec![loss, 2.0 * loss]);
    record
}

fn write(writer: &mut RunWriter, steps: std::ops::RangeInclusive<u64>, loss: f64) {
    for step in steps {
        writer.step(&record(step, loss)).unwrap();
    }
}

fn finish(writer: RunWriter, steps: u64) {
    let summary = Summary::new(Status::Finished, steps, writer.attempt(), 1.0);
    writer.finish(&summary).unwrap();
}

/// What the run's own reader has, as the board shows it.
fn recorded(run: &Path) -> Series {
    let mut series = Series::new();
    for record in RunReader::open(run).unwrap().records() {
        let mut add = |tag: String, value: f64| {
            let points = series.entry(tag).or_default();
            points.push((record.step as i64, value as f32));
        };
        for (name, value) in &record.scalars {
            add(name.to_string(), *value);
        }
        for (layer, value) in record.layers["layer_grad_norm"].iter().enumerate() {
            add(format!("layers/grad_norm/{layer}"), *value);
        }
    }
    series.retain(|_, points| !points.is_empty());
    series
}

fn shown(board: &Board) -> Series {
    let mut series = board.series.clone();
    series.retain(|_, points| !points.is_empty());
    series
}

/// A run that begins after its follower, is killed and resumed, rolled back, and deleted and begun again: at every look the board
/// shows what the run is, each step once.
#[test]
fn every_step_is_shown_once_whatever_the_run_does() {
    let dir = tempfile::tempdir().unwrap();
    let (run, out) = (dir.path().join("run"), dir.path().join("tb"));
    let mut follower = Follower::begin(&run, &out, Signals::All).unwrap();
    assert!(!follower.look().unwrap(), "nothing is there yet");
    let mut board = Board::default();
    let mut check = |follower: &mut Follower| {
        let ended = follower.look().unwrap();
        board.look(&out);
        assert_eq!(shown(&board), recorded(&run));
        ended
    };
    let mut writer = RunWriter::open(&run).unwrap();
    write(&mut writer, 1..=10, 1.0);
    assert!(!check(&mut follower));
    write(&mut writer, 11..=15, 1.0);
    check(&mut follower);
    check(&mut follower);
    drop(writer);
    let mut writer = RunWriter::open(&run).unwrap();
    write(&mut writer, 9..=12, 2.0);
    check(&mut follower);
    write(&mut writer, 13..=20, 2.0);
    check(&mut follower);
    writer.next_attempt().unwrap();
    let event = Event::now(5, EventKind::Intervention, "rolled back");
    writer.event(&RollBack::told_by(event, 1, 20)).unwrap();
    check(&mut follower);
    write(&mut writer, 6..=8, 3.0);
    check(&mut follower);
    finish(writer, 8);
    assert!(check(&mut follower), "it has ended");
    fs::remove_dir_all(&run).unwrap();
    assert!(!follower.look().unwrap());
    let mut writer = RunWriter::open(&run).unwrap();
    write(&mut writer, 1..=3, 4.0);
    check(&mut follower);
    finish(writer, 3);
    assert!(check(&mut follower));
}

/// The same command again, over a folder that TensorBoard has open, and over one that was exported at once.
#[test]
fn a_folder_that_was_exported_before_shows_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (run, out) = (dir.path().join("run"), dir.path().join("tb"));
    let mut writer = RunWriter::open(&run).unwrap();
    write(&mut writer, 1..=5, 1.0);
    let mut board = Board::default();
    let source = workbench_export::Source::open(&run, Signals::All).unwrap();
    workbench_export::tensorboard(&source, &out).unwrap();
    board.look(&out);
    for round in 0..3 {
        write(&mut writer, 6 + round..=6 + round, 1.0);
        let mut follower = Follower::begin(&run, &out, Signals::All).unwrap();
        follower.look().unwrap();
        board.look(&out);
        assert_eq!(shown(&board), recorded(&run));
        let files = fs::read_dir(&out).unwrap();
        let full = files.filter(|file| file.as_ref().unwrap().metadata().unwrap().len() > 0);
        assert_eq!(full.count(), 1, "the old file is emptied");
        let busy = Follower::begin(&run, &out, Signals::All).unwrap_err();
        assert!(matches!(
            busy,
            ExportError::Log(logs::LogError::Busy { .. })
        ));
    }
    finish(writer, 8);
    let source = workbench_export::Source::open(&run, Signals::All).unwrap();
    workbench_export::tensorboard(&source, &out).unwrap();
    let mut anew = Board::default();
    anew.look(&out);
    assert_eq!(shown(&anew), recorded(&run));
}

/// Runs of a sweep begin one after the other; each has its hyperparameters from the start, and its outcome at its end.
#[test]
fn runs_that_appear_later_are_followed_too() {
    let dir = tempfile::tempdir().unwrap();
    let (sweep_dir, out) = (dir.path().join("sweep"), dir.path().join("tb"));
    let sweep = synthetic::sweep(&sweep_dir, "none", |_, seed| {
        if seed < 3 {
            synthetic::Fate::Finish
        } else {
            synthetic::Fate::Never
        }
    });
    let mut follower = Follower::begin(&sweep_dir, &out, Signals::Scalars).unwrap();
    assert!(!follower.look().unwrap());
    let first = |id: &str| {
        out.join(id)
            .join("events.out.tfevents.0000000000.workbench")
    };
    let told = |id: &str| String::from_utf8_lossy(&fs::read(first(id)).unwrap()).into_owned();
    let find = |is_late: bool| {
        let mut runs = sweep.runs().iter();
        runs.find(|run| (run.seed >= 3) == is_late).unwrap()
    };
    let (early, late) = (find(false), find(true));
    assert!(told(&early.id).contains("_hparams_/session_end_info"));
    assert!(told(&early.id).contains("outcome"));
    assert!(!out.join(&late.id).exists());
    let run = sweep.run_dir(&late.id);
    let mut writer = RunWriter::open(&run).unwrap();
    write(&mut writer, 1..=4, 1.0);
    assert!(!follower.look().unwrap());
    assert!(told(&late.id).contains("model.norm") && !told(&late.id).contains("outcome"));
    finish(writer, 4);
    follower.look().unwrap();
    assert!(told(&late.id).contains("outcome"));
    let mut board = Board::default();
    board.look(&out.join(&late.id));
    assert_eq!(board.series["loss"].len(), 4);
    let tags: Vec<&str> = board.series.keys().map(String::as_str).collect();
    assert_eq!(tags, ["loss", "step_seconds"], "scalars only");
    let all = fs::read(out.join("events.out.tfevents.0000000000.workbench")).unwrap();
    assert!(String::from_utf8_lossy(&all).contains("_hparams_/experiment"));
}

#[test]
fn names_that_nothing_has_are_refused_before_anything_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let signals: Signals = "los".parse().unwrap();
    let error = Follower::begin(&dir.path().join("run"), &dir.path().join("tb"), signals);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("did you mean `loss`?"), "{error}");
}
