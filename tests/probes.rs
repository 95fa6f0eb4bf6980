//! Probes with the real program: a sweep, a monitor or a verdict must not be able to tell their runs from
//! others.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use logs::{EventKind, RunReader, Status};
use support::{Scratch, records, stderr, stdout, tiny};

fn scratch(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    let tiny = tiny(5).replace("dropout = 0.1", "dropout = 0.0");
    scratch.write("tiny.toml", &format!("{tiny}{}", scratch.texts()));
    scratch
}

fn train(scratch: &Scratch, out: &str, set: &[&str]) -> RunReader {
    let mut arguments = vec!["train", "tiny.toml", "--out", out];
    for change in set {
        arguments.extend(["--set", change]);
    }
    let output = scratch.run(&arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    RunReader::open(&scratch.join(out)).unwrap()
}

const KINDS: [(&str, u64, &[&str], &[&str]); 3] = [
    (
        "update_law",
        1,
        &[
            "steps=1",
            "precision.format=fp32",
            "precision.grad_accumulation=fp32",
        ],
        &["loss", "grad_norm", "embedding_share", "logit_update_rms"],
    ),
    (
        "egs_twin",
        5,
        &["egs.alpha=0.1"],
        &[
            "loss",
            "twin_loss",
            "parameter_distance",
            "embedding_update",
            "smallest_gradient",
            "clip_coefficient",
        ],
    ),
    (
        "attention_softmax",
        1,
        &["steps=1", "model.hidden_size=8", "probe.score=70000"],
        &[
            "nonfinite_scores",
            "nonfinite_probabilities",
            "empty_rows",
            "ulp_error",
            "probability_error",
            "gradient_error",
        ],
    ),
];

#[test]
fn every_kind_leaves_a_whole_run_and_is_left_alone_when_asked_again() {
    let scratch = scratch("probes");
    for (kind, steps, set, names) in KINDS {
        let chosen = format!("probe.kind={kind}");
        let set: Vec<&str> = set.iter().copied().chain([chosen.as_str()]).collect();
        let run = train(&scratch, kind, &set);
        let summary = run.summary().unwrap();
        assert_eq!((summary.status, summary.steps), (Status::Finished, steps));
        assert_eq!(run.manifest().unwrap().steps, steps);
        assert_eq!(run.records().len() as u64, steps);
        assert!(run.warnings().is_empty(), "{:?}", run.warnings());
        let kinds: Vec<_> = run.events().iter().map(|event| event.kind).collect();
        assert_eq!(kinds.first(), Some(&EventKind::Start));
        assert_eq!(kinds.last(), Some(&EventKind::Finish));
        for name in names {
            for record in run.records() {
                assert!(record.scalar(name).is_some(), "{kind}: {name}");
                assert!(logs::signal(name).is_some(), "{name}");
            }
        }
        let before = records(&scratch.join(kind));
        let output = scratch.run(&["train", kind]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(records(&scratch.join(kind)), before);
        // The same numbers again, whatever the number of threads.
        let again = format!("{kind}-again");
        let mut arguments = vec!["train", "tiny.toml", "--out", &again];
        for change in &set {
            arguments.extend(["--set", change]);
        }
        let mut command = scratch.workbench(&arguments);
        command.env("RAYON_NUM_THREADS", "2");
        assert!(command.status().unwrap().success());
        assert_eq!(records(&scratch.join(&again)), before, "{kind}");
    }
}

/// Cards are refused by what is known of recording, so that must be what is really recorded.
#[test]
fn what_a_run_records_is_known_from_its_configuration() {
    let scratch = scratch("recorded");
    let more = [
        "eval.last_word=2",
        "objective.z_loss=1e-4",
        "precision.format=fp32",
        "precision.grad_accumulation=fp32",
        "model.tie_embeddings=false",
    ];
    let probes = KINDS.iter().map(|(kind, _, set, _)| (*kind, *set));
    let all = probes.chain([("train", &[][..]), ("train", &more)]);
    for (index, (kind, set)) in all.enumerate() {
        let chosen = format!("probe.kind={kind}");
        // Enough sequences for either objective.
        let mut set = set.to_vec();
        set.extend([chosen.as_str(), "batch.gradient_accumulation=8"]);
        let name = format!("recorded-{index}");
        let run = train(&scratch, &name, &set);
        let file = scratch.join(&name).join(logs::run::CONFIG_FILE);
        let config = experiments_config::load_file(&file, &[]).unwrap();
        // What a machine tells or not is no matter of the configuration.
        let by_config = |signal: &&logs::Signal| signal.needs != logs::Needs::Meter;
        for signal in logs::SIGNALS.iter().filter(by_config) {
            let has = |record: &logs::Record| {
                record.scalar(signal.name).is_some() || record.layers.contains_key(signal.name)
            };
            let told = sweeps::not_recorded(&config, signal.name);
            let recorded = run.records().iter().any(has);
            assert_eq!(
                recorded,
                told.is_none(),
                "{kind}: {}: {told:?}",
                signal.name
            );
        }
    }
}

/// A probe has no checkpoint, so it begins again; what an earlier attempt wrote must not show.
#[test]
fn an_interrupted_probe_starts_over() {
    let scratch = scratch("probe-again");
    let set = ["probe.kind=egs_twin", "egs.alpha=0.1"];
    let whole = train(&scratch, "run", &set);
    let expected = records(&scratch.join("run"));
    std::fs::remove_file(scratch.join("run/summary.json")).unwrap();
    let output = scratch.run(&["train", "run"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let again = RunReader::open(&scratch.join("run")).unwrap();
    assert_eq!(again.summary().unwrap().attempt, 2);
    assert_eq!(
        again.summary().unwrap().steps,
        whole.summary().unwrap().steps
    );
    assert_eq!(records(&scratch.join("run")), expected);
}

/// The real executor and verdict, with a metric that only a probe records; packing asked for in vain.
#[test]
fn a_card_sweeps_a_probe() {
    let scratch = scratch("probe-card");
    scratch.write(
        "card.toml",
        r#"
name = "law"
title = "Update law"
hypothesis = "Nothing: this card tests the machinery."
kind = "symptom"
base = "tiny.toml"
seeds = 2
[source]
paper = "none"
where = "-"
claim = "none"
[fixed]
steps = 1
"probe.kind" = "update_law"
"precision.format" = "fp32"
"precision.grad_accumulation" = "fp32"
[axes]
"model.norm" = ["post", "deepnorm_glm"]
[metric]
name = "logit_update_rms"
[criterion]
test = "exact"
at = { "model.norm" = ["post", "deepnorm_glm"] }
above = 0.0
"#,
    );
    let run = [
        "sweep",
        "run",
        "card.toml",
        "--out",
        "out",
        "--workers",
        "2",
        "--pack",
        "2",
    ];
    let output = scratch.run(&run);
    assert!(output.status.success(), "{}", stderr(&output));
    let output = scratch.run(&["sweep", "status", "out", "--json"]);
    let status = stdout(&output);
    assert!(status.contains("finished"), "{status}");
    assert!(scratch.run(&["verdict", "out"]).status.code().is_some());
}

#[test]
fn last_words_are_scored_at_evaluations_and_change_nothing_else() {
    let scratch = scratch("last-word");
    let common = ["eval.interval=2", "objective.mode=gpt"];
    let without = train(&scratch, "without", &common);
    let set = [common[0], common[1], "eval.last_word=5"];
    let with = train(&scratch, "with", &set);
    for (a, b) in without.records().iter().zip(with.records()) {
        let evaluated = b.scalar("held_out_loss").is_some();
        assert_eq!(b.scalar("last_word_loss").is_some(), evaluated);
        assert_eq!(b.scalar("last_word_accuracy").is_some(), evaluated);
        assert_eq!(a.scalar("last_word_loss"), None);
        for (name, value) in &a.scalars {
            if !logs::TIMINGS.contains(&name.as_str()) {
                assert_eq!(b.scalar(name), Some(*value), "{name}");
            }
        }
        if evaluated {
            let loss = b.scalar("last_word_loss").unwrap();
            assert!(
                loss > 3.0 && loss < 8.0,
                "an untrained model guesses: {loss}"
            );
        }
    }
    // The other objective, and the graph instead of the hand-written pass, are asked too.
    let glm = train(
        &scratch,
        "glm",
        &["eval.last_word=5", "runtime.kernels=plain"],
    );
    assert!(glm.latest().unwrap().scalar("last_word_loss").is_some());
}
