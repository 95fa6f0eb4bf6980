//! A step again: forks and replays give the bits of their run, the audit finds what was restored wrong.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::path::Path;
use std::process::Output;
use support::{Scratch, records, stderr, stdout, tiny};

/// Configurations whose states have different parts: number formats, gradient shrink, accumulation, tasks and values that
/// move.
const KINDS: [(&str, &[&str]); 5] = [
    (
        "fp32",
        &["precision.format=fp32", "precision.grad_accumulation=fp32"],
    ),
    ("fp16", &[]),
    ("egs", &["egs.alpha=0.1", "optimizer.clip_mode=zclip"]),
    (
        "accumulation",
        &[
            "batch.gradient_accumulation=3",
            "precision.format=bf16",
            "precision.grad_accumulation=bf16",
        ],
    ),
    (
        "tasks",
        &[
            "tasks.ratio=0.4",
            "optimizer.skip_step_sigma=3.0",
            "optimizer.skip_step_window=8",
        ],
    ),
];

fn scratch(name: &str, steps: u32) -> Scratch {
    let scratch = Scratch::new(&format!("replay-{name}"));
    let row = |i| format!(r#"{{"text": "the small model {i}", "targets": "words {i}"}}"#);
    let rows: Vec<String> = (0..20).map(row).collect();
    scratch.write("tasks.jsonl", &rows.join("\n"));
    let text = format!(
        "{}[[tasks.sources]]\npath = \"tasks.jsonl\"\n{}",
        tiny(steps).replace("keep = 2", "keep = 2\nring_interval = 7"),
        scratch.texts()
    );
    scratch.write("tiny.toml", &text);
    scratch
}

fn train(scratch: &Scratch, out: &str, set: &[&str]) {
    let mut arguments = vec!["train", "tiny.toml", "--out", out];
    arguments.extend(set.iter().flat_map(|set| ["--set", set]));
    let output = scratch.run(&arguments);
    assert!(output.status.success(), "{}", stderr(&output));
}

fn json(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{}", stderr(output));
    serde_json::from_str(&stdout(output)).unwrap()
}

/// Replays of each configuration; more of them with the variable.
fn replays() -> u64 {
    let asked = std::env::var("WORKBENCH_REPLAYS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(1)
}

#[test]
fn the_control_twin_has_the_bits_of_the_record_at_random_steps() {
    let scratch = scratch("control", 40);
    let mut state = 7_u64;
    for (name, set) in KINDS {
        train(&scratch, name, set);
        for _ in 0..replays() {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let at = (1 + (state >> 33) % 40).to_string();
            let out = format!("{name}-{at}");
            let _ = std::fs::remove_dir_all(scratch.join(&out));
            let asked = [
                "replay", name, "--at", &at, "--twins", "same", "--steps", "6", "--out", &out,
                "--json",
            ];
            let found = json(&scratch.run(&asked));
            assert_eq!(found["control"], "same", "{name} at {at}: {found}");
            assert_eq!(found["rows"][0]["end"]["status"], "finished", "{found}");
            assert!(scratch.join(&out).join("replay.svg").exists());
        }
    }
}

/// Killed in the middle, continued, and forked from there: attempts do not matter.
#[test]
fn a_fork_gives_the_bits_of_its_run_and_stands_by_itself() {
    let scratch = scratch("fork", 40);
    train(&scratch, "run", &[]);
    let before = records(&scratch.join("run"));
    let output = scratch.run(&["fork", "run", "--at", "18", "--out", "fork"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(scratch.run(&["train", "fork"]).status.success());
    assert_eq!(records(&scratch.join("fork")), before[17..]);
    let fork = logs::RunReader::open(&scratch.join("fork")).unwrap();
    assert_eq!(fork.manifest().unwrap().forked_at, Some(17));
    assert_eq!(fork.warnings(), [""; 0], "no record is missing");
    let skipped = [
        "fork", "run", "--at", "18", "--skip", "20..21", "--out", "skipped",
    ];
    assert!(scratch.run(&skipped).status.success());
    assert!(scratch.run(&["train", "skipped"]).status.success());
    let skipped = records(&scratch.join("skipped"));
    assert_eq!(skipped[..2], before[17..19]);
    let position = |line: &String| {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        record["data_position"].as_f64().unwrap()
    };
    assert_eq!(
        position(&skipped[2]),
        position(&before[21]),
        "step 20 reads the batch of step 22"
    );
    assert_eq!(
        records(&scratch.join("run")),
        before,
        "the run is only read"
    );
}

/// A run in which step 20 has a bad batch is one without, where the data of that step are passed over.
#[test]
fn what_is_planted_in_data_is_passed_over_with_them() {
    let scratch = scratch("planted", 24);
    let planted = "inject=[{ kind = \"noise\", step = 20 }]";
    let ramp = "schedule=[{ key = \"batch.gradient_accumulation\", start = 3, to = 2 }]";
    train(&scratch, "clean", &[]);
    train(&scratch, "planted", &[planted]);
    train(&scratch, "ramp", &[planted, ramp]);
    let fork = |run: &str, out: &str| {
        let asked = ["fork", run, "--at", "18", "--skip", "20..21", "--out", out];
        scratch.run(&asked)
    };
    for (run, out) in [("clean", "a"), ("planted", "b")] {
        let output = fork(run, out);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(scratch.run(&["train", out]).status.success());
    }
    assert_eq!(records(&scratch.join("a")), records(&scratch.join("b")));
    let refused = fork("ramp", "c");
    assert_eq!(refused.status.code(), Some(2));
    let text = stderr(&refused);
    assert!(
        text.contains("what `[[inject]]` plants in the data of step 20"),
        "{text}"
    );
}

#[test]
fn a_finished_run_keeps_of_its_ring_what_lies_before_an_alarm_and_a_stopped_one_all() {
    let scratch = scratch("ring", 40);
    train(
        &scratch,
        "run",
        &["checkpoint.ring_bytes=0", "checkpoint.interval=0"],
    );
    train(&scratch, "ring", &["checkpoint.interval=0"]);
    assert_eq!(
        records(&scratch.join("run")),
        records(&scratch.join("ring"))
    );
    let names = |run: &str| -> Vec<String> {
        let folder = scratch.join(run).join("checkpoints");
        let entries = std::fs::read_dir(folder).unwrap();
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
        entries
            .map(|entry| name(entry).to_string_lossy().into_owned())
            .collect()
    };
    assert_eq!(names("run"), ["step-00000040"]);
}

/// The command adds up to what the run has recorded, whatever its parts, and with all that is printed and drawn.
#[test]
fn an_explained_step_adds_up_to_its_record() {
    let scratch = scratch("explain", 40);
    for (name, set) in KINDS {
        train(&scratch, name, set);
        let asked = [
            "explain",
            name,
            "--at",
            "33,17",
            "--json",
            "--out",
            "shares.svg",
        ];
        let found = json(&scratch.run(&asked));
        let reader = logs::RunReader::open(&scratch.join(name)).unwrap();
        // A skipped step of FP16 is not finite, and has no sum.
        let steps = found["steps"].as_array().unwrap().iter();
        let finite: Vec<_> = steps.filter(|step| step["skipped"].is_null()).collect();
        assert!(!finite.is_empty(), "{name}");
        for step in finite {
            let at = step["step"].as_u64().unwrap();
            let recorded = reader.records()[at as usize - 1]
                .scalar("grad_norm")
                .unwrap();
            let parts = step["parts"].as_array().unwrap().iter();
            let sum: f64 = parts.map(|part| part["squared"].as_f64().unwrap()).sum();
            let error = (sum / (recorded * recorded) - 1.0).abs();
            assert!(error < 1e-6, "{name} at {at}: {error}");
            assert_eq!(step["deviation"], serde_json::Value::Null, "{name} at {at}");
        }
        let svg = std::fs::read_to_string(scratch.join("shares.svg")).unwrap();
        assert!(svg.contains("step 17") && svg.contains("step 33"));
    }
    let output = scratch.run(&["explain", "fp16", "--at", "17"]);
    let text = stdout(&output);
    for expected in [
        "step 17: loss",
        "layer 1",
        "sequences",
        "one.txt:",
        "underflow",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
    let output = scratch.run(&["explain", "fp32"]);
    assert!(output.status.success(), "{}", stderr(&output));
}

/// What cannot be taken again of a run of 20 steps, and what is said of it.
const REFUSED: [(&str, &str); 19] = [
    ("explain run --at 9,21", "has recorded the steps 1 to 20"),
    ("explain run --at 0", "has no step 0"),
    ("explain run --at 19 --reach 0", "checkpoint.ring_bytes ="),
    (
        "explain run --at 9 --out run/manifest.json",
        "manifest.json",
    ),
    ("explain run --at 9 --sibling run", "was not imported"),
    ("explain tiny.toml", "is no run directory"),
    ("replay run --at 21", "has recorded the steps 1 to 20"),
    ("replay run --at 0", "has no step 0"),
    (
        "replay run --at 19 --reach 0 --lead 1",
        "checkpoint.ring_bytes =",
    ),
    (
        "replay run --at 9 --twins lr-hal",
        "did you mean `lr-half`?",
    ),
    (
        "replay run --at 9 --out mine",
        "holds `notes.txt`, which is no part of a replay",
    ),
    (
        "fork run --at 9 --set optimizer.lrr=1 --out f",
        "did you mean `optimizer.lr`?",
    ),
    (
        "fork run --at 9 --set model.layers=1 --out f",
        "shape of the model",
    ),
    ("fork run --at 9 --set steps=8 --out f", "its `steps` is 8"),
    (
        "fork run --at 9 --skip 3..4 --out f",
        "begins before the fork",
    ),
    (
        "fork run --at 9 --skip 9..18446744073709551615 --out f",
        "is no range",
    ),
    ("fork run --at 9 --out run", "is there already"),
    (
        "fork run --at 9 --out run/checkpoints/x",
        "`run/checkpoints/x`",
    ),
    ("doctor nowhere", "is no run directory"),
];

/// What the issue with each is stands in one line, and the run stays as it was.
#[test]
fn what_cannot_be_taken_again_is_refused_in_one_line() {
    let scratch = scratch("refused", 20);
    train(&scratch, "run", &[]);
    scratch.write("mine/notes.txt", "mine");
    let before = records(&scratch.join("run"));
    for (arguments, expected) in REFUSED {
        let output = scratch.run(&arguments.split(' ').collect::<Vec<_>>());
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains(expected),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
    assert!(scratch.join("mine/notes.txt").is_file());
    scratch.write("log.csv", "step,loss\n1,3\n2,3\n");
    assert!(
        scratch
            .run(&["import", "log.csv", "--out", "imported"])
            .status
            .success()
    );
    let output = scratch.run(&["replay", "imported", "--at", "1"]);
    let told = stderr(&output);
    assert!(told.contains("was imported"), "{told}");
    let newer = scratch.join("newer");
    std::fs::create_dir(&newer).unwrap();
    for file in ["run.toml", "metrics-0001.jsonl"] {
        std::fs::copy(scratch.join("run").join(file), newer.join(file)).unwrap();
    }
    scratch.write(
        "newer/manifest.json",
        r#"{"version": 99, "shape": "another"}"#,
    );
    for command in ["replay", "fork", "doctor"] {
        let more = match command {
            "doctor" => &[][..],
            "fork" => &["--at", "9", "--out", "f"],
            _ => &["--at", "9"],
        };
        let output = scratch.run(&[&[command, "newer"], more].concat());
        assert_eq!(output.status.code(), Some(2), "{command}");
        let text = stderr(&output);
        assert!(text.contains("format version 99"), "{command}: {text}");
    }
    assert_eq!(records(&scratch.join("run")), before);
    assert!(!scratch.join("f").exists() && !scratch.join("run/replays").exists());
}

/// A doctor that could compare nothing finds no difference, but all is not well.
#[test]
fn a_damaged_checkpoint_is_a_finding_and_records_without_any_are_compared() {
    let scratch = scratch("doctor-damaged", 12);
    train(&scratch, "run", &[]);
    let checkpoints = scratch.join("run/checkpoints");
    let weights = checkpoints.join("step-00000012/weights.safetensors");
    std::fs::write(weights, "cut").unwrap();
    let output = scratch.run(&["doctor", "run"]);
    assert_eq!(output.status.code(), Some(1));
    let told = stdout(&output);
    assert!(
        told.contains("checkpoint of step 12: it is damaged"),
        "{told}"
    );
    std::fs::remove_dir_all(checkpoints).unwrap();
    let told = stdout(&scratch.run(&["doctor", "run"]));
    assert!(
        told.contains("0 checkpoints, 12 recorded steps\nno difference"),
        "{told}"
    );
}

/// A checkpoint in which one count was set back, with checksums that say it is whole.
fn forge(run: &Path, step: u64) {
    let folder = run.join(format!("checkpoints/step-{step:08}"));
    let file = folder.join("state.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let forged = text.replace(
        &format!("\"updates\": {}", updates(&text)),
        "\"updates\": 1",
    );
    assert_ne!(text, forged);
    std::fs::write(&file, &forged).unwrap();
    let sums = folder.join("B3SUMS");
    let hash = |text: &str| blake3::hash(text.as_bytes()).to_hex().to_string();
    let listed = std::fs::read_to_string(&sums).unwrap();
    std::fs::write(&sums, listed.replace(&hash(&text), &hash(&forged))).unwrap();
}

fn updates(state: &str) -> u64 {
    let state: serde_json::Value = serde_json::from_str(state).unwrap();
    state["updates"].as_u64().unwrap()
}

#[test]
fn a_restore_fault_is_noticed_by_the_attempt_and_named_by_the_doctor() {
    let scratch = scratch("doctor", 40);
    train(&scratch, "run", &[]);
    let run = scratch.join("run");
    let output = scratch.run(&["doctor", "run"]);
    assert!(
        output.status.success(),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
    // Back to step 30, with a counter that is wrong.
    std::fs::remove_file(run.join("summary.json")).unwrap();
    std::fs::remove_dir_all(run.join("checkpoints/step-00000040")).unwrap();
    forge(&run, 30);
    let output = scratch.run(&["train", "run"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("points at Adam's moments or its count of updates"),
        "{}",
        stderr(&output)
    );
    let output = scratch.run(&["doctor", "run"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(
        text.contains("checkpoint of step 30: Adam's count of updates is 1"),
        "{text}"
    );
}

/// The first step of an attempt as it comes with the streams of another seed: the state is the run's, and so is its place
/// in the data.
#[test]
fn the_doctor_names_random_streams_of_another_seed() {
    let scratch = scratch("streams", 40);
    train(&scratch, "run", &[]);
    let run = scratch.join("run");
    std::fs::remove_file(run.join("summary.json")).unwrap();
    std::fs::remove_dir_all(run.join("checkpoints/step-00000040")).unwrap();
    assert!(scratch.run(&["train", "run"]).status.success());
    let other = [
        "fork", "run", "--at", "31", "--set", "seed=42", "--out", "other",
    ];
    let output = scratch.run(&other);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(scratch.run(&["train", "other"]).status.success());
    let first = |path: &str| {
        let text = std::fs::read_to_string(scratch.join(path)).unwrap();
        text.lines().next().unwrap().to_owned()
    };
    let file = "run/metrics-0002.jsonl";
    let text = std::fs::read_to_string(scratch.join(file)).unwrap();
    let forged = text.replace(&first(file), &first("other/metrics-0002.jsonl"));
    assert_ne!(text, forged);
    scratch.write(file, &forged);
    let output = scratch.run(&["doctor", "run"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(
        text.contains("step 31 was recorded otherwise, the first of an attempt")
            && text.contains("with the random streams of seed 42 in place of"),
        "{text}"
    );
}

/// Twins answer no alarm, so they are the run up to the first step that it answered, and no farther.
#[test]
fn a_run_with_policies_is_replayed_up_to_what_they_did_and_on_its_last_branch() {
    let scratch = scratch("policies", 44);
    let noise = "inject=[{ kind = \"noise\", step = 30, steps = 2 }]";
    let watched = "alarm={ detectors = [\"jump-loss\"], threshold = { jump-loss = 1.5 } }";
    let policy = |rest: &str| {
        format!(
            "recovery={{ detectors = [\"jump-loss\"], limit = 1, at_limit = \"go_on\", policy = [{{ {rest} }}] }}"
        )
    };
    let skip = policy("kind = \"skip\"");
    let back = policy("kind = \"rollback_skip\", rollback_steps = 6, skip_steps = 3");
    let (lr, warm) = ("optimizer.lr=2e-2", "optimizer.warmup_samples=8");
    for (run, policy) in [("skip", &skip), ("back", &back)] {
        train(&scratch, run, &[noise, watched, lr, warm, policy]);
    }
    let act = |run: &str| {
        let reader = logs::RunReader::open(&scratch.join(run)).unwrap();
        let mut events = reader.events().iter();
        let act = events.find(|event| event.data.contains_key("action"));
        act.unwrap().step
    };
    let replay = |run: &str, at: u64| {
        let at = at.to_string();
        let out = format!("{run}-{at}");
        let asked = [
            "replay", run, "--at", &at, "--twins", "same", "--steps", "6", "--out", &out, "--json",
        ];
        scratch.run(&asked)
    };
    let step = act("skip");
    assert_eq!(json(&replay("skip", step))["control"], "same");
    let refused = replay("skip", step + 3);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    let message = stderr(&refused);
    assert!(
        message.contains(&format!("replay step {step} or one before it")),
        "{message}"
    );
    let step = act("back");
    assert_eq!(json(&replay("back", step + 3))["control"], "same");
    assert_eq!(json(&replay("back", step - 2))["control"], "same");
    let audited = scratch.run(&["doctor", "back"]);
    assert!(audited.status.success(), "{}", stderr(&audited));
}
