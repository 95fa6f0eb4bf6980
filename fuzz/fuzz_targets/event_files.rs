//! Event files of TensorBoard.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzz::import("events.out.tfevents.1", bytes);
    fuzz::import(
        "events.out.tfevents.1",
        &fuzz::checksums::of_event_file(bytes),
    );
});
