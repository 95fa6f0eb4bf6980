//! Offline runs of W&B.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzz::import("run-1.wandb", bytes);
    fuzz::import("run-1.wandb", &fuzz::checksums::of_wandb(bytes));
});
