//! `workbench generate`: answers of a trained run, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use serde_json::Value;
use std::io::Write as _;
use std::process::{Output, Stdio};
use support::{Scratch, stderr, stdout, tiny};

/// A finished run, in GPT mode if `more` says so.
fn trained(name: &str, more: &[&str]) -> Scratch {
    let scratch = Scratch::new(name);
    scratch.write("tiny.toml", &format!("{}{}", tiny(30), scratch.texts()));
    let output = scratch.run(&[&["train", "tiny.toml", "--out", "run"], more].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    scratch
}

fn answers(scratch: &Scratch, arguments: &[&str]) -> Value {
    let output = scratch.run(&[&["generate", "run", "--json"], arguments].concat());
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        stderr(&output)
    );
    serde_json::from_str(&stdout(&output)).unwrap()
}

#[test]
fn a_run_answers_from_checkpoints_and_quantized_weights() {
    let scratch = trained("generate", &[]);
    for prompt in ["the [MASK] model", "一行文[gMASK]", "[gMASK]"] {
        let found = answers(&scratch, &["--prompt", prompt, "--max-tokens", "5"]);
        let answer = &found["answers"][0];
        assert_eq!(answer["prompt"], prompt);
        assert!(answer["tokens"].as_array().unwrap().len() <= 5);
        assert!(answer["log_probability"].as_f64().unwrap() < 0.0);
        // What people see is the same text, as it came.
        let shown = scratch.run(&["generate", "run", "--prompt", prompt, "--max-tokens", "5"]);
        let text = answer["text"].as_str().unwrap();
        assert_eq!(stdout(&shown), format!("{}\n", words::printable(text)));
    }
    let drawn = |seed: &str| answers(&scratch, &["--prompt", "[gMASK]", "--seed", seed]);
    assert_eq!(drawn("1"), drawn("1"));
    assert_ne!(drawn("1"), drawn("2"));
    let beams = answers(
        &scratch,
        &[
            "--prompt",
            "the [MASK]",
            "--beams",
            "3",
            "--no-repeat-ngram",
            "2",
        ],
    );
    assert_eq!(beams["answers"][0]["beams"].as_array().unwrap().len(), 3);
    assert!(
        scratch
            .run(&["quantize", "run", "--out", "q"])
            .status
            .success()
    );
    let file = "q/step-00000030.safetensors";
    let found = answers(&scratch, &["--prompt", "the [MASK]", "--quantized", file]);
    assert_eq!(found["weights"]["scheme"], "absmax-row-int4");
    let older = answers(&scratch, &["--prompt", "the [MASK]", "--checkpoint", "20"]);
    assert_eq!(older["weights"]["step"], 20);
    assert_ne!(older["weights"]["blake3"], beams["weights"]["blake3"]);
}

#[test]
fn prompts_come_from_files_and_pipes_and_do_not_change_one_another() {
    let scratch = trained("generate-many", &[]);
    let lines: Vec<String> = (0..20).map(|i| format!("word {i} [gMASK]\n")).collect();
    scratch.write("prompts.txt", &lines.concat());
    let all = answers(&scratch, &["--prompts", "prompts.txt", "--max-tokens", "4"]);
    assert_eq!(all["answers"].as_array().unwrap().len(), 20);
    let one = answers(
        &scratch,
        &["--prompt", "word 17 [gMASK]", "--max-tokens", "4"],
    );
    assert_eq!(all["answers"][17], one["answers"][0]);
    let shown = stdout(&asked_by_pipe(&scratch, b"a [gMASK]\nb [gMASK]\n"));
    assert!(
        shown.starts_with("[1] a [gMASK]\n") && shown.contains("\n[2] b [gMASK]\n"),
        "{shown}"
    );
    // As an editor of Windows writes it.
    scratch.write("prompts.txt", "\u{feff}word 17 [gMASK]\r\n");
    let marked = answers(&scratch, &["--prompts", "prompts.txt", "--max-tokens", "4"]);
    assert_eq!(marked["answers"], one["answers"]);
    let output = asked_by_pipe(&scratch, b"a [gMASK]\n\xff [gMASK]\n");
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.contains("line 2 is not UTF-8"), "{said}");
}

/// With prompts on standard input.
fn asked_by_pipe(scratch: &Scratch, prompts: &[u8]) -> Output {
    let mut child = scratch
        .workbench(&["generate", "run", "--prompts", "-", "--max-tokens", "4"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(prompts).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

#[test]
fn a_gpt_run_goes_on_with_a_text() {
    let scratch = trained("generate-gpt", &["--set", "objective.mode=gpt"]);
    let found = answers(&scratch, &["--prompt", "the small ", "--max-tokens", "6"]);
    assert!(!found["answers"][0]["tokens"].as_array().unwrap().is_empty());
    let output = scratch.run(&["generate", "run", "--prompt", "the [MASK]"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("`objective.mode = \"gpt\"` does not know"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn what_cannot_be_answered_is_refused_by_name() {
    let scratch = trained("generate-refused", &[]);
    scratch.write("prompts.txt", "fine [gMASK]\nno blank\n");
    scratch.write("empty.txt", "");
    scratch.write("weights", "no tensors");
    let long = format!("{} [gMASK]", "x".repeat(40));
    for (arguments, said) in [
        (
            &["--prompt", "no blank"][..],
            "the prompt `no blank` has no blank",
        ),
        (&["--prompt", "[MASK] [MASK]"], "has 2 blanks"),
        (&["--prompt", "[gMASK] x"], "has text behind `[gMASK]`"),
        (&["--prompt", &long], "of `model.seq_len` = 24"),
        (
            &["--prompts", "prompts.txt"],
            "`prompts.txt`, line 2: has no blank",
        ),
        (&["--prompts", "empty.txt"], "`empty.txt` holds no prompt"),
        (&["--prompts", "missing.txt"], "cannot read `missing.txt`"),
        (&["--prompts", "run"], "a folder"),
        (&[], "--prompt <TEXT>"),
        (
            &["--prompt", "[gMASK]", "--temperature", "-1"],
            "expected a number above 0",
        ),
        (
            &["--prompt", "[gMASK]", "--min-tokens", "33"],
            "no answer has at least 33 tokens and at most 32",
        ),
        (
            &["--prompt", "[gMASK]", "--min-tokens", "30"],
            "the prompt `[gMASK]` leaves room for 23 tokens in the 24 slots of the model, and `--min-tokens` asks for 30",
        ),
        (
            &["--prompt", "[gMASK]", "--top-p", "1.5"],
            "expected a share above 0",
        ),
        (
            &["--prompt", "[gMASK]", "--beams", "2", "--seed", "1"],
            "cannot be used with",
        ),
        (
            &["--prompt", "[gMASK]", "--step", "7"],
            "holds no checkpoint of step 7",
        ),
        (
            &["--prompt", "[gMASK]", "--quantized", "weights"],
            "`weights` is no safetensors file",
        ),
    ] {
        let output = scratch.run(&[&["generate", "run"], arguments].concat());
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
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
    let output = scratch.run(&["generate", "nowhere", "--prompt", "[gMASK]"]);
    assert_eq!(output.status.code(), Some(2));
}

/// Another run's weights have the same names and shapes.
#[test]
fn quantized_weights_of_another_run_are_refused() {
    let scratch = trained("generate-another", &[]);
    scratch.write(
        "other.toml",
        &format!("seed = 9\n{}{}", tiny(30), scratch.texts()),
    );
    assert!(
        scratch
            .run(&["train", "other.toml", "--out", "other"])
            .status
            .success()
    );
    assert!(
        scratch
            .run(&["quantize", "other", "--out", "q"])
            .status
            .success()
    );
    let file = "q/step-00000030.safetensors";
    let output = scratch.run(&[
        "generate",
        "run",
        "--prompt",
        "[gMASK]",
        "--quantized",
        file,
    ]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("is of a run with the configuration"),
        "{}",
        stderr(&output)
    );
}
