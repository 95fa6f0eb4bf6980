//! Planted causes: a replay names what was planted, and a restore fault is named by the attempt, the doctor and a replay.
//!
//! One seed a cause, on a model that takes milliseconds a step; `experiments/causes.py` asks 20 seeds each of larger ones, of
//! which the results are in docs/replay.md. β₂ is asked there only: this model does not spike under it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use safetensors::SafeTensors;
use std::path::Path;
use support::{Scratch, stderr, stdout};

const MODEL: &str = r#"
steps = 240
[model]
layers = 2
hidden_size = 32
num_heads = 2
ffn_hidden_size = 64
seq_len = 32
[tokenizer]
vocab_size = 300
[batch]
micro_batch = 8
[optimizer]
lr = 0.002
warmup_samples = 400
"#;

/// What is planted at step 150 or 151, the keys, and the word.
const CAUSES: [(&str, &str, &[&str]); 7] = [
    ("noise", "data", &[r#"inject=[{kind="noise",step=150}]"#]),
    (
        "repeated n-gram",
        "data",
        &[
            "optimizer.lr=0.004",
            r#"inject=[{kind="repeated_ngram",step=150,n=3}]"#,
        ],
    ),
    (
        "shuffled labels",
        "data",
        &[r#"inject=[{kind="shuffled_labels",step=150}]"#],
    ),
    (
        "a weight that overflows FP16 and that FP32 holds",
        "precision",
        &[
            "optimizer.lr=0.004",
            "precision.format=fp16",
            r#"inject=[{kind="weight",step=150,tensor="layers.0.ffn.up.weight",factor=100.0}]"#,
        ],
    ),
    (
        "a weight that overflows FP16 and spikes in FP32",
        "state",
        &[
            "precision.format=fp16",
            r#"inject=[{kind="weight",step=150,tensor="embedding.weight",factor=1e6}]"#,
        ],
    ),
    (
        "clipping given up",
        "optimiser",
        &[
            "optimizer.eps=0.01",
            "optimizer.lr=0.3",
            "optimizer.clip_grad=0.03",
            "optimizer.weight_decay=0.0",
            r#"schedule=[{key="optimizer.clip_grad",start=150,length=0,to=0.0}]"#,
        ],
    ),
    ("nothing", "no_spike", &["precision.format=fp16"]),
];

fn scratch(name: &str) -> Scratch {
    let scratch = Scratch::new(&format!("causes-{name}"));
    let text = format!("{MODEL}{}", scratch.texts());
    scratch.write("model.toml", &text);
    scratch
}

fn train(scratch: &Scratch, out: &str, set: &[&str]) {
    let changes = set.iter().flat_map(|set| ["--set", *set]);
    let arguments: Vec<&str> = ["train", "model.toml", "--out", out]
        .into_iter()
        .chain(changes)
        .collect();
    let output = scratch.run(&arguments);
    assert!(output.status.success(), "{}", stderr(&output));
}

/// The step at which the loss first spikes or is not finite, from step 150 on; step 150 where it does neither.
fn spike(run: &Path) -> u64 {
    let reader = logs::RunReader::open(run).unwrap();
    let spikes = logs::spike::spikes(reader.records(), "loss");
    let spikes = spikes.iter().map(|spike| spike.first);
    let broken = |record: &&logs::Record| !record.scalar("loss").is_some_and(f64::is_finite);
    let broken = reader.records().iter().filter(broken);
    let steps = spikes.chain(broken.map(|record| record.step));
    steps.filter(|step| *step >= 150).min().unwrap_or(150)
}

#[test]
fn a_replay_names_the_cause_that_was_planted() {
    let scratch = scratch("planted");
    for (place, (what, word, set)) in CAUSES.into_iter().enumerate() {
        let run = format!("run-{place}");
        train(&scratch, &run, set);
        let at = spike(&scratch.join(&run));
        assert!(at < 160, "{what}: the first spike is at step {at}");
        let asked = [
            "replay",
            &run,
            "--at",
            &at.to_string(),
            "--steps",
            "80",
            "--json",
        ];
        let output = scratch.run(&asked);
        assert!(output.status.success(), "{what}: {}", stderr(&output));
        let found: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
        let answer = &found["attribution"]["answer"];
        let said = answer["cause"].as_str().or(answer.as_str());
        assert_eq!(said, Some(word), "{what}: {}", found["attribution"]);
    }
}

/// What a restore fault makes of the state's text and of the tensor files.
type Fault = fn(&Path, &Path);

/// Fault, what the doctor says of it, and what it does to the checkpoint in the first folder; the second is an older one.
const FAULTS: [(&str, &str, Fault); 5] = [
    (
        "Adam's count",
        "Adam's count of updates is 0",
        |folder, _| {
            change_state(folder, |state| state["updates"] = 0.into());
        },
    ),
    ("moments", "Adam's moments are 0", |folder, _| {
        rewrite(folder, "optimizer.safetensors", |bytes| {
            let header = u64::from_le_bytes(bytes[..8].try_into().unwrap());
            bytes[8 + usize::try_from(header).unwrap()..].fill(0);
        });
    }),
    ("loss scaler", "the loss scale is 65536", |folder, _| {
        change_state(folder, |state| state["scaler"]["scale"] = 65536.0.into());
    }),
    (
        "data position",
        "the position in the data is",
        |folder, _| {
            change_state(folder, |state| {
                state["position"] = (state["position"].as_u64().unwrap() + 1).into();
            });
        },
    ),
    (
        "a tensor of an older checkpoint",
        "weights are others: `layers.1.ffn.down.weight`",
        |folder, older| {
            const NAME: &str = "layers.1.ffn.down.weight";
            let old = std::fs::read(older.join("weights.safetensors")).unwrap();
            let old = SafeTensors::deserialize(&old).unwrap();
            let old = old.tensor(NAME).unwrap().data().to_vec();
            rewrite(folder, "weights.safetensors", |bytes| {
                let place = {
                    let all = SafeTensors::deserialize(bytes).unwrap();
                    all.tensor(NAME).unwrap().data().as_ptr() as usize - bytes.as_ptr() as usize
                };
                bytes[place..place + old.len()].copy_from_slice(&old);
            });
        },
    ),
];

fn change_state(folder: &Path, change: impl Fn(&mut serde_json::Value)) {
    rewrite(folder, "state.json", |bytes| {
        let mut state = serde_json::from_slice(bytes).unwrap();
        change(&mut state);
        *bytes = serde_json::to_vec(&state).unwrap();
    });
}

/// Another file under a checksum that says it is whole.
fn rewrite(folder: &Path, name: &str, change: impl Fn(&mut Vec<u8>)) {
    let file = folder.join(name);
    let before = std::fs::read(&file).unwrap();
    let mut after = before.clone();
    change(&mut after);
    assert_ne!(before, after, "{name}: nothing was planted");
    let hash = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
    let sums = folder.join("B3SUMS");
    let listed = std::fs::read_to_string(&sums).unwrap();
    std::fs::write(&sums, listed.replace(&hash(&before), &hash(&after))).unwrap();
    std::fs::write(&file, after).unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Seeds of each fault; more of them with the variable.
fn seeds() -> u64 {
    let asked = std::env::var("WORKBENCH_CAUSES").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// As where a loader restores wrongly what was saved well: the checkpoint itself is whole again afterwards.
#[test]
fn a_restore_fault_is_named_by_the_attempt_the_doctor_and_a_replay() {
    let scratch = scratch("restore");
    for seed in 1..=seeds() {
        for (what, doctor_says, plant) in FAULTS {
            let _ = std::fs::remove_dir_all(scratch.join("run"));
            let seed = format!("seed={seed}");
            let set = [
                seed.as_str(),
                "steps=80",
                "precision.format=fp16",
                "precision.loss_scale.window=16",
                "model.dropout=0.1",
                "checkpoint.interval=20",
                "checkpoint.keep=4",
            ];
            train(&scratch, "run", &set);
            let run = scratch.join("run");
            let at = |step: u64| run.join(format!("checkpoints/step-{step:08}"));
            std::fs::remove_file(run.join("summary.json")).unwrap();
            std::fs::remove_dir_all(at(80)).unwrap();
            copy(&at(60), &scratch.join("whole"));
            plant(&at(60), &at(20));
            let output = scratch.run(&["train", "run"]);
            assert!(output.status.success(), "{what}: {}", stderr(&output));
            let note = stderr(&output);
            assert!(
                note.contains("was recorded otherwise before"),
                "{what}: {note}"
            );
            let output = scratch.run(&["doctor", "run"]);
            assert_eq!(output.status.code(), Some(1), "{what}");
            let said = stdout(&output);
            assert!(said.contains(doctor_says), "{what}: {said}");
            std::fs::remove_dir_all(at(60)).unwrap();
            copy(&scratch.join("whole"), &at(60));
            let asked = [
                "replay", "run", "--at", "61", "--twins", "same", "--steps", "16", "--json",
            ];
            let output = scratch.run(&asked);
            let found: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
            let sentence = found["attribution"]["sentence"].to_string();
            assert!(sentence.contains("restore"), "{what}: {sentence}");
            assert_eq!(found["control"]["other_from_attempt"], 61, "{what}");
        }
    }
}
