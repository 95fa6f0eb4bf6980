//! What disks, kills and hands do to a run directory: never a silent difference, never a panic, and
//! nothing that was recorded is lost.
//!
//! `WORKBENCH_DAMAGE=1000 cargo test --release --test damage` does a thousand random trials.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::path::Path;
use std::time::Duration;
use support::damaged::{Dice, Tree, plant, tree, trials};
use support::damaged_run::{CASES, Case, LAST, code, config, dead_lease, go_on};
use support::{Scratch, records, stderr};

/// Trials where the environment asks for no other number.
const TRIALS: u64 = 16;

#[test]
fn random_kills_cuts_and_flips_change_nothing_silently() {
    let cases = CASES.map(|case| Case::new("random", case));
    for trial in 0..trials(TRIALS) {
        let mut dice = Dice(trial);
        let which = trial as usize % cases.len();
        let what = format!("trial {trial}, {:?}", CASES[which]);
        match dice.below(4) {
            0 => cases[which].kill(&mut dice, &what),
            _ => cases[which].damage(&mut dice, &what),
        }
    }
}

fn events(run: &Path, kind: logs::EventKind) -> Vec<String> {
    let reader = logs::RunReader::open(run).unwrap();
    let events = reader.events().iter().filter(|event| event.kind == kind);
    events.map(|event| event.message.clone()).collect()
}

#[test]
fn a_damaged_newest_checkpoint_is_set_aside_and_the_run_goes_on_from_the_one_before() {
    let case = Case::new("fallback", CASES[0]);
    let mut damaged = case.killed.clone();
    let weights = Path::new("checkpoints/step-00000008/weights.safetensors");
    *damaged.get_mut(weights).unwrap().last_mut().unwrap() ^= 1;
    let run = case.scratch.join("trial");
    plant(&damaged, &run);
    let output = go_on(&case.scratch, "trial");
    let text = stderr(&output);
    assert_eq!(code(&output), 0, "{text}");
    for word in [
        "note:",
        "weights.safetensors",
        "damaged-step-00000008",
        "step 4",
    ] {
        assert!(text.contains(word), "{text}");
    }
    let kept = run.join("checkpoints/damaged-step-00000008/weights.safetensors");
    assert_eq!(std::fs::read(kept).unwrap(), damaged[weights]);
    assert_eq!(events(&run, logs::EventKind::Integrity).len(), 1);
    case.check_end(&run, "fallback");
    assert_eq!(records(&run), case.records);
}

#[test]
fn a_checkpoint_of_an_earlier_version_is_continued_and_said_not_to_be_verified() {
    let case = Case::new("earlier", CASES[0]);
    let mut earlier = case.killed.clone();
    earlier.retain(|name, _| !name.ends_with("B3SUMS"));
    for (name, bytes) in &mut earlier {
        if name.ends_with("state.json") {
            let text = String::from_utf8(bytes.clone()).unwrap();
            *bytes = text
                .replace("\"version\": 3", "\"version\": 2")
                .into_bytes();
        }
    }
    plant(&earlier, &case.scratch.join("trial"));
    let output = go_on(&case.scratch, "trial");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(
        stderr(&output).contains("not verified"),
        "{}",
        stderr(&output)
    );
    let run = case.scratch.join("trial");
    assert!(events(&run, logs::EventKind::Integrity)[0].contains("not verified"));
    case.check_end(&run, "earlier version");
}

/// What makes a run one that cannot go on.
type Spoil<'a> = &'a dyn Fn(&mut Tree);

/// Every way in which a start is refused.
#[test]
fn a_refused_start_changes_nothing() {
    let case = Case::new("refused", CASES[0]);
    let scratch = &case.scratch;
    let replace = |tree: &mut Tree, name: &str, from: &str, to: &str| {
        let bytes = tree.get_mut(Path::new(name)).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.contains(from), "{name}: {text}");
        *bytes = text.replacen(from, to, 1).into_bytes();
    };
    let stopped = |tree: &mut Tree| {
        let summary = r#"{"version":1,"status":"stopped","steps":11,"attempt":1,"held_out_loss":null,"seconds":1.0,"message":null}"#;
        tree.insert("summary.json".into(), summary.into());
        tree.remove(Path::new("lease.json"));
    };
    let spoil: [(&str, Spoil); 6] = [
        ("configuration", &|t| {
            replace(t, "run.toml", "lr = ", "lr = 1");
        }),
        ("version 99", &|t| {
            replace(t, "manifest.json", "\"version\": 1", "\"version\": 99");
        }),
        ("manifest.json` is damaged", &|t| {
            replace(t, "manifest.json", "\"seed\": ", "\"seed\": 1");
        }),
        ("version 9,", &|t| {
            for step in ["04", "08"] {
                let state = format!("checkpoints/step-000000{step}/state.json");
                replace(t, &state, "\"version\": 3", "\"version\": 9");
            }
            t.retain(|name, _| !name.ends_with("B3SUMS"));
        }),
        ("no older checkpoint", &|t| {
            t.retain(|name, _| !name.ends_with("optimizer.safetensors"));
        }),
        ("checkpoints` is a file", &|t| {
            t.retain(|name, _| !name.starts_with("checkpoints"));
            t.insert("checkpoints".into(), Vec::new());
        }),
    ];
    let run = scratch.join("trial");
    for (words, spoil) in spoil {
        let mut spoilt = case.killed.clone();
        stopped(&mut spoilt);
        spoil(&mut spoilt);
        // Killed while it wrote a file, by a process that is no more.
        let mut interrupted = spoilt.clone();
        interrupted.remove(Path::new("summary.json"));
        interrupted.insert("lease.json".into(), dead_lease().into_bytes());
        interrupted.insert(".tmp-x1".into(), b"half".to_vec());
        for spoilt in [spoilt, interrupted] {
            plant(&spoilt, &run);
            let output = go_on(scratch, "trial");
            let text = stderr(&output);
            assert_eq!(code(&output), 2, "{words}: {text}");
            assert!(text.contains(words), "{words}: {text}");
            assert!(tree(&run) == spoilt, "{words}: something changed");
        }
    }
}

/// With nothing left to train, nobody would look at its checkpoint.
#[test]
fn a_finished_run_with_a_damaged_last_checkpoint_is_refused_and_can_be_mended() {
    let case = Case::new("last", CASES[0]);
    let run = case.scratch.join("trial");
    for name in [
        "weights.safetensors",
        "optimizer.safetensors",
        "state.json",
        "B3SUMS",
    ] {
        let mut damaged = case.finished.clone();
        let path = Path::new(LAST).join(name);
        *damaged.get_mut(&path).unwrap().last_mut().unwrap() ^= 1;
        plant(&damaged, &run);
        let output = go_on(&case.scratch, "trial");
        let text = stderr(&output);
        assert_eq!(code(&output), 2, "{name}: {text}");
        for word in [
            name,
            "the run has finished",
            "remove the run's `summary.json`",
        ] {
            assert!(text.contains(word), "{name}: {text}");
        }
        assert!(tree(&run) == damaged, "{name}: something changed");
        case.check_inspect(name);
    }
    // What the message says can be done.
    std::fs::remove_file(run.join("summary.json")).unwrap();
    let output = go_on(&case.scratch, "trial");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    case.check_end(&run, "mended");
}

/// A pipe in the place of a file would be waited for without end.
#[test]
fn a_pipe_in_the_place_of_a_file_is_refused() {
    let case = Case::new("pipe", CASES[0]);
    let state = format!("{LAST}/state.json");
    for name in [state.as_str(), "events.jsonl", "manifest.json"] {
        let run = case.scratch.join("trial");
        plant(&case.finished, &run);
        std::fs::remove_file(run.join(name)).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(run.join(name))
            .status();
        assert!(made.unwrap().success());
        let output = go_on(&case.scratch, "trial");
        let said = stderr(&output);
        let file = name.rsplit('/').next().unwrap();
        assert!(said.contains(file), "{name}: {said}");
        assert!(!said.contains("after 0 of"), "{name}: {said}");
    }
}

#[test]
fn a_folder_that_claims_more_steps_than_the_run_has_is_named_and_left_alone() {
    let case = Case::new("stray", CASES[0]);
    let stray = "checkpoints/step-99999999";
    for base in [&case.killed, &case.finished] {
        let mut odd = base.clone();
        odd.insert(Path::new(stray).join("state.json"), b"{}".to_vec());
        let run = case.scratch.join("trial");
        plant(&odd, &run);
        let output = go_on(&case.scratch, "trial");
        let text = stderr(&output);
        assert_eq!(code(&output), 0, "{text}");
        assert!(text.contains("note:") && text.contains(stray), "{text}");
        assert!(run.join(stray).is_dir());
    }
}

#[test]
fn a_finished_run_without_its_last_checkpoint_says_so() {
    let case = Case::new("without", CASES[0]);
    let mut less = case.finished.clone();
    less.retain(|name, _| !name.starts_with(LAST));
    plant(&less, &case.scratch.join("trial"));
    let output = go_on(&case.scratch, "trial");
    let text = stderr(&output);
    assert_eq!(code(&output), 0, "{text}");
    assert!(text.contains("lacks the checkpoint of step 12"), "{text}");
    for command in [
        &["inspect", "trial"][..],
        &["weights", "export", "trial", "--out", "weights"],
    ] {
        let output = case.scratch.run(command);
        let text = stderr(&output);
        assert_eq!(code(&output), 0, "{text}");
        assert!(text.contains("lacks the checkpoint of step 12"), "{text}");
    }
    // All of them may have been removed to save room.
    less.retain(|name, _| !name.starts_with("checkpoints"));
    plant(&less, &case.scratch.join("trial"));
    let output = go_on(&case.scratch, "trial");
    assert!(!stderr(&output).contains("note:"), "{}", stderr(&output));
}

/// The text is where it was; what is wrong is where the run looks for it.
#[test]
fn a_path_that_was_damaged_in_a_runs_configuration_is_blamed_on_it() {
    let case = Case::new("path", CASES[0]);
    let mut odd = case.killed.clone();
    let config = odd.get_mut(Path::new("run.toml")).unwrap();
    let text = String::from_utf8(config.clone()).unwrap();
    assert!(text.contains(".txt\""), "{text}");
    *config = text.replace(".txt\"", ".tzt\"").into_bytes();
    plant(&odd, &case.scratch.join("trial"));
    let output = go_on(&case.scratch, "trial");
    let text = stderr(&output);
    assert_eq!(code(&output), 2, "{text}");
    assert!(
        text.contains("`trial/run.toml` says where it lies"),
        "{text}"
    );
}

#[test]
fn a_finished_run_without_its_manifest_says_why_it_has_no_outcome() {
    let case = Case::new("manifest", CASES[0]);
    let mut less = case.finished.clone();
    less.remove(Path::new("manifest.json"));
    plant(&less, &case.scratch.join("trial"));
    let why = "it has no `manifest.json`, so its outcome cannot be told";
    let output = go_on(&case.scratch, "trial");
    let text = stderr(&output);
    assert_eq!(code(&output), 0, "{text}");
    assert!(text.contains(&format!("no outcome ({why})")), "{text}");
    let output = case.scratch.run(&["report", "trial", "--out", "page.md"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let page = std::fs::read_to_string(case.scratch.join("page.md")).unwrap();
    assert!(page.contains("so its outcome cannot be told"), "{page}");
}

#[test]
fn events_that_were_lost_before_a_kill_are_noticed() {
    let case = Case::new("events", CASES[0]);
    let name = Path::new("events.jsonl");
    let run = case.scratch.join("trial");
    let lines: Vec<&[u8]> = case.killed[name].split_inclusive(|b| *b == b'\n').collect();
    assert!(lines.len() >= 4, "{}", lines.len());
    let keep = |kept: &[&[u8]]| {
        let mut less = case.killed.clone();
        less.insert(name.into(), kept.concat());
        plant(&less, &run);
        let output = go_on(&case.scratch, "trial");
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        stderr(&output)
    };
    // Cut off at the end, where the checkpoint shows that there was more.
    for left in [&lines[..0], &lines[..1]] {
        let text = keep(left);
        assert!(
            text.contains("does not reach the checkpoint of step 8"),
            "{text}"
        );
        assert_eq!(events(&run, logs::EventKind::Integrity).len(), 1);
    }
    // Taken out of the middle, where the numbers show it.
    keep(&[&lines[..1], &lines[2..]].concat());
    let reader = logs::RunReader::open(&run).unwrap();
    let said = "events.jsonl: 1 event is missing that the run wrote";
    assert_eq!(reader.warnings(), [said]);
    // Nothing is said where nothing is lost.
    let text = keep(&lines);
    assert!(!text.contains("note:"), "{text}");
    case.check_end(&run, "whole");
}

#[test]
fn a_new_run_needs_a_directory_of_its_own() {
    let case = Case::new("own", CASES[0]);
    let scratch = &case.scratch;
    let out = |name: &str| scratch.run(&["train", "tiny.toml", "--out", name]);
    for (name, file) in [
        ("sweep", "sweep.json"),
        ("home", "thesis.txt"),
        ("code", "run.toml"),
    ] {
        std::fs::create_dir(scratch.join(name)).unwrap();
        scratch.write(&format!("{name}/{file}"), "steps = 3\n");
        let before = tree(&scratch.join(name));
        let output = out(name);
        assert_eq!(code(&output), 2, "{name}: {}", stderr(&output));
        let said = stderr(&output).contains(file) || stderr(&output).contains("configuration");
        assert!(said, "{name}: {}", stderr(&output));
        assert_eq!(tree(&scratch.join(name)), before, "{name}");
    }
    let output = out("/dev/null");
    assert_eq!(code(&output), 2, "{}", stderr(&output));
    std::fs::create_dir(scratch.join("empty")).unwrap();
    assert_eq!(code(&out("empty")), 0);
    assert_eq!(code(&out("empty")), 0, "its own run");
}

#[test]
fn a_run_that_is_moved_while_it_trains_ends_with_an_error_and_is_left_whole() {
    let scratch = Scratch::new("damage-moved");
    scratch.write("long.toml", &config(&scratch, CASES[0], 1_000_000));
    let mut command = scratch.workbench(&["train", "long.toml", "--out", "run"]);
    let child = command
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let run = scratch.join("run");
    while logs::RunReader::open(&run).unwrap().latest().is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::fs::rename(&run, scratch.join("moved")).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    let text = stderr(&output);
    assert!(text.contains("moved or deleted"), "{text}");
    assert!(!run.exists(), "nothing is written to the old place");
    assert!(!scratch.join("moved/summary.json").exists());
}
