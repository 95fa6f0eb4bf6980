//! The documentation says what the program does: printed files can be used, printed commands print what
//! stands under them, printed ids, hashes and counts are those of the shipped cards.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use support::pages::{Example, blocks, examples, page, pages, printed_files, prose, root};
use support::{Scratch, stderr, stdout};

/// Whether a command reads only what the pages print: no text, no earlier run, no clock.
fn stands_alone(command: &str) -> bool {
    let starts = |prefix| command.starts_with(prefix);
    starts("sed ")
        || starts("workbench config")
        || (starts("workbench plan ") && !command.contains("my-"))
        || (starts("workbench sweep plan ") && !command.contains("experiments/"))
}

fn is_like(printed: &[String], found: &str) -> bool {
    let mut lines = found.lines();
    let mut any = false;
    for expected in printed {
        if expected == "…" {
            any = true;
        } else if any {
            any = false;
            if !lines.by_ref().any(|line| line == expected) {
                return false;
            }
        } else if lines.next() != Some(expected) {
            return false;
        }
    }
    any || lines.next().is_none()
}

#[test]
fn a_printed_command_prints_what_stands_under_it() {
    let program = Path::new(env!("CARGO_BIN_EXE_workbench"));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", program.parent().unwrap().display());
    let mut tried = 0;
    for (name, page) in pages() {
        let scratch = Scratch::new(&format!("docs-{name}"));
        printed_files(&scratch.0, &page);
        for block in blocks(&page, "console") {
            let examples = examples(block);
            if !examples.iter().all(|e| stands_alone(&e.command)) {
                continue;
            }
            for Example { command, printed } in examples {
                let output = Command::new("sh")
                    .args(["-c", &format!("{command} 2>&1")])
                    .current_dir(&scratch.0)
                    .env("PATH", &path)
                    .output()
                    .unwrap();
                let found = stdout(&output);
                let same = printed.is_empty() || is_like(&printed, &found);
                assert!(
                    same,
                    "{name}: `{command}` prints\n{found}\nnot\n{}",
                    printed.join("\n")
                );
                tried += 1;
            }
        }
    }
    assert!(tried >= 8, "only {tried} examples were tried");
}

/// The anchor of a heading, as GitHub and mdBook make it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut links = 0;
    for (name, page) in pages() {
        let folder = if name == "README.md" {
            root()
        } else {
            root().join("docs")
        };
        let targets = prose(&page).flat_map(|line| line.split("](").skip(1));
        for target in targets.map(|rest| rest.split(')').next().unwrap()) {
            if target.starts_with("http") {
                continue;
            }
            let (file, wanted) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() {
                folder.join(&name)
            } else {
                folder.join(file)
            };
            assert!(path.exists(), "{name}: `{target}` is not there");
            if !wanted.is_empty() {
                let text = std::fs::read_to_string(&path).unwrap();
                let headings = prose(&text).filter(|line| line.starts_with('#'));
                let mut anchors = headings.map(|line| anchor(line.trim_start_matches('#')));
                assert!(
                    anchors.any(|anchor| anchor == wanted),
                    "{name}: no heading for `{target}`"
                );
            }
            links += 1;
        }
    }
    assert!(links > 60, "only {links} links were found");
}

/// Ids of all runs that a card would make, and the hashes of their configurations.
fn planned(scratch: &Scratch, card: &Path) -> (BTreeSet<String>, BTreeSet<String>) {
    let text = std::fs::read_to_string(card).unwrap();
    let card = sweeps::Card::parse(&text, "card", card.parent().unwrap()).unwrap();
    let plan = sweeps::Plan::expand(&card, &[]).unwrap();
    assert!(scratch.0.is_dir());
    let ids = plan.runs.iter().map(|run| run.id.clone()).collect();
    let hashes = plan.runs.iter().map(|run| run.config_hash.clone());
    (ids, hashes.collect())
}

/// Words of a page that look like run ids of a card.
fn ids_in(page: &str, card: &str) -> BTreeSet<String> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let words = page.split(|c| !part(c)).map(str::to_owned);
    let is_id = |word: &String| {
        let seed = word.rsplit_once("-s").map(|(_, seed)| seed);
        let counts = |seed: &str| !seed.is_empty() && seed.chars().all(|c| c.is_ascii_digit());
        word.starts_with(&format!("{card}-")) && seed.is_some_and(counts)
    };
    words.filter(is_id).collect()
}

#[test]
fn printed_run_ids_and_hashes_are_those_of_the_cards() {
    let scratch = Scratch::new("docs-ids");
    printed_files(&scratch.0, &page("cards-and-sweeps.md"));
    let (depth, _) = planned(&scratch, &scratch.join("depth.toml"));
    let quickstart = root().join("experiments/cards/quickstart.toml");
    let (quickstart, hashes) = planned(&scratch, &quickstart);
    let mut seen = 0;
    for (name, page) in pages() {
        for (card, ids) in [("depth", &depth), ("quickstart", &quickstart)] {
            for id in ids_in(&page, card) {
                assert!(ids.contains(&id), "{name}: `{id}` is no run of the card");
                seen += 1;
            }
        }
    }
    assert!(seen >= 3, "only {seen} ids were found");
    let state: serde_json::Value = state_in(&page("run-directory.md"));
    let hash = state["config_hash"].as_str().unwrap();
    assert!(hashes.contains(hash), "{hash}");
}

/// The printed `state.json`.
fn state_in(page: &str) -> serde_json::Value {
    let blocks = blocks(page, "json");
    let block = blocks.iter().find(|block| block.contains("\"scaler\""));
    serde_json::from_str(block.unwrap()).unwrap()
}

/// The keys of an object, those of objects inside it included.
fn keys(value: &serde_json::Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (key, value) in value.as_object().into_iter().flatten() {
        all.insert(key.clone());
        all.extend(
            keys(value)
                .into_iter()
                .map(|inner| format!("{key}.{inner}")),
        );
    }
    all
}

#[test]
fn the_printed_state_and_the_number_of_columns_are_those_of_a_run() {
    let scratch = Scratch::new("docs-run");
    let card = root().join("experiments/cards/quickstart.toml");
    let text = std::fs::read_to_string(&card).unwrap();
    let card = sweeps::Card::parse(&text, "card", card.parent().unwrap()).unwrap();
    let plan = sweeps::Plan::expand(&card, &[]).unwrap();
    let run = plan.runs.first().unwrap();
    let config = plan.config(run).unwrap();
    let rows = config.steps;
    // The same run on a text that is here, and shorter: the loss scale settles in a few steps, and then
    // everything has been recorded.
    let mut table: toml::Table = config.to_toml().parse().unwrap();
    let texts: toml::Table = scratch.texts().parse().unwrap();
    table.insert("steps".to_owned(), toml::Value::Integer(10));
    table.insert("data".to_owned(), texts["data"].clone());
    let file = scratch.write("short.toml", &table.to_string());
    let output = scratch.run(&["train", file.to_str().unwrap(), "--out", "run"]);
    assert!(output.status.success(), "{}", stderr(&output));

    let csv = stdout(&scratch.run(&["export", "run", "--format", "csv"]));
    let columns = csv.lines().next().unwrap().split(',').count();
    let words = format!("A quickstart run has {rows} rows and {columns} columns.");
    assert!(page("report.md").contains(&words), "{words}");

    let state = scratch.join("run/checkpoints/step-00000010/state.json");
    let mut state: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(state).unwrap()).unwrap();
    // Thousands of numbers, which are not printed.
    state["alarms"] = serde_json::json!({});
    let printed = state_in(&page("run-directory.md"));
    assert_eq!(keys(&printed), keys(&state));
    assert_eq!(printed["version"], state["version"]);
}
