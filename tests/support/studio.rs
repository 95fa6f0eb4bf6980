//! A run and a sweep to show, and a shell to show them in.

use super::{Scratch, stderr, tiny};
use std::process::{Command, Output};

/// A trained run `run`, a finished sweep `sweep` of two runs per arm, and its card `card.toml`.
pub fn studio(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    // Relative, so that the program has to make the paths absolute.
    let texts = scratch
        .texts()
        .replace(&format!("{}/", scratch.0.display()), "");
    scratch.write("base.toml", &(tiny(20) + &texts));
    scratch.write("card.toml", CARD);
    succeed(&scratch.run(&["train", "base.toml", "--out", "run"]));
    succeed(&scratch.run(&["sweep", "run", "card.toml", "--out", "sweep"]));
    scratch
}

/// Its title and its claim hold what a terminal would obey.
pub const CARD: &str = r#"
name = "card"
title = "A title \u001B]0;forged\u0007\u009B2J\u202E"
hypothesis = "None."
kind = "symptom"
base = "base.toml"
seeds = 2
[axes]
"model.norm" = ["post", "pre"]
[outcome]
window = 20
mad_window = 20
[criterion]
claim = "odd \u001B[31mclaim"
test = "exact"
at = { "model.norm" = "post" }
at_most = 100.0
"#;

pub fn succeed(output: &Output) {
    assert!(output.status.success(), "{}", stderr(output));
}

/// Runs a script that finds the program as `$W`.
pub fn shell(scratch: &Scratch, script: &str) -> Output {
    Command::new("sh")
        .args(["-c", script])
        .env("W", env!("CARGO_BIN_EXE_workbench"))
        .env("RAYON_NUM_THREADS", "1")
        .env("WORKBENCH_CACHE", scratch.join("cache"))
        .current_dir(&scratch.0)
        .output()
        .unwrap()
}
