//! Runs that other programs trained: what monitor, report and export make of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fmt::Write as _;
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

    // It cannot be trained on, and is not overwritten.
    for again in [
        &["train", "theirs"][..],
        &["import", "job.log", "--out", "theirs"],
    ] {
        let refused = scratch.run(again);
        assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    }
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
