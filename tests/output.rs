//! Where output goes wrong: full disks, readers that have gone away, closed and read-only places, links,
//! pipes, and text that a terminal would obey.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "each test uses a part of what all share"
)]
mod support;

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use support::{Scratch, stderr, stdout, tiny};

/// A trained run `run`, a finished sweep `sweep` of two runs per arm, and its card `card.toml`.
fn studio(name: &str) -> Scratch {
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

const CARD: &str = r#"
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

fn succeed(output: &Output) {
    assert!(output.status.success(), "{}", stderr(output));
}

fn full() -> Stdio {
    File::options()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

/// A pipe that nobody reads any more.
fn broken_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// Commands that print a result, one of each kind and in each format.
fn printing() -> Vec<Vec<&'static str>> {
    [
        "--help",
        "--version",
        "help train",
        "sweep --help",
        "config",
        "config t0",
        "corpus list",
        "corpus list --json",
        "tasks list",
        "tasks list --json",
        "plan t0",
        "plan t0 --json",
        "plan t0 --timeline step.svg",
        "preflight t0 --results results",
        "preflight t0 --results results --json",
        "inspect t0",
        "inspect t0 --json",
        "inspect run",
        "export run --format csv",
        "export run --format tensorboard --out tb",
        "export glm-130b --to megatron-deepspeed --out handover",
        "parity run --step 3 --out step.safetensors",
        "weights export run --out sat",
        "slice t0 --tokens 32",
        "bench t0 --seconds 0.01",
        "sweep plan card.toml --no-probe",
        "sweep plan card.toml --no-probe --json",
        "sweep run card.toml --out sweep",
        "sweep status sweep",
        "sweep status sweep --json",
        "sweep rerun sweep",
        "monitor sweep --snapshot",
        "verdict sweep",
        "verdict sweep --json",
        "verdict sweep --result result.json",
        "report sweep",
        "report run --out page.html",
        "report --cards --results results --card-folder .",
        "completions bash",
    ]
    .map(|line| line.split(' ').collect())
    .into()
}

/// 16 of 16 commands exited with 0, and an export to a full disk was cut off.
#[test]
fn a_result_that_cannot_be_printed_is_an_error_and_a_reader_that_left_is_none() {
    let scratch = studio("printing");
    std::fs::create_dir(scratch.join("results")).unwrap();
    succeed(&scratch.run(&["verdict", "sweep", "--result", "results/card.json"]));
    for command in printing() {
        let output = scratch.workbench(&command).stdout(full()).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{command:?}: {said}");
        assert!(
            said.contains("cannot write to standard output") && said.contains("No space left"),
            "{command:?}: {said}"
        );
        // What it made before it printed stands in its own way the second time.
        let _ = std::fs::remove_dir_all(scratch.join("sat"));
        let output = scratch.workbench(&command).stdout(broken_pipe()).output();
        let output = output.unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{command:?}: {}",
            stderr(&output)
        );
        let _ = std::fs::remove_dir_all(scratch.join("sat"));
    }
}

fn shell(scratch: &Scratch, script: &str) -> Output {
    Command::new("sh")
        .args(["-c", script])
        .env("W", env!("CARGO_BIN_EXE_workbench"))
        .env("RAYON_NUM_THREADS", "1")
        .env("WORKBENCH_CACHE", scratch.join("cache"))
        .current_dir(&scratch.0)
        .output()
        .unwrap()
}

#[test]
fn closed_and_unwritable_descriptors_are_told_from_silence() {
    let scratch = Scratch::new("closed");
    for (script, code) in [
        ("$W config t0 >&-", 1),
        ("$W --help >&-", 1),
        ("$W config t0 1</dev/null", 1),
        ("$W config t0 > /dev/null", 0),
        // As Python's `subprocess.DEVNULL` opens it.
        ("$W config t0 1<>/dev/null", 0),
        ("$W config t0 2>&-", 0),
        ("$W config t0 0<&- 2>&- | cat", 0),
        ("$W config nothing 2>&-", 2),
        ("$W config nothing 2>/dev/full", 2),
        ("$W no-such-command 2>/dev/full", 2),
    ] {
        let output = shell(&scratch, script);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{script}: {}",
            stderr(&output)
        );
    }
}

/// Standard error that cannot be written made a run panic: exit code 101 and no checkpoint.
#[test]
fn a_run_outlives_its_standard_error() {
    let scratch = Scratch::new("deaf");
    scratch.write("base.toml", &(tiny(20) + &scratch.texts()));
    for (index, deaf) in [full as fn() -> Stdio, broken_pipe].into_iter().enumerate() {
        let out = format!("run-{index}");
        let command = ["train", "base.toml", "--out", &out];
        let mut command = scratch.workbench(&command);
        let status = command.stdout(deaf()).stderr(deaf()).status().unwrap();
        assert_eq!(status.code(), Some(0));
        let summary = scratch.join(&out).join("summary.json");
        let summary = std::fs::read_to_string(summary).unwrap();
        assert!(summary.contains("\"finished\""), "{summary}");
    }
}

/// `2>&1 | head -1` took the executor away, and with it everything it had not yet begun.
#[test]
fn a_sweep_outlives_its_standard_error_and_full_console_logs() {
    let scratch = Scratch::new("deaf-sweep");
    scratch.write("base.toml", &(tiny(20) + &scratch.texts()));
    scratch.write("card.toml", CARD);
    let made = shell(
        &scratch,
        "$W sweep run card.toml --out sweep --workers 1 2>&1 | head -1",
    );
    assert_eq!(stdout(&made).lines().count(), 1);
    let status = stdout(&scratch.run(&["sweep", "status", "sweep"]));
    assert!(status.contains("card: 4 finished"), "{status}");

    let made = shell(
        &scratch,
        "$W sweep run card.toml --out second --workers 1 2>/dev/full",
    );
    assert_eq!(made.status.code(), Some(0));
    let run = std::fs::read_dir(scratch.join("second/runs"))
        .unwrap()
        .next();
    let run = run.unwrap().unwrap().path();
    // One run once more, with its own output on a full disk.
    for entry in std::fs::read_dir(&run).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else if path.file_name().unwrap() != "run.toml" {
            std::fs::remove_file(path).unwrap();
        }
    }
    std::os::unix::fs::symlink("/dev/full", run.join("console.log")).unwrap();
    let made = scratch.run(&["sweep", "run", "card.toml", "--out", "second"]);
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    let status = stdout(&scratch.run(&["sweep", "status", "second"]));
    assert!(status.contains("card: 4 finished"), "{status}");
}

/// Links were replaced by files, and what hung on the other end of a pipe never got anything.
#[test]
fn files_to_write_follow_links_and_feed_pipes() {
    let scratch = studio("links");
    std::fs::create_dir(scratch.join("far")).unwrap();
    let out = |command: &str, name: &str| {
        let target = scratch.join("far").join(name);
        std::fs::write(&target, "old").unwrap();
        let link = scratch.join(name);
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let words: Vec<&str> = command.split(' ').collect();
        succeed(&scratch.run(&words));
        assert!(
            std::fs::symlink_metadata(&link).unwrap().is_symlink(),
            "{command}"
        );
        assert_ne!(std::fs::read(&target).unwrap(), b"old", "{command}");
    };
    out("export run --format csv --out a.csv", "a.csv");
    out("verdict sweep --result b.json", "b.json");
    out("plan t0 --timeline c.svg", "c.svg");
    out("report sweep --out d.html", "d.html");
    out("report sweep --out e.md", "e.md");
    out("parity run --step 3 --out f.safetensors", "f.safetensors");

    for command in [
        "export run --format csv --out pipe",
        "verdict sweep --result pipe",
        "plan t0 --timeline pipe",
        "report run --out pipe",
    ] {
        let script = format!(
            "mkfifo pipe; (cat pipe > got) & $W {command} > said; wait; [ -p pipe ] && [ -s got ] && rm pipe"
        );
        let output = shell(&scratch, &script);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{command}: {}",
            stderr(&output)
        );
    }
    assert!(!scratch.join("pipe.svg").exists(), "a figure beside a pipe");

    // The verdict goes to the same open file as the result, and neither replaces it.
    let output = shell(
        &scratch,
        "$W verdict sweep --result /dev/stdout > both; echo after >> both",
    );
    succeed(&output);
    let both = std::fs::read_to_string(scratch.join("both")).unwrap();
    let mut values = serde_json::Deserializer::from_str(&both).into_iter::<serde_json::Value>();
    let result = values.next().unwrap().unwrap();
    assert!(result["card_hash"].is_string(), "{both}");
    let verdict = stdout(&scratch.run(&["verdict", "sweep"]));
    assert!(both.ends_with(&format!("\n{verdict}after\n")), "{both}");

    let output = scratch.run(&["verdict", "sweep", "--result", "result.svg"]);
    assert_eq!(
        output.status.code(),
        Some(2),
        "the figure would overwrite the result"
    );
}

/// A slip in the name of an output must cost neither a sweep nor somebody's figure.
#[test]
fn an_output_never_replaces_what_a_run_or_sweep_is_made_of() {
    let scratch = studio("outputs");
    let kept = |name: &str| std::fs::read(scratch.join(name)).unwrap();
    for (command, target) in [
        ("verdict sweep --result", "sweep/sweep.json"),
        ("plan t0 --timeline", "sweep/sweep.json"),
        ("export run --format csv --out", "run/metrics-0001.jsonl"),
        ("parity run --step 3 --out", "run/manifest.json"),
        ("parity run --step 3 --out", "run/checkpoints/weights"),
        ("report sweep --out", "run/checkpoints"),
        ("weights export run --out", "run/checkpoints"),
        (
            "weights import none --config base.toml --out",
            "run/manifest.json",
        ),
    ] {
        let before = scratch.join(target).is_file().then(|| kept(target));
        let words: Vec<&str> = command.split(' ').chain([target]).collect();
        let output = scratch.run(&words);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains("part of the run or sweep"), "{said}");
        assert!(before.is_none_or(|before| before == kept(target)));
    }
    scratch.write("keep.svg", "mine");
    let output = scratch.run(&["verdict", "sweep", "--result", "keep.json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("keep.svg"), "{}", stderr(&output));
    assert_eq!(kept("keep.svg"), b"mine");
    assert!(!scratch.join("keep.json").exists());
    for _ in 0..2 {
        let output = scratch.run(&["verdict", "sweep", "--result", "new.json"]);
        succeed(&output);
        assert!(stderr(&output).contains("new.svg"), "{}", stderr(&output));
    }
    let output = shell(&scratch, "$W report sweep --out /dev/stdout > p.html");
    succeed(&output);
    let page = String::from_utf8(kept("p.html")).unwrap();
    assert!(page.trim_end().ends_with("</html>"), "a path in the page");
}

/// `std::env::args` ended the program; and a run that lost its records was called `ok`.
#[test]
fn odd_names_and_lost_records_are_no_surprise() {
    let scratch = studio("surprises");
    let script = r#"$W sweep run card.toml --out "$(printf 's\377')" --workers 1"#;
    succeed(&shell(&scratch, script));
    std::fs::remove_file(scratch.join("run/metrics-0001.jsonl")).unwrap();
    for command in [&["train", "run"][..], &["report", "run", "--out", "r.md"]] {
        let output = scratch.run(command);
        succeed(&output);
        assert!(
            !stderr(&output).contains("outcome ok"),
            "{}",
            stderr(&output)
        );
    }
    let page = std::fs::read_to_string(scratch.join("r.md")).unwrap();
    assert!(page.contains("its outcome cannot be told"), "{page}");
    let output = shell(&scratch, "$W report sweep --out missing/r.html");
    let said = stderr(&output);
    assert!(
        said.contains("there is no folder `missing`") && !said.contains(".tmp-"),
        "{said}"
    );
}

/// Runs a script with `DIR` mounted read-only; nothing where that is not allowed here.
fn read_only(scratch: &Scratch, dir: &str, script: &str) -> Option<Output> {
    let mount = format!("mount --bind {dir} {dir} && mount -o remount,bind,ro {dir}");
    let unshare = |script: &str| {
        Command::new("unshare")
            .args(["--mount", "--map-root-user", "sh", "-c", script])
            .env("W", env!("CARGO_BIN_EXE_workbench"))
            .current_dir(&scratch.0)
            .output()
    };
    let can = unshare(&format!("{mount} && ! touch {dir}/x 2>/dev/null"));
    if !can.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: a read-only mount is not allowed here");
        return None;
    }
    Some(unshare(&format!("{mount} && {script}")).unwrap())
}

#[test]
fn a_read_only_sweep_gives_its_verdict_and_its_report_goes_elsewhere() {
    let scratch = studio("read-only");
    let verdict = stdout(&scratch.run(&["verdict", "sweep"]));
    let Some(output) = read_only(&scratch, "sweep", "$W verdict sweep") else {
        return;
    };
    succeed(&output);
    assert_eq!(stdout(&output), verdict);
    assert!(
        stderr(&output).contains("verdict is not saved"),
        "{}",
        stderr(&output)
    );
    let script = "$W --cache cache sweep run card.toml --out sweep/second";
    let output = read_only(&scratch, "sweep", script).unwrap();
    let said = stderr(&output);
    assert_eq!(
        output.status.code(),
        Some(4),
        "the disk is at fault: {said}"
    );
    let output = read_only(&scratch, "sweep", "$W report sweep").unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--out"), "{}", stderr(&output));
    for (out, pages) in [
        ("folder", &["folder/report.html", "folder/report.md"][..]),
        ("page.html", &["page.html"]),
        ("page.md", &["page.md"]),
    ] {
        let script = format!("$W report sweep --out {out}");
        let output = read_only(&scratch, "sweep", &script).unwrap();
        succeed(&output);
        for page in pages {
            assert!(scratch.join(page).is_file(), "{page}");
            assert!(stdout(&output).contains(page));
        }
    }
}

fn is_clean(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    !text.contains(|c: char| (c.is_control() && c != '\n' && c != '\t') || c == '\u{202e}')
}

/// Cards, names and paths are other people's text.
#[test]
fn nothing_that_a_terminal_would_obey_is_printed() {
    let scratch = studio("escapes");
    let odd = "o\u{1b}[2Jdd\r";
    std::fs::copy(scratch.join("card.toml"), scratch.join(odd)).unwrap();
    let commands: [&[&str]; 12] = [
        &["sweep", "plan", "card.toml", "--no-probe"],
        &["sweep", "plan", "card.toml", "--no-probe", "--json"],
        &["sweep", "run", "card.toml", "--out", odd],
        &["sweep", "run", odd, "--out", "third"],
        &["sweep", "status", "sweep"],
        &["sweep", "status", "sweep", "--json"],
        &["sweep", "stop", "sweep", odd],
        &["verdict", "sweep"],
        &["verdict", "sweep", "--json"],
        &["verdict", odd],
        &["config", odd],
        &["train", "base.toml", "--out", "x", odd, "--set", odd],
    ];
    for command in commands {
        let output = scratch.run(command);
        let (out, err) = (stdout(&output), stderr(&output));
        assert!(is_clean(&output.stdout), "{command:?}: {out:?}");
        assert!(is_clean(&output.stderr), "{command:?}: {err:?}");
    }
    let plan = stdout(&scratch.run(&["sweep", "plan", "card.toml", "--no-probe"]));
    assert!(
        plan.contains("A title \\u001b]0;forged\\u0007\\u009b2J\\u202e"),
        "{plan}"
    );
    let json = stdout(&scratch.run(&["sweep", "plan", "card.toml", "--no-probe", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        json["title"],
        "A title \u{1b}]0;forged\u{7}\u{9b}2J\u{202e}"
    );
    // Scripts for shells hold nothing that had to be changed.
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(!stdout(&scratch.run(&["completions", shell])).contains("\\u00"));
    }
}

/// The bar was erased, and nothing was left of the run.
#[test]
fn training_in_a_terminal_leaves_loss_outcome_and_path() {
    let scratch = Scratch::new("terminal");
    scratch.write("base.toml", &(tiny(20) + &scratch.texts()));
    let program = env!("CARGO_BIN_EXE_workbench");
    let train = format!("{program} --cache cache train base.toml --out run");
    let Ok(output) = Command::new("script")
        .args(["--quiet", "--return", "--command", &train, "typescript"])
        .current_dir(&scratch.0)
        .stdin(Stdio::null())
        .output()
    else {
        eprintln!("skipped: there is no `script` to make a terminal");
        return;
    };
    let screen = stdout(&output);
    let last = screen.lines().last().unwrap_or_default();
    for part in [
        "finished after 20 of 20 steps",
        "· loss ",
        "· outcome ",
        ": run",
    ] {
        assert!(last.contains(part), "`{part}` in {screen:?}");
    }
}

/// A card with nothing but what is needed, through everything that shows cards.
#[test]
fn a_card_without_any_optional_part_is_reported_everywhere() {
    let scratch = studio("bare");
    std::fs::create_dir(scratch.join("results")).unwrap();
    for command in [
        "verdict sweep --result results/card.json",
        "report sweep",
        "report --cards --results results --card-folder .",
        "preflight t0 --results results",
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        succeed(&scratch.run(&words));
    }
    let md = std::fs::read_to_string(scratch.join("sweep/report.md")).unwrap();
    assert!(
        !md.contains("Not the card as written"),
        "only a path was made absolute"
    );
    let page = std::fs::read_to_string(scratch.join("results/cards.html")).unwrap();
    assert!(!page.contains("What the source shows"));
}

/// The old file is there until the new one is whole.
#[test]
fn a_full_disk_keeps_the_old_file() {
    let scratch = studio("full-disk");
    let old = Path::new("disk/old.csv");
    let script = "mkdir -p disk && mount -t tmpfs -o size=8k none disk && echo old > disk/old.csv && \
                  { $W export run --format csv --out disk/old.csv; echo code $?; cat disk/old.csv; ls -A disk; }";
    let output = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", script])
        .env("W", env!("CARGO_BIN_EXE_workbench"))
        .current_dir(&scratch.0)
        .output();
    let Some(output) = output.ok().filter(|output| stdout(output).contains("code")) else {
        eprintln!("skipped: no small disk can be mounted here");
        return;
    };
    assert_eq!(
        stdout(&output),
        "code 1\nold\nold.csv\n",
        "{}",
        old.display()
    );
}
