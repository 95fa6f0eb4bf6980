//! Bad input gets one clear error and the documented exit code; nothing recorded is lost.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use support::{Scratch, records, stderr, tiny};

/// Runs the program, expects exit code `code` and every one of `words` in its error.
fn refused(scratch: &Scratch, arguments: &[&str], code: i32, words: &[&str]) {
    let output = scratch.run(arguments);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{arguments:?} lacks `{word}`: {text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

#[test]
fn configurations_are_refused_with_key_and_remedy() {
    let scratch = Scratch::new("bad-config");
    let set = |set: &'static str| ["train", "t0", "--out", "run", "--set", set];
    refused(
        &scratch,
        &set("optimizer.lrr=1"),
        2,
        &["optimizer.lrr", "did you mean `optimizer.lr`"],
    );
    refused(
        &scratch,
        &set("model.num_heads=3"),
        2,
        &["model.num_heads", "does not divide"],
    );
    refused(
        &scratch,
        &set("model.num_heads=64"),
        2,
        &["model.num_heads", "even number"],
    );
    refused(&scratch, &set("steps=0"), 2, &["steps", "at least 1"]);
    refused(
        &scratch,
        &["train", "t00", "--out", "run"],
        2,
        &["t00", "did you mean `t0`"],
    );
    refused(&scratch, &["train", "t0"], 2, &["--out"]);
    scratch.write("broken.toml", "steps = = 3");
    refused(
        &scratch,
        &["train", "broken.toml", "--out", "run"],
        2,
        &["broken.toml", "line 1"],
    );
    assert!(
        !scratch.join("run").exists(),
        "a refused run must leave nothing behind"
    );
}

#[test]
fn texts_are_refused_with_path_and_reason() {
    let scratch = Scratch::new("bad-text");
    let config = |file: &str| {
        format!(
            "{}[[data.sources]]\npath = \"{file}\"\nlanguage = \"en\"\nweight = 1\n",
            tiny(5)
        )
    };
    scratch.write("empty.txt", "");
    scratch.write("short.txt", "too short");
    std::fs::write(scratch.join("latin.txt"), b"caf\xe9 ".repeat(500)).unwrap();
    for (file, words) in [
        ("missing.txt", ["missing.txt", "cannot read"]),
        ("empty.txt", ["empty.txt", "no text"]),
        ("short.txt", ["short.txt", "too short"]),
        ("latin.txt", ["latin.txt", "offset 3"]),
    ] {
        scratch.write("config.toml", &config(file));
        refused(
            &scratch,
            &["train", "config.toml", "--out", "run"],
            2,
            &words,
        );
    }
}

#[test]
fn damage_and_other_versions_are_named_and_records_stay_readable() {
    let scratch = Scratch::new("damage");
    scratch.write("tiny.toml", &format!("{}{}", tiny(12), scratch.texts()));
    assert!(
        scratch
            .run(&["train", "tiny.toml", "--out", "run"])
            .status
            .success()
    );
    let before = records(&scratch.join("run"));
    refused(
        &scratch,
        &["train", "run", "--set", "steps=9"],
        2,
        &["run.toml", "--set"],
    );
    refused(
        &scratch,
        &["export", "nowhere", "--format", "csv"],
        2,
        &["nowhere"],
    );

    let manifest = scratch.join("run/manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(
        &manifest,
        text.replacen("\"version\": 1", "\"version\": 99", 1),
    )
    .unwrap();
    refused(&scratch, &["report", "run"], 2, &["manifest.json", "99"]);
    std::fs::write(&manifest, &text[..40]).unwrap();
    refused(
        &scratch,
        &["report", "run"],
        2,
        &["manifest.json", "damaged"],
    );
    std::fs::write(&manifest, text).unwrap();
    assert_eq!(records(&scratch.join("run")), before);
}

#[test]
fn cards_are_refused_with_the_nearest_key() {
    let scratch = Scratch::new("bad-card");
    let card = include_str!("../experiments/cards/quickstart.toml");
    scratch.write(
        "card.toml",
        &card.replace("\"model.norm\" = [", "\"model.nrom\" = ["),
    );
    refused(
        &scratch,
        &["sweep", "plan", "card.toml"],
        2,
        &["model.nrom", "model.norm"],
    );
    refused(
        &scratch,
        &["sweep", "status", "nowhere"],
        2,
        &["nowhere", "sweep.json"],
    );
}
