//! Whatever a crash or a disk does to the bytes, reading never panics and never loses what came before.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail loudly too")]

use std::fs;

use logs::{Event, EventKind, Record, RunReader, RunWriter};
use proptest::prelude::*;

const STEPS: u64 = 6;

fn record(step: u64) -> Record {
    let mut record = Record::new(step);
    record.set_named(
        "loss",
        if step == 3 {
            f64::NAN
        } else {
            0.1 * step as f64
        },
    );
    record.set_layers_named("layer_grad_norm", vec![step as f64, f64::INFINITY]);
    record
}

fn lines() -> Vec<String> {
    (1..=STEPS)
        .map(|step| record(step).to_line() + "\n")
        .collect()
}

fn read(bytes: &[u8]) -> RunReader {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("metrics-0001.jsonl"), bytes).unwrap();
    fs::write(dir.path().join("events.jsonl"), bytes).unwrap();
    fs::write(dir.path().join("lease.json"), bytes).unwrap();
    RunReader::open(dir.path()).unwrap()
}

fn steps(reader: &RunReader) -> Vec<u64> {
    reader.records().iter().map(|record| record.step).collect()
}

#[test]
fn truncation_at_any_byte_keeps_every_whole_line() {
    let text = lines().concat();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("metrics-0001.jsonl");
    for cut in 0..=text.len() {
        fs::write(&path, &text[..cut]).unwrap();
        let mut reader = RunReader::open(dir.path()).unwrap();
        let whole = text[..cut].matches('\n').count() as u64;
        assert_eq!(
            steps(&reader),
            (1..=whole).collect::<Vec<_>>(),
            "cut at {cut}"
        );
        let torn = !text[..cut].is_empty() && !text[..cut].ends_with('\n');
        assert_eq!(reader.warnings().len(), usize::from(torn));
        // The rest arrives after all.
        fs::write(&path, &text).unwrap();
        reader.poll().unwrap();
        assert_eq!(
            steps(&reader),
            (1..=STEPS).collect::<Vec<_>>(),
            "cut at {cut}"
        );
        assert!(reader.warnings().is_empty());
    }
}

#[test]
fn a_run_continues_behind_a_truncated_attempt() {
    let text = lines().concat();
    for cut in [0, 1, text.len() / 2, text.len() - 1] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("metrics-0001.jsonl"), &text[..cut]).unwrap();
        fs::write(dir.path().join("events.jsonl"), &text[..cut]).unwrap();
        let mut writer = RunWriter::open(dir.path()).unwrap();
        for step in 1..=STEPS {
            writer.step(&record(step)).unwrap();
        }
        writer
            .event(&Event::now(0, EventKind::Resume, "m"))
            .unwrap();
        let reader = RunReader::open(dir.path()).unwrap();
        assert_eq!(steps(&reader), (1..=STEPS).collect::<Vec<_>>());
        assert_eq!(reader.events().len(), 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_flipped_byte_costs_at_most_two_records(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut bytes = lines().concat().into_bytes();
        let at = at.index(bytes.len());
        // A flipped newline joins two lines.
        let cost = if bytes[at] == b'\n' { 2 } else { 1 };
        bytes[at] ^= flip;
        prop_assert!(read(&bytes).records().len() as u64 >= STEPS - cost);
    }

    #[test]
    fn garbage_between_whole_lines_costs_nothing_and_never_panics(garbage in any::<Vec<u8>>(), after in 0usize..6) {
        let lines = lines();
        let bytes = [
            lines[..=after].concat().into_bytes(),
            garbage,
            b"\n".to_vec(),
            lines[after + 1..].concat().into_bytes(),
        ]
        .concat();
        prop_assert_eq!(steps(&read(&bytes)), (1..=STEPS).collect::<Vec<_>>());
    }

    #[test]
    fn polled_in_any_pieces_the_result_is_the_same(cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let text = lines().concat();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len())).collect();
        cuts.sort_unstable();
        cuts.push(text.len());
        let dir = tempfile::tempdir().unwrap();
        let mut reader = RunReader::open(dir.path()).unwrap();
        let mut new = 0;
        for cut in cuts {
            fs::write(dir.path().join("metrics-0001.jsonl"), &text[..cut]).unwrap();
            new += reader.poll().unwrap();
        }
        prop_assert_eq!(new as u64, STEPS);
        prop_assert_eq!(steps(&reader), (1..=STEPS).collect::<Vec<_>>());
        prop_assert_eq!(reader.revision(), 0);
    }
}
