//! A whole sweep with the real program: interrupted, continued, steered, judged, reported.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use experiments_config::Override;
use experiments_text::{Cache, resolve_sources};
use std::time::{Duration, Instant};
use support::{CARD, Engine, Scratch, records, stderr, stdout};
use sweeps::{Card, Plan, Sweep};

/// Two arms with two seeds each, and rules that need no real training.
fn card(engine: Engine, name: &str) -> Scratch {
    let scratch = Scratch::new(&format!("{name}-{}", engine.name()));
    let base = format!("{}{}", engine.tiny(30), scratch.texts());
    scratch.write("base.toml", &base);
    scratch.write("card.toml", CARD);
    scratch
}

/// The command that runs the card with so many runs at a time.
fn run_command(workers: &str) -> [&str; 7] {
    [
        "sweep",
        "run",
        "card.toml",
        "--out",
        "out",
        "--workers",
        workers,
    ]
}

fn runs(scratch: &Scratch, sweep: &str) -> Vec<std::path::PathBuf> {
    let mut runs: Vec<_> = std::fs::read_dir(scratch.join(sweep).join("runs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    runs.sort();
    runs
}

/// Plans `card.toml` as `sweep run` does, and runs nothing: so the directory can be prepared.
fn plan_only(scratch: &Scratch) {
    let (card, text) = Card::load_with_text(&scratch.join("card.toml"), None).unwrap();
    let plan = Plan::expand(&card, &[]).unwrap();
    let data = plan.config(&plan.runs[0]).unwrap().data;
    let cache = Cache::locate(Some(scratch.join("cache"))).unwrap();
    let pinned = resolve_sources(&data, &cache, false, &mut |_| {}).unwrap();
    let sources = Override {
        key: "data.sources".to_owned(),
        value: toml::Value::try_from(pinned.data.sources).unwrap(),
    };
    let plan = Plan::expand(&card, &[sources]).unwrap();
    Sweep::create_or_open(&scratch.join("out"), &plan, &text, &[]).unwrap();
}

#[test]
fn a_sweep_is_interrupted_continued_judged_and_reported() {
    Engine::HOST.into_iter().for_each(sweep);
}

fn sweep(engine: Engine) {
    let scratch = card(engine, "sweep");
    let command = run_command("2");
    let mut child = scratch.workbench(&command).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_mins(2);
    loop {
        let begun = scratch.join("out/sweep.json").exists()
            && runs(&scratch, "out")
                .iter()
                .any(|run| records(run).len() > 3);
        if begun {
            break;
        }
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(
        child.wait().unwrap().code(),
        Some(3),
        "stopped, to be continued"
    );

    let output = scratch.run(&command);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        runs(&scratch, "out")
            .iter()
            .all(|run| records(run).len() == 30)
    );
    for run in runs(&scratch, "out") {
        engine.assert_ran(&run);
    }
    let again = scratch.run(&command);
    assert!(
        again.status.success() && !stderr(&again).contains("started"),
        "nothing is repeated"
    );

    let verdict = stdout(&scratch.run(&["verdict", "out", "--json"]));
    let verdict: serde_json::Value = serde_json::from_str(&verdict).unwrap();
    assert!(
        verdict["findings"][0]["p_value"]
            .as_f64()
            .is_some_and(|p| p > 0.0 && p <= 1.0),
        "{verdict}"
    );
    assert!(scratch.run(&["report", "out"]).status.success());
    let html = std::fs::read_to_string(scratch.join("out/report.html")).unwrap();
    assert!(html.contains("<svg") && html.contains("deepnorm_glm"));
    let screen = stdout(&scratch.run(&["monitor", "out", "--snapshot", "--size", "100x30"]));
    assert_eq!(screen.lines().count(), 30);
    assert!(screen.contains("post"), "{screen}");
}

#[test]
fn a_run_that_fails_does_not_stop_the_others_and_one_can_be_skipped() {
    let scratch = card(Engine::Fused, "sweep-failure");
    let command = run_command("1");
    plan_only(&scratch);
    let all = runs(&scratch, "out");
    let name = |i: usize| all[i].file_name().unwrap().to_string_lossy().into_owned();
    std::fs::write(all[3].join("manifest.json"), "{").unwrap();
    assert!(
        scratch
            .run(&["sweep", "skip", "out", &name(2)])
            .status
            .success()
    );

    let output = scratch.run(&command);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains(&format!("FAILED    {}", name(3))),
        "{}",
        stderr(&output)
    );
    let status = stdout(&scratch.run(&["sweep", "status", "out"]));
    assert!(
        status.contains("skipped") && status.contains("failed"),
        "{status}"
    );
    let done = |i: usize| records(&all[i]).len() == 30;
    assert!(done(0) && done(1) && !done(2), "{status}");
}
