//! What is shown of odd input: of names, read-only places, text that a terminal would obey, and cards with
//! nothing but what is needed.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::process::{Command, Output, Stdio};
use support::studio::{shell, studio, succeed};
use support::{Scratch, stderr, stdout, tiny};

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
