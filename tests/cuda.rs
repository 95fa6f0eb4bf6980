//! The device `cuda` without a card: on a driver that runs kernels on the CPU (`tests/emulator`). Needs a C++ compiler, Python
//! and CUDA's headers, which `WORKBENCH_CUDA_HEADERS` names by the folder that holds `include`; skipped without.
#![cfg(feature = "cuda")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::path::Path;
use std::process::Command;
use support::{Scratch, stderr, stdout};

const EMULATOR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/emulator");

/// A folder with the emulator's driver and compiler.
fn build(scratch: &Scratch) -> std::path::PathBuf {
    let folder = scratch.join("driver");
    std::fs::create_dir_all(&folder).unwrap();
    for library in ["libcuda.so", "libnvrtc.so"] {
        let built = Command::new("g++")
            .args(["-std=c++20", "-O2", "-Wall", "-Werror", "-shared", "-fPIC"])
            .arg(Path::new(EMULATOR).join("driver.cpp"))
            .args(["-ldl", "-o"])
            .arg(folder.join(library))
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", stderr(&built));
    }
    folder
}

/// What a card showed in its first minutes: memory with gaps between rows, and products on matrix units with any number of
/// terms. Memory that nobody has written is NaN there.
#[test]
fn every_operation_agrees_with_the_cpu_and_kernels_are_kept() {
    let Some(headers) = std::env::var_os("WORKBENCH_CUDA_HEADERS") else {
        eprintln!("skipped: WORKBENCH_CUDA_HEADERS is not set");
        return;
    };
    let scratch = Scratch::new("cuda");
    let driver = build(&scratch);
    let keep = scratch.join("compiled");
    std::fs::create_dir_all(&keep).unwrap();
    scratch.write(
        "text.txt",
        &"A line of text, and another one.\n".repeat(4000),
    );
    let source = "data.sources=[{path=\"text.txt\",language=\"en\",weight=1}]";
    let output = scratch
        .workbench(&["bench", "--compare", "--device", "cuda", "--set", source])
        .env("LD_LIBRARY_PATH", &driver)
        .env("CUDA_PATH", &headers)
        .env("CUDA_EMULATOR", EMULATOR)
        .env("CUDA_EMULATOR_KEEP", &keep)
        .env("WORKBENCH_CACHE", scratch.join("cache"))
        .output()
        .unwrap();
    let table = stdout(&output);
    assert!(output.status.success(), "{table}{}", stderr(&output));
    assert!(table.contains("emulated H100") && table.contains("attention fp16, dq"));
    let mut kept = std::fs::read_dir(scratch.join("cache/kernels")).unwrap();
    assert!(kept.next().is_some());
}
