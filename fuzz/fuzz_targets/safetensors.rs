//! Weights in a safetensors file: as it is, and with a header of the length that it has.
#![no_main]

use fuzz::{Folder, model};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = Folder::new();
    let path = folder.write("weights.safetensors", bytes);
    let config = model::tiny(Some(&path));
    let _ = experiments::check_weights(&config);

    let header = bytes.get(8..).unwrap_or_default();
    let end = header
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(header.len());
    let mut whole = (end as u64).to_le_bytes().to_vec();
    whole.extend(header);
    folder.write("weights.safetensors", &whole);
    let _ = experiments::check_weights(&config);
});
