//! Every card that ships, run end to end at its smoke budget with the real program: it runs, it is
//! judged, its result can be kept, shown on the page over all cards, and made again bit for bit.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::path::{Path, PathBuf};
use support::{Scratch, stderr, stdout};

fn cards() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments/cards");
    let mut cards: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        // The quickstart has one size, which is tried in its own way.
        .filter(|path| !path.ends_with("quickstart.toml"))
        .collect();
    cards.sort();
    cards
}

/// The sources of [`Scratch::texts`] as one argument.
fn sources(scratch: &Scratch) -> String {
    scratch.texts();
    let source = |file: &str, language: &str| {
        let path = scratch.join(file).display().to_string();
        format!("{{ path = \"{path}\", language = \"{language}\", weight = 1 }}")
    };
    format!(
        "data.sources=[{}, {}]",
        source("one.txt", "en"),
        source("two.txt", "zh")
    )
}

/// Whether the card trains on tasks of the catalogue, whose data is not here.
fn needs_task_data(card: &Path) -> bool {
    let text = std::fs::read_to_string(card).unwrap();
    text.contains("tasks.sources") && std::env::var_os("WORKBENCH_EVAL_DATA").is_none()
}

#[test]
fn every_card_runs_at_its_smoke_budget_and_leaves_a_result() {
    let scratch = Scratch::new("cards");
    let sources = sources(&scratch);
    std::fs::create_dir(scratch.join("results")).unwrap();
    let (skipped, cards): (Vec<_>, Vec<_>) =
        cards().into_iter().partition(|card| needs_task_data(card));
    println!("skipped, since `WORKBENCH_EVAL_DATA` is not set: {skipped:?}");
    assert!(cards.len() >= 12, "{cards:?}");
    for card in &cards {
        let name = card.file_stem().unwrap().to_str().unwrap();
        let path = card.to_str().unwrap();
        let run = ["sweep", "run", path, "--budget", "smoke", "--out", name];
        let output = scratch.run(&[run.as_slice(), &["--set", &sources]].concat());
        assert!(output.status.success(), "{name}: {}", stderr(&output));
        let said = stdout(&output);
        let smoke = said.starts_with("Inconclusive: a smoke run shows that the card works");
        let exploration = said.starts_with(&format!("No verdict: `{name}` is an exploration"));
        assert!(smoke || exploration, "{name}: {said}");
        let file = format!("results/{name}.json");
        let output = scratch.run(&["verdict", name, "--result", &file]);
        assert!(output.status.success(), "{name}: {}", stderr(&output));
        let result = sweeps::CardResult::load(&scratch.join(&file)).unwrap();
        assert_eq!(result.card, name);
        assert!(result.cost.runs > 0, "{name}");
        let measured = |arm: &sweeps::result::ArmRecord| !arm.metrics.is_empty();
        assert!(result.arms.iter().all(measured), "{name}");
    }

    let folder = cards[0].parent().unwrap().to_str().unwrap();
    let page = [
        "report",
        "--cards",
        "--results",
        "results",
        "--card-folder",
        folder,
    ];
    let output = scratch.run(&page);
    assert!(output.status.success(), "{}", stderr(&output));
    let html = std::fs::read_to_string(scratch.join("results/cards.html")).unwrap();
    for card in &cards {
        let name = card.file_stem().unwrap().to_str().unwrap();
        assert!(html.contains(&format!("<h2 id=\"{name}\">")), "{name}");
    }
    assert!(html.contains("What a proxy cannot show about 130B"));
    assert!(
        !html.contains("has changed since"),
        "the cards are those that ran"
    );
    assert!(
        !html.contains("href=\"http") && !html.contains("src="),
        "the page needs nothing else"
    );

    let output = scratch.run(&["sweep", "rerun", "e03-egs-invariance", "--share", "0.5"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("1 of 1 runs give the same bits"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn a_plan_says_what_a_card_costs_and_what_it_can_show() {
    let scratch = Scratch::new("plan-card");
    let sources = sources(&scratch);
    let card = cards()
        .into_iter()
        .find(|card| card.ends_with("e02-norm-grid.toml"))
        .unwrap();
    let card = card.to_str().unwrap();
    let plan = [
        "sweep", "plan", card, "--budget", "smoke", "--set", &sources,
    ];
    let output = scratch.run(&plan);
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stdout(&output);
    for part in [
        "e02-norm-grid (budget smoke)",
        "core-hours on this machine",
        "not tested at this budget",
    ] {
        assert!(said.contains(part), "`{part}` is missing in\n{said}");
    }
    let output = scratch.run(&["sweep", "plan", card, "--budget", "cpu", "--no-probe"]);
    let said = stdout(&output);
    assert!(
        said.contains("post-stalls (fisher, 10 seeds): power 0.9"),
        "{said}"
    );
    assert!(!said.contains("core-hours"), "nothing was timed:\n{said}");

    let output = scratch.run(&["sweep", "plan", card, "--budget", "smoky", "--no-probe"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("did you mean `smoke`?"),
        "{}",
        stderr(&output)
    );
}

/// A control that cannot train in its steps makes a comparison that shows nothing; a plan that has
/// looked at its first steps says so.
#[test]
fn a_plan_warns_of_a_control_that_cannot_train_in_its_steps() {
    let scratch = Scratch::new("too-slow");
    let sources = sources(&scratch);
    let card = |lr: &str, steps: u32| {
        format!(
            r#"
name = "slow"
title = "Too slow to fail"
hypothesis = "Nobody trains at such a rate."
kind = "symptom"
base = "t0"
seeds = 4
[fixed]
steps = {steps}
"tokenizer.vocab_size" = 262
"model.seq_len" = 32
"batch.micro_batch" = 4
"optimizer.warmup_samples" = 0
"optimizer.lr" = {lr}
[axes]
"model.norm" = ["post", "deepnorm_glm"]
[criterion]
treatment = {{ "model.norm" = "post" }}
control = {{ "model.norm" = "deepnorm_glm" }}
direction = "treatment_more"
"#
        )
    };
    let plan = |lr: &str, steps: u32| {
        std::fs::write(scratch.join("slow.toml"), card(lr, steps)).unwrap();
        let output = scratch.run(&["sweep", "plan", "slow.toml", "--set", &sources]);
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let said = plan("1e-8", 24);
    assert!(
        said.contains("warning: `claim` would end inconclusive: at the speed of its first steps `deepnorm_glm`"),
        "{said}"
    );
    let said = plan("3e-3", 2000);
    assert!(!said.contains("would end inconclusive"), "{said}");
}

/// A card is no sweep: who forgets `--runs` is told so, and other commands say what they expect.
#[test]
fn a_card_in_the_place_of_a_sweep_is_named() {
    let scratch = Scratch::new("card-for-sweep");
    scratch.write("card.toml", "title = 3");
    let output = scratch.run(&["verdict", "card.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("with `--runs FILE`"),
        "{}",
        stderr(&output)
    );
    let output = scratch.run(&["sweep", "status", "card.toml"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

/// As a shell hands it over in `workbench sweep plan <(cat card.toml)`.
#[cfg(target_os = "linux")]
#[test]
fn cards_and_configurations_are_read_through_a_pipe() {
    let scratch = Scratch::new("piped");
    let piped = |arguments: &[&str], text: &str| {
        let mut command = scratch.workbench(arguments);
        let pipe = std::process::Stdio::piped;
        let mut child = command
            .stdin(pipe())
            .stdout(pipe())
            .stderr(pipe())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut stdin, text.as_bytes()).unwrap();
        drop(stdin);
        child.wait_with_output().unwrap()
    };
    let output = piped(&["config", "/dev/stdin"], "extends = \"t0\"\nsteps = 7\n");
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("steps = 7"), "{}", stdout(&output));
    let output = piped(
        &["sweep", "plan", "/dev/stdin", "--no-probe"],
        "title = 3\n",
    );
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("`title`: is 3; expected text"),
        "{}",
        stderr(&output)
    );
}
