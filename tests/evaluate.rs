//! `workbench evaluate`: tasks over a trained run, continued, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use serde_json::Value;
use support::{Scratch, stderr, stdout, tiny};

const TASK: &str = "name: Own\ntype: mul\npath: own\nfile_pattern: '*.jsonl'\n";

/// A finished run, and a task of 40 items.
fn trained(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    scratch.write("tiny.toml", &format!("{}{}", tiny(20), scratch.texts()));
    let output = scratch.run(&["train", "tiny.toml", "--out", "run"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let item = |i: usize| {
        let label = i % 2;
        format!(
            "{{\"inputs_pretokenized\": \"{i} is [MASK].\", \"choices_pretokenized\": [\"even\", \"odd\"], \"label\": {label}}}\n"
        )
    };
    scratch.write("data/own/a.jsonl", &(0..40).map(item).collect::<String>());
    scratch.write("own.yaml", TASK);
    scratch
}

fn evaluated(scratch: &Scratch, more: &[&str]) -> Value {
    let arguments = ["evaluate", "run", "own.yaml", "--data", "data", "--json"];
    let output = scratch.run(&[&arguments[..], more].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_str(&stdout(&output)).unwrap()
}

/// The only folder of results.
fn folder(scratch: &Scratch) -> std::path::PathBuf {
    let mut all = std::fs::read_dir(scratch.join("run/evaluations")).unwrap();
    all.next().unwrap().unwrap().path()
}

#[test]
fn a_task_is_asked_told_and_continued() {
    let scratch = trained("evaluate");
    let found = evaluated(&scratch, &[]);
    let report = &found["reports"][0];
    assert_eq!(report["overall"]["accuracy"]["items"], 40);
    assert_eq!(report["chance"], 50.0);
    let items = folder(&scratch).join("items.jsonl");
    let whole = std::fs::read_to_string(&items).unwrap();
    assert_eq!(whole.lines().count(), 40);
    // Cut off in the middle of a line, as by a kill.
    std::fs::write(&items, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(evaluated(&scratch, &[]), found);
    let output = scratch.run(&["evaluate", "run", "own.yaml", "--data", "data"]);
    let told = stdout(&output);
    for word in ["Own, 0 shots", "accuracy %", "chance: 50.00 %", "step 20"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    // Fewer items are another evaluation.
    let fewer = evaluated(&scratch, &["--limit", "10"]);
    assert_eq!(fewer["reports"][0]["overall"]["accuracy"]["items"], 10);
    assert_eq!(
        std::fs::read_dir(scratch.join("run/evaluations"))
            .unwrap()
            .count(),
        2
    );
    assert!(
        scratch
            .run(&["quantize", "run", "--out", "q"])
            .status
            .success()
    );
    let quantized = evaluated(&scratch, &["--quantized", "q/step-00000020.safetensors"]);
    assert_eq!(quantized["weights"]["scheme"], "absmax-row-int4");
}

#[test]
fn what_cannot_be_asked_is_refused_by_name() {
    let scratch = trained("evaluate-refused");
    scratch.write("key.yaml", &format!("{TASK}num_beam: 3\n"));
    scratch.write("data/bad/a.jsonl", "nonsense\n");
    scratch.write("bad.yaml", &TASK.replace("own", "bad"));
    for (arguments, said) in [
        (&["lambda"][..], "did you mean `lambada`?"),
        (
            &["own.yaml"],
            "there is no data: give its folder with `--data`",
        ),
        (
            &["lambada", "--data", "data"],
            "there is no folder `data/lambada`",
        ),
        (
            &["key.yaml", "--data", "data"],
            "`num_beam` is unknown; did you mean `num_beams`?",
        ),
        (
            &["bad.yaml", "--data", "data"],
            "`data/bad/a.jsonl`, line 1: is no JSON object",
        ),
        (
            &["missing.yaml", "--data", "data"],
            "cannot read `missing.yaml`",
        ),
        (
            &["own.yaml", "--data", "data", "--step", "3"],
            "holds no checkpoint of step 3",
        ),
    ] {
        let mut command = scratch.workbench(&[&["evaluate", "run"], arguments].concat());
        let output = command.env_remove("WORKBENCH_EVAL_DATA").output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains(said),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
}
