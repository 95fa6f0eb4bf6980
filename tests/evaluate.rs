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

/// Rows that are lists and name their groups, as sets are published.
#[test]
fn groups_of_rows_are_weighed_and_what_is_left_out_is_told() {
    let scratch = trained("evaluate-groups");
    let rows =
        r#"[["a", 1, "odd"], ["a", 2, "even"], ["b", 3, "odd"], ["d", 4, "even"], ["b", 5, null]]"#;
    scratch.write("data/rows/a.json", rows);
    scratch.write(
        "rows.yaml",
        "name: Rows\ntype: mul\npath: rows\ngroup: row[0]\nweights: {a: 3, b: 1, c: 1}\ninputs: '{{ row[1] }} is [MASK].'\nchoices: [even, odd]\nlabel: row[2]\n",
    );
    let output = scratch.run(&["evaluate", "run", "rows.yaml", "--data", "data"]);
    let told = stdout(&output);
    for said in [
        "mean over groups: accuracy %",
        "not in it, without a result: `c`",
        "not in it, without a weight: `d`",
        "1 item could not be asked",
        "a.json, line 5: does not tell which choice is right",
    ] {
        assert!(told.contains(said), "{said}: {told}{}", stderr(&output));
    }
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
            "`data/bad/a.jsonl`, line 1: is no JSON value",
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

/// What other programs compute again: an export for `transformers`, and samples of the same weights. That the numbers agree is held by
/// a golden file in `experiments` and by `tests/agreement/agree.py`.
#[test]
fn a_gpt_run_is_exported_and_its_samples_are_logged() {
    let scratch = trained("evaluate-gpt");
    let gpt = [
        "objective.mode=gpt",
        "model.norm=pre",
        "model.positions=learned",
        "model.ffn=gelu",
    ];
    let mut arguments = vec!["train", "tiny.toml", "--out", "gpt"];
    arguments.extend(gpt.iter().flat_map(|key| ["--set", key]));
    let output = scratch.run(&arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    let export = "weights export gpt --layout gpt2 --out hf";
    let output = scratch.run(&export.split(' ').collect::<Vec<_>>());
    assert!(output.status.success(), "{}", stderr(&output));
    for file in [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ] {
        assert!(scratch.join("hf").join(file).is_file(), "{file}");
    }
    scratch.write(
        "data/own/a.jsonl",
        "{\"inputs_pretokenized\": \"is it? [MASK]\", \"choices_pretokenized\": [\"yes\", \"no\"], \"label\": 0}\n",
    );
    let ask = "evaluate gpt own.yaml --data data --log-samples --out asked --json";
    let output = scratch.run(&ask.split(' ').collect::<Vec<_>>());
    assert!(output.status.success(), "{}", stderr(&output));
    let found: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(found["reports"][0]["overall"]["accuracy"]["items"], 1);
    let folder = std::fs::read_dir(scratch.join("asked")).unwrap().next();
    let items = folder.unwrap().unwrap().path().join("items.jsonl");
    let record: Value = serde_json::from_str(&std::fs::read_to_string(items).unwrap()).unwrap();
    assert_eq!(record["sample"]["text"], "is it?");
    assert_eq!(record["sample"]["answers"][1]["text"], " no");
    for (arguments, said) in [
        (export, "`hf`: exists already"),
        (
            "weights export run --layout gpt2 --out other",
            "`objective.mode` must be gpt; `model.norm` must be pre",
        ),
        (
            "weights export gpt --layout gpt2 --out other --format fp16",
            "leave out `--format`",
        ),
        (
            "weights export gpt --layout gpt2 --out gpt/checkpoints/other",
            "part of the run",
        ),
        (
            "weights export gpt --out other",
            "`model.norm` must be deepnorm_glm",
        ),
        (
            "weights export gpt --layout gpt-2 --out other",
            "possible values: sat, gpt2",
        ),
    ] {
        let output = scratch.run(&arguments.split(' ').collect::<Vec<_>>());
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {error}");
        assert!(error.contains(said), "{arguments}: {error}");
        assert!(!scratch.join("other").exists());
    }
}
