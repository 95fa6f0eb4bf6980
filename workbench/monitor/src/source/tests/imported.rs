//! Runs that other programs trained: they lack signals, layers and a configuration, and every screen says so.

use super::*;
use crate::app::App;
use crate::panes::{PANES, Tab};

/// What `import` makes of a table with these columns.
fn imported(dir: &Path, columns: &[&str]) -> App {
    let mut table = format!("step,{}\n", columns.join(","));
    for step in (4..=400).step_by(4) {
        let value = 3.0 + 5.0 * f64::exp(-f64::from(step) / 80.0);
        let spike = if step == 200 { 3.0 } else { 0.0 };
        let values = vec![(value + spike).to_string(); columns.len()];
        table = [table, format!("{step},{}\n", values.join(","))].concat();
    }
    let file = dir.join("job.csv");
    std::fs::write(&file, table).unwrap();
    let out = dir.join("theirs");
    let request = logs::import::Import {
        paths: vec![file],
        given: Vec::new(),
        one_run: false,
        columns: logs::import::Columns::default(),
        out: out.clone(),
        command: Vec::new(),
    };
    logs::import::import(&request).unwrap();
    App::new(open(&[&out], &[]).unwrap(), &PANES, crate::Depth::Mono)
}

/// Panels show what there is instead of what is missing at first; details tell what is missing.
#[test]
fn every_screen_of_an_imported_run_says_what_it_lacks() {
    let dir = tempfile::tempdir().unwrap();
    let mut app = imported(dir.path(), &["train/loss", "val/loss", "lr"]);
    for name in ["overview", "curves", "layers", "alarms", "outcomes", "dose"] {
        app.screen.open(Tab::named(name).unwrap());
        insta::assert_snapshot!(format!("imported_{name}"), app.text(100, 28));
    }
    app.screen.open(Tab::named("machine").unwrap());
    let text = app.text(100, 28);
    assert!(text.contains("theirs  elsewhere"), "{text}");
    assert!(!text.contains("0 threads"), "{text}");
    app.screen.open(Tab::named("runs").unwrap());
    let text = app.text(100, 28);
    assert!(
        text.contains("missing      held_out_loss, grad_norm"),
        "{text}"
    );
    app.screen.command("details console").unwrap();
    assert!(app.text(100, 28).contains("no `console.log`"));
}

/// Names of columns may hold blanks and wide letters.
#[test]
fn signals_with_blanks_in_their_names_can_be_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut app = imported(dir.path(), &["loss", "lm loss PPL", "深度 損失"]);
    app.screen.open(Tab::named("curves").unwrap());
    app.screen.command("signals 深度 損失,loss").unwrap();
    app.screen.command("log 深度 損失").unwrap();
    app.screen.command("y 深度 損失 3 9").unwrap();
    let copied = app.screen.as_command();
    assert!(copied.contains("signals 深度 損失,loss"), "{copied}");
    assert!(copied.contains("y 深度 損失 3 9"), "{copied}");
    app.screen.command("signals lm loss PPL").unwrap();
    app.screen.command("signals loss 深度").unwrap_err();
}

/// A log in which nothing is called a loss shows its first signals.
#[test]
fn a_run_without_a_loss_has_panels_of_what_it_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let mut app = imported(dir.path(), &["reward", "kl"]);
    app.screen.open(Tab::named("curves").unwrap());
    let text = app.text(100, 28);
    assert!(text.contains("kl") && text.contains("reward"), "{text}");
    assert!(!text.contains("recorded yet"), "{text}");
    let copied = app.screen.as_command();
    assert!(
        copied.contains("signals"),
        "what is shown is copied: {copied}"
    );
}
