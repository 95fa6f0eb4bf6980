//! Where output goes wrong: full disks, readers that have gone away, closed descriptors, links and pipes.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use support::studio::{CARD, shell, studio, succeed};
use support::{Scratch, stderr, stdout, tiny};

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
