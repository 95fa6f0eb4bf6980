//! Flipped bytes and cuts at every place.

use super::*;

/// An event file with three steps of two tags.
fn events() -> Vec<u8> {
    let records: Vec<Record> = (1..=3)
        .map(|step| {
            let mut record = Record::new(step);
            record.set_named("loss", 5.0 / step as f64);
            record.set_named("grad_norm", 0.5);
            record
        })
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let file = crate::export::tensorboard(&records, dir.path(), 100.0).unwrap();
    std::fs::read(file).unwrap()
}

/// Nothing that `name` says after a flip or a cut is anything else than what it said before.
fn survives(name: &str, bytes: &[u8]) {
    let whole = numbers(read(name, bytes, &[]).1);
    assert!(!whole.is_empty());
    for at in 0..bytes.len() {
        let cut = read(name, &bytes[..at], &[]).1;
        assert!(numbers(cut).is_subset(&whole), "cut at {at}");
        for flip in [0x01, 0x80, 0xff] {
            let mut flipped = bytes.to_vec();
            flipped[at] ^= flip;
            let log = read(name, &flipped, &[]).1;
            let damaged = log.damaged;
            let found = numbers(log);
            assert!(found.is_subset(&whole), "byte {at} ^ {flip:#x}");
            assert!(
                damaged > 0 || found == whole,
                "byte {at} ^ {flip:#x}: lost without a word"
            );
        }
    }
}

#[test]
fn no_flipped_byte_of_an_event_file_gives_a_wrong_number() {
    survives("events.out.tfevents.1.host", &events());
}

#[test]
fn no_flipped_byte_of_a_wandb_file_gives_a_wrong_number() {
    let bytes = include_bytes!("../../../tests/data/run-57j236jh.wandb");
    survives("run-57j236jh.wandb", bytes);
}

#[test]
fn a_damaged_length_costs_one_record_of_an_event_file() {
    let mut bytes = events();
    let whole = numbers(read("a.tfevents.1", &bytes, &[]).1).len();
    // The length of the third record, which is step 1; before it are the version and the start of a session.
    let second = 12 + 24 + 4;
    let third = second + 12 + usize::from(bytes[second]) + 4;
    bytes[third + 1] ^= 0xff;
    let log = read("a.tfevents.1", &bytes, &[]).1;
    assert_eq!(log.damaged, 1);
    assert_eq!(numbers(log).len(), whole - 2);
}

#[test]
fn a_damaged_text_log_is_read_on() {
    let bytes = include_bytes!("../../../tests/data/megatron.log");
    let whole = numbers(read("a.log", bytes, &[]).1);
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut flipped = bytes.to_vec();
            flipped[at] ^= flip;
            let log = read("a.log", &flipped, &[]).1;
            // One line, or two where the line end between them is gone.
            let kept = numbers(log).intersection(&whole).count();
            assert!(kept + 24 >= whole.len(), "byte {at}");
        }
    }
    // From the middle of the first line on there is a record to recognise; a cut never makes a number.
    for at in 100..bytes.len() {
        let cut = numbers(read("a.log", &bytes[..at], &[]).1);
        assert!(cut.is_subset(&whole), "cut at {at}");
    }
}

/// `bytes` as `.gz` and as `.zst`, both with checksums.
fn packed(bytes: &[u8]) -> [Vec<u8>; 2] {
    use std::io::Write as _;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(bytes).unwrap();
    let mut zstd = zstd::Encoder::new(Vec::new(), 3).unwrap();
    zstd.include_checksum(true).unwrap();
    zstd.write_all(bytes).unwrap();
    [gzip.finish().unwrap(), zstd.finish().unwrap()]
}

/// The numbers of a file, whether its packing is broken, and how much text of it counts.
fn numbers_of_file(file: &Path, bytes: &[u8]) -> (HashSet<(u64, String, u64)>, bool, usize) {
    std::fs::write(file, bytes).unwrap();
    let source = Source::read(file).unwrap();
    let found = match read_source(&source, &Columns::default()) {
        Ok(log) => log
            .attempts
            .into_iter()
            .flatten()
            .flat_map(of_record)
            .collect(),
        Err(ImportError::Unknown { .. }) => HashSet::new(),
        Err(error) => panic!("{error}"),
    };
    (found, source.broken.is_some(), source.sound)
}

/// Text has no checksum of its own, but what it is packed in has. Only a cut, which cannot be told from some damages,
/// may let a wrong number in, and then it is said.
#[test]
fn no_flipped_byte_of_a_packed_log_gives_a_wrong_number_without_a_word() {
    let text = include_bytes!("../../../tests/data/megatron.log");
    let dir = tempfile::tempdir().unwrap();
    let read = |bytes: &[u8]| numbers_of_file(&dir.path().join("job.log"), bytes);
    for packed in packed(text) {
        let (whole, is_broken, _) = read(&packed);
        assert!(!whole.is_empty() && !is_broken);
        // The second part is damaged, the first one counts.
        let twice = [&packed[..], &packed[..packed.len() - 4], &[9, 9, 9, 9]].concat();
        assert_eq!(read(&twice), (whole.clone(), true, text.len()));
        for at in 0..packed.len() {
            let (found, ..) = read(&packed[..at]);
            assert!(found.is_subset(&whole), "cut at {at}");
            for flip in [0x01, 0x80, 0xff] {
                let mut flipped = packed.clone();
                flipped[at] ^= flip;
                let (found, is_broken, sound) = read(&flipped);
                let is_told = is_broken && sound > 0;
                assert!(found.is_subset(&whole) || is_told, "byte {at} ^ {flip:#x}");
            }
        }
    }
}

/// Event files have checksums of their own, whatever became of their packing.
#[test]
fn no_flipped_byte_of_a_packed_event_file_gives_a_wrong_number() {
    let dir = tempfile::tempdir().unwrap();
    let read = |bytes: &[u8]| numbers_of_file(&dir.path().join("events.tfevents.1"), bytes).0;
    for packed in packed(&events()) {
        let whole = read(&packed);
        assert!(!whole.is_empty());
        for at in 0..packed.len() {
            assert!(read(&packed[..at]).is_subset(&whole), "cut at {at}");
            for flip in [0x01, 0x80, 0xff] {
                let mut flipped = packed.clone();
                flipped[at] ^= flip;
                assert!(read(&flipped).is_subset(&whole), "byte {at} ^ {flip:#x}");
            }
        }
    }
}

#[test]
fn zeros_behind_the_last_record_are_the_end() {
    let megatron = include_bytes!("../../../tests/data/megatron.log").as_slice();
    let wandb = include_bytes!("../../../tests/data/run-57j236jh.wandb").as_slice();
    let events = events();
    let sources: [(&str, &[u8]); 5] = [
        ("a.tfevents.1", &events),
        ("run-a.wandb", wandb),
        ("a.log", megatron),
        ("a.csv", b"step,loss\n1,2.5\n2,2.25\n"),
        ("a.jsonl", b"{\"step\":1,\"loss\":2.5}\n"),
    ];
    for (name, bytes) in sources {
        let whole = numbers(read(name, bytes, &[]).1);
        for zeros in [1, 5, 7, 8, 100, 70_000] {
            let log = read(name, &[bytes, &vec![0; zeros]].concat(), &[]).1;
            assert_eq!(log.damaged, 0, "{name} with {zeros} zeros");
            assert_eq!(numbers(log), whole, "{name} with {zeros} zeros");
        }
    }
}
