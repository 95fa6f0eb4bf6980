//! Whatever happens to the files, a reader with an index reads what one without it reads.

use super::super::*;
use super::FULL;
use crate::run::INDEX_DIR;
use crate::{EventKind, RunWriter, Status};
use proptest::prelude::*;
use std::fs;
use std::ops::Range;

/// Steps that are enough for an index: [`WORTH`] bytes and more.
const ENOUGH: u64 = 1200;

fn record(step: u64, value: f64) -> Record {
    let mut record = Record::new(step);
    for name in ["loss", "grad_norm", "tokens", "lr", "adam_rms"] {
        record.set_named(name, value + name.len() as f64 + 1.0 / step as f64);
    }
    if step.is_multiple_of(7) {
        record.set_named("held_out_loss", if value > 5.0 { f64::NAN } else { value });
        record.set_named("grad_norm", f64::NEG_INFINITY);
    }
    record.set_layers_named("layer_grad_norm", vec![value / step as f64; 8]);
    record
}

fn write(writer: &mut RunWriter, steps: Range<u64>, value: f64) {
    for step in steps {
        writer.step(&record(step, value)).unwrap();
    }
}

/// A run of [`ENOUGH`] steps in one attempt, and its index.
fn indexed() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = RunWriter::open(dir.path()).unwrap();
    write(&mut writer, 1..ENOUGH + 1, 1.0);
    drop(writer);
    RunReader::open_scalars(dir.path()).unwrap();
    assert!(has_index(dir.path()));
    dir
}

fn has_index(dir: &Path) -> bool {
    dir.join(INDEX_DIR).join("000001").exists()
}

fn text(records: &[Record]) -> Vec<String> {
    records.iter().map(Record::to_line).collect()
}

/// Reads a run with its index, and checks everything against the lines alone.
fn read(dir: &Path) -> RunReader {
    let reader = RunReader::open_scalars(dir).unwrap();
    assert_same(&reader);
    reader
}

fn assert_same(reader: &RunReader) {
    let mut plain = RunReader::new(reader.dir(), Reading::Lines);
    plain.poll().unwrap();
    let lines = text(plain.records());
    assert_eq!(text(reader.records()), lines);
    assert_eq!(reader.len(), lines.len());
    assert_eq!(reader.last_step(), plain.last_step());
    let latest = |reader: &RunReader| reader.latest().map(Record::to_line);
    assert_eq!(latest(reader), latest(&plain));
    assert_eq!(reader.warnings(), plain.warnings());
    assert_eq!(reader.scalar_names(), plain.scalar_names());
    let part = lines.len() / 3..lines.len() / 2;
    let mut shown = Vec::new();
    reader.visit(part.clone(), |record| shown.push(record.to_line()));
    assert_eq!(shown, lines[part.clone()]);
    for name in reader.scalar_names() {
        let bits = |(step, value): &(u64, f64)| (*step, value.to_bits());
        let series = |reader: &RunReader| reader.series(&name).iter().map(bits).collect::<Vec<_>>();
        assert_eq!(series(reader), series(&plain), "{name}");
        let column = reader.column(&name, part.clone());
        let wanted = plain.records()[part.clone()]
            .iter()
            .map(|record| record.scalar(&name));
        assert!(
            column
                .iter()
                .map(|x| x.map(f64::to_bits))
                .eq(wanted.map(|x| x.map(f64::to_bits)))
        );
    }
    let whole = RunReader::open(reader.dir()).unwrap();
    let window = reader.last_step() / 2..reader.last_step() / 2 + 9;
    let wanted = whole
        .records()
        .iter()
        .filter(|record| window.contains(&record.step));
    let wanted: Vec<String> = wanted.map(Record::to_line).collect();
    assert_eq!(text(&reader.with_layers(window)), wanted);
    let layers = |reader: &RunReader| text(&reader.layers("layer_grad_norm", lines.len() / 3));
    assert_eq!(layers(reader), layers(&whole));
    assert_eq!(reader.loss_spikes(), whole.loss_spikes());
}

fn metrics(dir: &Path, attempt: u32) -> PathBuf {
    dir.join(metrics_file(attempt))
}

#[test]
fn an_index_is_used_where_it_is_what_the_lines_say() {
    let dir = indexed();
    let reader = read(dir.path());
    assert_eq!(reader.index.len() as u64, ENOUGH);
    assert!(reader.merged.records.is_empty());
}

#[test]
fn few_lines_are_not_worth_an_index() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = RunWriter::open(dir.path()).unwrap();
    write(&mut writer, 1..50, 1.0);
    drop(writer);
    read(dir.path());
    assert!(!dir.path().join(INDEX_DIR).exists());
}

#[test]
fn who_sees_a_run_end_leaves_an_index() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = RunWriter::open(dir.path()).unwrap();
    let mut follower = RunReader::open_scalars(dir.path()).unwrap();
    write(&mut writer, 1..ENOUGH + 1, 1.0);
    follower.poll().unwrap();
    assert!(!has_index(dir.path()), "it goes on");
    let attempt = writer.attempt();
    let summary = Summary::new(Status::Finished, ENOUGH, attempt, 1.0);
    writer.finish(&summary).unwrap();
    follower.poll().unwrap();
    assert!(has_index(dir.path()));
    assert_same(&follower);
    read(dir.path());
}

/// A finished run of so many steps, whose writer kept its index; `while_written` is shown the directory before it ends.
fn trained(steps: u64, while_written: impl FnOnce(&Path)) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = RunWriter::open(dir.path()).unwrap();
    let mut index = Indexer::new(dir.path());
    for step in 1..=steps {
        writer.step(&record(step, 1.0)).unwrap();
        index.recorded();
    }
    while_written(dir.path());
    let summary = Summary::new(Status::Finished, steps, writer.attempt(), 1.0);
    writer.finish(&summary).unwrap();
    index.end();
    dir
}

#[test]
fn who_writes_a_run_leaves_an_index_that_no_reader_makes_again() {
    let dir = trained(ENOUGH, |_| {});
    let file = dir.path().join(INDEX_DIR).join("000001");
    let made = fs::metadata(&file).unwrap().modified().unwrap();
    let reader = read(dir.path());
    assert_eq!(reader.index.len() as u64, ENOUGH);
    assert!(reader.merged.records.is_empty());
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), made);
    // It is a cache: without it the run is the same, and has it again.
    fs::remove_dir_all(dir.path().join(INDEX_DIR)).unwrap();
    read(dir.path());
    assert!(has_index(dir.path()));
}

#[test]
fn the_index_of_a_long_run_grows_while_it_is_written() {
    let steps = 2 * FULL as u64 + 3000;
    let dir = trained(steps, |dir| {
        let indexed = Index::open(dir).0.len() as u64;
        assert!(indexed >= 2 * FULL as u64, "{indexed} records");
    });
    assert_eq!(read(dir.path()).index.len() as u64, steps);
}

#[test]
fn a_run_whose_index_cannot_be_written_is_written_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(INDEX_DIR), "").unwrap();
    let mut writer = RunWriter::open(dir.path()).unwrap();
    let mut index = Indexer::new(dir.path());
    for step in 1..=2 * ENOUGH {
        writer.step(&record(step, 1.0)).unwrap();
        index.recorded();
    }
    drop(writer);
    index.end();
    assert_eq!(read(dir.path()).len() as u64, 2 * ENOUGH);
}

/// What a later attempt wrote counts, and what a roll-back abandoned does not, wherever they are read.
#[test]
fn attempts_and_roll_backs_reach_into_the_index() {
    let dir = indexed();
    let mut follower = RunReader::open_scalars(dir.path()).unwrap();
    let mut writer = RunWriter::open(dir.path()).unwrap();
    write(&mut writer, ENOUGH - 100..ENOUGH + 100, 2.0);
    let before = follower.revision();
    follower.poll().unwrap();
    assert!(
        follower.revision() > before,
        "what was derived is derived anew"
    );
    assert_eq!(follower.changed(), Some(ENOUGH - 100));
    follower.poll().unwrap();
    assert_eq!(follower.changed(), None);
    assert_same(&follower);
    let reader = read(dir.path());
    assert_eq!(reader.series("tokens").len() as u64, ENOUGH + 99);
    writer.next_attempt().unwrap();
    let event = Event::now(700, EventKind::Intervention, "rolled back");
    let event = RollBack::told_by(event, 1, ENOUGH + 99);
    writer.event(&event).unwrap();
    follower.poll().unwrap();
    assert_eq!(follower.last_step(), 700);
    assert_eq!(follower.changed(), Some(701));
    assert_same(&follower);
    assert_eq!(read(dir.path()).last_step(), 700);
    write(&mut writer, 701..720, 3.0);
    follower.poll().unwrap();
    assert_eq!(follower.changed(), None, "only more of them");
    assert_same(&follower);
    read(dir.path());
    // The events go, and with them what is known of roll-backs.
    drop(writer);
    fs::remove_file(dir.path().join(EVENTS_FILE)).unwrap();
    assert_eq!(read(dir.path()).last_step(), ENOUGH + 99);
}

#[test]
fn an_index_that_vanishes_under_a_reader_is_not_missed() {
    for damage in [
        |file: &Path| fs::remove_file(file).unwrap(),
        |file: &Path| fs::write(file, "torn").unwrap(),
        |file: &Path| {
            let mut bytes = fs::read(file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(file, bytes).unwrap();
        },
    ] {
        let dir = indexed();
        let mut reader = RunReader::open_scalars(dir.path()).unwrap();
        damage(&dir.path().join(INDEX_DIR).join("000001"));
        assert_same(&reader);
        let mut writer = RunWriter::open(dir.path()).unwrap();
        write(&mut writer, ENOUGH - 3..ENOUGH + 30, 2.0);
        reader.poll().unwrap();
        assert_same(&reader);
        drop(writer);
        read(dir.path());
    }
}

#[test]
fn a_foreign_index_is_read_over_and_replaced() {
    let (dir, other) = (indexed(), indexed());
    let lines = fs::read_to_string(metrics(other.path(), 1)).unwrap();
    let fewer: Vec<&str> = lines.lines().skip(1).collect();
    fs::write(metrics(other.path(), 1), fewer.join("\n") + "\n").unwrap();
    let file = |dir: &Path| dir.join(INDEX_DIR).join("000001");
    for foreign in [
        fs::read(file(dir.path())).unwrap(),
        vec![0; 5000],
        Vec::new(),
    ] {
        fs::write(file(other.path()), foreign).unwrap();
        read(other.path());
        assert_eq!(read(other.path()).index.len() as u64, ENOUGH - 1);
    }
}

/// Two changes within a tick of the clock leave the same stamp.
#[test]
fn lines_that_change_without_a_trace_in_length_and_time_are_noticed() {
    let dir = indexed();
    let path = metrics(dir.path(), 1);
    let stamp = fs::metadata(&path).unwrap().modified().unwrap();
    let mut lines: Vec<String> = fs::read_to_string(&path)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    lines.swap(10, 20);
    let changed = lines.join("\n").replace("\"lr\":3.", "\"lr\":4.") + "\n";
    fs::write(&path, changed).unwrap();
    fs::File::options()
        .append(true)
        .open(&path)
        .unwrap()
        .set_modified(stamp)
        .unwrap();
    // As old as the index itself, which can then not know.
    let index = dir.path().join(INDEX_DIR).join("000001");
    fs::File::options()
        .append(true)
        .open(index)
        .unwrap()
        .set_modified(stamp)
        .unwrap();
    read(dir.path());
}

#[test]
fn a_directory_that_cannot_be_written_is_read_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    // A file where the folder would be: even root cannot write into it.
    fs::write(dir.path().join(INDEX_DIR), "").unwrap();
    let mut writer = RunWriter::open(dir.path()).unwrap();
    write(&mut writer, 1..ENOUGH + 1, 1.0);
    let mut reader = read(dir.path());
    assert_eq!(reader.index.len() as u64, ENOUGH, "in memory, as columns");
    write(&mut writer, ENOUGH - 50..ENOUGH + 50, 2.0);
    reader.poll().unwrap();
    assert_same(&reader);
}

/// What happens to the files of a run between two looks.
#[derive(Debug, Clone)]
enum Change {
    /// The attempt at work, or a new one, writes from a step on.
    Write { new: bool, back: u64, steps: u64 },
    /// The last bytes of the file of an attempt go.
    Cut(u32, usize),
    /// A byte changes.
    Flip(u32, usize),
    /// The file is written anew, as long as it was.
    Rewrite(u32),
    /// The file goes.
    Remove(u32),
    /// The index goes, or is copied from another time.
    Index(bool),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (any::<bool>(), 0..400u64, 1..900u64)
            .prop_map(|(new, back, steps)| Change::Write { new, back, steps }),
        1 => (1..4u32, 1..300_000usize).prop_map(|(file, bytes)| Change::Cut(file, bytes)),
        1 => (1..4u32, 0..300_000usize).prop_map(|(file, byte)| Change::Flip(file, byte)),
        1 => (1..4u32).prop_map(Change::Rewrite),
        1 => (1..4u32).prop_map(Change::Remove),
        1 => any::<bool>().prop_map(Change::Index),
    ]
}

fn make(dir: &Path, change: &Change, value: f64) {
    let edit = |attempt: u32, edit: &dyn Fn(&mut Vec<u8>)| {
        let path = metrics(dir, attempt);
        if let Ok(mut bytes) = fs::read(&path) {
            edit(&mut bytes);
            fs::write(path, bytes).unwrap();
        }
    };
    match change {
        Change::Write { new, back, steps } => {
            let last = RunReader::open(dir).unwrap().last_step();
            let first = if *new {
                last.saturating_sub(*back)
            } else {
                last
            } + 1;
            write(
                &mut RunWriter::open(dir).unwrap(),
                first..first + steps,
                value,
            );
        }
        Change::Cut(file, bytes) => edit(*file, &|text| {
            text.truncate(text.len().saturating_sub(*bytes));
        }),
        Change::Flip(file, byte) => edit(*file, &|text| {
            if let Some(byte) = text.get_mut(*byte) {
                *byte ^= 4;
            }
        }),
        Change::Rewrite(file) => edit(*file, &|text| {
            // Lines that are whole, in another order.
            let mut lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
            let by = usize::from(!lines.is_empty());
            lines.rotate_left(by);
            *text = lines.concat();
        }),
        Change::Remove(file) => drop(fs::remove_file(metrics(dir, *file))),
        Change::Index(true) => drop(fs::remove_dir_all(dir.join(INDEX_DIR))),
        Change::Index(false) => {
            let index = dir.join(INDEX_DIR).join("000001");
            let old = index.with_file_name("old");
            if old.exists() {
                let _ = fs::copy(&old, &index);
            }
            let _ = fs::copy(&index, &old);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn prop_an_index_never_says_anything_but_the_lines(changes in prop::collection::vec(change(), 1..7)) {
        let dir = tempfile::tempdir().unwrap();
        for (value, change) in (1..).zip(changes) {
            make(dir.path(), &change, f64::from(value));
            read(dir.path());
        }
    }
}
