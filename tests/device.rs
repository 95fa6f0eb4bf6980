//! Training on a device, through the program: near the CPU, and refused where it cannot be. That a device keeps its bits
//! is held with the other engines, in `resume` and elsewhere.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use support::{Engine, Scratch, stderr, stdout};
#[cfg(feature = "vulkan")]
use support::{newest_checkpoint, records};

/// Losses of the first 20 steps of the smallest proxy.
#[cfg(feature = "vulkan")]
fn losses(scratch: &Scratch, device: &str, format: &str) -> Vec<f64> {
    let out = format!("{device}-{format}");
    let set = [
        format!("runtime.device={device}"),
        format!("precision.format={format}"),
    ];
    let output = scratch.run(&[
        "train", "t0.toml", "--out", &out, "--set", &set[0], "--set", &set[1],
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    let reader = logs::RunReader::open(&scratch.join(&out)).unwrap();
    let loss = |record: &logs::Record| record.scalar("loss").unwrap();
    reader.records().iter().map(loss).collect()
}

#[cfg(feature = "vulkan")]
#[test]
fn twenty_steps_of_the_smallest_proxy_are_those_of_the_cpu() {
    let scratch = Scratch::new("device-steps");
    let begin = "extends = \"t0\"\nsteps = 20\n[data]\nheld_out = 0.2\n";
    let text = format!("{begin}{}", scratch.texts());
    scratch.write("t0.toml", &text);
    for (format, allowed) in [("fp32", 1e-5), ("fp16", 2e-3)] {
        let [cpu, vulkan] = ["cpu", "vulkan"].map(|device| losses(&scratch, device, format));
        assert_eq!((cpu.len(), vulkan.len()), (20, 20));
        for (step, (cpu, vulkan)) in cpu.iter().zip(&vulkan).enumerate() {
            let apart = (vulkan / cpu - 1.0).abs();
            assert!(apart <= allowed, "{format}, step {}: {apart:e}", step + 1);
        }
    }
}

/// The folder of a layer of Vulkan's whose device is lost as soon as there is a file or folder `LOST_AFTER`.
#[cfg(feature = "vulkan")]
fn build_layer(scratch: &Scratch) -> std::path::PathBuf {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/device/lost.c");
    let library = scratch.join("liblost.so");
    let built = std::process::Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .args([library.as_path(), source.as_ref()])
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", stderr(&built));
    scratch.write(
        "lost.json",
        r#"{"file_format_version": "1.1.0", "layer": {"name": "VK_LAYER_TEST_lost", "type": "GLOBAL",
        "library_path": "./liblost.so", "api_version": "1.3.0", "implementation_version": "1", "description": "",
        "functions": {"vkGetInstanceProcAddr": "lost_instance_lookup", "vkGetDeviceProcAddr": "lost_device_lookup"}}}"#,
    );
    library.parent().unwrap().to_owned()
}

/// Decision 0021: an error of its own exit code and no panic, and nothing that was recorded is lost.
#[cfg(feature = "vulkan")]
#[test]
fn a_device_that_is_lost_ends_the_run_and_the_same_command_goes_on_to_the_same_bits() {
    let scratch = Scratch::new("device-lost");
    let text = format!("{}{}", Engine::Vulkan.tiny(24), scratch.texts());
    scratch.write("tiny.toml", &text);
    let train = |out: &str| scratch.workbench(&["train", "tiny.toml", "--out", out]);
    let output = train("lost")
        .env("VK_LAYER_PATH", build_layer(&scratch))
        .env("VK_INSTANCE_LAYERS", "VK_LAYER_TEST_lost")
        .env("LOST_AFTER", "lost/checkpoints/step-00000010")
        .output()
        .unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(
        said.contains("error: the device failed") && !said.contains("panicked"),
        "{said}"
    );
    let recorded = records(&scratch.join("lost")).len();
    assert!((10..24).contains(&recorded), "{recorded} steps, {said}");
    for out in ["lost", "whole"] {
        let output = train(out).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let [lost, whole] = ["lost", "whole"].map(|out| scratch.join(out));
    assert_eq!(records(&lost), records(&whole));
    assert_eq!(newest_checkpoint(&lost), newest_checkpoint(&whole));
}

/// Whatever the build and the machine: exit code 2, no panic, no run directory.
#[test]
fn a_device_that_is_not_there_is_refused() {
    let scratch = Scratch::new("device-missing");
    scratch.write(
        "tiny.toml",
        &format!("{}{}", Engine::Fused.tiny(2), scratch.texts()),
    );
    for device in ["vulkan:4000000", "cuda:4000000"] {
        let set = format!("runtime.device={device}");
        let output = scratch.run(&["train", "tiny.toml", "--out", "run", "--set", &set]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains(&format!("device `{device}` cannot be used")),
            "{said}"
        );
        assert!(
            said.contains("or set `runtime.device = \"cpu\"`") && !said.contains("panicked"),
            "{said}"
        );
        assert!(!scratch.join("run").exists());
    }
    let output = scratch.run(&[
        "train",
        "tiny.toml",
        "--out",
        "run",
        "--set",
        "runtime.device=vulcan:1",
    ]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("did you mean `vulkan`?"), "{said}");
}

#[test]
fn the_doctor_says_of_each_backend_what_there_is_or_what_is_missing() {
    let scratch = Scratch::new("device-doctor");
    let output = scratch.run(&["doctor"]);
    let said = stdout(&output);
    assert!(output.status.success(), "{said}");
    for (feature, kind, built) in [
        ("cuda", "CUDA", cfg!(feature = "cuda")),
        ("vulkan", "Vulkan", cfg!(feature = "vulkan")),
    ] {
        let missing = said.lines().find(|line| line.starts_with(kind));
        let there = said.lines().any(|line| line.starts_with(feature));
        assert!(missing.is_some() != there, "{said}");
        assert!(
            built || missing.unwrap().contains(&format!("--features {feature}")),
            "{said}"
        );
    }
}
