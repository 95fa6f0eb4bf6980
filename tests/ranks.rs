//! Ranks as processes of a real MPI job, and as threads: the command, the bits, a rank that is killed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use safetensors::SafeTensors;
use std::collections::BTreeMap;
use support::{Scratch, stderr, stdout, tiny};

fn begin(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    let text = format!("{}{}", tiny(12), scratch.texts());
    scratch.write("tiny.toml", &text);
    scratch
}

/// Arguments of a run of four micro-batches.
fn arguments(out: &str, ranks: Option<&'static str>) -> Vec<String> {
    let fixed = [
        "train",
        "tiny.toml",
        "--out",
        out,
        "--set",
        "batch.gradient_accumulation=4",
    ];
    let mut all: Vec<String> = fixed.map(str::to_owned).to_vec();
    if let Some(ranks) = ranks {
        all.extend(["--data-parallel".to_owned(), ranks.to_owned()]);
    }
    all
}

/// What the newest checkpoint of a run holds, in however many files.
fn state(scratch: &Scratch, run: &str) -> BTreeMap<String, Vec<u8>> {
    let mut content = BTreeMap::new();
    for (name, bytes) in support::newest_checkpoint(&scratch.join(run)) {
        if name.starts_with("optimizer") {
            let tensors = SafeTensors::deserialize(&bytes).unwrap();
            let moments = tensors.tensors().into_iter();
            content.extend(moments.map(|(name, tensor)| (name, tensor.data().to_vec())));
        } else if name != "B3SUMS" {
            content.insert(name, bytes);
        }
    }
    content
}

#[test]
fn ranks_on_threads_leave_the_bits_of_one_process() {
    let scratch = begin("ranks-threads");
    for (out, ranks) in [("one", None), ("four", Some("4"))] {
        let arguments = arguments(out, ranks);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let done = scratch.run(&arguments);
        assert!(done.status.success(), "{}", stderr(&done));
    }
    assert!(state(&scratch, "one") == state(&scratch, "four"));
    let several = scratch.run(&["train", "one", "four", "--data-parallel", "2"]);
    assert_eq!(several.status.code(), Some(2), "{}", stderr(&several));
}

/// GLM-130B's own model, which can be exported, at a size of milliseconds; a learning rate that breaks it at step 16.
fn exportable(steps: u32) -> String {
    let plant = "[[schedule]]\nkey = \"optimizer.lr_scale\"\nstart = 16\nfactor = 1000.0\n";
    let model = "[model]\nnorm = \"deepnorm_glm\"\n";
    let text = tiny(steps).replace("[model]\n", model);
    text.replace("layers = 2", "layers = 4")
        .replace("keep = 2", "keep = 2\nring_interval = 4")
        + plant
}

/// Step and signal of every alarm that a run told.
fn alarms(run: &std::path::Path) -> Vec<(u64, String)> {
    let events = logs::read::events(run).unwrap();
    let news = events.iter().filter_map(logs::News::of);
    news.map(|news| (news.alarm.step, news.alarm.signal))
        .collect()
}

/// A place with the configuration of [`exportable`].
fn begin_exportable(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    let text = format!("{}{}", exportable(24), scratch.texts());
    scratch.write("tiny.toml", &text);
    scratch
}

/// What a command says that has to succeed.
fn said(scratch: &Scratch, arguments: &[&str]) -> String {
    let done = scratch.run(arguments);
    assert!(done.status.success(), "{arguments:?}: {}", stderr(&done));
    stdout(&done)
}

/// Stopped, gone on with by other ranks, with alarms: what follows from a run does not ask who trained it.
#[test]
fn what_follows_from_a_run_does_not_ask_who_trained_it() {
    let scratch = begin_exportable("ranks-after");
    let run = |arguments: &[&str]| said(&scratch, arguments);
    run(&["train", "tiny.toml", "--out", "one"]);
    let first = [
        "--out",
        "several",
        "--pipeline-parallel",
        "2",
        "--set",
        "alarm.action=stop",
    ];
    let stopped = scratch.run(&[&["train", "tiny.toml"], &first[..]].concat());
    assert_eq!(stopped.status.code(), Some(5), "{}", stderr(&stopped));
    run(&[
        "train",
        "tiny.toml",
        "--out",
        "four",
        "--pipeline-parallel",
        "2",
        "--data-parallel",
        "2",
    ]);
    let goes_on = scratch.run(&["train", "several", "--data-parallel", "2"]);
    assert!(
        matches!(goes_on.status.code(), Some(0 | 5)),
        "{}",
        stderr(&goes_on)
    );

    let told = |run: &str| alarms(&scratch.join(run));
    assert!(!told("one").is_empty(), "no alarm");
    assert_eq!(told("one"), told("four"));
    assert_eq!(told("one")[0], told("several")[0]);
    let exported = |run_of: &str, out: &str| {
        run(&[
            "weights",
            "export",
            run_of,
            "--tensor-parallel",
            "2",
            "--out",
            out,
        ]);
        let latest = std::fs::read_to_string(scratch.join(out).join("latest")).unwrap();
        ["mp_rank_00", "mp_rank_01"].map(|rank| {
            let file = format!("{}/{rank}_model_states.pt", latest.trim());
            std::fs::read(scratch.join(out).join(file)).unwrap()
        })
    };
    assert!(exported("one", "sat-one") == exported("four", "sat-four"));
    run(&["doctor", "four"]);
    let replay = [
        "replay", "four", "--at", "10", "--twins", "same", "--steps", "4", "--json",
    ];
    let found: serde_json::Value = serde_json::from_str(&run(&replay)).unwrap();
    assert_eq!(found["control"], "same", "{found}");
}

/// Shares of matrices, and micro-batches that are cut, sum in another order than one process: where bits are compared, the
/// steps are taken again by as many ranks as took them. The last attempt had other degrees.
#[test]
fn what_ranks_summed_is_taken_again_by_ranks() {
    let scratch = begin_exportable("ranks-again");
    let run = |arguments: &[&str]| said(&scratch, arguments);
    let shared = [
        "train",
        "tiny.toml",
        "--out",
        "shared",
        "--set",
        "alarm.action=stop",
        "--tensor-parallel",
        "2",
        "--pipeline-parallel",
        "2",
    ];
    let stopped = scratch.run(&shared);
    assert_eq!(stopped.status.code(), Some(5), "{}", stderr(&stopped));
    // Micro-batches of one process are cut into halves.
    let cut = scratch.run(&["train", "shared", "--data-parallel", "4"]);
    assert!(matches!(cut.status.code(), Some(0 | 5)), "{}", stderr(&cut));
    let ranks: Vec<_> = logs::read::events(&scratch.join("shared"))
        .unwrap()
        .into_iter()
        .filter_map(|event| Some(event.data.get("ranks")?.to_string()))
        .collect();
    assert_eq!(ranks.len(), 2, "{ranks:?}");

    let told = run(&["doctor", "shared"]);
    assert!(
        told.contains("checkpoint") && !told.contains("DIFFERENT"),
        "{told}"
    );
    let twins = [
        "replay",
        "shared",
        "--at",
        "10",
        "--twins",
        "same,lr-half",
        "--steps",
        "4",
        "--json",
    ];
    let found: serde_json::Value = serde_json::from_str(&run(&twins)).unwrap();
    assert_eq!(found["control"], "same", "{found}");
    run(&["explain", "shared", "--at", "10"]);
    run(&["fork", "shared", "--at", "10", "--out", "branch"]);
    // One process alone does not give these bits, so the above has to have been ranks.
    run(&["train", "tiny.toml", "--out", "alone"]);
    let norms = |run: &str| -> Vec<Option<f64>> {
        let reader = logs::RunReader::open(&scratch.join(run)).unwrap();
        let first = reader.records().iter().take(12);
        first.map(|record| record.scalar("grad_norm")).collect()
    };
    assert_ne!(
        norms("shared"),
        norms("alone"),
        "one process gives the same bits"
    );
}

/// The details of the event `finish` of a run of this layout, and what `workbench plan` says of the same.
fn trained_and_planned(scratch: &Scratch, out: &str, degrees: &[&str]) -> [serde_json::Value; 2] {
    let train = [&["train", "tiny.toml", "--out", out], degrees].concat();
    let done = scratch.run(&train);
    assert!(done.status.success(), "{}", stderr(&done));
    let mut events = logs::read::events(&scratch.join(out)).unwrap().into_iter();
    let finished = events.rfind(|event| event.kind == logs::EventKind::Finish);
    let cluster = [
        "--nodes",
        "1",
        "--gpus-per-node",
        "2",
        "--recompute",
        "none",
    ];
    // The proxy's vocabulary is not padded.
    let proxy = ["--micro-batch", "2", "--vocab-multiple", "1", "--json"];
    let plan = scratch.run(&[&["plan", "tiny.toml"], degrees, &cluster, &proxy].concat());
    assert!(plan.status.success(), "{}", stderr(&plan));
    let mut plan: serde_json::Value = serde_json::from_str(&stdout(&plan)).unwrap();
    let sent = finished.unwrap().data;
    [serde_json::to_value(sent).unwrap(), plan["plan"].take()]
}

/// What `workbench plan` says of a layout, and what a run of that layout says it did: the same bytes, and the same bubble.
#[test]
fn a_run_sends_what_the_command_plan_says() {
    let scratch = Scratch::new("ranks-plan");
    let half = "format = \"fp16\"\ngrad_accumulation = \"fp16\"";
    let fp32 = tiny(6).replace(half, "format = \"fp32\"");
    scratch.write("tiny.toml", &format!("{fp32}{}", scratch.texts()));
    let degrees = |stages, replicas| {
        [
            "--tensor-parallel",
            "1",
            "--pipeline-parallel",
            stages,
            "--data-parallel",
            replicas,
        ]
    };
    let (steps, micro_batches) = (6.0, 2.0);
    let [sent, plan] = trained_and_planned(&scratch, "data", &degrees("1", "2"));
    let of_step = &plan["time"]["step"];
    // Of each of two ranks.
    let planned = |bytes: &serde_json::Value| bytes.as_f64().unwrap() * 2.0 * steps;
    assert!(planned(&of_step["gradients"]["bytes"]) > 0.0);
    assert_eq!(
        sent["reduce_scatter_bytes"].as_f64(),
        Some(planned(&of_step["gradients"]["bytes"]))
    );
    assert_eq!(
        sent["all_gather_bytes"].as_f64(),
        Some(planned(&of_step["weights"]["bytes"]))
    );
    assert_eq!(sent["scheduled_idle_share"], plan["bubble"]);

    let [sent, plan] = trained_and_planned(&scratch, "stages", &degrees("2", "1"));
    let tied = plan["time"]["step"]["tied_embedding"]["bytes"]
        .as_f64()
        .unwrap();
    let border = plan["time"]["micro_batch"]["pipeline"]["bytes"]
        .as_f64()
        .unwrap();
    assert!(tied > 0.0 && border > 0.0, "{plan}");
    assert_eq!(
        sent["send_bytes"].as_f64(),
        Some(border * micro_batches * steps)
    );
    assert_eq!(
        sent["tied_bytes"].as_f64(),
        Some(tied * micro_batches * steps)
    );
    let share = |value: &serde_json::Value| value.as_f64().unwrap();
    assert!((share(&sent["scheduled_idle_share"]) - share(&plan["bubble"])).abs() < 1e-12);
}

#[cfg(feature = "mpi")]
#[path = "ranks/mpi.rs"]
mod mpi;
