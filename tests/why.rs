//! From a spike to its cause in one command, and the place of a replay: one that was killed left it, or the disk is full.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::process::{Command, Output};
use support::{Scratch, records, stderr, stdout, tiny};

/// `quickstart --why` on a small model, with a bad batch of `step` in runs of 120 steps.
fn why(scratch: &Scratch, more: &[&str]) -> Output {
    let text = scratch.join("one.txt").display().to_string();
    let text = format!("data.sources=[{{ path = {text:?}, language = \"en\", weight = 1 }}]");
    let mut asked = vec!["quickstart", "--why", "--out", "why", "--set", &text];
    let small = [
        "tokenizer.vocab_size=262",
        "model.layers=2",
        "model.hidden_size=16",
        "model.ffn_hidden_size=24",
        "model.seq_len=24",
    ];
    asked.extend(small.iter().chain(more).flat_map(|set| ["--set", set]));
    scratch.run(&asked)
}

#[test]
fn quickstart_why_goes_from_a_spike_to_its_cause_and_finds_it_again() {
    let scratch = Scratch::new("why-quickstart");
    scratch.texts();
    let planted = ["steps=120", "inject=[{ kind = \"noise\", step = 100 }]"];
    let output = why(&scratch, &planted);
    assert!(output.status.success(), "{}", stderr(&output));
    let told = stdout(&output);
    assert!(
        told.starts_with("The spike at step 100 is put down to data:"),
        "{told}"
    );
    for expected in [
        "other-batch ",
        "moments-reset",
        "workbench monitor why/seed-1",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    assert!(
        stderr(&output).contains("alarm: step 100: loss is"),
        "the alarm is shown"
    );
    let shown = ["monitor", "why/seed-1", "--snapshot", "--tab", "runs"];
    let screen = stdout(&scratch.run(&shown));
    assert!(
        screen.contains("└ skip @100") && screen.contains("1/1 runs"),
        "{screen}"
    );
    assert!(scratch.run(&["report", "why/seed-1"]).status.success());
    let page = std::fs::read_to_string(scratch.join("why/seed-1/report.md")).unwrap();
    assert!(page.contains("## Step 100 of `seed-1` again"), "{page}");

    let trained = records(&scratch.join("why/seed-1"));
    let again = why(&scratch, &planted);
    let table = |text: &str| text.split("next:").next().unwrap().to_owned();
    assert_eq!(
        table(&stdout(&again)),
        table(&told),
        "what is there is not made again"
    );
    assert_eq!(records(&scratch.join("why/seed-1")), trained);
    let file = "why/seed-1/replays/step-00000100/replay.json";
    std::fs::remove_file(scratch.join(file)).unwrap();
    let killed = why(&scratch, &planted);
    assert_eq!(
        table(&stdout(&killed)),
        table(&told),
        "a replay that was killed is made anew"
    );
    let other = why(&scratch, &["steps=119"]);
    assert_eq!(other.status.code(), Some(2));
    assert!(stderr(&other).contains("`why/seed-1` was begun with other settings"));
}

/// As with a text in one language, of which no seed spikes by itself.
#[test]
fn quickstart_why_plants_a_bad_batch_where_no_seed_has_a_spike() {
    let scratch = Scratch::new("why-planted");
    scratch.texts();
    let output = why(&scratch, &["steps=120"]);
    let (told, said) = (stdout(&output), stderr(&output));
    assert!(said.contains("planted at step 90:"), "{said}");
    assert!(
        told.starts_with("The spike at step 90 is put down to data:"),
        "{told}"
    );
    assert!(told.contains("workbench monitor why/planted-1"), "{told}");
}

#[test]
fn quickstart_why_says_where_no_seed_has_a_spike() {
    let scratch = Scratch::new("why-calm");
    scratch.texts();
    let output = why(&scratch, &["steps=3"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(
        text.contains("none of the 4 seeds from 1 on has a spike")
            && text.contains("planted at step 2:"),
        "{text}"
    );
    scratch.write("why/seed-9", "a file");
    let output = why(&scratch, &["steps=3", "seed=9"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("why/seed-9"),
        "{}",
        stderr(&output)
    );
}

/// What a killed replay has left is no obstacle, and of two at once in one place one is told so.
#[test]
fn a_replay_begins_anew_where_one_was_killed_and_has_its_place_for_itself() {
    let scratch = Scratch::new("why-place");
    scratch.write("tiny.toml", &format!("{}{}", tiny(20), scratch.texts()));
    let output = scratch.run(&["train", "tiny.toml", "--out", "run"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let twins = [
        "replay", "run", "--at", "9", "--twins", "skip", "--steps", "4",
    ];
    scratch.write("half/twins/same/run.toml", "cut");
    scratch.write("half/twins/.tmp-skip/run.toml", "cut");
    let folder = std::fs::File::open(scratch.join("half")).unwrap();
    folder.lock().unwrap();
    let again = || scratch.run(&[&twins[..], &["--out", "half"]].concat());
    let busy = again();
    assert_eq!(busy.status.code(), Some(2));
    assert!(stderr(&busy).contains("another command works in `half`"));
    assert!(scratch.join("half/twins/same/run.toml").is_file());
    folder.unlock().unwrap();
    let output = again();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(scratch.join("half/replay.json").is_file());
    assert!(!scratch.join("half/twins/.tmp-skip").exists());
}

/// The disk fills up while forks are made, and while twins train: nothing is left of the replay, and the run is as it was.
#[test]
fn a_full_disk_in_the_middle_of_a_replay_leaves_the_run_and_no_half_of_a_replay() {
    let scratch = Scratch::new("why-full");
    scratch.write("tiny.toml", &format!("{}{}", tiny(20), scratch.texts()));
    let output = scratch.run(&["train", "tiny.toml", "--out", "run"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let before = records(&scratch.join("run"));
    let ask = "$W replay run --at 15 --twins skip,fp32 --steps 5 --out";
    let script = format!(
        "{ask} disk/whole >&2 || exit 9; size=$(du -sk disk/whole | cut -f1); \
         for part in 4 6 9; do \
         mkdir -p small && mount -t tmpfs -o size=$((size * part / 10))k none small && \
         {{ {ask} small/replay >&2; echo code $?; ls -A small; umount small; }}; done"
    );
    let output = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", &script])
        .env("W", env!("CARGO_BIN_EXE_workbench"))
        .current_dir(&scratch.0)
        .output();
    let Some(output) = output.ok().filter(|output| stdout(output).contains("code")) else {
        eprintln!("skipped: no small disk can be mounted here");
        return;
    };
    let text = stderr(&output);
    assert_eq!(stdout(&output), "code 4\n".repeat(3), "{text}");
    assert_eq!(
        text.matches("no space left on the disk").count(),
        3,
        "{text}"
    );
    assert_eq!(records(&scratch.join("run")), before);
}
