//! A run seen from outside its own program: a step in a file, weights in another layout.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use safetensors::SafeTensors;
use std::path::Path;
use support::{Engine, Scratch, stderr, stdout};

const STEPS: u32 = 12;

/// A finished run in `run`, with one checkpoint every five steps and the last.
fn trained(engine: Engine, name: &str, set: &[&str]) -> Scratch {
    let scratch = Scratch::new(&format!("{name}-{}", engine.name()));
    let text = format!("{}{}", engine.tiny(STEPS), scratch.texts());
    scratch.write("tiny.toml", &text);
    let mut arguments = vec!["train", "tiny.toml", "--out", "run"];
    arguments.extend(["--set", "checkpoint.interval=5"]);
    for change in set {
        arguments.extend(["--set", change]);
    }
    must(&scratch, &arguments);
    engine.assert_ran(&scratch.join("run"));
    scratch
}

fn must(scratch: &Scratch, arguments: &[&str]) -> String {
    let output = scratch.run(arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

/// The raw bytes of a tensor of a file.
fn tensor(file: &Path, name: &str) -> Vec<u8> {
    let bytes = std::fs::read(file).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    tensors.tensor(name).unwrap().data().to_vec()
}

fn scalar(file: &Path, name: &str) -> f64 {
    f64::from_le_bytes(
        tensor(file, &format!("scalars.{name}"))[..8]
            .try_into()
            .unwrap(),
    )
}

#[test]
fn a_parity_file_holds_the_bits_of_the_run() {
    Engine::all().for_each(repeat_steps);
}

fn repeat_steps(engine: Engine) {
    let scratch = trained(engine, "parity", &[]);
    let reader = logs::RunReader::open(&scratch.join("run")).unwrap();
    // Step 3 is repeated from the beginning, step 12 from the checkpoint of step 10.
    for step in [3, 12] {
        let out = format!("step-{step}.safetensors");
        must(
            &scratch,
            &["parity", "run", "--step", &step.to_string(), "--out", &out],
        );
        let file = scratch.join(&out);
        let record = &reader.records()[step - 1];
        for name in ["loss", "lr", "loss_scale", "grad_norm"] {
            assert_eq!(
                Some(scalar(&file, name)),
                record.scalar(name),
                "{name} of step {step}"
            );
        }
    }
    let checkpoint = scratch.join("run/checkpoints/step-00000012/weights.safetensors");
    let name = "layers.1.attention.qkv.weight";
    let file = scratch.join("step-12.safetensors");
    assert_eq!(
        tensor(&checkpoint, name),
        tensor(&file, &format!("weights_after.{name}"))
    );
    assert_ne!(
        tensor(&checkpoint, name),
        tensor(&file, &format!("weights_before.{name}"))
    );
}

#[test]
fn weights_come_back_from_two_ranks_bit_for_bit_and_train_on() {
    Engine::HOST.into_iter().for_each(export_and_import);
}

fn export_and_import(engine: Engine) {
    let scratch = trained(engine, "weights", &[]);
    let export = [
        "weights", "export", "run", "--out", "sat", "--format", "fp32",
    ];
    must(
        &scratch,
        &[&export[..], &["--tensor-parallel", "2"]].concat(),
    );
    must(
        &scratch,
        &[
            "weights",
            "import",
            "sat",
            "--config",
            "tiny.toml",
            "--out",
            "back.safetensors",
        ],
    );
    let back = scratch.join("back.safetensors");
    let own = scratch.join("run/checkpoints/step-00000012/weights.safetensors");
    let (ours, theirs) = (std::fs::read(&own).unwrap(), std::fs::read(&back).unwrap());
    assert_eq!(ours, theirs);
    let start = ["train", "tiny.toml", "--out", "next", "--set", "steps=1"];
    let weights = [
        "--set",
        "model.init.weights=back.safetensors",
        "--set",
        "optimizer.lr=0.0",
    ];
    must(&scratch, &[&start[..], &weights].concat());
    let next = scratch.join("next/checkpoints/step-00000001/weights.safetensors");
    assert_eq!(std::fs::read(next).unwrap(), theirs);
}

#[test]
fn inspection_finds_a_start_in_order_and_names_what_training_has_moved() {
    Engine::HOST.into_iter().for_each(inspect);
}

fn inspect(engine: Engine) {
    let scratch = trained(engine, "inspect", &["optimizer.lr=0.1"]);
    let start = must(&scratch, &["inspect", "tiny.toml"]);
    assert!(start.contains("every matrix is as expected"), "{start}");
    let moved = must(&scratch, &["inspect", "run"]);
    assert!(moved.contains("weights of step 12"), "{moved}");
    assert!(
        moved.contains("first that is off: embedding.weight"),
        "{moved}"
    );
}

#[test]
fn a_slice_shows_every_tensor_and_takes_its_scale_from_a_proxy() {
    let scratch = trained(Engine::Fused, "slice", &[]);
    let slice = ["slice", "tiny.toml", "--tokens", "16", "--position", "2"];
    let from = ["--from", "run", "--json"];
    let json: serde_json::Value =
        serde_json::from_str(&must(&scratch, &[&slice[..], &from].concat())).unwrap();
    let tensors = json["tensors"].as_array().unwrap();
    let has = |name: &str, pass: &str| {
        let named = |t: &&serde_json::Value| t["name"] == name && t["pass"] == pass;
        assert_eq!(tensors.iter().filter(named).count(), 1, "{name} {pass}");
    };
    has("layers.1.attention.scores", "forward");
    has("layers.1.ffn.up", "backward");
    has("layers.1.attention.qkv.weight (value)", "weight");
    has("layers.1.ffn.down.weight", "weight_gradient");
    let reader = logs::RunReader::open(&scratch.join("run")).unwrap();
    let measured = reader.records()[0].layers["layer_norm_input_rms"][1];
    let used = json["input_rms"].as_f64().unwrap();
    assert!(
        (used / measured - 1.0).abs() < 1e-9,
        "the same model has the same scale"
    );
}

#[test]
fn what_is_not_there_is_said_with_what_is() {
    let scratch = trained(Engine::Fused, "absent", &[]);
    for (arguments, expected) in [
        (
            &["parity", "run", "--step", "13", "--out", "x"][..],
            "steps 1 to 12",
        ),
        (&["inspect", "run", "--step", "7"], "there: 10, 12"),
        (
            &[
                "weights",
                "export",
                "run",
                "--out",
                "x",
                "--tensor-parallel",
                "3",
            ],
            "multiple of 3",
        ),
        (
            &["tasks", "check", "boolq"],
            "did you mean `super_glue/boolq`?",
        ),
        (
            &[
                "train",
                "tiny.toml",
                "--out",
                "y",
                "--set",
                "model.init.weights=gone",
            ],
            "there is no file `gone`",
        ),
    ] {
        let output = scratch.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
    assert!(!scratch.join("x").exists() && !scratch.join("y").exists());
}
