//! Every command line of the pages runs: on runs, sweeps and logs of the kind that the pages speak of, made up here. What
//! trains for long, downloads, needs a terminal or a file of the reader's own is only parsed, by
//! `workbench/src/cli/tests.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs;
use std::path::Path;
use support::Scratch;
use support::pages::{blocks, examples, pages, printed_files, root};
use support::studio::{shell, succeed};

/// Beginnings of commands that are only parsed, and why.
const ONLY_PARSED: &[(&str, &str)] = &[
    ("train t0", "trains on texts that are downloaded"),
    ("train t-deep", "trains on texts that are downloaded"),
    ("train t2", "trains on texts that are downloaded"),
    ("quantize w1024", "reads a run of 162 million parameters"),
    ("generate w1024", "reads a run of 162 million parameters"),
    ("train my-proxy.toml", "trains on texts that are downloaded"),
    ("train watched.toml", "trains on texts that are downloaded"),
    ("sweep run", "trains on texts that are downloaded"),
    (
        "sweep plan experiments",
        "measures with texts that are downloaded",
    ),
    ("corpus get", "downloads"),
    ("bench", "measures for minutes"),
    ("slice", "takes 8 GB and minutes"),
    (
        "inspect glm-130b",
        "draws samples of 130 billion parameters",
    ),
    ("monitor", "needs a terminal"),
    ("replay", "trains a run for each twin"),
    ("journal", "trains on texts that are downloaded"),
    ("evaluate", "reads data that is not in the repository"),
    ("explain real", "reads logs that are not in the repository"),
    ("import --follow", "never ends"),
    ("import tensorboard", "never ends"),
    (
        "import polypythias",
        "reads logs that are not in the repository",
    ),
    (
        "detect bench real",
        "reads logs that are not in the repository",
    ),
    ("verdict my-card.toml", "reads a list of the reader's runs"),
];

/// A run that four ranks can share.
fn config(scratch: &Scratch) -> String {
    let texts = scratch.texts();
    let tiny = support::tiny(200).replace("num_heads = 2", "num_heads = 4");
    let tiny = tiny.replace("vocab_size = 262", "vocab_size = 264");
    // So that a fork may change the format alone.
    tiny.replace(
        "grad_accumulation = \"fp16\"",
        "grad_accumulation = \"fp32\"",
    ) + &texts
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// What the pages take for granted: runs, sweeps, logs, cards and their results.
fn made_up() -> Scratch {
    let scratch = Scratch::new("docs-commands");
    scratch.write("tiny.toml", &config(&scratch));
    let short = config(&scratch).replace("steps = 200", "steps = 20");
    scratch.write("base.toml", &short);
    scratch.write("my-card.toml", support::studio::CARD);
    for command in [
        "$W train tiny.toml --out runs/tiny",
        "$W train base.toml --out runs/gpt --set objective.mode=gpt --set model.norm=pre --set model.positions=learned \
         --set model.ffn=gelu",
        "$W sweep run my-card.toml --out sweeps-out/my-card",
        "$W export runs/tiny --format tensorboard --out logs",
        "$W quantize runs/tiny",
        "printf 'a [gMASK]\\n' > prompts.txt",
        "mv logs/* logs/events.out.tfevents.1716784983.host.0.v2",
        "printf 'iter,CE,val/CE\\n1,3.5,3.6\\n2,3.4,3.5\\n' > log.csv",
        "printf 'n%03d slots=8\\n' $(seq 100) > nodes.txt",
    ] {
        succeed(&shell(&scratch, command));
    }
    for run in ["mine", "pre", "post", "half"] {
        copy(&scratch.join("runs/tiny"), &scratch.join("runs").join(run));
    }
    for sweep in [
        "sweeps-out/quickstart",
        "sweeps-out/e02-norm-grid-cpu",
        "sweeps-out/s1-spike-rate",
        "sweeps-out/s3a-spike-duration",
        "sweeps-out/e17-bad-batch",
        "q",
    ] {
        copy(&scratch.join("sweeps-out/my-card"), &scratch.join(sweep));
    }
    for folder in [
        "experiments/cards",
        "experiments/results",
        "experiments/labels",
        "experiments/plan/data",
    ] {
        copy(&root().join(folder), &scratch.join(folder));
    }
    let table = root().join("experiments/plan/data/systems.csv");
    fs::copy(&table, scratch.join("mine.csv")).unwrap();
    let log = root().join("logs/tests/data/megatron.log");
    for job in ["job-1.log", "job-2.log"] {
        fs::copy(&log, scratch.join(job)).unwrap();
    }
    scratch
}

/// The commands of a page, each with whether it prints an error.
fn commands(page: &str) -> Vec<(String, bool)> {
    let console = blocks(page, "console").into_iter().flat_map(examples);
    let console = console.map(|example| {
        let fails = example
            .printed
            .first()
            .is_some_and(|line| line.starts_with("error: "));
        (example.command, fails)
    });
    let scripts = blocks(page, "sh").into_iter().flat_map(str::lines);
    let all = console.chain(scripts.map(|line| (line.to_owned(), false)));
    all.filter(|(command, _)| {
        ["workbench ", "sed ", "mkdir "]
            .iter()
            .any(|begin| command.starts_with(begin))
    })
    .collect()
}

fn is_only_parsed(command: &str) -> bool {
    let words: Vec<&str> = command.split_whitespace().skip(1).collect();
    let typed = words.join(" ");
    !typed.contains("--snapshot")
        && ONLY_PARSED
            .iter()
            .any(|(begin, _)| typed.starts_with(begin))
}

#[test]
fn every_command_of_the_pages_runs() {
    let scratch = made_up();
    let mut ran = 0;
    for (name, page) in pages() {
        printed_files(&scratch.0, &page);
        for (command, fails) in commands(&page) {
            if is_only_parsed(&command) {
                continue;
            }
            if command.starts_with("workbench import") {
                // The page shows one way after the other to make the same run.
                let _ = fs::remove_dir_all(scratch.join("runs/theirs"));
            }
            let typed = match command.strip_prefix("workbench ") {
                Some(arguments) => format!("$W {arguments}"),
                None => command.clone(),
            };
            let output = shell(&scratch, &typed);
            // `preflight` says no-go with 1.
            let code = output.status.code().unwrap();
            let is_expected = (code != 0) == fails || command.contains(" preflight ") && code == 1;
            let text = support::stderr(&output);
            assert!(is_expected, "{name}: `{command}` exits with {code}\n{text}");
            ran += 1;
        }
    }
    assert!(ran >= 40, "only {ran} commands were run");
}
