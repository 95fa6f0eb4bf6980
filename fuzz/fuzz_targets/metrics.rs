//! `metrics.jsonl` of a run: any bytes are read without a panic, and what is read is written back the same.
#![no_main]

use fuzz::{Folder, checksums};
use libfuzzer_sys::fuzz_target;
use logs::{Record, RunReader, run::metrics_file};

fuzz_target!(|bytes: &[u8]| {
    let folder = Folder::new();
    let sealed = checksums::of_lines(bytes);
    folder.write(&metrics_file(1), bytes);
    folder.write(&metrics_file(2), &sealed);
    let reader = RunReader::open(folder.path()).unwrap();
    let _ = reader.sightings();
    for line in sealed.split(|byte| *byte == b'\n') {
        let Ok(record) = str::from_utf8(line)
            .map_err(drop)
            .and_then(|line| Record::parse_line(line).map_err(drop))
        else {
            continue;
        };
        let written = record.to_line();
        let again = Record::parse_line(&written).unwrap();
        assert_eq!(again.to_line(), written);
    }
});
