//! `events.jsonl` of a run.
#![no_main]

use fuzz::{Folder, checksums};
use libfuzzer_sys::fuzz_target;
use logs::{RunReader, run::EVENTS_FILE};

fuzz_target!(|bytes: &[u8]| {
    let folder = Folder::new();
    for text in [bytes, &checksums::of_lines(bytes)] {
        folder.write(EVENTS_FILE, text);
        let reader = RunReader::open(folder.path()).unwrap();
        let _ = (reader.sightings(), reader.warnings().len());
    }
});
