//! Runs that other programs trained: what monitor, report and export make of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fmt::Write as _;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use support::{Scratch, stderr, stdout};

/// A text log of Megatron with a step every ten, which a restarted job continues at step 60.
fn log(scratch: &Scratch) {
    let mut text = String::from("using world size: 8\n");
    for step in (10..=90).step_by(10).chain((60..=200).step_by(10)) {
        let loss = 3.0 - 0.001 * f64::from(step);
        let _ = writeln!(
            text,
            " iteration {step:8}/  200 | consumed samples: {} | lm loss: {loss:E} | loss scale: 4096.0 | grad norm: 1.5 |",
            step * 8
        );
    }
    scratch.write("job.log", &text);
}

#[test]
fn monitor_report_and_export_read_an_imported_run() {
    let scratch = Scratch::new("import");
    log(&scratch);
    let imported = scratch.run(&["import", "job.log", "--out", "theirs/"]);
    assert!(imported.status.success(), "{}", stderr(&imported));
    let text = stdout(&imported);
    assert!(text.contains("20 recorded steps of 10 to 200"), "{text}");
    assert!(text.contains("not recorded: held_out_loss"), "{text}");
    assert!(text.contains("attempt 2: steps 60 to 200"), "{text}");

    let shown = scratch.run(&["monitor", "theirs", "--snapshot", "--tab", "runs"]);
    assert!(shown.status.success(), "{}", stderr(&shown));
    assert!(stdout(&shown).contains("imported"), "{}", stdout(&shown));
    // Nobody knows its seed.
    assert!(!stdout(&shown).contains("theirs s0"), "{}", stdout(&shown));

    let table = stdout(&scratch.run(&["export", "theirs", "--format", "csv"]));
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows[0], "step,loss,loss_scale,samples,grad_norm");
    assert_eq!(rows[1], "10,2.99,4096.0,80.0,1.5");
    assert_eq!(rows.len(), 21);

    let report = scratch.run(&["report", "theirs"]);
    assert!(report.status.success(), "{}", stderr(&report));
    let page = std::fs::read_to_string(scratch.join("theirs/report.md")).unwrap();
    assert!(page.contains("trained elsewhere"), "{page}");
    assert!(page.contains("No source has: held"), "{page}");
    assert!(!page.contains("Outcome: stuck"), "{page}");
    assert!(
        page.contains("The unigram level of its text is not known"),
        "{page}"
    );

    // It cannot be trained on, and is not overwritten.
    for again in [
        &["train", "theirs"][..],
        &["import", "job.log", "--out", "theirs"],
    ] {
        let refused = scratch.run(again);
        assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    }
}

/// Two runs in one monitor, and in one snapshot; what cannot be shown together is bad input.
#[test]
fn the_monitor_shows_two_imported_runs_together() {
    let scratch = Scratch::new("import-two");
    log(&scratch);
    for name in ["fp16", "bf16"] {
        let out = format!("runs/{name}");
        let imported = scratch.run(&["import", "job.log", "--out", &out]);
        assert!(imported.status.success(), "{}", stderr(&imported));
    }
    let shown = scratch.run(&["monitor", "runs/fp16", "runs/bf16", "--snapshot"]);
    let screen = stdout(&shown);
    assert!(shown.status.success(), "{}", stderr(&shown));
    assert!(screen.starts_with(" fp16 + bf16\n"), "{screen}");
    assert!(screen.contains("2/2 runs"), "{screen}");
    let refused = |paths: &[&str]| {
        let refused = scratch.run(&[&["monitor"], paths, &["--snapshot"]].concat());
        assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
        stderr(&refused)
    };
    assert!(refused(&["runs/fp16", "runs/fp16/"]).contains("is there twice"));
    assert!(refused(&["runs"]).contains("such as `runs/bf16`"));
    assert!(refused(&["runs/fp16", "runs/none"]).contains("`runs/none` is not there"));
}

#[test]
fn a_list_decides_and_a_bad_one_is_named() {
    let scratch = Scratch::new("import-list");
    log(&scratch);
    scratch.write(
        "list.toml",
        "[[run]]\nname = \"mine\"\nfiles = [\"job.log\"]\n",
    );
    let listed = scratch.run(&["import", "--manifest", "list.toml", "--out", "run"]);
    assert!(listed.status.success(), "{}", stderr(&listed));
    for bad in [
        "[[run]]\nname = \"x\"\nfiles = []\n",
        "[[runs]]\n",
        "[[run]]\nname = \"x\"\nfile = [\"a\"]\n",
    ] {
        scratch.write("list.toml", bad);
        let refused = scratch.run(&["import", "--manifest", "list.toml", "--out", "other"]);
        assert_eq!(
            refused.status.code(),
            Some(2),
            "{bad}: {}",
            stderr(&refused)
        );
        assert!(
            stderr(&refused).contains("list.toml"),
            "{}",
            stderr(&refused)
        );
        assert!(!scratch.join("other").exists());
    }
}

/// What is wrong with a file of the user's is bad input, and never waited for.
#[cfg(unix)]
#[test]
fn a_bad_file_of_the_user_is_named_with_the_code_of_bad_input() {
    let scratch = Scratch::new("import-files");
    log(&scratch);
    scratch.write("empty.toml", "\"loss\" = \"\"\n");
    scratch.write("twice.toml", "\"a\" = \"loss\"\n\"b\" = \"loss\"\n");
    scratch.write("signal.toml", "\"a\" = \"w[1]\"\n");
    std::fs::write(scratch.join("latin.toml"), b"\"a\" = \"\xe9\"\n").unwrap();
    std::fs::create_dir(scratch.join("folder")).unwrap();
    std::os::unix::fs::symlink("loop", scratch.join("loop")).unwrap();
    let made = Command::new("mkfifo").arg(scratch.join("pipe")).status();
    assert!(made.unwrap().success());
    for (arguments, expected) in [
        (
            &["--names", "empty.toml"][..],
            "in `empty.toml`: the name `loss=`",
        ),
        (
            &["--names", "twice.toml"],
            "in `twice.toml`: the name `b=loss`",
        ),
        (
            &["--names", "signal.toml"],
            "in `signal.toml`: the name `a=w[1]`",
        ),
        (
            &["--names", "latin.toml"],
            "cannot read `latin.toml`\n  because: line 1 is not UTF-8",
        ),
        (&["--names", "none.toml"], "`none.toml`"),
        (&["--names", "folder"], "it is a folder"),
        (&["--names", "pipe"], "a pipe or a socket"),
        (&["--names", "/dev/zero"], "a device, a pipe"),
        (&["--manifest", "latin.toml"], "line 1 is not UTF-8"),
        (&["--manifest", "pipe"], "a pipe or a socket"),
        (&["loop"], "cannot read `loop`"),
        (&["--follow", "pipe", "--one-run"], "`pipe` is neither"),
    ] {
        let mut command = vec!["import", "job.log", "--out", "run"];
        command.extend(arguments);
        let refused = scratch.run(&command);
        let said = stderr(&refused);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(!said.contains("following"), "{arguments:?}: {said}");
        assert!(!scratch.join("run").exists(), "{arguments:?}");
    }
}

/// Starts a follower and waits until its run has so many steps.
fn follower(scratch: &Scratch, folder: &str, arguments: &[&str], run: &str, steps: usize) -> Child {
    let mut command = scratch.workbench(arguments);
    command.current_dir(scratch.join(folder));
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    for _ in 0..600 {
        let reader = logs::RunReader::open(&scratch.join(run));
        let is_there = |reader: logs::RunReader| {
            reader.records().len() >= steps && reader.liveness() == logs::Liveness::Running
        };
        if reader.is_ok_and(is_there) {
            return child;
        }
        if child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = child.kill();
    panic!(
        "{steps} steps did not come: {}",
        stderr(&child.wait_with_output().unwrap())
    );
}

fn terminate(child: Child) -> Output {
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    child.wait_with_output().unwrap()
}

#[test]
fn a_follower_that_was_killed_goes_on_with_the_same_command() {
    let scratch = Scratch::new("import-follow");
    log(&scratch);
    let whole = std::fs::read_to_string(scratch.join("job.log")).unwrap();
    let part = |end: usize| scratch.write("job.log", &whole[..end]);
    let follow = ["import", "--follow", "job.log", "--out", "live"];
    part(whole.len() / 3);
    let mut first = follower(&scratch, ".", &follow, "live", 5);
    // A second one at the same time would write the same run.
    let second = scratch.run(&follow);
    assert!(
        stderr(&second).contains("in use by process"),
        "{}",
        stderr(&second)
    );
    first.kill().unwrap();
    first.wait().unwrap();
    part(whole.len() - 20);
    let second = terminate(follower(&scratch, ".", &follow, "live", 18));
    assert!(second.status.success(), "{}", stderr(&second));
    part(whole.len());
    let third = terminate(follower(&scratch, ".", &follow, "live", 19));
    assert!(third.status.success(), "{}", stderr(&third));
    assert!(
        scratch
            .run(&["import", "job.log", "--out", "whole"])
            .status
            .success()
    );
    let records = support::records(&scratch.join("whole"));
    assert_eq!(support::records(&scratch.join("live")), records);
    let reader = logs::RunReader::open(&scratch.join("live")).unwrap();
    assert_eq!(reader.liveness(), logs::Liveness::Stopped);
}

/// From the trainer's event file, under the trainer's names, to the signals of this program, by the command that the
/// job of a hand-over runs.
#[test]
fn the_run_of_a_hand_over_is_followed_by_the_command_in_its_job() {
    let scratch = Scratch::new("import-handover");
    for (target, names) in [
        (
            "megatron-deepspeed",
            [
                "lm-loss-training/lm loss",
                "grad-norm/grad-norm",
                "loss-scale/loss-scale",
            ],
        ),
        ("megatron-core", ["lm loss", "grad-norm", "loss-scale"]),
    ] {
        let folder = format!("handover-{target}");
        let export = scratch.run(&["export", "glm-130b", "--to", target, "--out", &folder]);
        assert!(export.status.success(), "{}", stderr(&export));
        let mut text = String::from("step");
        for name in names {
            let _ = write!(text, ",\"t/{name}\"");
        }
        text.push_str("\n1,5.5,1,64\n2,5.25,inf,64\n3,5,1,32\n");
        // Under names that nothing here knows, so that they come through the event file as they are.
        scratch.write("log.csv", &text);
        let theirs = format!("theirs-{target}");
        let mut import = vec![
            "import".to_owned(),
            "log.csv".to_owned(),
            "--out".to_owned(),
            theirs.clone(),
        ];
        for name in names {
            import.extend(["--map".to_owned(), format!("t/{name}={name}")]);
        }
        let import: Vec<&str> = import.iter().map(String::as_str).collect();
        let import = scratch.run(&import);
        assert!(import.status.success(), "{}", stderr(&import));
        let tensorboard = format!("{folder}/tensorboard");
        let events = scratch.run(&[
            "export",
            &theirs,
            "--format",
            "tensorboard",
            "--out",
            &tensorboard,
        ]);
        assert!(events.status.success(), "{}", stderr(&events));

        let job = std::fs::read_to_string(scratch.join(&folder).join("launch.sh")).unwrap();
        let line = job
            .lines()
            .find_map(|line| line.trim().strip_prefix("\"$WORKBENCH\" "));
        let (command, _) = line.unwrap().split_once(" >>").unwrap();
        let arguments: Vec<&str> = command.split(' ').collect();
        let run = format!("{folder}/monitor/run");
        let ended = terminate(follower(&scratch, &folder, &arguments, &run, 2));
        assert!(ended.status.success(), "{}", stderr(&ended));
        let reader = logs::RunReader::open(&scratch.join(&run)).unwrap();
        assert_eq!(reader.series("loss"), [(1, 5.5), (2, 5.25), (3, 5.0)]);
        assert_eq!(reader.series("loss_scale")[2], (3, 32.0));
        assert_eq!(reader.series("skipped"), [(1, 0.0), (2, 1.0), (3, 1.0)]);
        let readme = std::fs::read_to_string(scratch.join(&folder).join("README.md")).unwrap();
        assert!(readme.contains(&format!("workbench {command}")), "{readme}");
    }
}

#[test]
fn a_verdict_on_imported_runs_names_what_they_lack() {
    let scratch = Scratch::new("import-verdict");
    let card = "name = \"theirs\"\ntitle = \"T\"\nhypothesis = \"H\"\nkind = \"symptom\"\nbase = \"t0\"\nseeds = 4\n\
        [fixed]\nsteps = 40\n[axes]\n\"model.norm\" = [\"post\", \"pre\"]\n[criterion]\n\
        treatment = { \"model.norm\" = \"post\" }\ncontrol = { \"model.norm\" = \"pre\" }\ndirection = \"treatment_more\"\n";
    scratch.write("card.toml", card);
    log(&scratch);
    assert!(
        scratch
            .run(&["import", "job.log", "--out", "theirs"])
            .status
            .success()
    );
    let verdict = ["verdict", "card.toml", "--runs", "runs.toml"];
    scratch.write("runs.toml", "[[run]]\narm = \"pre\"\ndir = \"theirs\"\n");
    let open = scratch.run(&verdict);
    assert!(open.status.success(), "{}", stderr(&open));
    let text = stdout(&open);
    assert!(text.starts_with("Inconclusive"), "{text}");
    assert!(
        text.contains("`unigram_entropy`, in nats per token"),
        "{text}"
    );
    scratch.write(
        "runs.toml",
        "[[run]]\narm = \"sandwich\"\ndir = \"theirs\"\n",
    );
    let refused = scratch.run(&verdict);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        stderr(&refused).contains("its arms are `post`, `pre`"),
        "{}",
        stderr(&refused)
    );
    // A device would fill the memory.
    #[cfg(unix)]
    for arguments in [
        ["verdict", "card.toml", "--runs", "/dev/zero"],
        ["verdict", "/dev/zero", "--runs", "runs.toml"],
    ] {
        let refused = scratch.run(&arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        assert!(
            stderr(&refused).contains("it is a device"),
            "{}",
            stderr(&refused)
        );
    }
}

/// Losses of 300 steps that two runs share but for their level, with more at step 250 where it is planted.
fn losses(scratch: &Scratch, file: &str, level: f64, planted: f64, seed: u32) {
    let (mut text, mut state) = (String::from("step,loss\n"), seed);
    for step in 1..=300 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = f64::from(state >> 8) / f64::from(1 << 24) - 0.5;
        let planted = if step == 250 { planted } else { 0.0 };
        let _ = writeln!(text, "{step},{:.6}", level + 0.1 * noise + planted);
    }
    scratch.write(file, &text);
    let out = file.trim_end_matches(".csv");
    let imported = scratch.run(&["import", file, "--out", out]);
    assert!(imported.status.success(), "{}", stderr(&imported));
}

#[test]
fn what_a_log_alone_can_tell_of_a_spike_is_said() {
    let scratch = Scratch::new("import-explain");
    losses(&scratch, "theirs.csv", 3.0, 1.0, 7);
    losses(&scratch, "larger.csv", 2.5, 0.0, 7);
    losses(&scratch, "other.csv", 2.7, 0.0, 9);
    let said = |arguments: &[&str]| {
        let output = scratch.run(&[&["explain", "theirs"], arguments].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let alone = said(&[]);
    assert!(
        alone.contains("step 250: an excursion of one step"),
        "{alone}"
    );
    assert!(
        alone.contains("put down to data or data × model"),
        "{alone}"
    );
    assert!(alone.contains("the log has no `grad_norm`"), "{alone}");
    // The run itself, which a pattern names too, is left out.
    let json = said(&[
        "--at",
        "252",
        "--json",
        "--other-size",
        "larger",
        "other",
        "./theirs",
    ]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let incident = &json["incidents"][0];
    assert_eq!(incident["answer"], "data_and_model", "{json}");
    let read_same = |i: usize| incident["siblings"][i]["same_batches"].as_bool().unwrap();
    assert_eq!((read_same(0), read_same(1)), (true, false), "{json}");
    assert_eq!(incident["siblings"].as_array().unwrap().len(), 2);
}

#[test]
fn steps_that_need_no_explanation_and_runs_without_weights_are_named() {
    let scratch = Scratch::new("import-explain-bad");
    losses(&scratch, "theirs.csv", 3.0, 1.0, 7);
    for (arguments, expected) in [
        (
            &["explain", "theirs", "--at", "301"][..],
            "recorded no step 301; the nearest is 300",
        ),
        (
            &["explain", "theirs", "--at", "100"],
            "need no explanation, by the definition of a spike; steps that do: 250",
        ),
        (
            &["explain", "theirs", "--sibling", "nowhere"],
            "`nowhere` is no run directory with a recorded step",
        ),
        (&["explain", "nowhere"], "`nowhere` is no run directory"),
        (
            &["replay", "theirs", "--at", "250"],
            "`workbench explain theirs` says what its log alone can tell",
        ),
        (
            &["fork", "theirs", "--at", "250", "--out", "f"],
            "`workbench explain theirs` says",
        ),
        (&["doctor", "theirs"], "`workbench explain theirs` says"),
    ] {
        let refused = scratch.run(arguments);
        assert_eq!(
            refused.status.code(),
            Some(2),
            "{arguments:?}: {}",
            stderr(&refused)
        );
        assert!(stderr(&refused).contains(expected), "{}", stderr(&refused));
    }
}
