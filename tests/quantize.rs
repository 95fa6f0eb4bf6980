//! `workbench quantize`: files that stand for the model, what is said of them, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use serde_json::Value;
use support::{Scratch, stderr, stdout, tiny};

/// A finished run of 20 steps with checkpoints at 5, 10, 15 and 20.
fn trained(scratch: &Scratch) {
    scratch.write("tiny.toml", &format!("{}{}", tiny(20), scratch.texts()));
    let often = [
        "--set",
        "checkpoint.interval=5",
        "--set",
        "checkpoint.keep=10",
    ];
    let output = scratch.run(&[&["train", "tiny.toml", "--out", "run"], &often[..]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
}

fn quantized(scratch: &Scratch, more: &[&str]) -> Value {
    let output = scratch.run(&[&["quantize", "run", "--json"], more].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_str(&stdout(&output)).unwrap()
}

fn change(checkpoint: &Value) -> f64 {
    let loss = |key: &str| checkpoint["quality"][key].as_f64().unwrap();
    loss("loss") / loss("fp16_loss") - 1.0
}

#[test]
fn a_run_is_quantized_and_says_what_it_lost() {
    let scratch = Scratch::new("quantize");
    trained(&scratch);
    let before = std::fs::read(scratch.join("run/metrics-0001.jsonl")).unwrap();
    let output = scratch.run(&["quantize", "run"]);
    let told = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    for word in [
        "absmax-row, 4 bits",
        "layers.*.ffn.down.weight",
        "held-out loss",
        "KL",
    ] {
        assert!(told.contains(word), "{word}: {told}");
    }
    let file = "run/quantized/absmax-row-int4/step-00000020.safetensors";
    let whole = std::fs::metadata(scratch.join(file)).unwrap().len();
    assert!(told.contains(&format!("written: {file}")), "{told}");
    let eight = quantized(&scratch, &["--bits", "8"]);
    let checkpoint = &eight["checkpoints"][0];
    assert!(
        checkpoint["bytes"].as_u64().unwrap() > whole,
        "8 bits take more than 4"
    );
    assert!(change(checkpoint).abs() < 1e-3, "{checkpoint}");
    assert!(checkpoint["quality"]["kl"].as_f64().unwrap() >= 0.0);
    assert_eq!(checkpoint["matrices"].as_array().unwrap().len() % 4, 0);
    let after = std::fs::read(scratch.join("run/metrics-0001.jsonl")).unwrap();
    assert_eq!(before, after, "the run itself stays");
    // A reader of runs sees no other run there.
    assert!(scratch.run(&["report", "run"]).status.success());
}

#[test]
fn checkpoints_are_followed_and_averaged() {
    let scratch = Scratch::new("quantize-all");
    trained(&scratch);
    let steps = |document: &Value| -> Vec<u64> {
        let all = document["checkpoints"].as_array().unwrap();
        all.iter()
            .map(|one| one["step"].as_u64().unwrap())
            .collect()
    };
    let all = quantized(&scratch, &["--all-checkpoints", "--out", "q"]);
    assert_eq!(steps(&all), [5, 10, 15, 20]);
    assert!(scratch.join("q/step-00000005.safetensors").is_file());
    let mean = quantized(
        &scratch,
        &["--all-checkpoints", "--average", "3", "--out", "q"],
    );
    assert_eq!(steps(&mean), [15, 20]);
    assert_eq!(
        mean["checkpoints"][1]["averaged"],
        serde_json::json!([10, 15, 20])
    );
    assert_ne!(
        mean["checkpoints"][1]["quality"],
        all["checkpoints"][3]["quality"]
    );
    // Where a row lies on two ranks it has two scales, and loses no more.
    let split = quantized(&scratch, &["--tensor-parallel", "2", "--out", "q"]);
    let one = quantized(&scratch, &["--out", "q"]);
    let error = |document: &Value, of: &str| {
        let matrices = document["checkpoints"][0]["matrices"]
            .as_array()
            .unwrap()
            .clone();
        let found = matrices.into_iter().find(|m| m["name"] == of).unwrap();
        found["relative"].as_f64().unwrap()
    };
    let (down, up) = ("layers.0.ffn.down.weight", "layers.0.ffn.up.weight");
    assert!(error(&split, down) < error(&one, down));
    assert_eq!(error(&split, up), error(&one, up));
}

/// A calibrated rule sees what every matrix reads, on both passes, and loses less of the predictions.
#[test]
fn a_calibrated_rule_moves_predictions_less_than_rounding_does() {
    let scratch = Scratch::new("quantize-gptq");
    trained(&scratch);
    let kl = |scheme: &str, more: &[&str]| {
        let arguments = [&["--scheme", scheme, "--out", "q"], more].concat();
        let document = quantized(&scratch, &arguments);
        document["checkpoints"][0]["quality"]["kl"]
            .as_f64()
            .unwrap()
    };
    let (rounded, calibrated) = (kl("absmax-row", &[]), kl("gptq-row", &[]));
    assert!(calibrated < rounded, "{calibrated} {rounded}");
    assert_eq!(
        calibrated,
        kl("gptq-row", &["--calibration-tokens", "16384"])
    );
    assert_ne!(calibrated, kl("gptq-row", &["--calibration-tokens", "64"]));
}

/// What an evaluation says of fewer bits is what the command says of the checkpoint.
#[test]
fn a_run_that_trains_says_what_fewer_bits_would_lose_and_trains_the_same() {
    let scratch = Scratch::new("quantize-while");
    scratch.write("tiny.toml", &format!("{}{}", tiny(6), scratch.texts()));
    for (out, value) in [("without", "false"), ("with", "true")] {
        let set = format!("eval.quantized={value}");
        let output = scratch.run(&["train", "tiny.toml", "--out", out, "--set", &set]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let open = |run: &str| logs::RunReader::open(&scratch.join(run)).unwrap();
    let (without, with) = (open("without"), open("with"));
    let (without, with) = (without.latest().unwrap(), with.latest().unwrap());
    assert_eq!(without.scalar("int4_loss_change"), None);
    for (name, value) in &without.scalars {
        if !logs::TIMINGS.contains(&name.as_str()) {
            assert_eq!(with.scalar(name), Some(*value), "{name}");
        }
    }
    for (signal, bits, scheme) in [
        ("int8_loss_change", "8", "absmax-row"),
        ("int4_loss_change", "4", "absmax-row"),
        ("int4_zero_point_loss_change", "4", "zero-point-row"),
        ("int4_gptq_loss_change", "4", "gptq-row"),
    ] {
        let output = scratch.run(&[
            "quantize", "with", "--json", "--bits", bits, "--scheme", scheme, "--out", "q",
        ]);
        let document: Value = serde_json::from_str(&stdout(&output)).unwrap();
        let quality = &document["checkpoints"][0]["quality"];
        let loss = |key: &str| quality[key].as_f64().unwrap();
        assert_eq!(
            with.scalar(signal),
            Some(loss("loss") - loss("fp16_loss")),
            "{signal}"
        );
    }
    assert!(with.scalar("weight_peak").unwrap() > 1.0);
}

/// What is said of a file of weights is what is said of the run that it is of.
#[test]
fn files_of_weights_are_measured_by_kind_and_by_every_scheme() {
    let scratch = Scratch::new("quantize-files");
    trained(&scratch);
    let file = |step: u64| format!("run/checkpoints/step-{step:08}/weights.safetensors");
    let (first, last) = (file(5), file(20));
    let output = scratch.run(&["quantize", &first, &last, "--out", "measured"]);
    let told = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    for word in [
        first.as_str(),
        "ffn down",
        "beyond 6σ",
        "clipped-column",
        "error with 8 bits",
        "measured/weights.svg",
    ] {
        assert!(told.contains(word), "{word}: {told}");
    }
    let read = |name: &str| std::fs::read_to_string(scratch.join(name)).unwrap();
    let measured: Value = serde_json::from_str(&read("measured/weights.json")).unwrap();
    let of_run = quantized(&scratch, &["--out", "q"]);
    let matrices = of_run["checkpoints"][0]["matrices"].as_array().unwrap();
    for matrix in matrices {
        let all = measured["files"][1]["matrices"].as_array().unwrap();
        let same = all.iter().find(|found| found["name"] == matrix["name"]);
        let same = same.unwrap();
        assert_eq!(same["errors"]["absmax-row-int4"], matrix["relative"]);
        assert_eq!(same["excess_kurtosis"], matrix["excess_kurtosis"]);
        assert_ne!(same["kind"], "other", "{same}");
    }
    assert!(read("measured/weights.csv").starts_with("file,matrix,kind,"));
    let figure = read("measured/weights.svg");
    assert!(figure.contains("Weights of step-00000005, step-00000020"));
    // One scheme, one width, for machines.
    let output = scratch.run(&[
        "quantize",
        &last,
        "--scheme",
        "clipped-row",
        "--bits",
        "8",
        "--json",
    ]);
    let document: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let errors = document["files"][0]["kinds"][0]["errors"]
        .as_object()
        .unwrap();
    assert_eq!(errors.keys().collect::<Vec<_>>(), ["clipped-row-int8"]);
}

#[test]
fn files_that_cannot_be_measured_are_refused_by_name() {
    let scratch = Scratch::new("quantize-files-refused");
    trained(&scratch);
    let file = "run/checkpoints/step-00000020/weights.safetensors";
    let bytes = std::fs::read(scratch.join(file)).unwrap();
    std::fs::write(scratch.join("cut.safetensors"), &bytes[..bytes.len() - 1]).unwrap();
    scratch.write("text.safetensors", "no tensors at all");
    for (arguments, said) in [
        (&["cut.safetensors"][..], "`cut.safetensors` has"),
        (
            &["text.safetensors"],
            "`text.safetensors` is no safetensors file",
        ),
        (
            &["missing.safetensors"],
            "cannot read `missing.safetensors`",
        ),
        (
            &[file, "run"],
            "`run` is a folder; expected safetensors files alone",
        ),
        (&["run", "run"], "one run at a time is quantized"),
        (&[file, "--step", "5"], "`--step` is for a run"),
        (&[file, "--average", "2"], "`--average` is for a run"),
        (&[file, "--scheme", "gptq-row"], "gptq-row has to see text"),
        (&[file, "--bits", "3"], "weights of 3 bits are not known"),
        (
            &[file, "--scheme", "absmax-group-7"],
            "do not divide by groups of 7",
        ),
        (
            &[file, "--out", "cut.safetensors"],
            "`cut.safetensors` is a file; expected a folder",
        ),
    ] {
        let output = scratch.run(&[&["quantize"], arguments].concat());
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.contains(said), "{arguments:?}: {told}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
}

#[test]
fn what_cannot_be_quantized_is_refused_by_name() {
    let scratch = Scratch::new("quantize-refused");
    trained(&scratch);
    for (arguments, said) in [
        (
            &["--scheme", "absmax-rows"][..],
            "did you mean `absmax-row`?",
        ),
        (
            &["--calibration-tokens", "64"],
            "`--calibration-tokens` is for schemes that see text, gptq-row or gptq-group-N; absmax-row sees none",
        ),
        (
            &["--scheme", "gptq-column"],
            "GPTQ rounds row by row: expected gptq-row or gptq-group-N",
        ),
        (
            &["--bits", "3"],
            "weights of 3 bits are not known; there are 4 and 8",
        ),
        (
            &["--step", "7"],
            "holds no checkpoint of step 7; there: 5, 10, 15, 20",
        ),
        (&["--average", "5"], "has not 5 checkpoints"),
        (
            &["--scheme", "absmax-group-7"],
            "do not divide by groups of 7",
        ),
        (
            &["--tensor-parallel", "3"],
            "do not divide by 3 tensor-parallel ranks",
        ),
    ] {
        let output = scratch.run(&[&["quantize", "run"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            stderr(&output).contains(said),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
    assert!(!scratch.join("run/quantized").exists());
    let output = scratch.run(&["quantize", "nowhere"]);
    assert_eq!(output.status.code(), Some(2));
    scratch.write("file", "in the way");
    let output = scratch.run(&["quantize", "run", "--out", "file"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let said = "`--out`: `file` is a file; expected a folder, which is made if missing";
    assert!(stderr(&output).contains(said), "{}", stderr(&output));
}
