//! Logs that are text (Megatron, DeepSpeed, JSON lines, CSV, TSV), packed or not; the content says which it is.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz::import("job.log", bytes));
